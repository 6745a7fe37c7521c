"""The whole sandbox in one process: identity providers, mail hosts, control API and inbox page.

`python -m sandbox.world --state-file PATH` serves until SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import secrets
import signal
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from joserfc.jwk import RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox.control.api import ControlApi
from sandbox.control.client import Control
from sandbox.control.clients_api import ClientsApi
from sandbox.control.counters import Counters
from sandbox.control.faults import FaultBoard
from sandbox.control.playing import FaultPlayer
from sandbox.identity.device_views import DeviceViews
from sandbox.identity.devices import Devices
from sandbox.identity.directory import Directory
from sandbox.identity.server import IdentityServer
from sandbox.identity.store import TokenStore
from sandbox.identity.tenants import tenants_at
from sandbox.identity.views import IdentityViews
from sandbox.inbox.mailbearer import MailbearerAccounts
from sandbox.inbox.views import InboxViews
from sandbox.mail_hosts.capture import MailStore
from sandbox.mail_hosts.certificates import make_certificates, server_context
from sandbox.mail_hosts.gmail import Gmail
from sandbox.mail_hosts.graph import Graph
from sandbox.mail_hosts.graph_access import GraphAccess
from sandbox.mail_hosts.graph_directory import GraphDirectory
from sandbox.mail_hosts.graph_drafts import GraphDrafts
from sandbox.mail_hosts.header_fields import shown_headers
from sandbox.mail_hosts.smtp import SmtpHost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType, TracebackType
    from typing import Self

__all__ = ["Control", "SmtpAddress", "World", "main"]

HOST = "127.0.0.1"
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost"})
STOP_POLL = 0.02
"""Seconds between two looks whether to stop."""
LONGEST_QUEUE = 1_024
"""Connections that wait to be accepted."""
LARGEST_REQUEST = 64_000_000
"""Octets of one HTTP request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpAddress:
    """Where the SMTP server listens, and whose signature its certificate bears."""

    host: str
    port: int
    """STARTTLS."""
    tls_port: int
    """TLS from the first byte."""
    ca_file: str


