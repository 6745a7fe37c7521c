"""Graph's drafts, upload sessions and search, and Gmail's search, over real sockets."""

from __future__ import annotations

import base64
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.sandbox.application import RAW, SCOPES, Application, bearer

if TYPE_CHECKING:
    from collections.abc import Mapping

WRITING = f"{SCOPES['microsoft']} Mail.ReadWrite"
SIZE = 3_000_001


class Mailbox:
    """Graph's messages of one mailbox, asked with one token."""

    def __init__(self, app: Application, scope: str = WRITING) -> None:
        self.url = f"{app.tenant.api_base_url}/v1.0/me/messages"
        self.token = app.connect(scope=scope)["access_token"]

    def post(self, path: str = "", **content: Any) -> requests.Response:
        return requests.post(f"{self.url}{path}", headers=bearer(self.token), timeout=5, **content)

    def draft(self, message_id: str = "<1@app>") -> str:
        headers = bearer(self.token) | {"Content-Type": "text/plain"}
        body = base64.b64encode(RAW.replace(b"<1@app>", message_id.encode()))
        answer = requests.post(self.url, data=body, headers=headers, timeout=5)
        assert answer.status_code == 201
        assert answer.json()["isDraft"] is True
        return f"/{answer.json()['id']}"

    def session(self, draft: str, size: int = SIZE) -> requests.Response:
        item = {"attachmentType": "file", "name": "a.bin", "size": size}
        return self.post(f"{draft}/attachments/createUploadSession", json={"AttachmentItem": item})

    def find(self, message_id: str) -> requests.Response:
        query = {"$filter": f"internetMessageId eq '{message_id}'", "$select": "isDraft"}
        return requests.get(self.url, params=query, headers=bearer(self.token), timeout=5)


