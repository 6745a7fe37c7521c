"""The guarded way out: every connection to a provider is opened here."""

from __future__ import annotations

import ssl
import threading
import time
from typing import TYPE_CHECKING

from mailbearer.egress.addresses import check_address, check_host, check_url
from mailbearer.egress.sockets import TimedTLSSocket, open_socket, system_resolver, time_left

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.egress.session import GuardedAdapter, GuardedSession
    from mailbearer.egress.sockets import Resolver, TimedSocket
    from mailbearer.egress.web import Exchanged, Origin, Web
    from mailbearer.ports import Clock

__all__ = ["Egress", "check_address", "check_host", "check_url"]


class Egress:
    """Opens connections to public addresses only (and loopback when `local`), always with verified TLS."""

    def __init__(self, *, local: bool, clock: Clock = time.time, resolve: Resolver = system_resolver) -> None:
        self.local = local
        self._clock = clock
        self._resolve = resolve
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._web: Web | None = None

    def check_url(self, url: str) -> None:
        """Raise `UnsafeEndpoint` if `url` may not be used on this stage."""
        check_url(url, local=self.local)

    def connect(self, host: str, port: int, timeout: float) -> TimedSocket:
        """Open a TCP connection; `timeout` seconds from now is also the deadline of the socket until it is set anew.

        Raises `UnsafeEndpoint` and `OSError`.
        """
        deadline = time.monotonic() + timeout
        return open_socket(host, port, deadline=deadline, local=self.local, resolve=self._resolve)

    def secure(self, sock: TimedSocket, host: str, ca_pem: str) -> TimedTLSSocket:
        """Put TLS on a connection and verify the certificate for `host`; the deadline goes over. Raises `OSError`."""
        deadline = sock.deadline
        sock.settimeout(time_left(deadline))
        secured = self.tls_context(ca_pem).wrap_socket(sock, server_hostname=host)
        if not isinstance(secured, TimedTLSSocket):
            raise TypeError("the context makes sockets of its own class")
        secured.deadline = deadline
        return secured

    def tls_context(self, ca_pem: str = "") -> ssl.SSLContext:
        """Give the TLS settings: the system's authorities and those of `ca_pem`, names checked, TLS 1.2 and later."""
        with self._lock:
            context = self._contexts.get(ca_pem)
            if context is None:
                context = ssl.create_default_context()
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.sslsocket_class = TimedTLSSocket
                if ca_pem:
                    context.load_verify_locations(cadata=ca_pem)
                self._contexts[ca_pem] = context
            return context

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> Exchanged:
        """Make one HTTP call; see `Web.exchange`."""
        return self._http().exchange(method, url, headers=headers, body=body, ca_pem=ca_pem, deadline=deadline)

    def adapter(self, ca_pem: str = "") -> GuardedAdapter:
        """Give the Requests adapter that keeps every rule of this class; see `GuardedAdapter.send` for its errors."""
        # Mail should not pay for Requests, which takes longer to import than everything else here together.
        from mailbearer.egress.session import GuardedAdapter  # noqa: PLC0415

        return GuardedAdapter(self._http(), ca_pem)

    def session(self, ca_pem: str = "") -> GuardedSession:
        """Give a session that follows no redirect, keeps no cookie, reads no environment and has only this way out."""
        from mailbearer.egress.session import GuardedSession  # noqa: PLC0415 - see `adapter`

        return GuardedSession(self.adapter(ca_pem))

    def close(self) -> None:
        """Let go of kept connections."""
        if self._web is not None:
            self._web.close()

    def _http(self) -> Web:
        # Mail over SMTP should not pay for HTTP either.
        from mailbearer.egress.web import Web  # noqa: PLC0415

        with self._lock:
            if self._web is None:
                self._web = Web(self._opened, self._clock)
            return self._web

    def _opened(self, origin: Origin, ca_pem: str, seconds: float) -> TimedSocket | TimedTLSSocket:
        sock = self.connect(origin.host, origin.port, seconds)
        if origin.scheme == "http":
            return sock
        try:
            return self.secure(sock, origin.host, ca_pem)
        except OSError:
            sock.close()
            raise
