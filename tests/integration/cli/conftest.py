from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from botocore.loaders import Loader
from moto import mock_aws
from typer.testing import CliRunner, Result

from cli.cloud import aws_session
from cli.main import app
from cli.surroundings import Surroundings
from tests.integration.cli import stacks

if TYPE_CHECKING:
    import boto3

    from cli.stage import LocalStack

API_KEY = "mb_key_01JD00000000000000000000AB_" + "5e" * 32


@dataclass
class Answer:
    """What the API answers once; `body` is sent as it is if it is bytes, and `None` cuts the connection."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class ScriptedApi(ThreadingHTTPServer):
    """A real HTTP server on loopback that plays answers by method and path, the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[tuple[str, str], list[Answer]] = {}
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, method: str, path: str, status: int, body: Any, **headers: str) -> None:
        self.answers.setdefault((method, path), []).append(Answer(status, body, headers))


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedApi

    def do_GET(self) -> None:
        self._play()

    def do_POST(self) -> None:
        self._play()

    def do_PATCH(self) -> None:
        self._play()

    def do_PUT(self) -> None:
        self._play()

    def do_DELETE(self) -> None:
        self._play()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass

    def _play(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        sent = json.loads(self.rfile.read(length)) if length else None
        self.server.requests.append(Request(self.command, self.path, dict(self.headers), sent))
        script = self.server.answers.get((self.command, self.path)) or self.server.answers.get(
            (self.command, self.path.partition("?")[0])
        )
        if not script:
            script = [Answer(404, {"code": "not_found", "title": "There is no such thing", "detail": self.path})]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if answer.body is None:
            self.close_connection = True
            return
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Operator:
    """Somebody who types commands, in a directory, with an environment, on a terminal or not."""

    surroundings: Surroundings
    clock: Clock
    opened: list[str]

    def __call__(self, *words: str, stdin: str | bytes = "") -> Result:
        return CliRunner().invoke(app, list(words), input=stdin, obj=self.surroundings, prog_name="mailbearer")

    def json(self, *words: str, stdin: str | bytes = "") -> Any:
        result = self(*words, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def on_a_terminal(self) -> Operator:
        return replace(self, surroundings=replace(self.surroundings, interactive=True))


Server = TypeVar("Server", bound=ThreadingHTTPServer)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Let a server answer until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with serving(ScriptedApi()) as server:
        yield server


LOADER = Loader()


def session_with_kept_models(local: LocalStack | None) -> boto3.Session:
    """Make the session that the command makes, but read the models of AWS's services only once for all tests."""
    session = aws_session(local)
    session._session.register_component("data_loader", LOADER)  # noqa: SLF001 - boto3 has no other way to it
    return session


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Somebody in an empty directory, with no key."""
    # CloudWatch takes no events from another year, so this begins at the real time.
    clock = Clock(float(int(time.time())))
    numbers = iter(range(1, 1000))
    opened: list[str] = []

    def open_browser(url: str) -> bool:
        opened.append(url)
        return True

    def random_bytes(count: int) -> bytes:
        return next(numbers).to_bytes(count, "big")

    surroundings = Surroundings(
        environ={},
        directory=tmp_path,
        user=os.getuid(),
        interactive=False,
        clock=clock,
        sleep=clock.sleep,
        random_bytes=random_bytes,
        open_browser=open_browser,
        aws_session=session_with_kept_models,
    )
    return Operator(surroundings, clock, opened)


def write_state(directory: Path, api_url: str, **other: Any) -> Path:
    """Write the state file of a local stack whose process is this one."""
    state = {
        "api_url": api_url,
        "api_key": API_KEY,
        "queue_url": f"{api_url}/queue",
        "dead_letter_queue_url": f"{api_url}/dead",
        "aws": {"endpoint_url": api_url, "region": "eu-west-1", "access_key_id": "test", "secret_access_key": "test"},
        "stack": "mailbearer-local",
        "audit_log_group": "/mailbearer/local/audit",
        "functions": {},
        "inbox_url": api_url,
        "accounts": [],
        "pid": os.getpid(),
    }
    path = directory / ".mailbearer" / "local.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(state | other), encoding="utf-8")
    return path


@pytest.fixture
def local(operator: Operator, api: ScriptedApi) -> Operator:
    """Somebody in a checkout in which the local stack runs."""
    write_state(operator.surroundings.directory, api.url)
    return operator


StateWriter = Callable[..., Path]


@pytest.fixture
def state_file() -> StateWriter:
    return write_state


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[stacks.AwsEndpoint]:
    """AWS with the stacks of the stages `prod` and `local`, which are one and the same."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    server = stacks.AwsEndpoint()
    server.stacks |= {"mailbearer-prod": dict(stacks.OUTPUTS), "mailbearer-local": dict(stacks.OUTPUTS)}
    with mock_aws(), serving(server):
        stacks.make_resources()
        yield server


@pytest.fixture
def deployed(operator: Operator, aws: stacks.AwsEndpoint, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Somebody with AWS credentials for an account in which the stage `prod` is deployed."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", stacks.REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", aws.url)
    return operator


@pytest.fixture
def local_on_aws(operator: Operator, api: ScriptedApi, aws: stacks.AwsEndpoint) -> Operator:
    """Somebody in a checkout in which a whole local stack runs, without any AWS setting in the environment."""
    access = {"region": stacks.REGION, "access_key_id": "test", "secret_access_key": "test"}
    write_state(operator.surroundings.directory, api.url, aws=access | {"endpoint_url": aws.url})
    return operator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These run the command against stacks in moto: the fast tier has what it says and reads."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)
