"""Every fault, seen from the client's side of the socket."""

from __future__ import annotations

import base64
import smtplib
import ssl
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox.world import World
from tests.integration.sandbox.application import RAW, Application, bearer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.world import Control


@pytest.fixture
def control(world: World) -> Control:
    return world.control


def gmail(app: Application, token: str) -> requests.Response:
    url = f"{app.tenant.api_base_url}/gmail/v1/users/me/messages/send"
    return requests.post(url, json={"raw": base64.urlsafe_b64encode(RAW).decode()}, headers=bearer(token), timeout=5)


def graph(app: Application, token: str) -> requests.Response:
    url = f"{app.tenant.api_base_url}/v1.0/me/sendMail"
    headers = bearer(token) | {"Content-Type": "text/plain"}
    return requests.post(url, data=base64.b64encode(RAW), headers=headers, timeout=5)


# --- the token endpoint


@pytest.mark.parametrize(
    ("fault", "params", "status", "header"),
    [
        ("503", {}, 503, None),
        ("503", {"retry_after": 7}, 503, "7"),
        ("429", {}, 429, "1"),
        ("429", {"retry_after": 30}, 429, "30"),
        ("status", {"status": 418, "headers": {"Retry-After": "9"}, "body": {"error": "teapot"}}, 418, "9"),
    ],
)
def test_a_planned_status_is_answered_instead_of_the_tokens(
    oidc: Application, fault: str, params: dict[str, Any], status: int, header: str | None
) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    oidc.world.control.plan_fault("token", fault, tenant="oidc", **params)
    answer = oidc.refresh(refresh_token)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, header)
    assert "error" in answer.json()
    assert oidc.refresh(refresh_token).status_code == 200, "the fault was for one time, and used nothing up"


