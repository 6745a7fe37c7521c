"""Start the whole local world in this checkout, keep it up, and stop it: what `make run` and `make stop` do."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from sandbox import engine
from sandbox.deploy import Stack, deploy
from sandbox.engine import Engine
from sandbox.processes import ENDING, child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from rich.console import Console

STAGE = "local"
WORLD_SECONDS = 30.0
STOP_SECONDS = 40.0
CLI_SECONDS = 60.0
# The operator's command, installed beside this interpreter.
COMMAND = Path(sys.executable).with_name("mailbearer")
# Folder of the function -> output of the stack that holds its deployed name.
FUNCTIONS = {
    "messages_api": "MessagesApiFunctionName",
    "accounts_api": "AccountsApiFunctionName",
    "delivery_worker": "DeliveryWorkerFunctionName",
    "token_rotator": "TokenRotatorFunctionName",
    "credential_rotator": "CredentialRotatorFunctionName",
    "admin_api": "AdminApiFunctionName",
    "notifier": "NotifierFunctionName",
    "auditor": "AuditorFunctionName",
    "authorizer": "AuthorizerFunctionName",
}


class LocalError(Exception):
    """The local world could not be started, or broke."""


class Stopped(BaseException):
    """Somebody asked this process to end; like KeyboardInterrupt no error, so that nothing swallows it."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the local world of a checkout keeps what it needs while it runs; all of it below .mailbearer."""

    root: Path

    @property
    def directory(self) -> Path:
        """The one directory that `make run` writes to."""
        return self.root / ".mailbearer"

    @property
    def state_file(self) -> Path:
        """What tells others of the running stack; there only while it is ready."""
        return self.directory / "local.json"

    @property
    def lock_file(self) -> Path:
        """Held by the process that runs the stack, and naming it."""
        return self.directory / "run.lock"

    @property
    def cache(self) -> Path:
        """What may be kept from run to run."""
        return self.directory / "cache"

    @property
    def run(self) -> Path:
        """What is made anew by each run: logs, the engine's scratch, the sandbox's certificates."""
        return self.directory / "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWorld:
    """A started local world: the engine with the stack, and the sandbox (the content of its state file)."""

    places: Places
    engine: Engine
    stack: Stack
    sandbox: Mapping[str, Any]
    api_key: str

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return self.stack.outputs["ApiUrl"]

    @property
    def early_directory(self) -> Path:
        """A directory for the operator's command while the stack is not ready for others yet."""
        return self.places.run / "early"

    def accounts(self) -> list[dict[str, Any]]:
        """List the mailboxes that can send, as the API tells them."""
        answer = requests.get(
            f"{self.api_url}/v1/accounts", headers={"Authorization": f"Bearer {self.api_key}"}, timeout=30
        )
        answer.raise_for_status()
        return [
            {name: account[name] for name in ("id", "address", "provider", "transport")}
            for account in answer.json()["data"]
            if account["status"] == "active"
        ]

    def state(self, accounts: list[dict[str, Any]]) -> dict[str, Any]:
        """Tell what others need in order to use this world."""
        outputs = self.stack.outputs
        return {
            "api_url": self.api_url,
            "api_key": self.api_key,
            "queue_url": outputs["QueueUrl"],
            "dead_letter_queue_url": outputs["DeadLetterQueueUrl"],
            "aws": {
                "endpoint_url": self.engine.endpoint_url,
                "region": engine.REGION,
                "access_key_id": engine.ACCESS_KEY_ID,
                "secret_access_key": engine.SECRET_ACCESS_KEY,
            },
            "stack": self.stack.name,
            "audit_log_group": outputs["AuditLogGroup"],
            "functions": {folder: outputs[output] for folder, output in FUNCTIONS.items()},
            "inbox_url": self.sandbox["inbox_url"],
            "accounts": accounts,
            "pid": os.getpid(),
        }

    def operate(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the operator's `mailbearer` against this world, also before it is ready for others."""
        return subprocess.run(
            [str(COMMAND), "--stage", STAGE, *arguments],
            cwd=self.early_directory,
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            timeout=CLI_SECONDS,
        )


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON which only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream, indent=2)
        stream.write("\n")
    scratch.replace(path)


@contextmanager
def only_one(places: Places) -> Iterator[None]:
    """Hold this checkout's lock. Raises LocalError if another process holds it.

    The lock goes with its process, however that ends: a state file beside a free lock is a dead one's and is removed.
    """
    places.directory.mkdir(mode=0o700, exist_ok=True)
    with places.lock_file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LocalError(_already_running(places)) from error
        places.state_file.unlink(missing_ok=True)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextmanager
