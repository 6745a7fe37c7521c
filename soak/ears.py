"""The endpoint of a webhook: it hears what is told of messages, and fails now and then."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from soak.doors import Http

EVENTS = ("message.sent", "message.failed", "message.unknown")
FAILS_EVERY = 50
"""Every so manieth call is answered 503, and has to come again."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A notice that was taken: the message it was about, the event's type, and the id under which it came."""

    message: str
    kind: str
    notice: str


class Ears:
    """A server on loopback, in threads of its own; a context manager which ends it."""

    def __init__(self) -> None:
        self.refused = 0
        self._heard: list[Heard] = []
        self._calls = 0
        self._lock = threading.Lock()
        ears = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                heard = Heard(body["data"]["message"], body["type"], self.headers["webhook-id"])
                taken = ears._take(heard)
                self.send_response(HTTPStatus.NO_CONTENT if taken else HTTPStatus.SERVICE_UNAVAILABLE)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="ears", daemon=True)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def register(self, http: Http) -> None:
        """Let the stack tell this endpoint how messages end."""
        port = self._server.server_address[1]
        http.done("POST", "/v1/webhooks", {"url": f"http://127.0.0.1:{port}/soak", "events": list(EVENTS)})

    def heard(self) -> list[Heard]:
        """Give what was taken so far."""
        with self._lock:
            return list(self._heard)

    def _take(self, heard: Heard) -> bool:
        with self._lock:
            self._calls += 1
            if self._calls % FAILS_EVERY == 0:
                self.refused += 1
                return False
            self._heard.append(heard)
            return True