class World:
    """A running sandbox; a context manager, or `start` and `stop`."""

    def __init__(
        self,
        *,
        directory: Path,
        stem: str = "world",
        port: int = 0,
        smtp_port: int = 0,
        mailbearer_state: Path | None = None,
        clock: Callable[[], float] = time.time,
        random_id: Callable[[], str] = lambda: secrets.token_hex(8),
        new_token: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        """Take ports (0: any free one) and write the SMTP server's certificates into `directory`."""
        self._stopping = threading.Event()
        self._app = _application()
        self._server = make_server(HOST, port, self._app, threaded=True, request_handler=_QuietHandler)
        # Hundreds of processes may come at once; a connection that the queue cannot hold waits a second for its turn.
        self._server.socket.listen(LONGEST_QUEUE)
        self.url = f"http://{HOST}:{self._server.server_port}"
        self.inbox_url = f"{self.url}/"
        self.control_url = f"{self.url}/_sandbox"

        tenants = tenants_at(self.url)
        self.tenants = tenants
        self.directory = Directory(tenants, clock=clock, random_id=random_id)
        self.tokens = TokenStore(clock=clock, random_id=random_id)
        self.devices = Devices(clock=clock)
        self.mails = MailStore(clock=clock, read_headers=shown_headers)
        self.faults = FaultBoard()
        self.counters = Counters()
        now = dt.datetime.fromtimestamp(clock(), dt.UTC)
        ca_file, self._certificate_file = make_certificates(directory, stem=stem, now=now)
        self._smtp = SmtpHost(
            tenants=tenants,
            directory=self.directory,
            tokens=self.tokens,
            mails=self.mails,
            faults=self.faults,
            counters=self.counters,
            tls=server_context(self._certificate_file),
            port=smtp_port,
        )
        self.smtp = SmtpAddress(
            host=HOST, port=self._smtp.port, tls_port=self._smtp.tls_port, ca_file=str(ca_file.resolve())
        )
        self.control = Control(self.url)
        self._register_routes(random_id=random_id, new_token=new_token, mailbearer_state=mailbearer_state, clock=clock)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(STOP_POLL,), name="http")

    def _register_routes(
        self,
        *,
        random_id: Callable[[], str],
        new_token: Callable[[], str],
        mailbearer_state: Path | None,
        clock: Callable[[], float],
    ) -> None:
        player = FaultPlayer(board=self.faults, counters=self.counters, stopping=self._stopping)
        key = RSAKey.generate_key(2048, parameters={"kid": random_id(), "use": "sig", "alg": "RS256"})
        servers = {
            tenant.name: IdentityServer(
                tenant=tenant,
                directory=self.directory,
                store=self.tokens,
                devices=self.devices,
                signing_key=key,
                new_token=new_token,
            )
            for tenant in self.tenants.values()
        }
        gmail = Gmail(
            directory=self.directory, tokens=self.tokens, mails=self.mails, player=player, random_id=random_id
        )
        access = GraphAccess(directory=self.directory, tokens=self.tokens, player=player, random_id=random_id)
        graph = Graph(access=access, mails=self.mails)
        self.drafts = GraphDrafts(access=access, mails=self.mails, url=self.url, random_id=random_id, new_key=new_token)
        graph_directory = GraphDirectory(access=access, new_secret=new_token)
        clients = ClientsApi(directory=self.directory, new_secret=new_token, clock=clock)
        control = ControlApi(
            directory=self.directory,
            tokens=self.tokens,
            devices=self.devices,
            mails=self.mails,
            faults=self.faults,
            counters=self.counters,
            smtp=self._smtp,
        )
        accounts = MailbearerAccounts(state_file=mailbearer_state, clock=clock)
        inbox = InboxViews(mails=self.mails, tokens=self.tokens, mailbearer=accounts)
        identity = IdentityViews(servers=servers, directory=self.directory, player=player)
        device = DeviceViews(servers=servers, directory=self.directory, devices=self.devices, player=player)
        for part in (identity, device, gmail, graph, self.drafts, graph_directory, control, clients, inbox):
            self._app.register_blueprint(part.blueprint())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve, in threads of its own."""
        self._smtp.start()
        self._thread.start()

    def stop(self) -> None:
        """Cut what is under way and end; the world cannot be started again."""
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._smtp.stop()
        self.control.close()
        self._certificate_file.unlink(missing_ok=True)
        Path(self.smtp.ca_file).unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        """Return what the state file holds."""
        return {
            "url": self.url,
            "inbox_url": self.inbox_url,
            "control_url": self.control_url,
            "smtp": asdict(self.smtp),
            "tenants": {name: tenant.as_json() for name, tenant in self.tenants.items()},
            "pid": os.getpid(),
        }


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, *_args: Any) -> None:
        """Log nothing: the query strings hold authorization codes."""


def _application() -> Flask:
    app = Flask("sandbox.world", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.config["MAX_FORM_MEMORY_SIZE"] = 1_000_000
    app.before_request(_refuse_strangers)
    app.after_request(_harden)
    return app


def _refuse_strangers() -> Response | None:
    """Refuse names other than loopback's (DNS rebinding) and scripts of other sites."""
    if urlsplit(f"//{request.host}").hostname not in LOOPBACK_NAMES:
        return Response("this sandbox answers to 127.0.0.1 and localhost only\n", 421, mimetype="text/plain")
    origin = request.headers.get("Origin")
    if request.path.startswith("/_sandbox") and origin not in {None, f"http://{request.host}"}:
        return Response("no other site may steer this sandbox\n", 403, mimetype="text/plain")
    return None


def _harden(response: Response) -> Response:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write JSON for this user's eyes only, all of it or nothing."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        json.dump(state, file, indent=2)
        file.write("\n")
    Path(name).replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a world until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.world", description=__doc__)
    parser.add_argument("--state-file", type=Path, required=True, help="written (mode 0600) when ready")
    parser.add_argument("--port", type=int, default=0, help="HTTP port (default: a free one)")
    parser.add_argument("--smtp-port", type=int, default=0, help="SMTP port with STARTTLS (default: a free one)")
    parser.add_argument("--mailbearer-state", type=Path, help="Mailbearer's local.json, to show its accounts")
    options = parser.parse_args(arguments)

    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    state_file: Path = options.state_file.resolve()
    state_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        world = World(
            directory=state_file.parent,
            stem=state_file.stem,
            port=options.port,
            smtp_port=options.smtp_port,
            mailbearer_state=options.mailbearer_state,
        )
    except OSError as error:
        parser.exit(1, f"The sandbox cannot start: {error}\n")
    with world:
        write_state(state_file, world.state())
        try:
            ended.wait()
        finally:
            state_file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
