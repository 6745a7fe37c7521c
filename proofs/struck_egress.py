"""The guarded way out with somebody at the door: calls over HTTP, and each step of a dialogue over SMTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.egress import Egress
from mailbearer.egress.web import Exchanged
from proofs.calls import http_call
from proofs.processes import die
from proofs.strikes import How

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.egress.sockets import TimedSocket, TimedTLSSocket
    from mailbearer.transports.smtp_wire import Line
    from proofs.strikes import StruckCalls

CONTENT = "SMTP content"
"""The step of SMTP with which a server takes a message."""

_LOST = frozenset({How.LOST, How.LOST_ONCE})
_VERBS = frozenset({"EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT"})


class StruckEgress(Egress):
    """Makes calls as the guarded way out does, but for the one that is struck."""

    def __init__(self, calls: StruckCalls, *, local: bool) -> None:
        super().__init__(local=local)
        self._calls = calls
        self._way_out = Egress(local=local)

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> Exchanged:
        """Make one HTTP call."""
        how = self._calls.leaves(http_call(method, url))
        if how is How.REFUSED:
            raise ConnectionRefusedError("nobody listens")
        given = self._way_out.exchange(method, url, headers=headers, body=body, ca_pem=ca_pem, deadline=deadline)
        if how is How.AFTER:
            die()
        return Exchanged(0, {}, b"", whole=False) if how in _LOST else given

    # Who gets a line from here speaks SMTP, and wants no more of it than `Line` says.

    def connect(self, host: str, port: int, timeout: float) -> Line:  # type: ignore[override]
        """Open a TCP connection."""
        how = self._calls.leaves("SMTP connect")
        if how is How.REFUSED:
            raise ConnectionRefusedError("nobody listens")
        line = self._way_out.connect(host, port, timeout)
        if how is How.AFTER:
            die()
        if how in _LOST:
            line.close()
            raise TimeoutError("nobody answers")
        return _StruckLine(line, self._calls)

    def secure(self, sock: Any, host: str, ca_pem: str) -> Line:  # type: ignore[override]
        """Put TLS on a connection."""
        return _StruckLine(self._way_out.secure(sock.line, host, ca_pem), self._calls)


class _StruckLine:
    """A connection on which each thing that is said is a call, answered by the next thing that is heard."""

    def __init__(self, line: TimedSocket | TimedTLSSocket, calls: StruckCalls) -> None:
        self.line = line
        self._calls = calls
        self._how: How | None = None

    @property
    def deadline(self) -> float:
        """Give until when all waiting ends (monotonic seconds)."""
        return self.line.deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self.line.deadline = deadline

    def sendall(self, data: bytes, /) -> None:
        """Write all of it."""
        self._how = self._calls.leaves(_step(data))
        if self._how is How.REFUSED:
            self.line.close()
            raise BrokenPipeError("the server hung up")
        self.line.sendall(data)

    def recv(self, size: int, /) -> bytes:
        """Read what is there."""
        how, self._how = self._how, None
        received = self.line.recv(size)
        if how is How.AFTER:
            die()
        if how in _LOST:
            self.line.close()
            raise ConnectionResetError("the answer did not come")
        return received

    def fileno(self) -> int:
        """Give the descriptor."""
        return self.line.fileno()

    def getsockname(self) -> tuple[str, ...]:
        """Give the address at this end."""
        name: tuple[str, ...] = self.line.getsockname()
        return name

    def close(self) -> None:
        """Let go of it."""
        self.line.close()


def _step(data: bytes) -> str:
    """Name what is said: the command's verb, or that it is the content."""
    if data.endswith(b"\r\n.\r\n"):
        return CONTENT
    verb = data.split(None, 1)[0].decode("ascii", "replace")
    # What is no command is part of a signing-in, and secret.
    return f"SMTP {verb}" if verb in _VERBS else "SMTP line"
