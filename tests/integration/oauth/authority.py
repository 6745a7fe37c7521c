"""An authorization server on loopback that plays the answers it is given and keeps the requests it got."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: str

    @property
    def form(self) -> dict[str, str]:
        """Give the form, each name once."""
        fields = parse_qs(self.body, keep_blank_values=True, strict_parsing=True)
        assert all(len(values) == 1 for values in fields.values())
        return {name: values[0] for name, values in fields.items()}


def answer(status: int, body: str | bytes, headers: dict[str, str] | None = None) -> bytes:
    """Write a whole HTTP answer."""
    content = body.encode() if isinstance(body, str) else body
    fields = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close"} | (
        headers or {}
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Played\r\n{head}\r\n".encode() + content


@dataclass
class Authority:
    """Serves one connection at a time; `play` holds the bytes of each answer, cut where they end."""

    tls: ssl.SSLContext | None = None
    trickle: float = 0
    play: Callable[[Seen], bytes] = field(default=lambda _: b"")
    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening and wait for the connection under way."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Give the server's address."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    def answers(self, status: int, body: str | bytes, headers: dict[str, str] | None = None) -> None:
        """Play one answer to every request from now on."""
        self.play = lambda _: answer(status, body, headers)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    stream = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
                    with stream:
                        self._converse(stream)
                except OSError:
                    # The client went away, or refused our certificate: both are what tests are about.
                    continue

    def _converse(self, stream: socket.socket) -> None:
        stream.settimeout(5)
        with stream.makefile("rb") as reader:
            method, target, _ = reader.readline().decode().split(" ", 2)
            headers = {}
            while line := reader.readline().decode().strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = reader.read(int(headers.get("content-length", "0"))).decode()
        self.seen.append(Seen(method=method, target=target, headers=headers, body=body))
        data = self.play(self.seen[-1])
        if not self.trickle:
            stream.sendall(data)
            return
        for position in range(len(data)):
            stream.sendall(data[position : position + 1])
            time.sleep(self.trickle)