def started(places: Places, console: Console, port: int) -> Iterator[LocalWorld]:
    """Start the engine, the stack and the sandbox; stop all of them at the end, also when a part does not start."""
    _begin_anew(places)
    with ExitStack() as running, console.status("Starting ..."):
        begin = time.monotonic()
        # Deploying is the longest; the sandbox starts meanwhile.
        sandbox_is_ready = running.enter_context(_sandbox(places))
        local_engine = running.enter_context(Engine(directory=places.run / "engine", port=port or engine.free_port()))
        console.print(f"[green]✓[/] engine started [dim]{time.monotonic() - begin:.1f} s[/]")
        begin = time.monotonic()
        address = f"http://{engine.HOST}:{local_engine.port}"
        stack = deploy(local_engine, places.root, places.cache, stage=STAGE, public_url=address)
        console.print(f"[green]✓[/] template.yaml deployed as {stack.name} [dim]{time.monotonic() - begin:.1f} s[/]")
        sandbox = sandbox_is_ready()
        console.print(f"[green]✓[/] sandbox started: {sandbox['inbox_url']}")
        world = LocalWorld(places=places, engine=local_engine, stack=stack, sandbox=sandbox, api_key="")
        running.callback(places.state_file.unlink, missing_ok=True)
        yield _with_admin_key(world)


def announce(world: LocalWorld, console: Console) -> None:
    """Tell other programs and the person before the screen that the world is ready."""
    write_private(world.places.state_file, world.state(world.accounts()))
    console.print()
    console.print(f"API      [bold]{world.api_url}[/]")
    console.print(f"Inbox    [bold]{world.sandbox['inbox_url']}[/]")
    state_file = world.places.state_file.relative_to(world.places.root)
    console.print(f"Key      in {state_file}, with everything else that programs need")
    console.print("[dim]Ctrl-C or `make stop` stops everything this started.[/]")


def stay_up(world: LocalWorld) -> None:
    """Wait until somebody stops this process. Raises LocalError if the engine ends by itself."""
    while not world.engine.has_ended():
        time.sleep(0.5)
    raise LocalError(f"The engine ended by itself; its log is {world.engine.log_file}.")


def stop(places: Places) -> str:
    """Stop what runs in this checkout and say what was done."""
    pid = running_pid(places)
    if pid is None:
        places.state_file.unlink(missing_ok=True)
        return "Nothing runs in this checkout."
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while running_pid(places) == pid:
        if time.monotonic() > deadline:
            raise LocalError(f"Process {pid} did not end within {STOP_SECONDS:.0f} s.")
        time.sleep(0.1)
    return "Stopped."


def running_pid(places: Places) -> int | None:
    """Name the process that runs this checkout's stack, if one does."""
    if not places.lock_file.exists():
        return None
    with places.lock_file.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read().strip() or 0) or None
    return None


def stop_on_signals() -> None:
    """Turn the first SIGINT, SIGTERM or SIGHUP into `Stopped`; later ones do not disturb the clearing up."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for each in ENDING:
        signal.signal(each, on_signal)


def _begin_anew(places: Places) -> None:
    """Move what the last run left out of the way; thousands of small files, so they are deleted while we start."""
    if places.run.exists():
        places.run.rename(places.directory / f"old-{time.time_ns()}")
    for old in places.directory.glob("old-*"):
        threading.Thread(target=shutil.rmtree, args=(old,), kwargs={"ignore_errors": True}, daemon=True).start()
    places.run.mkdir()


@contextmanager
def _sandbox(places: Places) -> Iterator[Callable[[], dict[str, Any]]]:
    """Start the sandbox (identity providers, mail hosts, inbox page) and give what waits for its account of itself."""
    state_file = places.run / "sandbox" / "state.json"
    state_file.parent.mkdir()
    log_file = places.run / "sandbox" / "sandbox.log"
    arguments = (
        *(sys.executable, "-m", "sandbox.world", "--state-file", str(state_file)),
        *("--mailbearer-state", str(places.state_file)),
    )
    with child(arguments, directory=places.root, log_file=log_file) as process:

        def is_ready() -> dict[str, Any]:
            deadline = time.monotonic() + WORLD_SECONDS
            while not state_file.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise LocalError(f"The sandbox did not start.\n{log_file.read_text(errors='replace')[-2000:]}")
                time.sleep(0.05)
            said: dict[str, Any] = json.loads(state_file.read_text())
            return said

        yield is_ready


def _with_admin_key(world: LocalWorld) -> LocalWorld:
    """Make the first API key, as an operator does, with the `mailbearer` command."""
    early = world.early_directory / ".mailbearer" / "local.json"
    write_private(early, world.state([]))
    made = world.operate("keys", "create", "local-admin", "--scope", "admin", "--json")
    if made.returncode:
        raise LocalError(f"No API key could be made:\n{made.stdout}{made.stderr}")
    with_key = LocalWorld(
        places=world.places,
        engine=world.engine,
        stack=world.stack,
        sandbox=world.sandbox,
        api_key=json.loads(made.stdout)["key"],
    )
    write_private(early, with_key.state([]))
    return with_key


def _already_running(places: Places) -> str:
    try:
        state = json.loads(places.state_file.read_text())
    except (FileNotFoundError, ValueError):
        return "A local stack is just starting or stopping in this checkout. `make stop` stops it."
    return (
        f"A local stack runs in this checkout already (process {state['pid']}).\n"
        f"  API    {state['api_url']}\n  Inbox  {state['inbox_url']}\n"
        "`make stop` stops it. A second one runs in a second checkout."
    )
