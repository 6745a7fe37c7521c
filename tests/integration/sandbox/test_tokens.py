"""Refreshing, rotating, revoking, introspecting: each tenant as its provider does it."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import requests

from tests.integration.sandbox.application import Application, bearer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.sandbox.conftest import Clock


def userinfo_status(app: Application, token: str) -> int:
    return requests.get(app.tenant.userinfo_url, headers=bearer(token), timeout=5).status_code


def test_an_access_token_lives_as_long_as_it_says(app: Application, clock: Clock) -> None:
    answer = app.connect()
    assert answer["expires_in"] == 3600
    assert userinfo_status(app, answer["access_token"]) == 200
    clock.ahead = 3601
    assert userinfo_status(app, answer["access_token"]) == 401


def test_google_does_not_rotate_its_refresh_token(google: Application) -> None:
    refresh_token = google.connect()["refresh_token"]
    for _ in range(2):
        response = google.refresh(refresh_token)
        assert response.status_code == 200
        assert "refresh_token" not in response.json()


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({"access_type": None, "prompt": None}, False),
        ({"access_type": "online"}, False),
        ({"access_type": "offline", "prompt": "consent"}, True),
        ({"access_type": "offline", "prompt": None}, True),
    ],
)
def test_google_gives_a_refresh_token_for_offline_access_only(
    google: Application, changes: dict[str, str | None], given: bool
) -> None:
    assert ("refresh_token" in google.connect(**changes)) == given


def test_google_gives_no_second_refresh_token_without_prompt_consent(google: Application) -> None:
    google.connect()
    assert "refresh_token" not in google.connect(prompt=None)
    assert "refresh_token" in google.connect(prompt="consent")


def test_microsoft_gives_a_new_refresh_token_and_the_old_one_stays_good(microsoft: Application) -> None:
    first = microsoft.connect()["refresh_token"]
    second = microsoft.refresh(first).json()["refresh_token"]
    assert second != first
    assert microsoft.refresh(first).status_code == 200
    assert microsoft.refresh(second).status_code == 200


def test_microsoft_gives_a_refresh_token_for_offline_access_only_and_never_names_that_scope(
    microsoft: Application,
) -> None:
    assert "refresh_token" not in microsoft.connect(scope="openid Mail.Send")
    assert microsoft.connect(scope="openid offline_access Mail.Send")["scope"] == "openid Mail.Send"


def test_a_rotating_provider_revokes_the_family_when_an_old_refresh_token_comes_back(oidc: Application) -> None:
    first = oidc.connect()["refresh_token"]
    renewed = oidc.refresh(first).json()
    assert oidc.refresh(first).json()["error"] == "invalid_grant"
    assert oidc.refresh(renewed["refresh_token"]).json()["error"] == "invalid_grant"
    assert userinfo_status(oidc, renewed["access_token"]) == 401


def test_reuse_without_family_revocation_leaves_the_new_token_alone(oidc: Application) -> None:
    oidc.world.control.change_settings("oidc", revoke_family_on_reuse=False)
    first = oidc.connect()["refresh_token"]
    second = oidc.refresh(first).json()["refresh_token"]
    assert oidc.refresh(first).status_code == 400
    assert oidc.refresh(second).status_code == 200


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Let threads change places at every chance, so that a missing lock shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless_threads")
def test_of_many_refreshes_at_once_a_rotating_provider_grants_one(oidc: Application) -> None:
    for _ in range(6):
        refresh_token = oidc.connect()["refresh_token"]
        with ThreadPoolExecutor(8) as threads:
            statuses = [answer.status_code for answer in threads.map(oidc.refresh, [refresh_token] * 8)]
        assert statuses.count(200) == 1


def test_a_refresh_may_ask_for_less(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    renewed = oidc.refresh(refresh_token, scope="smtp").json()
    assert renewed["scope"] == "smtp"
    assert oidc.refresh(renewed["refresh_token"]).json()["scope"] == "openid email smtp"


@pytest.mark.parametrize("scope", ["https://graph.microsoft.com/Mail.Send offline_access", "Mail.Send"])
def test_microsoft_knows_a_graph_scope_with_and_without_its_resource(microsoft: Application, scope: str) -> None:
    assert microsoft.refresh(microsoft.connect()["refresh_token"], scope=scope).json()["scope"] == "Mail.Send"


def test_a_scope_that_was_never_granted_is_refused_and_harms_nothing(app: Application) -> None:
    refresh_token = app.connect()["refresh_token"]
    refused = app.refresh(refresh_token, scope="https://example.com/everything")
    expected = "invalid_grant" if app.tenant.name == "microsoft" else "invalid_scope"
    assert (refused.status_code, refused.json()["error"]) == (400, expected)
    assert app.refresh(refresh_token).status_code == 200


@pytest.mark.parametrize(("style", "value"), [("string", "3600"), ("missing", None), ("number", 3600)])
def test_expires_in_can_be_written_otherwise(oidc: Application, style: str, value: object) -> None:
    oidc.world.control.change_settings("oidc", expires_in_style=style)
    assert oidc.connect().get("expires_in") == value


def test_refresh_tokens_can_be_made_to_expire(app: Application, clock: Clock) -> None:
    app.world.control.change_settings(app.tenant.name, refresh_token_ttl=60)
    refresh_token = app.connect()["refresh_token"]
    clock.ahead = 61
    assert app.refresh(refresh_token).json()["error"] == "invalid_grant"


def test_microsoft_tells_expiry_and_revocation_apart_by_number(microsoft: Application) -> None:
    control = microsoft.world.control
    refresh_token = microsoft.connect()["refresh_token"]
    control.expire_tokens(mailbox=microsoft.mailbox, kinds=["refresh_token"])
    assert microsoft.refresh(refresh_token).json()["error_codes"] == [700082]
    control.revoke_tokens(mailbox=microsoft.mailbox)
    assert microsoft.refresh(refresh_token).json()["error_codes"] == [50173]
    assert microsoft.refresh("never-issued").json()["error_codes"] == [70000]


def test_the_owner_can_end_a_grant_at_the_provider(app: Application) -> None:
    answer = app.connect()
    assert app.world.control.revoke_tokens(mailbox=app.mailbox.upper()) == 1
    assert userinfo_status(app, answer["access_token"]) == 401
    assert app.refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"
    assert app.world.control.revoke_tokens(mailbox=app.mailbox) == 0


def test_access_tokens_can_be_let_expire_at_once(app: Application) -> None:
    answer = app.connect()
    assert app.world.control.expire_tokens(mailbox=app.mailbox) == 1
    assert userinfo_status(app, answer["access_token"]) == 401
    assert app.refresh(answer["refresh_token"]).status_code == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_at_google_either_token_ends_the_grant_and_no_client_is_asked_for(google: Application, kind: str) -> None:
    answer = google.connect()
    response = requests.post(google.tenant.revoke_url, data={"token": answer[kind]}, timeout=5)
    assert response.status_code == 200
    assert userinfo_status(google, answer["access_token"]) == 401
    assert google.refresh(answer["refresh_token"]).status_code == 400
    again = requests.post(google.tenant.revoke_url, data={"token": answer[kind]}, timeout=5)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")


def test_elsewhere_an_access_token_is_revoked_alone_and_a_refresh_token_with_its_grant(oidc: Application) -> None:
    answer = oidc.connect()
    url, form = oidc.tenant.revoke_url, {"token": answer["access_token"]}
    assert requests.post(url, data=form, auth=oidc.auth, timeout=5).status_code == 200
    assert userinfo_status(oidc, answer["access_token"]) == 401
    renewed = oidc.refresh(answer["refresh_token"]).json()
    form = {"token": renewed["refresh_token"], "token_type_hint": "refresh_token"}
    assert requests.post(url, data=form, auth=oidc.auth, timeout=5).status_code == 200
    assert userinfo_status(oidc, renewed["access_token"]) == 401


def test_revoking_an_unknown_token_is_a_success(oidc: Application) -> None:
    response = requests.post(oidc.tenant.revoke_url, data={"token": "unknown"}, auth=oidc.auth, timeout=5)
    assert response.status_code == 200


def test_revocation_needs_the_right_client(oidc: Application) -> None:
    answer = oidc.connect()
    url, form = oidc.tenant.revoke_url, {"token": answer["refresh_token"]}
    assert requests.post(url, data=form, timeout=5).status_code == 401
    other = replace(oidc, client_id="other").registered()
    assert requests.post(url, data=form, auth=other.auth, timeout=5).status_code == 400
    assert oidc.refresh(answer["refresh_token"]).status_code == 200


def test_introspection_tells_what_a_token_is_worth(oidc: Application) -> None:
    answer = oidc.connect()
    form = {"token": answer["access_token"]}

    def introspect() -> dict[str, object]:
        response = requests.post(oidc.tenant.introspection_url, data=form, auth=oidc.auth, timeout=5)
        told: dict[str, object] = response.json()
        return told

    told = introspect()
    assert told["active"] is True
    assert (told["username"], told["client_id"]) == (oidc.mailbox, "app")
    oidc.world.control.expire_tokens(mailbox=oidc.mailbox)
    assert introspect() == {"active": False}
    assert requests.post(oidc.tenant.introspection_url, data=form, timeout=5).status_code == 401


def test_userinfo_tells_only_what_the_scope_allows(oidc: Application) -> None:
    for scope, claims in (
        ("openid", {"sub"}),
        ("openid email", {"sub", "email", "email_verified"}),
        ("openid email profile", {"sub", "email", "email_verified", "name", "preferred_username"}),
    ):
        token = oidc.connect(scope=scope)["access_token"]
        told = requests.get(oidc.tenant.userinfo_url, headers=bearer(token), timeout=5).json()
        assert set(told) == claims


def test_userinfo_needs_openid(oidc: Application) -> None:
    assert userinfo_status(oidc, oidc.connect(scope="smtp")["access_token"]) == 403


def test_a_token_of_one_tenant_is_nothing_at_another(google: Application, oidc: Application) -> None:
    assert userinfo_status(oidc, google.connect()["access_token"]) == 401


def test_client_credentials_give_no_refresh_token(oidc: Application) -> None:
    answer = oidc.ask_token("client_credentials", scope="smtp").json()
    assert answer["access_token"]
    assert "refresh_token" not in answer


def test_google_has_no_client_credentials(google: Application) -> None:
    assert google.ask_token("client_credentials").json()["error"] == "unsupported_grant_type"


def test_the_state_shows_grants_without_any_token_value(app: Application) -> None:
    answer = app.connect()
    app.refresh(answer["refresh_token"])
    (grant,) = app.world.control.tokens()
    assert (grant["mailbox"], grant["tenant"], grant["refreshes"]) == (app.mailbox, app.tenant.name, 1)
    assert 3590 < grant["access_expires_in"] <= 3600
    shown = str(grant)
    assert not [value for value in app.world.control.secrets() if value in shown]


def test_secrets_are_listed_for_tests_that_look_for_leaks(app: Application) -> None:
    answer = app.connect()
    secrets = app.world.control.secrets()
    assert {answer["access_token"], answer["refresh_token"], "app-secret"} <= set(secrets)
