"""The inbox page and what feeds it, with mail that means harm."""

from __future__ import annotations

import base64
import json
import re
import threading
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox.world import World
from tests.integration.sandbox.application import RAW, Application, bearer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def get(world: World, path: str) -> requests.Response:
    return requests.get(f"{world.url}{path}", timeout=5)


def captured(google: Application, raw: bytes) -> int:
    """Send a message through the Gmail upload and return its id in the inbox."""
    url = f"{google.world.url}/google/upload/gmail/v1/users/me/messages/send?uploadType=media"
    headers = bearer(google.connect()["access_token"]) | {"Content-Type": "message/rfc822"}
    assert requests.post(url, data=raw, headers=headers, timeout=5).status_code == 200
    newest: int = google.world.control.mail()[0]["id"]
    return newest


def letter() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ada <ada@tenant.example>"
    message["To"] = "bob@example.com"
    message["Subject"] = "<script>alert('Grüße')</script>"
    message.set_content("plain <b>text</b>\n")
    message.add_alternative('<h1>Hi</h1><script>alert(1)</script><img src="cid:pix"><img src=cid:none>', subtype="html")
    html: Any = message.get_payload()[1]  # type: ignore[index]
    html.add_related(PNG, maintype="image", subtype="png", cid="<pix>")
    message.add_attachment(b"MZ\x00<script>", maintype="text", subtype="html", filename='../../evil"\\.html')
    return message


def test_the_page_says_what_it_is_and_needs_nothing_from_outside(world: World) -> None:
    page = get(world, "/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Nothing is ever delivered" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/assets/")
        assert get(world, address).status_code == 200
    assert 'sandbox=""' in page.text


def test_the_state_lists_mail_tokens_and_accounts_without_any_secret(google: Application) -> None:
    mail_id = captured(google, bytes(letter()))
    response = get(google.world, "/inbox/state")
    state = response.json()
    assert state["counts"]["accepted"] == 1
    assert state["mails"][0]["id"] == mail_id
    assert state["mails"][0]["subject"] == "<script>alert('Grüße')</script>"
    assert state["grants"][0]["mailbox"] == google.mailbox
    assert state["mailbearer"] == {"state": "none", "accounts": []}
    assert not [value for value in google.world.control.secrets() if value in response.text]


def test_an_unchanged_state_is_not_sent_again(google: Application) -> None:
    captured(google, RAW)
    version = get(google.world, "/inbox/state").json()["version"]
    assert get(google.world, f"/inbox/state?seen={version}").status_code == 204
    captured(google, RAW)
    assert get(google.world, f"/inbox/state?seen={version}").status_code == 200


def test_a_mail_is_taken_apart(google: Application) -> None:
    mail = get(google.world, f"/inbox/mail/{captured(google, bytes(letter()))}").json()
    assert mail["text"] == "plain <b>text</b>\n"
    assert mail["has_html"] is True
    assert [(item["content_type"], item["size"]) for item in mail["attachments"]] == [
        ("image/png", len(PNG)),
        ("text/html", 11),
    ]
    assert ["To", "bob@example.com"] in mail["all_headers"]
    assert mail["source"].startswith("From: Ada")


def test_the_html_is_served_with_a_policy_that_lets_nothing_run_or_load(google: Application) -> None:
    response = get(google.world, f"/inbox/mail/{captured(google, bytes(letter()))}/html")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:;")
    assert "script-src" not in policy
    assert "form-action 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in response.text
    assert "cid:" not in response.text


def test_attachments_are_only_ever_downloaded(google: Application) -> None:
    mail_id = captured(google, bytes(letter()))
    response = get(google.world, f"/inbox/mail/{mail_id}/attachments/1")
    assert response.content == b"MZ\x00<script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == "attachment; filename=evil.html"
    assert response.headers["Content-Security-Policy"].startswith("sandbox")
    assert get(google.world, f"/inbox/mail/{mail_id}/attachments/2").status_code == 404


def test_the_source_is_downloaded_byte_for_byte(google: Application) -> None:
    response = get(google.world, f"/inbox/mail/{captured(google, RAW)}/source")
    assert response.content == RAW
    assert response.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("what", "raw"),
    [
        ("raw bytes in a header", b"To: a@b.example\r\nSubject: \xff\xfe\xc3\xa4\r\n\r\nx"),
        ("an unknown charset in a header", b"To: a@b.example\r\nSubject: =?x-none?q?a?=\r\n\r\nx"),
        ("a broken encoded word", b"To: a@b.example\r\nSubject: =?utf-8?b?YQ=a?=\r\n\r\nx"),
        ("an unknown charset in the body", b"To: a@b.example\r\nContent-Type: text/plain; charset=x\x00y\r\n\r\n\xff"),
        ("a boundary that never comes", b"To: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nbody"),
        ("no boundary at all", b"To: a@b.example\r\nContent-Type: multipart/mixed\r\n\r\nbody"),
        ("broken base64", b"To: a@b.example\r\nContent-Transfer-Encoding: base64\r\n\r\n*****="),
        ("broken uuencode", b"To: a@b.example\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\n\xff"),
        ("no body", b"To: a@b.example"),
        ("a line that is no header", b"To: a@b.example\r\nthis is no header\r\n\r\nx"),
        ("ten thousand headers", b"To: a@b.example\r\n" + b"X: y\r\n" * 10_000 + b"\r\nx"),
        (
            "two thousand parts inside each other",
            b"To: a@b.example\r\n"
            + b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (i, i) for i in range(2_000)),
        ),
        (
            "three thousand parts beside each other",
            b"To: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 3_000,
        ),
        (
            "a filename with line ends",
            b"To: a@b.example\r\nContent-Disposition: attachment; filename*=a%0d%0ab\r\n\r\nx",
        ),
    ],
)
def test_a_mail_that_means_harm_is_listed_and_shown(google: Application, what: str, raw: bytes) -> None:
    mail_id = captured(google, b"From: ada@tenant.example\r\n" + raw)
    assert what
    assert get(google.world, "/inbox/state").json()["mails"][0]["id"] == mail_id
    mail = get(google.world, f"/inbox/mail/{mail_id}")
    assert mail.status_code == 200
    for number in range(min(len(mail.json()["attachments"]), 2)):
        assert get(google.world, f"/inbox/mail/{mail_id}/attachments/{number}").status_code == 200


