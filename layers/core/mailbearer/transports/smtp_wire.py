"""Commands and replies over one connection (RFC 5321 section 4.2)."""

from __future__ import annotations

from typing import Protocol

from mailbearer.transports.smtp_answers import Reply, is_last, parse_reply

_LINE_LIMIT = 4096
_REPLY_LINES = 200


class Line(Protocol):
    """A connected socket whose `deadline` (monotonic seconds) bounds all its waiting."""

    deadline: float

    def recv(self, size: int, /) -> bytes:
        """Read what is there."""

    def sendall(self, data: bytes, /) -> None:
        """Write all of it."""

    def fileno(self) -> int:
        """Give the descriptor."""

    def getsockname(self) -> tuple[str, ...]:
        """Give the address at this end."""

    def close(self) -> None:
        """Let go of it."""


class BrokenProtocol(OSError):
    """What came is no SMTP."""


class Wire:
    """One line, of which replies are read as a whole; `unread` is what came behind the last of them."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.unread = b""

    def ask(self, command: str) -> Reply:
        """Say a command and read the reply to it."""
        self.line.sendall(f"{command}\r\n".encode("ascii"))
        return self.read()

    def read(self) -> Reply:
        """Read one reply, all its lines."""
        lines: list[bytes] = []
        while len(lines) < _REPLY_LINES:
            lines.append(self._read_line())
            if is_last(lines[-1]):
                reply = parse_reply(lines)
                if reply is not None:
                    return reply
                break
        raise BrokenProtocol("the server does not speak SMTP")

    def _read_line(self) -> bytes:
        while True:
            line, end, rest = self.unread.partition(b"\n")
            if end:
                self.unread = rest
                return line.removesuffix(b"\r")
            if len(self.unread) > _LINE_LIMIT:
                raise BrokenProtocol("the server's line is too long")
            received = self.line.recv(_LINE_LIMIT)
            if not received:
                raise BrokenProtocol("the server closed the connection")
            self.unread += received
