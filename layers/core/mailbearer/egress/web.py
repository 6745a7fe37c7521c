"""HTTP/1.1 over the guarded sockets: one try, one deadline, and the knowledge whether the request has left."""

from __future__ import annotations

import select
import threading
import time
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from mailbearer.errors import UnsafeEndpoint
from mailbearer.public_hosts import is_loopback_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.egress.sockets import TimedSocket, TimedTLSSocket
    from mailbearer.ports import Clock

    Opener: TypeAlias = Callable[["Origin", str, float], TimedSocket | TimedTLSSocket]
    """Connect to an origin, with TLS if its scheme says so, within so many seconds."""

ANSWER_LIMIT = 1 << 20
"""The longest body that is read, in bytes."""

# All that one answer may take: its body in chunks of one byte, its header fields, and what comes before it (1xx). The
# standard library reads a chunk of a negative size to the end of the stream, which may never come.
_ALLOWANCE = 8 * ANSWER_LIMIT
_FINAL = 200
_IDLE_LIMIT = 20.0
_PER_ORIGIN = 16
_IN_ALL = 64


class Exchanged(NamedTuple):
    """An answer; `status` is 0 if the request has left and no answer came. Names of headers are in lower case.

    `body` is whole or empty, as `whole` says.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool


class Origin(NamedTuple):
    """Where a request goes."""

    scheme: str
    host: str
    port: int


class Web:
    """Makes calls, and keeps connections for the next ones."""

    def __init__(self, opener: Opener, clock: Clock) -> None:
        self._open = opener
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: list[_Kept] = []

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> Exchanged:
        """Make one call within `deadline` seconds, its answer included. No redirect is followed and no call repeated.

        Raises `UnsafeEndpoint`, and `OSError` only if the request has certainly not left whole.
        """
        end = time.monotonic() + deadline
        origin, path = _target(url)
        connection = self._take(origin, ca_pem)
        if connection is None:
            connection = _Connection(origin, self._open(origin, ca_pem, deadline))
        connection.line.deadline = end
        connection.line.allowance = _ALLOWANCE
        kept = False
        try:
            exchanged, kept = connection.exchange(method, path, headers, body)
        finally:
            if kept:
                self._put(_Kept(origin, ca_pem, connection, self._clock()))
            else:
                connection.close()
        return exchanged

    def close(self) -> None:
        """Let go of kept connections."""
        with self._lock:
            closing, self._kept = self._kept, []
        for kept in closing:
            kept.connection.close()

    def _take(self, origin: Origin, ca_pem: str) -> _Connection | None:
        """Give the connection that was used last, if it surely lives.

        One that was idle for long may be dead without our knowing it (a frozen Lambda hears no FIN), and a request lost
        on it would count as one whose answer was lost.
        """
        now = self._clock()
        taken: _Connection | None = None
        with self._lock:
            closing = [kept for kept in self._kept if not 0 <= now - kept.used_at < _IDLE_LIMIT]
            fresh = [kept for kept in self._kept if 0 <= now - kept.used_at < _IDLE_LIMIT]
            for kept in reversed(fresh):
                if (kept.origin, kept.ca_pem) == (origin, ca_pem):
                    fresh.remove(kept)
                    if kept.connection.alive:
                        taken = kept.connection
                        break
                    closing.append(kept)
            self._kept = fresh
        for kept in closing:
            kept.connection.close()
        return taken

    def _put(self, kept: _Kept) -> None:
        with self._lock:
            same = [other for other in self._kept if (other.origin, other.ca_pem) == (kept.origin, kept.ca_pem)]
            closing = same[0] if len(same) >= _PER_ORIGIN else self._kept[0] if len(self._kept) >= _IN_ALL else None
            if closing is not None:
                self._kept.remove(closing)
            self._kept.append(kept)
        if closing is not None:
            closing.connection.close()


class _Connection(HTTPConnection):
    """An open connection, whose requests leave in one write."""

    auto_open = 0

    def __init__(self, origin: Origin, line: TimedSocket | TimedTLSSocket) -> None:
        # The port of the scheme must not stand in the Host header.
        self.default_port = 443 if origin.scheme == "https" else 80
        super().__init__(origin.host, origin.port)
        self.sock = line
        self.line = line
        self._pieces: list[bytes] = []

    @property
    def alive(self) -> bool:
        """Tell whether the peer has said nothing since: whatever it says unasked is a farewell."""
        poll = select.poll()
        poll.register(self.line.fileno(), select.POLLIN)
        return not poll.poll(0)

    def send(self, data: Any) -> None:
        """Hold a piece of the request back until it is whole: one packet and one TLS record for the usual message."""
        self._pieces.append(data)

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[Exchanged, bool]:
        """Make one call; the second value says whether the connection may be used again. Raises as `Web.exchange`."""
        self.request(method, path, body=body, headers=headers)
        pieces, self._pieces = self._pieces, []
        try:
            self.line.sendall(b"".join(pieces))
        except ConnectionError:
            # The peer may have answered before it hung up: a refusal need not wait for the end of the request.
            answer = self._answer()
            if answer is None:
                raise
        else:
            answer = self._answer()
        if answer is None:
            return Exchanged(0, {}, b"", whole=False), False
        return _read(answer)

    def _answer(self) -> HTTPResponse | None:
        """Give the answer, None if none came.

        An interim one (1xx, RFC 9110 section 15.2) is none, and what follows it on this connection is nobody else's.
        """
        try:
            answer = self.getresponse()
        except (HTTPException, OSError):
            return None
        return answer if answer.status >= _FINAL else None


class _Kept(NamedTuple):
    origin: Origin
    ca_pem: str
    connection: _Connection
    used_at: float


def _read(answer: HTTPResponse) -> tuple[Exchanged, bool]:
    headers = {name.lower(): value for name, value in answer.getheaders()}
    try:
        body = answer.read(ANSWER_LIMIT + 1)
    except (HTTPException, OSError, ValueError):  # ValueError: a chunk of a negative size
        return Exchanged(answer.status, headers, b"", whole=False), False
    to_the_end = answer.isclosed()
    # Without a length the body ends with the connection, and a cut cannot be told from the end.
    whole = len(body) <= ANSWER_LIMIT and (to_the_end or (answer.length is None and not answer.chunked))
    return Exchanged(answer.status, headers, body if whole else b"", whole=whole), to_the_end and not answer.will_close


@lru_cache(maxsize=256)
def _target(url: str) -> tuple[Origin, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UnsafeEndpoint("This is not a URL.") from error
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UnsafeEndpoint("The URL holds a character that has to be percent-encoded.")
    if parts.scheme not in {"http", "https"} or not host:
        raise UnsafeEndpoint("The URL has to be http or https and name a host.")
    if parts.scheme == "http" and not is_loopback_name(host):
        raise UnsafeEndpoint("Plain HTTP is for loopback only.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.scheme, host, port or (443 if parts.scheme == "https" else 80)), path
