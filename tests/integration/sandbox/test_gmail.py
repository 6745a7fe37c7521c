"""Gmail's messages.send over real sockets."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.sandbox.application import RAW, Application, bearer

if TYPE_CHECKING:
    from tests.integration.sandbox.conftest import Clock

PATH = "/gmail/v1/users/me/messages/send"


def send(app: Application, token: str, body: object, *, user: str = "me") -> requests.Response:
    url = f"{app.tenant.api_base_url}{PATH.replace('me', user, 1) if user != 'me' else PATH}"
    return requests.post(url, json=body, headers=bearer(token), timeout=5)


def upload(app: Application, token: str, body: bytes, content_type: str, kind: str) -> requests.Response:
    url = f"{app.world.url}/google/upload{PATH}?uploadType={kind}"
    return requests.post(url, data=body, headers=bearer(token) | {"Content-Type": content_type}, timeout=5)


def encoded(raw: bytes) -> dict[str, str]:
    return {"raw": base64.urlsafe_b64encode(raw).decode()}


def reason(response: requests.Response) -> tuple[int, str]:
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == response.status_code
    return response.status_code, error["errors"][0]["reason"]


def test_a_message_is_captured_as_it_was_sent(google: Application) -> None:
    raw = RAW.replace(b"tenant.example", b"tenant.example", 1)
    answer = send(google, google.connect()["access_token"], encoded(raw))
    assert answer.status_code == 200
    (mail,) = google.world.control.mail()
    assert answer.json() == {"id": mail["provider_id"], "threadId": mail["provider_id"], "labelIds": ["SENT"]}
    assert (mail["via"], mail["mailbox"]) == ("gmail", google.mailbox)
    assert mail["envelope"] == {"mail_from": google.mailbox, "rcpt_to": ["bob@example.com"]}
    assert google.world.control.mail_source(mail["id"]) == raw


def test_base64url_needs_no_padding(google: Application) -> None:
    body = {"raw": base64.urlsafe_b64encode(RAW + b"x").decode().rstrip("="), "threadId": "t1"}
    assert send(google, google.connect()["access_token"], body).json()["threadId"] == "t1"


def test_the_full_mail_scope_sends_too(google: Application) -> None:
    token = google.connect(scope="https://mail.google.com/")["access_token"]
    assert send(google, token, encoded(RAW)).status_code == 200


def test_bcc_is_delivered_to_and_not_shown(google: Application) -> None:
    raw = RAW.replace(
        b"Subject:", b"bcc: eve@example.com,\r\n\tmallory@example.com\r\nCc: carol@example.com\r\nSubject:"
    )
    send(google, google.connect()["access_token"], encoded(raw))
    (mail,) = google.world.control.mail()
    everyone = ["bob@example.com", "eve@example.com", "mallory@example.com", "carol@example.com"]
    assert sorted(mail["envelope"]["rcpt_to"]) == sorted(everyone)
    source = google.world.control.mail_source(mail["id"])
    assert source == RAW.replace(b"Subject:", b"Cc: carol@example.com\r\nSubject:")


def test_a_foreign_from_is_replaced_by_the_mailbox(google: Application) -> None:
    send(google, google.connect()["access_token"], encoded(RAW.replace(b"ada@", b"president@")))
    (mail,) = google.world.control.mail()
    assert mail["headers"]["from"] == f"Ada <{google.mailbox}>"


def test_an_alias_may_be_the_sender(google: Application) -> None:
    google.world.control.add_mailbox("google", google.mailbox, aliases=["sales@tenant.example"])
    send(google, google.connect()["access_token"], encoded(RAW.replace(b"ada@", b"sales@")))
    assert google.world.control.mail()[0]["headers"]["from"] == "sales@tenant.example"


def test_a_media_upload_is_captured_byte_for_byte(google: Application) -> None:
    assert upload(google, google.connect()["access_token"], RAW, "message/rfc822", "media").status_code == 200
    assert google.world.control.mail_source(google.world.control.mail()[0]["id"]) == RAW


def test_a_multipart_upload_is_captured_byte_for_byte(google: Application) -> None:
    raw = RAW + b"\r\n--not-the-boundary\r\nlast line without end"
    body = b'--b1\r\nContent-Type: application/json\r\n\r\n{"threadId": "t9"}\r\n'
    body += b"--b1\r\nContent-Type: message/rfc822\r\n\r\n" + raw + b"\r\n--b1--\r\n"
    answer = upload(google, google.connect()["access_token"], body, 'multipart/related; boundary="b1"', "multipart")
    assert answer.json()["threadId"] == "t9"
    assert google.world.control.mail_source(google.world.control.mail()[0]["id"]) == raw


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (RAW, "text/plain", "media"),
        (b"{}", "application/json", "resumable"),
        (b"--b1\r\n\r\n{}\r\n--b1--\r\n", "multipart/related; boundary=b1", "multipart"),
        (b"--b1\r\n\r\nnot json\r\n--b1\r\n\r\nx\r\n--b1--", "multipart/related; boundary=b1", "multipart"),
        (RAW, "multipart/related", "multipart"),
    ],
)
def test_another_kind_of_upload_is_refused(google: Application, body: bytes, content_type: str, kind: str) -> None:
    assert upload(google, google.connect()["access_token"], body, content_type, kind).status_code == 400
    assert google.world.control.mail() == []


def test_a_token_is_needed(google: Application) -> None:
    url = f"{google.tenant.api_base_url}{PATH}"
    assert reason(requests.post(url, json=encoded(RAW), timeout=5)) == (401, "required")


def test_an_expired_token_is_refused(google: Application, clock: Clock) -> None:
    token = google.connect()["access_token"]
    clock.ahead = 3601
    refused = send(google, token, encoded(RAW))
    assert reason(refused) == (401, "authError")
    assert "invalid_token" in refused.headers["WWW-Authenticate"]


def test_a_revoked_token_is_refused(google: Application) -> None:
    token = google.connect()["access_token"]
    google.world.control.revoke_tokens(mailbox=google.mailbox)
    assert reason(send(google, token, encoded(RAW))) == (401, "authError")


def test_a_refresh_token_is_no_bearer_token(google: Application) -> None:
    assert reason(send(google, google.connect()["refresh_token"], encoded(RAW))) == (401, "authError")


def test_another_tenants_token_is_refused(google: Application, oidc: Application) -> None:
    assert reason(send(google, oidc.connect()["access_token"], encoded(RAW))) == (401, "authError")


def test_the_scope_is_needed(google: Application) -> None:
    refused = send(google, google.connect(scope="openid email")["access_token"], encoded(RAW))
    assert reason(refused) == (403, "insufficientPermissions")
    assert refused.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_another_users_path_is_refused(google: Application) -> None:
    token = google.connect()["access_token"]
    url = f"{google.tenant.api_base_url}/gmail/v1/users/eve@tenant.example/messages/send"
    refused = requests.post(url, json=encoded(RAW), headers=bearer(token), timeout=5)
    assert (refused.status_code, refused.json()["error"]["message"]) == (403, f"Delegation denied for {google.mailbox}")


@pytest.mark.parametrize(
    "body", [{}, {"raw": ""}, {"raw": 1}, {"raw": "*"}, {"raw": "é"}, [], encoded(b"Subject: to nobody\r\n\r\n")]
)
def test_a_body_without_a_message_for_somebody_is_refused(google: Application, body: object) -> None:
    assert reason(send(google, google.connect()["access_token"], body)) == (400, "invalidArgument")
    assert google.world.control.mail() == []


def test_a_request_over_the_limit_is_refused(google: Application) -> None:
    google.world.control.change_settings("google", request_limit=1_000, upload_limit=2_000)
    token = google.connect()["access_token"]
    assert send(google, token, encoded(RAW + b"x" * 1_000)).status_code == 413
    assert upload(google, token, RAW + b"x" * 1_000, "message/rfc822", "media").status_code == 200
    assert upload(google, token, RAW + b"x" * 2_000, "message/rfc822", "media").status_code == 413


def test_json_of_another_shape_is_refused(google: Application) -> None:
    url, token = f"{google.tenant.api_base_url}{PATH}", google.connect()["access_token"]
    refused = requests.post(url, data=json.dumps("raw"), headers=bearer(token), timeout=5)
    assert refused.status_code == 400
