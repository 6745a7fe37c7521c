"""The guarded way out: every connection to a provider is opened here."""

from __future__ import annotations

import ssl
import threading
import time
from typing import TYPE_CHECKING

from mailbearer.egress.addresses import check_address, check_host, check_url
from mailbearer.egress.sockets import TimedSocket, TimedTLSSocket, open_socket, system_resolver

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    import requests

    from mailbearer.egress.sockets import Resolver
    from mailbearer.egress.web import GuardedAdapter
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
        self._adapters: dict[str, GuardedAdapter] = {}

    def check_url(self, url: str) -> None:
        """Raise `UnsafeEndpoint` if `url` may not be used on this stage."""
        check_url(url, local=self.local)

    def connect(self, host: str, port: int, timeout: float) -> TimedSocket:
        """Open a TCP connection; `timeout` seconds from now is also the deadline of the socket until it is set anew.

        Raises `UnsafeEndpoint` and `OSError`.
        """
        deadline = time.monotonic() + timeout
        return open_socket(host, port, deadline=deadline, local=self.local, resolve=self._resolve)

    def secure(self, sock: socket.socket, host: str, ca_pem: str) -> TimedTLSSocket:
        """Put TLS on a connection and verify the certificate for `host`; the deadline goes over. Raises `OSError`."""
        deadline = sock.deadline if isinstance(sock, TimedSocket) else 0.0
        with self._lock:
            context = self._contexts.get(ca_pem)
            if context is None:
                context = self._contexts[ca_pem] = self.tls_context(ca_pem)
        secured = context.wrap_socket(sock, server_hostname=host)
        if not isinstance(secured, TimedTLSSocket):
            raise TypeError("the context makes sockets of its own class")
        secured.deadline = deadline
        return secured

    def tls_context(self, ca_pem: str = "") -> ssl.SSLContext:
        """Make TLS settings: the system's authorities and those of `ca_pem`, host name checked, TLS 1.2 or later."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = TimedTLSSocket
        if ca_pem:
            context.load_verify_locations(cadata=ca_pem)
        return context

    def adapter(self, ca_pem: str = "") -> GuardedAdapter:
        """Give the Requests adapter that keeps every rule of this class; see `GuardedAdapter.send` for its errors.

        It is shared by all sessions with the same authorities, and so are its connections.
        """
        # Mail over SMTP should not pay for Requests, which takes longer to import than everything else here together.
        from mailbearer.egress.web import GuardedAdapter  # noqa: PLC0415

        with self._lock:
            adapter = self._adapters.get(ca_pem)
            if adapter is None:
                # Settings of its own, because urllib3 asks for HTTP in them (ALPN).
                adapter = GuardedAdapter(self.connect, self.tls_context(ca_pem), self._clock)
                self._adapters[ca_pem] = adapter
            return adapter

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Make one call in `deadline` seconds; give status, header and body. Raises as `GuardedAdapter.send`."""
        adapter = self.adapter(ca_pem)
        answer, content = adapter.exchange(method, url, body=body, headers=headers, seconds=deadline)
        return answer.status, answer.headers, content

    def session(self, ca_pem: str = "") -> requests.Session:
        """Give a session that follows no redirect, keeps no cookie, reads no environment and has only this way out."""
        from mailbearer.egress.web import guarded_session  # noqa: PLC0415 - see `adapter`

        return guarded_session(self.adapter(ca_pem))

    def close(self) -> None:
        """Let go of kept connections."""
        with self._lock:
            adapters = list(self._adapters.values())
        for adapter in adapters:
            adapter.close()
