"""The stack's own API, asked over the guarded way out."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from mailbearer.egress import Egress
from mailbearer.egress.public_pages import ApiPages
from mailbearer.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = b"Gr\xc3\xbc\xc3\x9fe" if self.path == "/page" else b"x" * 2_000_000
        self.send_response(303 if self.path == "/page" else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Location", "http://elsewhere.example")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_page_is_told_as_it_is_and_nothing_is_followed(url: str) -> None:
    page = ApiPages(Egress(local=True), url + "/").get("/page")
    assert (page.status, page.headers["content-type"], page.text) == (303, "text/html; charset=utf-8", "Grüße")


def test_an_answer_that_is_too_large_is_no_whole_one(url: str) -> None:
    with pytest.raises(Unavailable, match="gives no whole answer within 15 s"):
        ApiPages(Egress(local=True), url).get("/large")


def test_an_address_that_may_not_be_used_or_does_not_answer_says_so(url: str) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        ApiPages(Egress(local=False), url).get("/page")
    with pytest.raises(Unavailable, match="does not answer"):
        ApiPages(Egress(local=True), "http://127.0.0.1:1").get("/page")