def put(url: str, start: int, piece: bytes, headers: Mapping[str, str] | None = None) -> requests.Response:
    span = {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{SIZE}"}
    return requests.put(url, data=piece, headers=span | dict(headers or {}), timeout=5)


def code(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_draft_takes_attachments_in_one_call_and_in_pieces_and_is_sent_once(microsoft: Application) -> None:
    box = Mailbox(microsoft)
    draft = box.draft()
    small = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "s.txt", "contentBytes": "aGk="}
    assert box.post(f"{draft}/attachments", json=small).status_code == 201
    session = box.session(draft)
    assert session.status_code == 201
    url = session.json()["uploadUrl"]
    assert put(url, 0, b"x" * 3_000_000).json() == {"nextExpectedRanges": ["3000000"]}
    last = put(url, 3_000_000, b"y")
    assert (last.status_code, "Location" in last.headers) == (201, True)
    assert microsoft.world.control.mail() == []
    sent = box.post(f"{draft}/send")
    assert (sent.status_code, sent.content) == (202, b"")
    (mail,) = microsoft.world.control.mail()
    parsed = message_from_bytes(microsoft.world.control.mail_source(mail["id"]), policy=default)
    assert [part.get_filename() for part in parsed.iter_attachments()] == ["s.txt", "a.bin"]
    contents = [part.get_payload(decode=True) for part in parsed.iter_attachments()]
    assert contents == [b"hi", b"x" * 3_000_000 + b"y"]
    assert code(box.post(f"{draft}/send")) == (404, "ErrorItemNotFound")


def test_a_draft_may_be_json_and_be_deleted(microsoft: Application) -> None:
    box = Mailbox(microsoft)
    message = {"subject": "x", "toRecipients": [{"emailAddress": {"address": "bob@example.com"}}]}
    draft = f"/{box.post(json=message).json()['id']}"
    assert requests.delete(box.url + draft, headers=bearer(box.token), timeout=5).status_code == 204
    assert code(box.post(f"{draft}/send")) == (404, "ErrorItemNotFound")


def test_making_a_draft_needs_more_than_sending(microsoft: Application) -> None:
    box = Mailbox(microsoft, SCOPES["microsoft"])
    assert code(box.post(json={"subject": "x"})) == (403, "ErrorAccessDenied")
    assert code(box.find("<1@app>")) == (403, "ErrorAccessDenied")


def test_sending_a_draft_needs_more_than_writing_it(microsoft: Application) -> None:
    box = Mailbox(microsoft, "openid Mail.ReadWrite")
    assert code(box.post(f"{box.draft()}/send")) == (403, "ErrorAccessDenied")


def test_a_session_is_for_large_files_and_its_address_is_the_only_key(microsoft: Application) -> None:
    box = Mailbox(microsoft)
    draft = box.draft()
    assert code(box.session(draft, 2_999_999)) == (400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize")
    assert code(box.session("/nothing")) == (404, "ErrorItemNotFound")
    url = box.session(draft).json()["uploadUrl"]
    assert put(url, 0, b"x", bearer(box.token)).status_code == 401
    assert put(url.partition("?")[0], 0, b"x").status_code == 401
    assert put(url, 5, b"x").status_code == 416
    assert requests.put(url, data=b"x", timeout=5).status_code == 416


def test_drafts_and_sent_mail_are_found_by_their_message_id(microsoft: Application) -> None:
    box = Mailbox(microsoft)
    draft = box.draft("<found@app>")
    assert [item["isDraft"] for item in box.find("<found@app>").json()["value"]] == [True]
    box.post(f"{draft}/send")
    assert [item["isDraft"] for item in box.find("<found@app>").json()["value"]] == [False]
    assert box.find("<2@app>").json() == {"value": []}
    assert box.find("<o''brien@app>").json() == {"value": []}
    assert code(box.find("<o'brien@app>")) == (400, "ErrorInvalidUrlQueryFilter")


@pytest.mark.parametrize("operation", ["createMessage", "send", "list"])
def test_a_fault_can_be_bound_to_an_operation(microsoft: Application, operation: str) -> None:
    box = Mailbox(microsoft)
    microsoft.world.control.plan_fault("graph", "503", match={"operation": operation})
    made = box.post(json={"subject": "x", "toRecipients": [{"emailAddress": {"address": "b@example.com"}}]})
    assert (made.status_code == 503) is (operation == "createMessage")
    if made.status_code == 201:
        assert (box.post(f"/{made.json()['id']}/send").status_code == 503) is (operation == "send")
    assert (box.find("<1@app>").status_code == 503) is (operation == "list")


def search(app: Application, scope: str, query: str) -> requests.Response:
    token = app.connect(scope=scope)["access_token"]
    url = f"{app.tenant.api_base_url}/gmail/v1/users/me/messages"
    return requests.get(url, params={"q": query}, headers=bearer(token), timeout=5)


def test_gmail_searches_what_was_sent_by_its_message_id(google: Application) -> None:
    scope = "https://mail.google.com/"
    token = google.connect(scope=scope)["access_token"]
    url = f"{google.tenant.api_base_url}/gmail/v1/users/me/messages/send"
    raw = {"raw": base64.urlsafe_b64encode(RAW).decode()}
    sent = requests.post(url, json=raw, headers=bearer(token), timeout=5).json()
    found = {"messages": [{"id": sent["id"], "threadId": sent["id"]}], "resultSizeEstimate": 1}
    for query in ("rfc822msgid:1@app in:sent", "rfc822msgid:<1@app>"):
        assert search(google, scope, query).json() == found
    assert search(google, scope, "rfc822msgid:2@app").json() == {"resultSizeEstimate": 0}
    assert search(google, scope, "subject:x").status_code == 400


def test_gmail_lets_only_those_search_who_may_read(google: Application) -> None:
    metadata = "https://www.googleapis.com/auth/gmail.metadata"
    for scope in (SCOPES["google"], metadata):
        assert search(google, scope, "rfc822msgid:1@app").status_code == 403
