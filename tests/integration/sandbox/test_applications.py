"""Applications that act without a person, and the credentials that Graph manages for them."""

from __future__ import annotations

import base64
import smtplib
import ssl
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.sandbox.application import RAW, Application, bearer

if TYPE_CHECKING:
    from sandbox.control.key_pairs import KeyPair
    from tests.integration.sandbox.conftest import Clock

GRAPH_DEFAULT = "https://graph.microsoft.com/.default"
OUTLOOK_DEFAULT = "https://outlook.office365.com/.default"
OWNED_BY = "Application.ReadWrite.OwnedBy"


def app_token(app: Application, scope: str) -> str:
    answer = app.ask_token("client_credentials", scope=scope)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def graph(app: Application, path: str, token: str) -> requests.Response:
    return requests.get(f"{app.tenant.api_base_url}/v1.0{path}", headers=bearer(token), timeout=5)


def post(app: Application, path: str, token: str, body: object) -> requests.Response:
    return requests.post(f"{app.tenant.api_base_url}/v1.0{path}", json=body, headers=bearer(token), timeout=5)


def send_for(app: Application, mailbox: str, token: str) -> requests.Response:
    url = f"{app.tenant.api_base_url}/v1.0/users/{mailbox}/sendMail"
    headers = bearer(token) | {"Content-Type": "text/plain"}
    return requests.post(url, data=base64.b64encode(RAW), headers=headers, timeout=5)


