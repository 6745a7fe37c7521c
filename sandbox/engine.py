"""Run the local AWS engine, MiniStack, as a child process on loopback."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
import requests
from botocore.config import Config

from sandbox.processes import child

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from types import TracebackType

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105  the engine takes any; this one guards nothing
START_SECONDS = 30.0
PROCESS = Path(__file__).with_name("engine_process.py").resolve()
# All that is passed on of the caller's environment: a profile or proxy of the caller's must not reach the functions.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


class EngineError(Exception):
    """The engine did not start, or ended too early."""


def free_port() -> int:
    """Ask the system for a loopback port that nothing listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    """Tell whether a server may listen on this loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@dataclass(kw_only=True)
class Engine:
    """The engine and its address; a context manager which stops it.

    AWS calls go to `http://localhost:<port>`. `http://127.0.0.1:<port>` is left to the API, which gets this address as
    its domain, see `sandbox.deploy`: the engine takes no host without a dot for a domain.
    """

    directory: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _running: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    @property
    def endpoint_url(self) -> str:
        """The address for AWS clients."""
        return f"http://localhost:{self.port}"

    @property
    def log_file(self) -> Path:
        """Where the engine's own output goes."""
        return self.directory / "engine.log"

    @property
    def calls_file(self) -> Path:
        """Where the engine writes what each role was allowed or refused, see `sandbox.engine_process`."""
        return self.directory / "calls.jsonl"

    def client(self, service: str) -> Any:
        """Make an AWS client of this engine."""
        session = boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION)
        client: Callable[..., Any] = session.client  # its overloads want the name of a service as a literal
        return client(
            service,
            endpoint_url=self.endpoint_url,
            config=Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 2}),
        )

    def start(self) -> None:
        """Start the engine and wait until it answers. Raises EngineError with the end of its log."""
        if not port_is_free(self.port):
            raise EngineError(f"Port {self.port} is taken. Name another with MAILBEARER_PORT, or none for a free one.")
        scratch = self.directory / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        self._process = self._running.enter_context(
            child(
                (sys.executable, "-P", str(PROCESS), str(self.calls_file)),
                directory=scratch,
                log_file=self.log_file,
                environment=self._environment(scratch),
            )
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None:
                raise EngineError(f"The engine ended with status {self._process.returncode}.\n{self._log_end()}")
            if time.monotonic() > deadline:
                raise EngineError(f"The engine did not answer within {START_SECONDS:.0f} s.\n{self._log_end()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the engine and every function process it started."""
        self._running.close()
        self._process = None

    def has_ended(self) -> bool:
        """Tell whether the engine is gone although nobody stopped it."""
        return self._process is not None and self._process.poll() is not None

    def __enter__(self) -> Self:
        """Start the engine."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the engine."""
        self.stop()

    def _environment(self, scratch: Path) -> dict[str, str]:
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return passed_on | {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            # Functions inherit the engine's environment.
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            # Functions call with their roles' credentials, and roles and policies decide.
            "AUTH": "true",
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "0",
            "LOG_LEVEL": "WARNING",
        }

    def _answers(self) -> bool:
        try:
            answer = requests.get(f"{self.endpoint_url}/_ministack/health", timeout=2)
        except requests.RequestException:
            return False
        return answer.status_code == HTTPStatus.OK

    def _log_end(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-15:])
