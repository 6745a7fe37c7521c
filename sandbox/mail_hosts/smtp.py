"""A submission server (RFC 6409) that takes bearer tokens of every tenant."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sandbox.mail_hosts.smtp_session import KEYWORDS, MECHANISMS, SmtpSession

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from sandbox.control.counters import Counters
    from sandbox.control.faults import FaultBoard
    from sandbox.identity.directory import Directory
    from sandbox.identity.store import TokenStore
    from sandbox.identity.tenants import Tenant
    from sandbox.mail_hosts.capture import MailStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """What can be changed of the SMTP server."""

    sasl_mechanisms: tuple[str, ...] = MECHANISMS
    keywords: tuple[str, ...] = KEYWORDS
    """What is offered beside SIZE, STARTTLS and AUTH."""
    size_limit: int = 35_882_577
    """Octets, announced with SIZE and enforced."""
    challenge_on_failure: bool = True
    """False: answer 535 at once, as some servers do, without the 334 and its JSON."""

    def changed(self, changes: Mapping[str, Any]) -> SmtpSettings:
        """Return a copy with the named settings replaced; raise ValueError on a wrong one."""
        known = {item.name for item in fields(self)}
        if unknown := sorted(set(changes) - known):
            raise ValueError(f"unknown setting: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        values = dict(changes)
        for name, choices in (("sasl_mechanisms", MECHANISMS), ("keywords", KEYWORDS)):
            if name in values:
                values[name] = tuple(values[name])
                if not set(values[name]) <= set(choices):
                    raise ValueError(f"{name} are {', '.join(choices)}")
        if type(values.get("size_limit", 1)) is not int or type(values.get("challenge_on_failure", True)) is not bool:
            raise ValueError("size_limit is a number of octets, challenge_on_failure is true or false")
        return replace(self, **values)

    def as_json(self) -> dict[str, Any]:
        """Return every setting by name."""
        return asdict(self)


class SmtpHost:
    """Two listening sockets (STARTTLS and implicit TLS) on one event loop in a thread of its own."""

    def __init__(
        self,
        *,
        tenants: Mapping[str, Tenant],
        directory: Directory,
        tokens: TokenStore,
        mails: MailStore,
        faults: FaultBoard,
        counters: Counters,
        tls: ssl.SSLContext,
        port: int = 0,
    ) -> None:
        self.tenants = tenants
        self.directory = directory
        self.tokens = tokens
        self.mails = mails
        self.faults = faults
        self.counters = counters
        self.settings = SmtpSettings()
        self._tls = tls
        self._sockets = [_listening(port), _listening(0)]
        self.port, self.tls_port = (sock.getsockname()[1] for sock in self._sockets)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._sessions: WeakSet[SmtpSession] = WeakSet()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), name="smtp")

    def start(self) -> None:
        """Serve until `stop`; the sockets have been listening since construction."""
        self._thread.start()

    def stop(self) -> None:
        """Cut every session and end the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def reset(self) -> None:
        """Go back to the settings of the start."""
        self.settings = SmtpSettings()

    async def _serve(self) -> None:
        starttls, implicit = self._sockets
        servers = [
            await self._loop.create_server(lambda: self._session(implicit_tls=False), sock=starttls),
            await self._loop.create_server(lambda: self._session(implicit_tls=True), sock=implicit, ssl=self._tls),
        ]
        await self._stop.wait()
        for server in servers:
            server.close()
        for session in list(self._sessions):
            session.cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _session(self, *, implicit_tls: bool) -> SmtpSession:
        session = SmtpSession(self, loop=self._loop, tls=None if implicit_tls else self._tls)
        self._sessions.add(session)
        return session


def _listening(port: int) -> socket.socket:
    # Named, for asyncio sets TCP_NODELAY only where it sees IPPROTO_TCP; without it each reply of several
    # lines waits 40 ms for the client's delayed acknowledgement.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(100)
    sock.setblocking(False)  # noqa: FBT003 - the library's own signature
    return sock