def test_a_mail_that_is_not_there_is_not_found(world: World) -> None:
    for path in ("", "/html", "/source", "/attachments/0"):
        assert get(world, f"/inbox/mail/999999{path}").status_code == 404


# --- Mailbearer's accounts


class FakeApi(BaseHTTPRequestHandler):
    """Mailbearer's `GET /v1/accounts`, for one key."""

    def do_GET(self) -> None:
        allowed = self.path == "/v1/accounts" and self.headers["Authorization"] == "Bearer mb_key"
        row = {
            "id": "acc_1",
            "address": "ada@x.example",
            "provider": "google",
            "transport": "gmail",
            "status": "active",
        }
        body = json.dumps({"data": [row | {"more": "ignored"}], "next_cursor": None}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeApi) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_accounts_are_read_from_the_stack_that_runs(tmp_path: Path, api_url: str) -> None:
    state_file = tmp_path / "local.json"
    moment = [1_000_000.0]
    with World(directory=tmp_path, mailbearer_state=state_file, clock=lambda: moment[0]) as world:

        def shown() -> dict[str, Any]:
            moment[0] += 10
            seen: dict[str, Any] = get(world, "/inbox/state").json()["mailbearer"]
            return seen

        assert shown() == {"state": "none", "accounts": []}
        state_file.write_text(json.dumps({"api_url": api_url, "api_key": "mb_key"}))
        account = {
            "id": "acc_1",
            "address": "ada@x.example",
            "provider": "google",
            "transport": "gmail",
            "status": "active",
        }
        assert shown() == {"state": "up", "accounts": [account]}
        wrong_key = {"api_url": api_url, "api_key": "x"}
        nobody_there = {"api_url": "http://127.0.0.1:1", "api_key": "x"}
        for broken in (json.dumps(wrong_key), json.dumps(nobody_there), "[]", "{", '{"api_url": 1, "api_key": 2}'):
            state_file.write_text(broken)
            assert shown() == {"state": "down", "accounts": []}
        state_file.unlink()
        assert shown() == {"state": "none", "accounts": []}
