"""HTTP over the guarded sockets, as an adapter for Requests."""

from __future__ import annotations

import threading
import time
from functools import lru_cache, partial
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from mailbearer.egress.addresses import is_loopback_name
from mailbearer.egress.sockets import TimedSocket, TimedTLSSocket, time_left
from mailbearer.errors import UnsafeEndpoint

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from mailbearer.ports import Clock

ANSWER_LIMIT = 1 << 20
"""The longest body that is read, in bytes after decompression."""

DEFAULT_DEADLINE = 15.0

_IDLE_LIMIT = 20.0
_HOSTS = 32
_CONNECTIONS_PER_HOST = 16


class AnswerLost(requests.RequestException):
    """The request may have been acted upon, and its answer did not come whole; `status` is 0 if nothing of it came."""

    def __init__(self, text: str, *, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class GuardedAdapter(HTTPAdapter):
    """Carries Requests' requests over checked addresses and verified TLS, one try each, under one total deadline."""

    def __init__(
        self, connect: Callable[[str, int, float], TimedSocket], context: ssl.SSLContext, clock: Clock
    ) -> None:
        self._calls = _Calls()
        self._guard = _Guard(connect, self._calls, clock)
        self._context = context
        super().__init__(pool_connections=_HOSTS, pool_maxsize=_CONNECTIONS_PER_HOST)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:  # noqa: FBT001, FBT002 - Requests' signature
        """Use pools whose connections come from the guarded way out."""
        self.poolmanager = _Pools(
            self._guard, num_pools=connections, maxsize=maxsize, block=block, ssl_context=self._context, **pool_kwargs
        )

    def send(  # noqa: PLR0917 - Requests' signature
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,  # noqa: ARG002, FBT001, FBT002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Make one call; `timeout` is the deadline in seconds for all of it, the whole answer included.

        Raises `requests.ConnectionError` (also `ConnectTimeout`, `SSLError`) if the request has certainly not left
        whole, `AnswerLost` once it may have, and `UnsafeEndpoint`. Certificates are always verified; proxies never used.
        """
        raw, body = self.exchange(
            request.method or "GET",
            request.url or "",
            body=request.body,
            headers=request.headers,
            seconds=_seconds(timeout),
        )
        response = self.build_response(request, raw)
        response._content = body  # noqa: SLF001 - as Requests' own kinds of adapters do
        return response

    def exchange(
        self, method: str, url: str, *, body: bytes | str | None, headers: Mapping[str, str], seconds: float
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """Make one call of at most `seconds` and give the answer with its body; raises what `send` raises.

        It spares mail the two thirds of Requests' time that go into building its request and response objects.
        """
        call = self._calls.current = _Call(time.monotonic() + seconds)
        try:
            target = _target(url)
            pool = self.poolmanager.connection_from_host(target.host, target.port, target.scheme)
            answer = pool.urlopen(
                method,
                target.path,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=True,
            )
        except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            raise _failure(error, sent=call.sent) from error
        try:
            content = answer.read(ANSWER_LIMIT + 1)
        except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            answer.close()
            raise AnswerLost("the answer's body was cut off", status=answer.status) from error
        if len(content) > ANSWER_LIMIT:
            answer.close()
            raise AnswerLost("the answer's body is too long", status=answer.status)
        answer.release_conn()
        return answer, content


def guarded_session(adapter: GuardedAdapter) -> requests.Session:
    """Make a session that has only this way out."""
    session = _Session()
    session.trust_env = False
    # A cookie set for one mailbox would travel with the next one's token.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Give none: a redirect would take the token along."""
        return None


class _Call:
    """One request under way in this thread: `deadline` in monotonic seconds, `sent` once all of it has left."""

    __slots__ = ("deadline", "sent")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.sent = False


class _Calls(threading.local):
    current = _Call(0)


class _Guard(NamedTuple):
    connect: Callable[[str, int, float], TimedSocket]
    calls: _Calls
    clock: Clock


class _Pools(urllib3.PoolManager):
    def __init__(self, guard: _Guard, **pool_kwargs: Any) -> None:
        super().__init__(**pool_kwargs)
        self._guard = guard

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> urllib3.HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        pool.ConnectionCls = partial(_TLS if scheme == "https" else _Plain, self._guard)  # type: ignore[assignment]
        return pool


class _Plain(HTTPConnection):
    """A connection that knows the deadline of the call it serves and whether that call's request has left."""

    def __init__(self, guard: _Guard, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard
        self._used_at = guard.clock()
        self._pieces: list[bytes] = []

    @property
    def is_connected(self) -> bool:
        """Tell whether the connection may be used again.

        One that was idle for long may be dead without our knowing it (a frozen Lambda hears no FIN), and a request lost
        on it would count as one whose answer was lost.
        """
        return super().is_connected and 0 <= self._guard.clock() - self._used_at < _IDLE_LIMIT

    def connect(self) -> None:
        """Connect, and bound the new socket too."""
        super().connect()
        self._bound()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, and know when all of it has left."""
        self._used_at = self._guard.clock()
        self._bound()
        self._pieces = []
        super().request(*args, **kwargs)
        # Header and body leave in one write: one packet, one TLS record and one system call for the usual message.
        pieces, self._pieces = self._pieces, []
        super().send(b"".join(pieces))
        self._guard.calls.current.sent = True

    def send(self, data: Any) -> None:
        """Hold a piece of the request back until it is whole."""
        self._pieces.append(data)

    def _bound(self) -> None:
        if isinstance(self.sock, TimedSocket | TimedTLSSocket):
            self.sock.deadline = self._guard.calls.current.deadline

    def _new_conn(self) -> TimedSocket:
        if type(self) is _Plain and not is_loopback_name(self.host):
            raise UnsafeEndpoint("Plain HTTP is for loopback only.")
        return self._guard.connect(self.host, self.port, time_left(self._guard.calls.current.deadline))


class _TLS(_Plain, HTTPSConnection):
    pass


class _Target(NamedTuple):
    scheme: str
    host: str
    port: int
    path: str


@lru_cache(maxsize=256)
def _target(url: str) -> _Target:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UnsafeEndpoint("This is not a URL.") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise UnsafeEndpoint("The URL has to be http or https and name a host.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)


def _seconds(timeout: float | tuple[float, float | None] | None) -> float:
    if isinstance(timeout, tuple):
        return sum(part for part in timeout if part is not None) or DEFAULT_DEADLINE
    return DEFAULT_DEADLINE if timeout is None else timeout


def _failure(error: Exception, *, sent: bool) -> requests.RequestException:
    """Say what became of a request without an answer, in our words: an error's text may quote the request."""
    if sent:
        return AnswerLost("no answer came")
    if isinstance(error, urllib3.exceptions.SSLError):
        return requests.exceptions.SSLError(*error.args)
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError) or isinstance(error.__context__, TimeoutError):
        return requests.ConnectTimeout("the deadline passed before the request had left")
    return requests.ConnectionError("the request could not be sent")
