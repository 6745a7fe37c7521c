"""Authorization code with PKCE, from the sign-in page to the tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.control.visitor import read_form
from tests.integration.sandbox.application import REDIRECT_URI, Application, bearer

if TYPE_CHECKING:
    from sandbox.world import World
    from tests.integration.sandbox.conftest import Clock


def test_the_callback_carries_code_state_and_issuer(app: Application) -> None:
    callback = app.consent()
    assert callback.url.startswith(f"{REDIRECT_URI}?")
    assert set(callback.parameters) == {"code", "state", "iss"}
    assert callback.parameters["state"] == "the-state"
    assert callback.parameters["iss"] == app.tenant.issuer


def test_the_id_token_is_signed_with_the_published_key_and_carries_the_nonce(app: Application) -> None:
    answer = app.connect()
    metadata = requests.get(f"{app.tenant.url}/.well-known/openid-configuration", timeout=5).json()
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=5).json())
    claims = jwt.decode(answer["id_token"], keys, algorithms=["RS256"]).claims
    assert claims["nonce"] == "the-nonce"
    assert claims["iss"] == app.tenant.issuer
    assert claims["aud"] == app.client_id
    assert claims["email"] == app.mailbox


def test_published_keys_are_public(app: Application) -> None:
    (key,) = requests.get(f"{app.tenant.url}/jwks", timeout=5).json()["keys"]
    assert key["kty"] == "RSA"
    assert not set(key) & {"d", "p", "q", "dp", "dq", "qi"}


def test_both_metadata_addresses_tell_the_same(app: Application) -> None:
    oidc = requests.get(f"{app.tenant.url}/.well-known/openid-configuration", timeout=5).json()
    path = f"/.well-known/oauth-authorization-server/{app.tenant.name}"
    assert requests.get(f"{app.world.url}{path}", timeout=5).json() == oidc
    assert oidc["issuer"] == app.tenant.issuer
    assert oidc["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize(
    ("tenant", "revocation", "introspection"),
    [("google", True, False), ("microsoft", False, False), ("oidc", True, True)],
)
def test_metadata_names_only_the_endpoints_the_real_provider_has(
    world: World, tenant: str, revocation: bool, introspection: bool
) -> None:
    url = f"{world.tenants[tenant].url}/.well-known/openid-configuration"
    metadata = requests.get(url, timeout=5).json()
    assert ("revocation_endpoint" in metadata, "introspection_endpoint" in metadata) == (revocation, introspection)


def test_a_secret_may_come_in_the_body(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    form |= {"client_id": oidc.client_id, "client_secret": "app-secret"}
    assert requests.post(oidc.tenant.token_url, data=form, timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("tenant", "status", "error", "number"),
    [
        ("google", 401, "invalid_client", None),
        ("microsoft", 401, "invalid_client", [7000215]),
        ("oidc", 401, "invalid_client", None),
    ],
)
def test_a_wrong_secret_is_refused_in_the_providers_words(
    world: World, tenant: str, status: int, error: str, number: list[int] | None
) -> None:
    app = Application(world=world, tenant=world.tenants[tenant]).registered()
    response = replace(app, client_secret="wrong").redeem("any")
    assert response.status_code == status
    assert response.json()["error"] == error
    assert response.json().get("error_codes") == number


@pytest.mark.parametrize("header", ["Basic /w==", "Basic x", "Basic YXBw", "Bearer", "Basic w6k6w6k="])
def test_a_malformed_authorization_header_is_a_refusal(oidc: Application, header: str) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    response = requests.post(oidc.tenant.token_url, data=form, headers={"Authorization": header}, timeout=5)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_an_unknown_client_is_told_apart_from_a_wrong_secret(google: Application) -> None:
    body = replace(google, client_id="nobody").redeem("any").json()
    assert body == {"error": "invalid_client", "error_description": "The OAuth client was not found."}


def test_a_confidential_client_cannot_pose_as_a_public_one(app: Application) -> None:
    response = replace(app, client_secret=None).redeem(app.consent().parameters["code"])
    assert response.json()["error"] == "invalid_client"


def test_a_public_client_connects_with_pkce_alone(world: World) -> None:
    app = Application(world=world, tenant=world.tenants["oidc"], client_secret=None).registered()
    assert app.connect()["access_token"]


def test_a_public_client_without_challenge_is_sent_back_with_an_error(world: World) -> None:
    app = Application(world=world, tenant=world.tenants["oidc"], client_secret=None).registered()
    parameters = app.consent(code_challenge=None, code_challenge_method=None).parameters
    assert parameters["error"] == "invalid_request"
    assert parameters["state"] == "the-state"
    assert parameters["iss"] == app.tenant.issuer


@pytest.mark.parametrize("method", [None, "plain"])
def test_the_plain_challenge_is_refused(app: Application, method: str | None) -> None:
    assert app.consent(code_challenge_method=method).parameters["error"] == "invalid_request"


def test_a_wrong_verifier_is_refused(app: Application) -> None:
    response = app.redeem(app.consent().parameters["code"], verifier="w" * 64)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


def test_a_confidential_client_may_leave_pkce_out(app: Application) -> None:
    callback = app.consent(code_challenge=None, code_challenge_method=None)
    form = {"code": callback.parameters["code"], "redirect_uri": REDIRECT_URI}
    assert app.ask_token("authorization_code", **form).status_code == 200


@pytest.mark.parametrize(
    "uri", [f"{REDIRECT_URI}/", f"{REDIRECT_URI}?x=1", "https://evil.example/", "javascript:1", 'http://"\\é\r\n']
)
def test_another_redirect_uri_is_never_redirected_to(app: Application, uri: str) -> None:
    response = requests.get(app.authorize_url(redirect_uri=uri), allow_redirects=False, timeout=5)
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_the_token_request_must_repeat_the_redirect_uri(app: Application) -> None:
    response = app.redeem(app.consent().parameters["code"], redirect_uri="http://127.0.0.1:9/other")
    assert response.status_code == 400


def test_a_code_used_twice_ends_the_grant(app: Application) -> None:
    code = app.consent().parameters["code"]
    access_token = app.redeem(code).json()["access_token"]
    assert requests.get(app.tenant.userinfo_url, headers=bearer(access_token), timeout=5).status_code == 200
    assert app.redeem(code).json()["error"] == "invalid_grant"
    assert requests.get(app.tenant.userinfo_url, headers=bearer(access_token), timeout=5).status_code == 401


def test_a_code_lives_one_minute(app: Application, clock: Clock) -> None:
    code = app.consent().parameters["code"]
    clock.ahead = 61
    assert app.redeem(code).json()["error"] == "invalid_grant"


def test_a_code_of_another_client_is_unknown(app: Application) -> None:
    code = app.consent().parameters["code"]
    assert replace(app, client_id="other").registered().redeem(code).json()["error"] == "invalid_grant"


def test_denying_sends_access_denied_back(app: Application) -> None:
    parameters = app.world.control.consent(app.authorize_url(), allow=False).parameters
    assert parameters["error"] == "access_denied"
    assert (parameters["state"], parameters["iss"]) == ("the-state", app.tenant.issuer)


def test_an_unticked_scope_is_not_granted(google: Application) -> None:
    send = "https://www.googleapis.com/auth/gmail.send"
    callback = google.world.control.consent(google.authorize_url(), untick=[send])
    assert google.redeem(callback.parameters["code"]).json()["scope"] == "openid email"


def test_nothing_ticked_is_a_denial(oidc: Application) -> None:
    callback = oidc.world.control.consent(oidc.authorize_url(scope="smtp"), untick=["smtp"])
    assert callback.parameters["error"] == "access_denied"


def test_the_hinted_mailbox_is_preselected_among_several(app: Application) -> None:
    for name in ("aaa", "zzz"):
        app.world.control.add_mailbox(app.tenant.name, f"{name}@tenant.example")
    form = read_form(requests.get(app.authorize_url(), timeout=5).text)
    assert form is not None
    assert dict(form.fields)["mailbox"] == app.mailbox


def test_the_person_may_choose_another_mailbox_than_the_hint(app: Application) -> None:
    app.world.control.add_mailbox(app.tenant.name, "eve@tenant.example")
    callback = app.world.control.consent(app.authorize_url(), mailbox="eve@tenant.example")
    access_token = app.redeem(callback.parameters["code"]).json()["access_token"]
    claims = requests.get(app.tenant.userinfo_url, headers=bearer(access_token), timeout=5).json()
    assert claims["email"] == "eve@tenant.example"


def test_a_hinted_mailbox_that_is_not_there_can_be_made_at_the_page(oidc: Application) -> None:
    assert oidc.consent(login_hint="new@tenant.example").parameters["code"]
    assert [grant for grant in oidc.world.directory.mailboxes("oidc") if grant.address == "new@tenant.example"]


def test_a_mailbox_that_nobody_hinted_cannot_be_made_at_the_page(oidc: Application) -> None:
    with pytest.raises(ValueError, match="HTTP 400"):
        oidc.world.control.consent(oidc.authorize_url(), mailbox="made-up@tenant.example")


def test_an_unsupported_response_type_is_sent_back(app: Application) -> None:
    assert app.consent(response_type="token").parameters["error"] == "unsupported_response_type"


def test_a_malformed_response_type_is_refused_on_the_page(app: Application) -> None:
    response = requests.get(app.authorize_url(response_type='a"b'), allow_redirects=False, timeout=5)
    assert response.status_code == 400


def test_the_page_says_that_it_is_a_sandbox_and_escapes_what_it_shows(google: Application) -> None:
    hostile = '"><script>alert(1)</script>'
    page = requests.get(google.authorize_url(state=hostile, scope=f"openid {hostile}"), timeout=5)
    assert "sandbox, not Google" in page.text
    assert "<script>" not in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_the_state_comes_back_as_it_was_sent(app: Application) -> None:
    hostile = "a b&c=d#é\"<'+%20"
    assert app.consent(state=hostile).parameters["state"] == hostile


def test_without_iss_in_the_callback_if_so_set(microsoft: Application) -> None:
    microsoft.world.control.change_settings("microsoft", iss_in_callback=False)
    assert "iss" not in microsoft.consent().parameters
    assert "iss" not in microsoft.consent(response_type="token").parameters