def code(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def smtp_auth(app: Application, user: str, token: str) -> int:
    smtp = app.world.smtp
    with smtplib.SMTP(smtp.host, smtp.port, timeout=5) as client:
        client.starttls(context=ssl.create_default_context(cafile=smtp.ca_file))
        client.ehlo()
        response = base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()
        status, _ = client.docmd("AUTH", f"XOAUTH2 {response}")
        if status == 334:
            status, _ = client.docmd("")
        return status


# --- what an application may do


def test_an_application_sends_for_the_mailboxes_it_was_allowed(microsoft: Application) -> None:
    control = microsoft.world.control
    control.add_mailbox("microsoft", "eve@tenant.example")
    token = app_token(microsoft, GRAPH_DEFAULT)
    assert send_for(microsoft, microsoft.mailbox, token).status_code == 202
    assert send_for(microsoft, "eve@tenant.example", token).status_code == 202
    control.allow_application("microsoft", "app", app_mailboxes=["EVE@tenant.example"])
    assert code(send_for(microsoft, microsoft.mailbox, token)) == (403, "ErrorAccessDenied")
    assert send_for(microsoft, "eve@tenant.example", token).status_code == 202
    assert code(send_for(microsoft, "nobody@tenant.example", token)) == (404, "ErrorInvalidUser")


def test_an_application_without_the_role_cannot_send(microsoft: Application) -> None:
    microsoft.world.control.allow_application("microsoft", "app", app_roles=["SMTP.SendAsApp"])
    token = app_token(microsoft, GRAPH_DEFAULT)
    assert code(send_for(microsoft, microsoft.mailbox, token)) == (403, "ErrorAccessDenied")


@pytest.mark.parametrize("path", ["/me", "/me/sendMail"])
def test_me_is_for_people(microsoft: Application, path: str) -> None:
    token = app_token(microsoft, GRAPH_DEFAULT)
    answer = graph(microsoft, path, token) if path == "/me" else post(microsoft, path, token, {"message": {}})
    assert code(answer) == (400, "BadRequest")
    assert "delegated" in answer.json()["error"]["message"]


def test_an_answer_names_no_scope_and_no_refresh_token(microsoft: Application) -> None:
    answer = microsoft.ask_token("client_credentials", scope=GRAPH_DEFAULT).json()
    assert set(answer) == {"token_type", "expires_in", "ext_expires_in", "access_token"}


@pytest.mark.parametrize(
    ("scope", "error", "number"),
    [
        ("https://graph.microsoft.com/Mail.Send", "invalid_scope", 1002012),
        ("", "invalid_scope", 1002012),
        (f"{GRAPH_DEFAULT} {OUTLOOK_DEFAULT}", "invalid_scope", 1002012),
        ("https://elsewhere.example/.default", "invalid_resource", 500011),
    ],
)
def test_the_scope_must_be_one_known_resource_default(
    microsoft: Application, scope: str, error: str, number: int
) -> None:
    answer = microsoft.ask_token("client_credentials", scope=scope)
    assert (answer.status_code, answer.json()["error"], answer.json()["error_codes"]) == (400, error, [number])


@pytest.mark.parametrize(("tenant", "scope"), [("microsoft", OUTLOOK_DEFAULT), ("oidc", "smtp")])
def test_an_application_signs_in_to_smtp_for_the_mailboxes_it_was_allowed(
    microsoft: Application, oidc: Application, tenant: str, scope: str
) -> None:
    app = {"microsoft": microsoft, "oidc": oidc}[tenant]
    app.world.control.add_mailbox(tenant, "eve@tenant.example")
    token = app_token(app, scope)
    assert smtp_auth(app, app.mailbox, token) == 235
    app.world.control.allow_application(tenant, "app", app_mailboxes=["eve@tenant.example"])
    assert smtp_auth(app, app.mailbox, token) == 535
    assert smtp_auth(app, "eve@tenant.example", token) == 235
    app.world.control.allow_application(tenant, "app", app_mailboxes=None)
    assert smtp_auth(app, app.mailbox, token) == 235


def test_a_token_for_graph_does_not_open_smtp_nor_the_other_way_round(microsoft: Application) -> None:
    assert smtp_auth(microsoft, microsoft.mailbox, app_token(microsoft, GRAPH_DEFAULT)) == 535
    outlook = app_token(microsoft, OUTLOOK_DEFAULT)
    assert code(send_for(microsoft, microsoft.mailbox, outlook)) == (403, "ErrorAccessDenied")


# --- people


def test_graph_tells_who_somebody_is_to_the_person_and_to_an_application_that_may_know(
    microsoft: Application,
) -> None:
    control = microsoft.world.control
    control.add_mailbox("microsoft", "eve@tenant.example")
    delegated, alone = microsoft.connect()["access_token"], app_token(microsoft, GRAPH_DEFAULT)
    me = graph(microsoft, "/me", delegated).json()
    assert (me["mail"], me["userPrincipalName"]) == (microsoft.mailbox, microsoft.mailbox)
    for who, token in ((microsoft.mailbox, delegated), (me["id"], delegated), (me["id"], alone)):
        assert graph(microsoft, f"/users/{who}", token).json() == me
    assert code(graph(microsoft, "/users/eve@tenant.example", delegated)) == (403, "Authorization_RequestDenied")
    assert code(graph(microsoft, "/users/nobody@x.example", alone)) == (404, "Request_ResourceNotFound")
    control.allow_application("microsoft", "app", app_roles=["Mail.Send"])
    blind = app_token(microsoft, GRAPH_DEFAULT)
    assert code(graph(microsoft, f"/users/{me['id']}", blind)) == (403, "Authorization_RequestDenied")


# --- its own credentials


@pytest.fixture
def owner(microsoft: Application) -> str:
    """Let the application manage itself, and return its token."""
    microsoft.world.control.allow_application("microsoft", "app", app_roles=[OWNED_BY])
    return app_token(microsoft, GRAPH_DEFAULT)


MINE = "/applications(appId='app')"


def test_an_application_reads_its_credentials_without_their_values(
    microsoft: Application, owner: str, key_pair: KeyPair
) -> None:
    added = microsoft.world.control.add_certificate("microsoft", "app", key_pair.certificate, name="first")
    body = graph(microsoft, MINE, owner).json()
    (password,), (key,) = body["passwordCredentials"], body["keyCredentials"]
    assert (body["appId"], password["hint"], password["secretText"]) == ("app", "app", None)
    assert (key["keyId"], key["customKeyIdentifier"], key["displayName"]) == (added["id"], added["hint"], "first")
    lasts = datetime.fromisoformat(password["endDateTime"]) - datetime.fromisoformat(password["startDateTime"])
    assert lasts.days == 730
    assert graph(microsoft, f"/applications/{body['id']}", owner).json() == body
    assert "app-secret" not in str(body)


@pytest.mark.parametrize("by", ["appId", "id"])
def test_a_secret_is_minted_works_beside_the_old_one_and_is_taken_away(
    microsoft: Application, owner: str, by: str
) -> None:
    path = MINE if by == "appId" else f"/applications/{graph(microsoft, MINE, owner).json()['id']}"
    wanted = {"passwordCredential": {"displayName": "rotation", "endDateTime": "2099-01-01T00:00:00Z"}}
    made = post(microsoft, f"{path}/addPassword", owner, wanted).json()
    assert (made["displayName"], made["endDateTime"]) == ("rotation", "2099-01-01T00:00:00Z")
    assert made["hint"] == made["secretText"][:3]
    assert made["secretText"] in microsoft.world.control.secrets()
    second = replace(microsoft, client_secret=made["secretText"])
    assert app_token(second, GRAPH_DEFAULT)
    assert app_token(microsoft, GRAPH_DEFAULT)
    listed = graph(microsoft, path, owner).json()["passwordCredentials"]
    assert [item["secretText"] for item in listed] == [None, None]
    removed = post(microsoft, f"{path}/removePassword", owner, {"keyId": made["keyId"]})
    assert (removed.status_code, removed.content) == (204, b"")
    assert second.ask_token("client_credentials", scope=GRAPH_DEFAULT).json()["error_codes"] == [7000215]
    again = post(microsoft, f"{path}/removePassword", owner, {"keyId": made["keyId"]})
    assert code(again) == (400, "Request_BadRequest")


def test_a_minted_secret_may_need_time_to_be_known_everywhere(microsoft: Application, owner: str, clock: Clock) -> None:
    microsoft.world.control.change_settings("microsoft", secret_delay=20)
    made = post(microsoft, f"{MINE}/addPassword", owner, {}).json()
    second = replace(microsoft, client_secret=made["secretText"])
    assert second.ask_token("client_credentials", scope=GRAPH_DEFAULT).json()["error_codes"] == [7000215]
    clock.ahead = 21
    assert app_token(second, GRAPH_DEFAULT)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"passwordCredential": {"endDateTime": "2001-01-01T00:00:00Z"}}, "Request_BadRequest"),
        ({"passwordCredential": {"endDateTime": "soon"}}, "Request_BadRequest"),
        ({"passwordCredential": "soon"}, "BadRequest"),
        ([], "BadRequest"),
    ],
)
def test_a_malformed_wish_is_refused(microsoft: Application, owner: str, body: Any, expected: str) -> None:
    assert code(post(microsoft, f"{MINE}/addPassword", owner, body)) == (400, expected)


