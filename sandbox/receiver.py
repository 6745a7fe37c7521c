"""A webhook's receiver, as somebody's application has one: it takes what is signed, and refuses what is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOST = "127.0.0.1"


class Receiver(ThreadingHTTPServer):
    """Listens on loopback; `secret` is what the webhook's maker was shown once, `taken` the events that were proven."""

    def __init__(self) -> None:
        """Begin to listen on a free port."""
        super().__init__((HOST, 0), _Request)
        self.secret = ""
        self.taken: queue.Queue[dict[str, Any]] = queue.Queue()

    @property
    def url(self) -> str:
        """Give the address to make a webhook for."""
        return f"http://{HOST}:{self.server_port}/mailbearer"

    def event(self, *, seconds: float) -> dict[str, Any]:
        """Wait for the next event that was proven. Raises TimeoutError."""
        try:
            return self.taken.get(timeout=seconds)
        except queue.Empty as error:
            raise TimeoutError(f"no signed event came within {seconds:.0f} s") from error


@contextmanager
def listening() -> Iterator[Receiver]:
    """Give a receiver that listens until the block ends."""
    with Receiver() as receiver:
        threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield receiver
        finally:
            receiver.shutdown()


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether the body was signed with the secret (Standard Webhooks: HMAC-SHA256 over id, time and body)."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    wanted = f"v1,{base64.b64encode(digest).decode()}"
    return any(hmac.compare_digest(each, wanted) for each in headers["webhook-signature"].split())


class _Request(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        proven = is_signed(self.server.secret, dict(self.headers), body)
        if proven:
            self.server.taken.put(json.loads(body))
        self.send_response(HTTPStatus.NO_CONTENT if proven else HTTPStatus.UNAUTHORIZED)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
