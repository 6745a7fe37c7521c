"""`make run DEMO=0` and `make stop`, in copies of this checkout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox import engine
from sandbox.local import FUNCTIONS, Places

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("cli", "functions", "layers", "sandbox")
SECONDS = 120.0


def copy_of_checkout(directory: Path) -> Path:
    """Copy what the local world is made of, with the packages that were installed already."""
    for part in PARTS:
        shutil.copytree(ROOT / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "template.yaml", directory)
    (directory / ".mailbearer").mkdir()
    Places(ROOT).cache.mkdir(parents=True, exist_ok=True)
    (directory / ".mailbearer/cache").symlink_to(Places(ROOT).cache)
    return directory


def start(checkout: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", "run", "--no-demo"],
        cwd=checkout,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def await_state(checkout: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    deadline = time.monotonic() + SECONDS
    state_file = Places(checkout).state_file
    while not state_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.terminate()
            pytest.fail(f"did not start:\n{process.communicate()[0]}")
        time.sleep(0.1)
    state: dict[str, Any] = json.loads(state_file.read_text())
    return state


def processes_of(checkout: Path) -> list[str]:
    """List the command lines of living processes that name a checkout or have their directory in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            directory = str((process / "cwd").readlink())
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
        if str(checkout) in line or directory.startswith(str(checkout)):
            found.append(line)
    return found


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def process(checkout: Path) -> Iterator[subprocess.Popen[str]]:
    process = start(checkout)
    yield process
    process.terminate()
    process.communicate(timeout=SECONDS)


@pytest.fixture(scope="module")
def state(checkout: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    return await_state(checkout, process)


def test_the_state_file_says_what_programs_need(checkout: Path, state: dict[str, Any]) -> None:
    assert set(state) == {
        *("api_url", "api_key", "queue_url", "dead_letter_queue_url", "aws", "stack", "audit_log_group"),
        *("functions", "inbox_url", "accounts", "pid"),
    }
    assert set(state["aws"]) == {"endpoint_url", "region", "access_key_id", "secret_access_key"}
    assert set(state["functions"]) == set(FUNCTIONS)
    assert state["accounts"] == []
    assert stat.S_IMODE(Places(checkout).state_file.stat().st_mode) == 0o600


def test_the_api_answers_at_the_root_of_its_address(state: dict[str, Any]) -> None:
    assert state["api_url"].startswith("http://127.0.0.1:")
    answer = requests.get(
        f"{state['api_url']}/v1/providers", headers={"Authorization": f"Bearer {state['api_key']}"}, timeout=30
    )
    assert (answer.status_code, [each["name"] for each in answer.json()["data"]]) == (200, ["sandbox"])


def test_a_wrong_key_gets_a_problem_document(state: dict[str, Any]) -> None:
    answer = requests.get(f"{state['api_url']}/v1/accounts", headers={"Authorization": "Bearer mb_x_y"}, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")


def test_everything_listens_on_loopback_only(state: dict[str, Any]) -> None:
    ports = {url.rsplit(":", 1)[1].strip("/") for url in (state["api_url"], state["inbox_url"])}
    # /proc/net/tcp: local address in hexadecimal, state 0A is LISTEN; loopback reads 0100007F.
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    of_ours = {address for address in listening if str(int(address.partition(":")[2], 16)) in ports}
    assert len(of_ours) == len(ports)
    assert all(address.startswith("0100007F:") for address in of_ours)


def test_a_second_run_in_the_same_checkout_is_refused(checkout: Path, state: dict[str, Any]) -> None:
    second = start(checkout)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert str(state["pid"]) in said
    assert state["api_url"] in said


def test_another_checkout_runs_beside_it_on_a_port_of_choice(tmp_path: Path, state: dict[str, Any]) -> None:
    port = engine.free_port()
    beside = start(copy_of_checkout(tmp_path), MAILBEARER_PORT=str(port))
    try:
        other = await_state(tmp_path, beside)
        assert other["api_url"] == f"http://127.0.0.1:{port}"
        refused = requests.get(
            f"{other['api_url']}/v1/providers", headers={"Authorization": f"Bearer {state['api_key']}"}, timeout=30
        )
        assert refused.status_code == 401
    finally:
        beside.send_signal(signal.SIGINT)
        said, _ = beside.communicate(timeout=60)
    assert beside.returncode == 0, said
    assert processes_of(tmp_path) == []


def test_a_start_that_is_broken_off_leaves_nothing_behind(tmp_path: Path) -> None:
    checkout = copy_of_checkout(tmp_path)
    process = start(checkout)
    while not (Places(checkout).run / "engine/engine.log").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    process.communicate(timeout=60)
    assert processes_of(checkout) == []
    assert not Places(checkout).state_file.exists()


# The last one: it stops what the others look at.
def test_stop_stops_everything(checkout: Path, process: subprocess.Popen[str], state: dict[str, Any]) -> None:
    assert len(processes_of(checkout)) >= 3  # the runner, the engine, the sandbox; and functions
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "stop"], cwd=checkout, check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "Stopped."
    assert process.wait(timeout=10) == 0
    assert processes_of(checkout) == []
    assert not Places(checkout).state_file.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(state["api_url"], timeout=5)
