"""Sockets that keep one deadline over all their calls, and the way to open one to a checked address."""

from __future__ import annotations

import ipaddress
import math
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from mailbearer.egress.addresses import check_address

Resolved: TypeAlias = list[tuple[int, str]]
"""Address family and numeric address."""

Resolver: TypeAlias = Callable[[str, int], Resolved]
"""Look a name up. Raises `OSError`."""

_SHORTEST_TRY = 2.0


class TimedSocket(socket.socket):
    """A TCP socket whose `deadline` (monotonic seconds) bounds the sum of all its waiting.

    A plain socket time-out starts anew with every byte, so a peer that trickles could hold a call for ever. `allowance`
    bounds the bytes that are read: what reads for us may be talked into reading to the end of a stream that has none.
    """

    deadline: float = 0
    allowance: float = math.inf

    def recv(self, *args: Any) -> bytes:
        """Read as `socket.recv`, within the deadline and the allowance."""
        self._arm()
        got = super().recv(*args)
        self.allowance = _allowance_left(self.allowance, len(got))
        return got

    def recv_into(self, *args: Any) -> int:
        """Read as `socket.recv_into`, within the deadline and the allowance."""
        self._arm()
        count = super().recv_into(*args)
        self.allowance = _allowance_left(self.allowance, count)
        return count

    def send(self, *args: Any) -> int:
        """Write as `socket.send`, within the deadline."""
        self._arm()
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        """Write as `socket.sendall`, within the deadline."""
        self._arm()
        super().sendall(*args)

    def _arm(self) -> None:
        self.settimeout(time_left(self.deadline))


class TimedTLSSocket(ssl.SSLSocket):
    """The same over TLS; its `sendall` goes through `send`."""

    deadline: float = 0
    allowance: float = math.inf

    def recv(self, *args: Any) -> bytes:
        """Read as `socket.recv`, within the deadline and the allowance."""
        self._arm()
        got = super().recv(*args)
        self.allowance = _allowance_left(self.allowance, len(got))
        return got

    def recv_into(self, *args: Any) -> int:
        """Read as `socket.recv_into`, within the deadline and the allowance."""
        self._arm()
        count = super().recv_into(*args)
        self.allowance = _allowance_left(self.allowance, count)
        return count

    def send(self, *args: Any) -> int:
        """Write as `socket.send`, within the deadline."""
        self._arm()
        return super().send(*args)

    def _arm(self) -> None:
        self.settimeout(time_left(self.deadline))


def time_left(deadline: float) -> float:
    """Give the seconds until `deadline` (monotonic). Raises `TimeoutError` if there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline of this call has passed")
    return left


def open_socket(host: str, port: int, *, deadline: float, local: bool, resolve: Resolver) -> TimedSocket:
    """Connect to one of the addresses of `host`, after checking every one of them; nothing is looked up twice.

    Raises `UnsafeEndpoint` if any address may not be reached and `OSError` if none answers.
    """
    addresses = _resolved(host, port, deadline, resolve)
    for _, address in addresses:
        check_address(ipaddress.ip_address(address), local=local)
    failure: OSError = OSError(f"{host} has no address")
    for index, (family, address) in enumerate(addresses):
        left = time_left(deadline)
        tries = len(addresses) - index
        try:
            return _connected(family, address, port, min(left, max(left / tries, _SHORTEST_TRY)), deadline)
        except OSError as error:
            failure = error
    raise failure


def system_resolver(host: str, port: int) -> Resolved:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


def _allowance_left(allowance: float, came: int) -> float:
    """Give the bytes that may still be read. Raises `OSError` if too many came."""
    if came > allowance:
        raise OSError("the peer says more than it may")
    return allowance - came


def _resolved(host: str, port: int, deadline: float, resolve: Resolver) -> Resolved:
    """Look a name up within the deadline; the system's resolver knows none, so it works in a thread of its own."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        answer: queue.SimpleQueue[Resolved | OSError] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                answer.put(resolve(host, port))
            except (OSError, UnicodeError) as error:
                answer.put(error if isinstance(error, OSError) else OSError(f"{host} is no host name"))

        threading.Thread(target=look_up, name="resolve", daemon=True).start()
        try:
            result = answer.get(timeout=time_left(deadline))
        except queue.Empty as error:
            raise TimeoutError(f"looking {host} up took too long") from error
        if isinstance(result, OSError):
            raise result from None
        return result
    return [(socket.AF_INET if address.version == 4 else socket.AF_INET6, str(address))]  # noqa: PLR2004 - IPv4


def _connected(family: int, address: str, port: int, timeout: float, deadline: float) -> TimedSocket:
    sock = TimedSocket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect((address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.deadline = deadline
        sock.settimeout(time_left(deadline))
    except OSError:
        sock.close()
        raise
    return sock
