"""Testing a registration step by step: what each step finds, and that one that fails does not stop the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mailbearer.client import Client
from mailbearer.credential import Credential
from mailbearer.errors import ClientRefused, GrantRefused, InvalidInput, SecretMissing, TokenEndpointBusy, TokenError
from mailbearer.ports.mail import Greeting
from mailbearer.ports.provider import DeviceAuthorization, TokenAnswer, WebPage
from mailbearer.providers import definition_of
from mailbearer.registration import Discovery, Endpoints, Flow, Registration
from mailbearer.verifying import Finding, Verdict, Verification
from tests.fakes import FakeClock, FakeCredentialVault, ScriptedAuthorizationServer, ScriptedTransport
from tests.unit.grants import Grants, mailbox, registration

REDIRECT = "https://api.example/oauth/callback"
SIGN_IN = WebPage(status=302, location="https://id.example/login?continue=1")
FOUND = WebPage(status=405)
TOKEN = TokenAnswer(access_token="at-1", expires_in=3600)


class Bench:
    """One registration under test; every part of the world is played."""

    def __init__(self, **server: Any) -> None:
        self.clock = FakeClock()
        self.credentials = FakeCredentialVault()
        self.credentials.create("acme", Credential(client_secret="s-1"))
        self.transport = ScriptedTransport()
        pages = server.pop("visit", [FOUND, FOUND, FOUND, SIGN_IN])
        script = {"redeem": [GrantRefused("invalid_grant")], "visit": pages}
        self.server = ScriptedAuthorizationServer(**(script | server))
        self.published: Discovery | Exception | None = None

    def run(self, subject: Registration, *, address: str = "") -> list[Finding]:
        verification = Verification(
            client=Client(
                credentials=self.credentials,
                definitions=definition_of,
                server=lambda: self.server,
                trail=Grants().new_trail(),
            ),
            credentials=self.credentials,
            definitions=definition_of,
            server=lambda: self.server,
            transport=lambda _: self.transport,
            discover=self._discover,
            clock=self.clock,
            redirect_uri=REDIRECT,
        )
        on = mailbox(address.split("@", maxsplit=1)[0]) if address else None
        return list(verification.run(subject, mailbox=on))

    def _discover(self, subject: Registration) -> Discovery:
        if isinstance(self.published, Exception):
            raise self.published
        return self.published or Discovery(endpoints=subject.endpoints, token_auth_methods=(), issuer_in_callback=False)


def verdicts(findings: list[Finding]) -> dict[str, str]:
    return {finding.step: str(finding.verdict) for finding in findings}


def the(findings: list[Finding], step: str) -> Finding:
    (found,) = [finding for finding in findings if finding.step == step]
    return found


def test_a_sound_registration_passes_every_step() -> None:
    findings = Bench().run(registration())
    assert verdicts(findings) == {
        "endpoint token": "pass",
        "endpoint revoke": "pass",
        "endpoint userinfo": "pass",
        "discovery": "pass",
        "credential 1": "pass",
        "authorize": "pass",
        "scopes": "pass",
        "mail": "pass",
    }


def test_nothing_of_a_credential_is_in_what_is_found() -> None:
    bench = Bench(redeem=[ClientRefused("invalid_client (HTTP 401)")])
    assert "s-1" not in str(bench.run(registration()))


@pytest.mark.parametrize(
    ("refusal", "verdict"),
    [
        (ClientRefused("no", finding="client_secret_wrong"), Verdict.FAIL),
        (TokenEndpointBusy("503"), Verdict.WARN),
        (TokenError("invalid_request"), Verdict.WARN),
        (GrantRefused("invalid_grant"), Verdict.PASS),
    ],
)
def test_the_answer_to_a_false_code_tells_whether_the_credential_is_taken(refusal: Exception, verdict: Verdict) -> None:
    found = the(Bench(redeem=[refusal]).run(registration()), "credential 1")
    assert found.verdict is verdict
    if verdict is Verdict.FAIL:
        assert found.code == "client_secret_wrong"
        assert found.remedy


def test_every_credential_is_tried_on_its_own() -> None:
    bench = Bench(redeem=[ClientRefused("no"), GrantRefused("invalid_grant")])
    bench.credentials.secrets["acme"] = (
        Credential(id="old", client_secret="s-0"),
        Credential(id="new", client_secret="s-1"),
    )
    found = verdicts(bench.run(registration()))
    assert (found["credential old"], found["credential new"]) == ("fail", "pass")


@pytest.mark.parametrize(
    ("days", "said"), [(31, []), (29, [("warn", "credential_expiring")]), (-1, [("fail", "client_secret_expired")])]
)
def test_a_credential_that_ends_soon_is_said(days: int, said: list[tuple[str, str]]) -> None:
    bench = Bench()
    ends = bench.clock() + days * 86_400
    bench.credentials.secrets["acme"] = (Credential(id="k", client_secret="s-1", expires_at=ends),)
    findings = [finding for finding in bench.run(registration()) if "expire" in finding.detail]
    assert [(str(finding.verdict), finding.code) for finding in findings] == said


def test_a_registration_without_a_credential_fails_that_step_alone() -> None:
    bench = Bench()
    bench.credentials.secrets.clear()
    found = verdicts(bench.run(registration()))
    assert (found["credential"], found["mail"]) == ("fail", "pass")


@pytest.mark.parametrize(
    "page",
    [
        WebPage(status=400, text="redirect_uri_mismatch"),
        WebPage(status=302, location=f"{REDIRECT}?error=invalid_scope&state=x"),
        WebPage(status=302, location="https://accounts.example/signin/oauth/error?authError=abc"),
        WebPage(status=200, text="<p>AADSTS50011: The redirect URI does not match</p>"),
    ],
)
def test_an_authorization_request_that_the_provider_refuses_is_seen(page: WebPage) -> None:
    found = the(Bench(visit=[FOUND, FOUND, FOUND, page]).run(registration()), "authorize")
    assert found.verdict is Verdict.FAIL
    assert REDIRECT in found.remedy


def test_an_endpoint_that_cannot_be_reached_fails_and_the_rest_goes_on() -> None:
    bench = Bench(visit=[ClientRefused("may not be used"), TokenEndpointBusy("down"), WebPage(status=404), SIGN_IN])
    found = verdicts(bench.run(registration()))
    assert [found[f"endpoint {name}"] for name in ("token", "revoke", "userinfo")] == ["fail", "warn", "warn"]
    assert found["mail"] == "pass"


def test_an_issuer_that_publishes_another_endpoint_is_a_warning() -> None:
    bench, subject = Bench(), registration()
    moved = replace(subject.endpoints, token_url="https://id.example/v2/token")
    bench.published = Discovery(endpoints=moved, token_auth_methods=(), issuer_in_callback=False)
    found = the(bench.run(subject), "discovery")
    assert (found.verdict, "token_url" in found.detail) == (Verdict.WARN, True)
    bench = Bench()
    bench.published = InvalidInput(())
    assert the(bench.run(subject), "discovery").verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("greeting", "verdict"),
    [
        (Greeting(reached=True, offers=("AUTH PLAIN OAUTHBEARER",)), Verdict.PASS),
        (Greeting(reached=True, offers=("AUTH PLAIN LOGIN",)), Verdict.FAIL),
        (Greeting(reached=True), Verdict.FAIL),
        (Greeting(reached=False, code="tls_not_trusted", detail="untrusted"), Verdict.FAIL),
    ],
)
def test_the_mail_server_has_to_offer_an_oauth_sign_in(greeting: Greeting, verdict: Verdict) -> None:
    bench = Bench()
    bench.transport.greeting = greeting
    assert the(bench.run(registration()), "mail").verdict is verdict


def test_a_device_registration_is_asked_for_a_code() -> None:
    given = DeviceAuthorization(
        device_code="d", user_code="AB-CD", verification_uri="https://id.example/device", expires_in=900, interval=5
    )
    bench = Bench(device_authorization=[given], visit=[FOUND] * 3)
    found = the(bench.run(registration(flow=Flow.DEVICE_CODE)), "device code")
    assert (found.verdict, "https://id.example/device" in found.detail) == (Verdict.PASS, True)
    bench = Bench(device_authorization=[ClientRefused("no")], visit=[FOUND] * 3)
    assert the(bench.run(registration(flow=Flow.DEVICE_CODE)), "device code").verdict is Verdict.FAIL


@pytest.mark.parametrize(("opens", "verdict"), [(True, Verdict.PASS), (False, Verdict.FAIL), (None, Verdict.WARN)])
def test_an_unattended_registration_is_tried_on_a_mailbox(opens: bool | None, verdict: Verdict) -> None:
    bench = Bench(client_credentials=[TOKEN, TOKEN], visit=[FOUND] * 3)
    bench.transport.verifies.append(opens)
    findings = bench.run(registration(flow=Flow.CLIENT_CREDENTIALS), address="ann@example.org")
    assert the(findings, "credential 1").verdict is Verdict.PASS
    assert the(findings, "mailbox ann@example.org").verdict is verdict


def test_a_service_account_is_not_tried_without_a_mailbox() -> None:
    bench = Bench(visit=[FOUND] * 3)
    found = the(bench.run(registration(flow=Flow.JWT_BEARER)), "credential 1")
    assert (found.verdict, "--mailbox" in found.remedy) == (Verdict.WARN, True)
    assert bench.server.calls["assertion"] == 0


def test_scopes_that_are_wider_than_sending_needs_are_said() -> None:
    wide = replace(
        registration(kind="google", transport="gmail"),
        scopes=("openid", "email", "https://www.googleapis.com/auth/gmail.send", "https://mail.google.com/"),
    )
    found = the(Bench().run(wide), "scopes")
    assert (found.verdict, found.code) == (Verdict.WARN, "scope_excessive")


def test_no_scope_is_too_wide_where_it_is_not_known_which_one_sends() -> None:
    own = replace(registration(), kind="oidc", scopes=("openid", "email", "offline_access", "smtp"))
    assert the(Bench().run(own), "scopes").verdict is Verdict.PASS


def test_a_remedy_names_the_registration_and_only_tls_is_called_tls() -> None:
    plain = replace(registration(), endpoints=Endpoints(authorize_url="", token_url="http://127.0.0.1:1/token"))
    findings = Bench(redeem=[ClientRefused("no", finding="client_secret_wrong")]).run(plain)
    assert f"verify {plain.name}`" in the(findings, "credential 1").remedy
    assert not any("{" in finding.remedy for finding in findings)
    assert "without TLS" in the(findings, "endpoint token").detail


def test_a_vault_that_cannot_be_read_is_said() -> None:
    bench = Bench()
    bench.credentials.faults.before("read", SecretMissing("gone"))
    assert the(bench.run(registration()), "credential").code == "secret_missing"