def test_an_html_page_is_answered_instead_of_json(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    oidc.world.control.plan_fault("token", "html", tenant="oidc", status=200)
    answer = oidc.refresh(refresh_token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_a_hang_lasts_its_seconds_and_then_goes_on(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    oidc.world.control.plan_fault("token", "hang", tenant="oidc", seconds=0.3)
    began = time.monotonic()
    assert oidc.refresh(refresh_token).status_code == 200
    assert time.monotonic() - began >= 0.3


def test_a_truncated_answer_breaks_off_before_its_announced_length(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    oidc.world.control.plan_fault("token", "truncated", tenant="oidc")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        oidc.refresh(refresh_token)


def test_a_truncated_answer_may_lie_about_nothing_but_its_json(microsoft: Application) -> None:
    refresh_token = microsoft.connect()["refresh_token"]
    microsoft.world.control.plan_fault("token", "truncated", tenant="microsoft", honest_length=True)
    answer = microsoft.refresh(refresh_token)
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(
    ("fault", "params", "field", "value"),
    [
        ("no_access_token", {}, "access_token", None),
        ("no_refresh_token", {}, "refresh_token", None),
        ("expires_in", {"value": "3600"}, "expires_in", "3600"),
        ("expires_in", {"value": "soon"}, "expires_in", "soon"),
        ("expires_in", {"value": -1}, "expires_in", -1),
        ("expires_in", {"value": "missing"}, "expires_in", None),
        ("expires_in", {"value": 10**12}, "expires_in", 10**12),
        ("narrowed_scope", {"scope": "openid"}, "scope", "openid"),
        ("token_type", {}, "token_type", "mac"),
        ("token_type", {"value": "bearer"}, "token_type", "bearer"),
        ("token_type", {"value": 7}, "token_type", 7),
        ("token_type", {"value": "missing"}, "token_type", None),
    ],
)
def test_a_good_answer_is_spoilt_in_one_field(
    oidc: Application, fault: str, params: dict[str, Any], field: str, value: object
) -> None:
    whole = set(oidc.connect())
    oidc.world.control.plan_fault("token", fault, tenant="oidc", **params)
    answer = oidc.connect()
    assert answer.get(field) == value
    assert whole - set(answer) == ({field} if value is None else set())


@pytest.mark.parametrize("status", [200, 503])
def test_a_page_comes_with_the_status_that_was_planned_for_refreshes_alone(oidc: Application, status: int) -> None:
    match = {"grant_type": "refresh_token"}
    oidc.world.control.plan_fault("token", "html", tenant="oidc", match=match, status=status)
    refresh_token = oidc.connect()["refresh_token"]
    answer = oidc.refresh(refresh_token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert oidc.refresh(refresh_token).status_code == 200


def test_an_answer_may_be_too_large_to_read(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    oidc.world.control.plan_fault("token", "too_large", match={"grant_type": "refresh_token"})
    answer = oidc.refresh(refresh_token)
    assert answer.status_code == 200
    assert len(answer.content) > 65_536
    assert answer.json()["refresh_token"] != refresh_token
    oidc.world.control.plan_fault("userinfo", "too_large", octets=100_000)
    headers = bearer(answer.json()["access_token"])
    assert len(requests.get(oidc.tenant.userinfo_url, headers=headers, timeout=5).content) > 100_000


def test_a_delayed_answer_has_rotated_the_token_before_the_client_gave_up(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    oidc.world.control.plan_fault("token", "delay_then_answer", tenant="oidc", seconds=0.5)
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    with pytest.raises(requests.ReadTimeout):
        requests.post(oidc.tenant.token_url, data=form, auth=oidc.auth, timeout=0.2)
    assert oidc.world.control.tokens()[0]["refresh_generation"] == 2
    oidc.world.control.change_settings("oidc", revoke_family_on_reuse=False)
    assert oidc.refresh(refresh_token).json()["error"] == "invalid_grant"
    oidc.world.control.plan_fault("token", "delay_then_answer", tenant="oidc", seconds=0.2)
    began = time.monotonic()
    assert oidc.redeem(oidc.consent().parameters["code"]).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_a_fault_may_wait_for_one_client(oidc: Application) -> None:
    oidc.world.control.plan_fault("token", "503", match={"client_id": "other"})
    assert oidc.connect()
    assert replace(oidc, client_id="other").registered().redeem("any").status_code == 503


def test_a_lost_answer_has_rotated_the_token_all_the_same(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    oidc.world.control.plan_fault("token", "answer_lost", tenant="oidc")
    with pytest.raises(requests.ConnectionError):
        oidc.refresh(refresh_token)
    assert oidc.world.control.tokens()[0]["refresh_generation"] == 2
    assert oidc.refresh(refresh_token).json()["error"] == "invalid_grant"


def test_a_connection_cut_before_the_work_has_rotated_nothing(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    oidc.world.control.plan_fault("token", "cut_before", tenant="oidc")
    with pytest.raises(requests.ConnectionError):
        oidc.refresh(refresh_token)
    assert oidc.refresh(refresh_token).status_code == 200


def test_invalid_grant_comes_in_the_providers_words_and_may_be_worded_further(google: Application) -> None:
    refresh_token = google.connect()["refresh_token"]
    more = {"error_subtype": "invalid_rapt"}
    google.world.control.plan_fault("token", "invalid_grant", tenant="google", body=more)
    answer = google.refresh(refresh_token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert answer.json()["error_subtype"] == "invalid_rapt"
    assert google.refresh(refresh_token).status_code == 200, "the grant itself was not touched"


def test_invalid_client_comes_in_the_providers_words(microsoft: Application) -> None:
    refresh_token = microsoft.connect()["refresh_token"]
    microsoft.world.control.plan_fault("token", "invalid_client", tenant="microsoft")
    assert microsoft.refresh(refresh_token).json()["error_codes"] == [7000215]


# --- which request a fault meets


def test_a_fault_is_played_as_often_as_planned(oidc: Application, control: Control) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    control.plan_fault("token", "503", tenant="oidc", times=2)
    assert [oidc.refresh(refresh_token).status_code for _ in range(3)] == [503, 503, 200]


def test_a_fault_without_end_is_played_until_it_is_deleted(oidc: Application, control: Control) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    fault = control.plan_fault("token", "503", tenant="oidc", times=None)
    assert [oidc.refresh(refresh_token).status_code for _ in range(2)] == [503, 503]
    assert control.faults()[0]["played"] == 2
    assert control.clear_faults(fault) == 1
    assert oidc.refresh(refresh_token).status_code == 200


def test_a_fault_for_one_tenant_spares_the_others(google: Application, oidc: Application, control: Control) -> None:
    control.plan_fault("token", "503", tenant="google")
    assert oidc.connect()
    assert google.redeem("any").status_code == 503


def test_a_fault_may_wait_for_a_grant_type_and_a_mailbox(oidc: Application, control: Control) -> None:
    match = {"grant_type": "refresh_token", "mailbox": oidc.mailbox}
    control.plan_fault("token", "503", match=match)
    refresh_token = oidc.connect()["refresh_token"]
    other = oidc.world.control.consent(oidc.authorize_url(login_hint="eve@tenant.example"))
    eve = oidc.redeem(other.parameters["code"]).json()["refresh_token"]
    assert oidc.refresh(eve).status_code == 200
    assert oidc.refresh(refresh_token).status_code == 503


def test_faults_are_played_in_the_order_they_were_planned(oidc: Application, control: Control) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    control.plan_fault("token", "429")
    control.plan_fault("token", "503")
    assert [oidc.refresh(refresh_token).status_code for _ in range(2)] == [429, 503]


@pytest.mark.parametrize(
    ("endpoint", "fault", "params"),
    [
        ("nowhere", "503", {}),
        ("gmail", "no_access_token", {}),
        ("smtp", "html", {}),
        ("token", "hang", {"seconds": 0}),
        ("token", "delay_then_answer", {"seconds": 0}),
        ("gmail", "token_type", {}),
        ("token", "hang", {"seconds": 10_000}),
        ("token", "status", {"status": 99}),
        ("smtp", "reply", {"stage": "nowhere", "code": 451, "text": "no"}),
        ("smtp", "reply", {"stage": "mail"}),
        ("smtp", "answer_lost", {"stage": "mail"}),
    ],
)
def test_a_fault_that_cannot_be_played_is_refused(
    control: Control, endpoint: str, fault: str, params: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        control.plan_fault(endpoint, fault, **params)
    assert control.faults() == []


# --- the other identity endpoints


def test_revoke_userinfo_introspect_and_authorize_fail_on_demand(oidc: Application, control: Control) -> None:
    token = oidc.connect()["access_token"]
    for endpoint in ("revoke", "userinfo", "introspect", "authorize"):
        control.plan_fault(endpoint, "503", tenant="oidc", match={"mailbox": oidc.mailbox})
    form = {"token": token}
    assert requests.post(oidc.tenant.revoke_url, data=form, auth=oidc.auth, timeout=5).status_code == 503
    assert requests.post(oidc.tenant.introspection_url, data=form, auth=oidc.auth, timeout=5).status_code == 503
    assert requests.get(oidc.tenant.userinfo_url, headers=bearer(token), timeout=5).status_code == 503
    assert requests.get(oidc.authorize_url(), timeout=5).status_code == 503
    assert requests.get(oidc.tenant.userinfo_url, headers=bearer(token), timeout=5).status_code == 200


# --- the mail APIs


@pytest.mark.parametrize(
    ("fault", "status", "reason"), [("throttle", 429, "rateLimitExceeded"), ("503", 503, "backendError")]
)
def test_gmail_fails_in_its_own_words(google: Application, fault: str, status: int, reason: str) -> None:
    token = google.connect()["access_token"]
    google.world.control.plan_fault("gmail", fault, match={"mailbox": google.mailbox})
    answer = gmail(google, token)
    assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (status, reason)
    assert google.world.control.mail() == []


def test_graph_is_throttled_in_its_own_words(microsoft: Application) -> None:
    token = microsoft.connect()["access_token"]
    microsoft.world.control.plan_fault("graph", "throttle", retry_after=3)
    answer = graph(microsoft, token)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert answer.json()["error"]["code"] == "ApplicationThrottled"


@pytest.mark.parametrize(("fault", "captured"), [("answer_lost", 1), ("cut_before", 0)])
def test_a_mail_api_may_lose_its_answer_after_or_before_the_work(world: World, fault: str, captured: int) -> None:
    for tenant, send, endpoint in (("google", gmail, "gmail"), ("microsoft", graph, "graph")):
        world.control.clear()
        app = Application(world=world, tenant=world.tenants[tenant]).registered()
        token = app.connect()["access_token"]
        world.control.plan_fault(endpoint, fault)
        with pytest.raises(requests.ConnectionError):
            send(app, token)
        assert world.control.mail_counts()["accepted"] == captured


def test_a_202_may_carry_retry_after_by_status_fault(microsoft: Application) -> None:
    token = microsoft.connect()["access_token"]
    microsoft.world.control.plan_fault("graph", "status", status=200, headers={"Retry-After": "5"}, body="")
    answer = graph(microsoft, token)
    assert (answer.status_code, answer.content) == (200, b"")


# --- SMTP


@pytest.fixture
def smtp(oidc: Application) -> Iterator[smtplib.SMTP]:
    """A connection that is signed in."""
    token = oidc.connect()["access_token"]
    with closing(smtplib.SMTP(oidc.world.smtp.host, oidc.world.smtp.port, timeout=5)) as client:
        client.starttls(context=ssl.create_default_context(cafile=oidc.world.smtp.ca_file))
        client.ehlo()
        client.auth("XOAUTH2", lambda _challenge=None: f"user={oidc.mailbox}\x01auth=Bearer {token}\x01\x01")
        yield client


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
def test_any_reply_can_be_given_at_any_stage_of_the_message(oidc: Application, smtp: smtplib.SMTP, stage: str) -> None:
    match = {"mailbox": oidc.mailbox}
    text = "4.7.500 Access denied, please try again later"
    oidc.world.control.plan_fault("smtp", "reply", tenant="oidc", match=match, stage=stage, code=451, text=text)
    errors = (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)
    with pytest.raises(errors) as refused:
        smtp.sendmail(oidc.mailbox, ["bob@example.com"], RAW)
    assert "451" in str(refused.value)
    assert oidc.world.control.mail() == []
    smtp.rset()
    smtp.sendmail(oidc.mailbox, ["bob@example.com"], RAW)
    assert len(oidc.world.control.mail()) == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
def test_the_connection_can_be_dropped_at_any_stage_of_the_message(
    oidc: Application, smtp: smtplib.SMTP, stage: str
) -> None:
    oidc.world.control.plan_fault("smtp", "drop", stage=stage)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError, ssl.SSLError)):
        smtp.sendmail(oidc.mailbox, ["bob@example.com"], RAW)
    assert oidc.world.control.mail() == []


@pytest.mark.parametrize(("fault", "captured"), [("answer_lost", 1), ("cut_before", 0)])
def test_smtp_may_lose_its_answer_after_or_before_keeping_the_mail(
    oidc: Application, smtp: smtplib.SMTP, fault: str, captured: int
) -> None:
    oidc.world.control.plan_fault("smtp", fault)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError, ssl.SSLError)):
        smtp.sendmail(oidc.mailbox, ["bob@example.com"], RAW)
    assert oidc.world.control.mail_counts()["accepted"] == captured


def test_the_connection_can_be_dropped_in_the_middle_of_the_content(oidc: Application, smtp: smtplib.SMTP) -> None:
    oidc.world.control.plan_fault("smtp", "drop", stage="data", after_octets=10)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError, ssl.SSLError)):
        smtp.sendmail(oidc.mailbox, ["bob@example.com"], RAW + b"line\r\n" * 100_000)
    assert oidc.world.control.mail() == []


def test_smtp_is_throttled_as_exchange_does_it(oidc: Application, smtp: smtplib.SMTP) -> None:
    oidc.world.control.plan_fault("smtp", "throttle")
    code, text = smtp.mail(oidc.mailbox)
    assert (code, text[:5]) == (432, b"4.3.2")


def test_auth_can_be_answered_otherwise(oidc: Application) -> None:
    token, host = oidc.connect()["access_token"], oidc.world.smtp
    text = "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
    oidc.world.control.plan_fault("smtp", "reply", tenant="oidc", stage="auth", code=535, text=text)
    trust = ssl.create_default_context(cafile=host.ca_file)
    with closing(smtplib.SMTP_SSL(host.host, host.tls_port, timeout=5, context=trust)) as client:
        client.ehlo()
        response = base64.b64encode(f"user={oidc.mailbox}\x01auth=Bearer {token}\x01\x01".encode()).decode()
        assert client.docmd("AUTH", f"XOAUTH2 {response}") == (535, text.encode())
        assert client.docmd("AUTH", f"XOAUTH2 {response}")[0] == 235


def test_ehlo_and_starttls_fail_on_demand(world: World) -> None:
    for stage in ("ehlo", "starttls"):
        world.control.plan_fault("smtp", "reply", stage=stage, code=421, text="4.3.2 Service not available")
    with closing(smtplib.SMTP(world.smtp.host, world.smtp.port, timeout=5)) as client:
        assert client.ehlo()[0] == 421
    with closing(smtplib.SMTP(world.smtp.host, world.smtp.port, timeout=5)) as client:
        client.ehlo()
        assert client.docmd("STARTTLS")[0] == 421
    with closing(smtplib.SMTP(world.smtp.host, world.smtp.port, timeout=5)) as client:
        client.starttls(context=ssl.create_default_context(cafile=world.smtp.ca_file))


def test_a_stage_before_auth_cannot_be_matched_on_who_it_is(control: Control) -> None:
    with pytest.raises(ValueError, match="nobody has said who he is"):
        control.plan_fault("smtp", "drop", tenant="oidc", stage="ehlo")


def test_an_smtp_hang_goes_on_afterwards(oidc: Application, smtp: smtplib.SMTP) -> None:
    oidc.world.control.plan_fault("smtp", "hang", stage="dot", seconds=0.2)
    began = time.monotonic()
    smtp.sendmail(oidc.mailbox, ["bob@example.com"], RAW)
    assert time.monotonic() - began >= 0.2
    assert len(oidc.world.control.mail()) == 1


# --- the end


def test_a_world_stops_at_once_while_requests_hang(tmp_path: Path) -> None:
    with World(directory=tmp_path) as world:
        app = Application(world=world, tenant=world.tenants["oidc"]).registered()
        world.control.plan_fault("token", "hang", seconds=60)
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        with pytest.raises(requests.ReadTimeout):
            requests.post(app.tenant.token_url, data=form, auth=app.auth, timeout=0.2)
        smtp = smtplib.SMTP(world.smtp.host, world.smtp.port, timeout=5)
        smtp.ehlo()
        began = time.monotonic()
    assert time.monotonic() - began < 2
    with closing(smtp), pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        smtp.noop()


def test_counters_tell_requests_by_endpoint_grant_type_and_outcome(oidc: Application, control: Control) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    oidc.refresh("wrong")
    control.plan_fault("token", "503")
    oidc.refresh(refresh_token)
    oidc.refresh(refresh_token)
    assert control.count(endpoint="token", grant_type="authorization_code", outcome="ok") == 1
    assert control.count(endpoint="token", grant_type="refresh_token") == 3
    for outcome in ("ok", "invalid_grant", "fault:503"):
        assert control.count(tenant="oidc", grant_type="refresh_token", outcome=outcome) == 1


def test_clear_puts_everything_back(oidc: Application, control: Control) -> None:
    token = oidc.connect()["access_token"]
    control.change_settings("oidc", access_token_ttl=1)
    control.change_settings("smtp", size_limit=1)
    control.plan_fault("token", "503")
    control.clear()
    assert (control.faults(), control.tokens(), control.counters(), control.mail()) == ([], [], [], [])
    assert control.settings()["oidc"]["access_token_ttl"] == 3600
    assert control.settings()["smtp"]["size_limit"] > 1
    assert requests.get(oidc.tenant.userinfo_url, headers=bearer(token), timeout=5).status_code == 401
    assert requests.get(oidc.authorize_url(), timeout=5).status_code == 400
