"""Graph's sendMail over real sockets."""

from __future__ import annotations

import base64
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.sandbox.application import RAW, Application, bearer

if TYPE_CHECKING:
    from tests.integration.sandbox.conftest import Clock


def send(app: Application, token: str, message: object, *, who: str = "me", **more: object) -> requests.Response:
    url = f"{app.tenant.api_base_url}/v1.0/{who}/sendMail"
    return requests.post(url, json={"message": message, **more}, headers=bearer(token), timeout=5)


def send_mime(app: Application, token: str, body: bytes) -> requests.Response:
    url = f"{app.tenant.api_base_url}/v1.0/me/sendMail"
    return requests.post(url, data=body, headers=bearer(token) | {"Content-Type": "text/plain"}, timeout=5)


def people(*addresses: str) -> list[dict[str, Any]]:
    return [{"emailAddress": {"address": address, "name": "Somebody"}} for address in addresses]


def note(**more: object) -> dict[str, object]:
    return {"subject": "Grüße", "toRecipients": people("bob@example.com"), **more}


def code(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_json_message_is_accepted_with_an_empty_202_and_captured(microsoft: Application) -> None:
    message = note(
        body={"contentType": "HTML", "content": "<b>Hi</b>"},
        ccRecipients=people("carol@example.com"),
        bccRecipients=people("eve@example.com"),
        replyTo=people("desk@example.com"),
        internetMessageId="<7@app>",
        internetMessageHeaders=[{"name": "X-Kind", "value": "note"}],
        attachments=[
            {
                "@odata.type": "#microsoft.graph.fileAttachment",
                "name": "a.txt",
                "contentType": "text/x-note",
                "contentBytes": base64.b64encode(b"attached").decode(),
            },
            {"name": "p.png", "contentBytes": "cGl4", "contentType": "image/png", "isInline": True, "contentId": "p1"},
        ],
    )
    answer = send(microsoft, microsoft.connect()["access_token"], message, saveToSentItems=False)
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["request-id"]
    (mail,) = microsoft.world.control.mail()
    assert mail["envelope"]["rcpt_to"] == ["bob@example.com", "carol@example.com", "eve@example.com"]
    assert mail["details"] == {"format": "json", "saveToSentItems": "false"}
    sent = message_from_bytes(microsoft.world.control.mail_source(mail["id"]), policy=default)
    assert (sent["Subject"], sent["Message-ID"], sent["X-Kind"], sent["Bcc"]) == ("Grüße", "<7@app>", "note", None)
    assert sent["From"] == f"Ada <{microsoft.mailbox}>"
    parts = [part for part in sent.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/html", "text/x-note", "image/png"]
    assert parts[1].get_payload(decode=True) == b"attached"
    assert (parts[2]["Content-ID"], parts[2].get_content_disposition()) == ("<p1>", "inline")


def test_a_mime_message_is_captured_without_its_bcc(microsoft: Application) -> None:
    body = base64.encodebytes(RAW.replace(b"Subject", b"Bcc: eve@example.com\r\nSubject"))
    assert send_mime(microsoft, microsoft.connect()["access_token"], body).status_code == 202
    (mail,) = microsoft.world.control.mail()
    assert mail["envelope"]["rcpt_to"] == ["bob@example.com", "eve@example.com"]
    assert microsoft.world.control.mail_source(mail["id"]) == RAW


def test_the_from_of_a_mime_message_gives_way_to_the_mailbox(microsoft: Application) -> None:
    body = base64.b64encode(RAW.replace(b"ada@", b"president@"))
    send_mime(microsoft, microsoft.connect()["access_token"], body)
    assert microsoft.world.control.mail()[0]["envelope"]["mail_from"] == microsoft.mailbox


def test_another_from_in_json_needs_an_alias(microsoft: Application) -> None:
    token = microsoft.connect()["access_token"]
    message = {**note(), "from": {"emailAddress": {"address": "sales@tenant.example"}}}
    assert code(send(microsoft, token, message)) == (403, "ErrorSendAsDenied")
    microsoft.world.control.add_mailbox("microsoft", microsoft.mailbox, aliases=["sales@tenant.example"])
    assert send(microsoft, token, message).status_code == 202


def test_the_full_scope_name_is_accepted(microsoft: Application) -> None:
    token = microsoft.connect(scope="https://graph.microsoft.com/Mail.Send")["access_token"]
    assert send(microsoft, token, note()).status_code == 202


def test_me_tells_who_signed_in(microsoft: Application) -> None:
    url = f"{microsoft.tenant.api_base_url}/v1.0/me"
    for scope in ("User.Read", "openid"):
        told = requests.get(url, headers=bearer(microsoft.connect(scope=scope)["access_token"]), timeout=5).json()
        assert (told["mail"], told["userPrincipalName"]) == (microsoft.mailbox, microsoft.mailbox)
    token = microsoft.connect(scope="Mail.Send")["access_token"]
    assert requests.get(url, headers=bearer(token), timeout=5).status_code == 403


def test_an_expired_token_is_refused(microsoft: Application, clock: Clock) -> None:
    token = microsoft.connect()["access_token"]
    clock.ahead = 3601
    refused = send(microsoft, token, note())
    assert code(refused) == (401, "InvalidAuthenticationToken")
    assert "expired" in refused.json()["error"]["message"]


def test_a_revoked_foreign_or_missing_token_is_refused(microsoft: Application, google: Application) -> None:
    token = microsoft.connect()["access_token"]
    microsoft.world.control.revoke_tokens(mailbox=microsoft.mailbox, tenant="microsoft")
    for bad in (token, google.connect()["access_token"], ""):
        assert code(send(microsoft, bad, note())) == (401, "InvalidAuthenticationToken")


def test_the_scope_is_needed(microsoft: Application) -> None:
    token = microsoft.connect(scope="openid User.Read")["access_token"]
    assert code(send(microsoft, token, note())) == (403, "ErrorAccessDenied")


def test_ones_own_path_is_open_and_another_persons_is_not(microsoft: Application) -> None:
    microsoft.world.control.add_mailbox("microsoft", "eve@tenant.example")
    token = microsoft.connect()["access_token"]
    assert send(microsoft, token, note(), who=f"users/{microsoft.mailbox}").status_code == 202
    assert code(send(microsoft, token, note(), who="users/eve@tenant.example")) == (403, "ErrorAccessDenied")
    assert code(send(microsoft, token, note(), who="users/nobody@tenant.example")) == (404, "ErrorInvalidUser")


def test_an_application_sends_as_any_mailbox_but_is_nobody_itself(microsoft: Application) -> None:
    scope = "https://graph.microsoft.com/.default"
    token = microsoft.ask_token("client_credentials", scope=scope).json()["access_token"]
    assert send(microsoft, token, note(), who=f"users/{microsoft.mailbox}").status_code == 202
    assert code(send(microsoft, token, note())) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (None, "BadRequest"),
        (note(toRecipients=[]), "ErrorInvalidRecipients"),
        (note(toRecipients=[{"address": "bob@example.com"}]), "RequestBodyRead"),
        (note(toRecipients=people("")), "RequestBodyRead"),
        (note(internetMessageHeaders=[{"name": "x-a\r\nBcc", "value": "x"}]), "InvalidInternetMessageHeader"),
        (note(subject="a\r\nBcc: eve@example.com"), "RequestBodyRead"),
        (note(internetMessageHeaders=[{"name": "List-Unsubscribe", "value": "x"}]), "InvalidInternetMessageHeader"),
        (note(attachments=[{"name": "a", "contentBytes": "*"}]), "RequestBodyRead"),
    ],
)
def test_a_message_graph_would_not_take_is_refused(microsoft: Application, message: object, expected: str) -> None:
    assert code(send(microsoft, microsoft.connect()["access_token"], message)) == (400, expected)
    assert microsoft.world.control.mail() == []


def test_mime_that_is_no_base64_is_refused(microsoft: Application) -> None:
    refused = send_mime(microsoft, microsoft.connect()["access_token"], b"From: me")
    assert code(refused) == (400, "ErrorMimeContentInvalidBase64String")


def test_a_request_over_the_limit_is_refused(microsoft: Application) -> None:
    microsoft.world.control.change_settings("microsoft", request_limit=1_000)
    body = base64.b64encode(RAW + b"x" * 1_000)
    assert send_mime(microsoft, microsoft.connect()["access_token"], body).status_code == 413