def test_only_an_application_with_the_role_manages_credentials_and_only_its_own(
    microsoft: Application, owner: str
) -> None:
    denied = (403, "Authorization_RequestDenied")
    replace(microsoft, client_id="other").registered()
    others = "/applications(appId='other')"
    assert code(graph(microsoft, others, owner)) == denied
    assert code(post(microsoft, f"{others}/addPassword", owner, {})) == denied
    control = microsoft.world.control
    person = microsoft.connect(scope=f"openid {OWNED_BY}")["access_token"]
    assert code(graph(microsoft, MINE, person)) == denied
    control.allow_application("microsoft", "app", app_roles=["Application.Read.All"])
    reader = app_token(microsoft, GRAPH_DEFAULT)
    assert graph(microsoft, others, reader).json()["appId"] == "other"
    assert code(graph(microsoft, "/applications(appId='nobody')", reader)) == (404, "Request_ResourceNotFound")
    assert code(post(microsoft, f"{MINE}/addPassword", reader, {})) == denied
    control.allow_application("microsoft", "app", app_roles=["Mail.Send"])
    assert code(graph(microsoft, MINE, app_token(microsoft, GRAPH_DEFAULT))) == denied


def test_an_answer_that_is_lost_has_minted_a_secret_all_the_same(microsoft: Application, owner: str) -> None:
    control = microsoft.world.control
    control.plan_fault("applications", "answer_lost", match={"operation": "addPassword"})
    assert len(graph(microsoft, MINE, owner).json()["passwordCredentials"]) == 1
    with pytest.raises(requests.ConnectionError):
        post(microsoft, f"{MINE}/addPassword", owner, {})
    assert len(graph(microsoft, MINE, owner).json()["passwordCredentials"]) == 2
    control.plan_fault("applications", "throttle", retry_after=9)
    throttled = graph(microsoft, MINE, owner)
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "9")
    assert control.count(endpoint="applications", outcome="ok") == 2
