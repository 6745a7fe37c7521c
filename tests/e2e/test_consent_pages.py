"""The consent page in a browser: nothing but itself, and in nobody's frame."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
import requests

from mailbearer.http import GUARD
from tests.e2e import browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.browser import Tab
    from tests.e2e.local_stack import LocalStack

PROGRAM = browser.installed()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
in_a_browser = pytest.mark.skipif(PROGRAM is None, reason=f"needs one of {', '.join(browser.PROGRAMS)}")


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    """Give a browser's tab."""
    assert PROGRAM is not None
    with browser.opened(PROGRAM, tmp_path / "profile") as opened:
        yield opened


@pytest.fixture
def consent_url(local_stack: LocalStack) -> str:
    """Give a link that nobody has used."""
    return str(local_stack.operate("accounts", "consent", "orders@acme.example")["consent_url"])


@in_a_browser
def test_the_page_runs_nothing_and_asks_for_nothing(tab: Tab, consent_url: str) -> None:
    tab.open(consent_url)
    tab.wait("document.querySelector('#continue') !== null")
    assert tab.complaints() == []
    assert [url for url in tab.asked_for() if not url.startswith("data:")] == [consent_url]
    assert tab.run("document.scripts.length") == 0
    tab.run("document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))")
    assert tab.run("window.ran === undefined")
    assert any("Content Security Policy" in complaint for complaint in tab.complaints())


@in_a_browser
def test_the_page_is_in_nobodys_frame(tab: Tab, consent_url: str) -> None:
    page = f'<!doctype html><iframe src="{consent_url}"></iframe>'.encode()

    class Framing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Framing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab.open(f"http://127.0.0.1:{server.server_port}/")
        tab.wait("document.querySelector('iframe') !== null && document.readyState === 'complete'")
        tab.wait("performance.getEntriesByType('navigation').length === 1")
        # The browser puts an error page of its own, of no origin, in the frame's place.
        assert tab.run("document.querySelector('iframe').contentDocument === null")
        server.shutdown()
    assert any("frame" in complaint.lower() for complaint in tab.complaints())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/connect/no-such-ticket", 410),
        ("/oauth/callback", 410),
        ("/oauth/callback?state=wrong&code=x", 410),
        ("/oauth/callback?error=access_denied&state=wrong", 410),
        ("/docs", 200),
        ("/openapi.json", 200),
        ("/v1/messages/msg_1", 401),
    ],
)
def test_every_page_and_every_error_is_guarded(local_stack: LocalStack, path: str, status: int) -> None:
    answer = local_stack.call("GET", path, key="mb_nobody" if path.startswith("/v1") else "")
    assert (answer.status_code, answer.headers.get("set-cookie")) == (status, None)
    for name, value in GUARD.items():
        if name != "content-security-policy" and not (status == 200 and name == "cache-control"):
            assert answer.headers[name] == value, name
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_a_link_works_once_and_is_in_no_log(local_stack: LocalStack) -> None:
    added = local_stack.add("once@acme.example", "google")
    assert local_stack.consent(added["consent_url"], "google", "once@acme.example").status_code == 200
    again = requests.get(added["consent_url"], timeout=30)
    assert again.status_code >= 400
    ticket = added["consent_url"].rpartition("/")[2]
    logs = local_stack.aws("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        assert not [event for page in pages for event in page["events"] if ticket in event["message"]]
