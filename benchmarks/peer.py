"""A mail host in a process of its own that says yes to everything, cheaply and always in the same time.

`python -m benchmarks.peer http` or `smtp` prints its port and serves until it is ended.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 30
_GMAIL = b'{"id":"18c0ffee18c0ffee","threadId":"18c0ffee18c0ffee","labelIds":["SENT"]}'
_YES = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_GMAIL), _GMAIL)
_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nrequest-id: 11111111\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Peer:
    """A running mail host; `ca_pem` is what its certificate can be verified with, empty without TLS."""

    port: int
    ca_pem: str


@contextlib.contextmanager
def running(protocol: str, *, latency: float = 0, pipelining: bool = True) -> Iterator[Peer]:
    """Run a mail host for a while; `latency` is in seconds for each HTTP answer."""
    with tempfile.TemporaryDirectory() as directory:
        options = ["--latency", str(latency), "--directory", directory, *([] if pipelining else ["--one-by-one"])]
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peer", protocol, *options],
            cwd=Path(__file__).resolve().parent.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = cast("IO[str]", process.stdout).readline()
            authority = Path(directory) / "bench-ca.pem"
            yield Peer(int(line), authority.read_text() if authority.exists() else "")
        finally:
            process.terminate()
            process.wait(_SECONDS)
            cast("IO[str]", process.stdout).close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    latency = 0.0
    context: ssl.SSLContext | None = None
    keywords: tuple[str, ...] = ()


class _Http(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        """Answer each request of one connection."""
        while line := self.rfile.readline():
            answer = _ACCEPTED if b"/sendMail" in line else _YES
            length = 0
            while (field := self.rfile.readline()) not in {b"\r\n", b""}:
                name, _, value = field.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.rfile.read(length)
            if self.server.latency:
                time.sleep(self.server.latency)
            self.request.sendall(answer)


class _Smtp(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Take the mail of one connection."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = self.server.context
        if context is None:
            raise RuntimeError("this server speaks TLS only")
        with (
            contextlib.suppress(ConnectionError, ssl.SSLError),
            context.wrap_socket(self.request, server_side=True) as line,
        ):
            self._talk(line)

    def _talk(self, line: ssl.SSLSocket) -> None:
        line.sendall(b"220 localhost ESMTP\r\n")
        buffer = b""
        while True:
            # All commands that came together are answered together, as RFC 2920 asks of a server.
            while b"\r\n" not in buffer:
                received = line.recv(65536)
                if not received:
                    return
                buffer += received
            *commands, buffer = buffer.split(b"\r\n")
            verbs = [command[:4].upper() for command in commands]
            line.sendall(b"".join(map(self._reply, verbs)))
            if b"QUIT" in verbs:
                return
            if b"DATA" in verbs:
                while not buffer.endswith(b"\r\n.\r\n"):
                    buffer += line.recv(65536)
                buffer = b""
                line.sendall(b"250 2.0.0 OK queued as 18c0ffee\r\n")

    def _reply(self, verb: bytes) -> bytes:
        if verb == b"EHLO":
            lines = ["localhost", *self.server.keywords, "AUTH XOAUTH2 OAUTHBEARER"]
            last = len(lines) - 1
            return "".join(f"250{' ' if at == last else '-'}{text}\r\n" for at, text in enumerate(lines)).encode()
        return {
            b"AUTH": b"235 2.7.0 Accepted\r\n",
            b"DATA": b"354 Go ahead\r\n",
            b"QUIT": b"221 2.0.0 Bye\r\n",
        }.get(verb, b"250 2.1.0 OK\r\n")


def main() -> None:
    """Serve one protocol on a free port of loopback until this process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=("http", "smtp"))
    parser.add_argument("--latency", type=float, default=0)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--one-by-one", action="store_true")
    options = parser.parse_args()
    with _Server(("127.0.0.1", 0), _Http if options.protocol == "http" else _Smtp) as server:
        server.latency = options.latency
        server.keywords = ("SIZE 36700160", "8BITMIME", *(() if options.one_by_one else ("PIPELINING",)))
        if options.protocol == "smtp":
            from sandbox.mail_hosts.certificates import make_certificates, server_context  # noqa: PLC0415 - TLS only

            _, certificate = make_certificates(options.directory, stem="bench", now=dt.datetime.now(dt.UTC))
            server.context = server_context(certificate)
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
