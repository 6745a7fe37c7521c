"""What providers limit: live refresh tokens, access tokens in a while, a grant's life; and what many at once get."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING

import requests

from tests.integration.sandbox.application import Application, bearer

if TYPE_CHECKING:
    from tests.integration.sandbox.conftest import Clock


CROWD = 200


def tokeninfo(app: Application, token: str) -> requests.Response:
    assert app.tenant.tokeninfo_url is not None
    return requests.post(app.tenant.tokeninfo_url, data={"access_token": token}, timeout=5)


# --- limits


def test_beyond_the_limit_the_oldest_refresh_token_of_mailbox_and_client_dies_silently(google: Application) -> None:
    google.world.control.change_settings("google", live_refresh_tokens=2)
    other = replace(google, client_id="other").registered()
    kept = other.connect()["refresh_token"]
    first, second, third = (google.connect()["refresh_token"] for _ in range(3))
    assert google.refresh(first).json() == {
        "error": "invalid_grant",
        "error_description": "Token has been expired or revoked.",
    }
    assert [google.refresh(token).status_code for token in (second, third)] == [200, 200]
    assert other.refresh(kept).status_code == 200


def test_rotation_takes_no_room_of_the_limit(oidc: Application) -> None:
    oidc.world.control.change_settings("oidc", live_refresh_tokens=3)
    first, second = (oidc.connect()["refresh_token"] for _ in range(2))
    for _ in range(3):
        second = oidc.refresh(second).json()["refresh_token"]
    oidc.connect()
    assert oidc.refresh(first).status_code == 200


def test_too_many_access_tokens_of_a_grant_are_refused_for_the_rest_of_the_window(
    google: Application, clock: Clock
) -> None:
    google.world.control.change_settings("google", access_tokens_per_window=[3, 600])
    refresh_token, other = google.connect()["refresh_token"], google.connect()["refresh_token"]
    assert [google.refresh(refresh_token).status_code for _ in range(3)] == [200, 200, 400]
    assert google.refresh(refresh_token).json() == {
        "error": "Access Denied",
        "error_description": "You have made too many requests continuously. Please try again after some time.",
    }
    assert google.refresh(other).status_code == 200, "another grant"
    clock.ahead = 599
    assert google.refresh(refresh_token).status_code == 400
    clock.ahead = 601
    assert google.refresh(refresh_token).status_code == 200


def test_a_time_limited_grant_says_when_it_ends_and_ends_then(google: Application, clock: Clock) -> None:
    google.world.control.change_settings("google", refresh_token_expires_in=604_799)
    answer = google.connect()
    assert answer["refresh_token_expires_in"] == 604_799
    clock.ahead = 604_700
    late = google.refresh(answer["refresh_token"]).json()
    assert "refresh_token_expires_in" not in late
    assert tokeninfo(google, late["access_token"]).status_code == 200
    clock.ahead = 604_800
    assert google.refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"
    assert tokeninfo(google, late["access_token"]).status_code == 400, "an access token does not outlive its grant"


def test_a_grant_without_a_limit_says_nothing_of_one(google: Application) -> None:
    assert "refresh_token_expires_in" not in google.connect()
    google.world.control.change_settings("google", refresh_token_expires_in=60)
    assert "refresh_token_expires_in" not in google.connect(access_type="online")


def test_rotation_does_not_lengthen_a_time_limited_grant(oidc: Application, clock: Clock) -> None:
    oidc.world.control.change_settings("oidc", refresh_token_expires_in=100)
    refresh_token = oidc.connect()["refresh_token"]
    clock.ahead = 90
    refresh_token = oidc.refresh(refresh_token).json()["refresh_token"]
    clock.ahead = 101
    assert oidc.refresh(refresh_token).json()["error"] == "invalid_grant"


# --- asking what a token is worth


def test_tokeninfo_tells_what_a_token_is_worth(google: Application) -> None:
    token = google.connect()["access_token"]
    told = tokeninfo(google, token).json()
    assert (told["aud"], told["azp"], told["email"]) == ("app", "app", google.mailbox)
    assert (told["email_verified"], told["access_type"]) == ("true", "offline")
    assert told["scope"] == "openid email https://www.googleapis.com/auth/gmail.send"
    assert 3590 < int(told["expires_in"]) <= 3600
    assert google.tenant.tokeninfo_url is not None
    by_query = requests.get(google.tenant.tokeninfo_url, params={"access_token": token}, timeout=5).json()
    assert by_query["email"] == google.mailbox


def test_tokeninfo_keeps_the_address_from_who_did_not_ask_for_it(google: Application) -> None:
    scope = "https://www.googleapis.com/auth/gmail.send"
    assert "email" not in tokeninfo(google, google.connect(scope=scope)["access_token"]).json()


def test_tokeninfo_refuses_every_dead_token_alike(google: Application, oidc: Application) -> None:
    answer = google.connect()
    google.world.control.revoke_tokens(mailbox=google.mailbox, tenant="google")
    dead = (answer["access_token"], answer["refresh_token"], oidc.connect()["access_token"], "unknown", "")
    for token in dead:
        refused = tokeninfo(google, token)
        expected = {"error": "invalid_token", "error_description": "Invalid Value"}
        assert (refused.status_code, refused.json()) == (400, expected)


def test_only_google_has_tokeninfo_and_it_fails_on_demand(google: Application, oidc: Application) -> None:
    assert oidc.tenant.tokeninfo_url is None
    assert requests.get(f"{oidc.tenant.url}/tokeninfo", timeout=5).status_code == 404
    token = google.connect()["access_token"]
    google.world.control.plan_fault("tokeninfo", "503", match={"mailbox": google.mailbox})
    assert tokeninfo(google, token).status_code == 503


def test_introspection_tells_scope_name_and_expiry_to_a_client_that_proves_itself(oidc: Application) -> None:
    form = {"token": oidc.connect()["access_token"]}
    url = oidc.tenant.introspection_url
    told = requests.post(url, data=form, auth=oidc.auth, timeout=5).json()
    assert (told["active"], told["scope"], told["username"]) == (True, "openid email smtp", oidc.mailbox)
    assert told["exp"] - told["iat"] == 3600
    assert requests.post(url, data=form, auth=("app", "wrong"), timeout=5).status_code == 401
    oidc.world.control.plan_fault("introspect", "truncated", honest_length=True)
    assert not requests.post(url, data=form, auth=oidc.auth, timeout=5).text.endswith("}")


# --- many at once


def at_once(app: Application, refresh_tokens: list[str]) -> list[requests.Response]:
    barrier = Barrier(len(refresh_tokens))

    def refresh(token: str) -> requests.Response:
        barrier.wait(timeout=20)
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return requests.post(app.tenant.token_url, data=form, auth=app.auth, timeout=30)

    with ThreadPoolExecutor(len(refresh_tokens)) as threads:
        return list(threads.map(refresh, refresh_tokens))


def test_of_a_crowd_with_one_refresh_token_one_wins_and_the_reuse_ends_the_family(oidc: Application) -> None:
    refresh_token = oidc.connect()["refresh_token"]
    answers = at_once(oidc, [refresh_token] * CROWD)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: CROWD - 1}
    (winner,) = (answer.json() for answer in answers if answer.ok)
    assert oidc.refresh(winner["refresh_token"]).json()["error"] == "invalid_grant"
    headers = bearer(winner["access_token"])
    assert requests.get(oidc.tenant.userinfo_url, headers=headers, timeout=5).status_code == 401
    count = oidc.world.control.count
    told = {"tenant": "oidc", "endpoint": "token", "grant_type": "refresh_token"}
    assert (count(**told, outcome="ok"), count(**told, outcome="invalid_grant")) == (1, CROWD)
    assert count(**told) == CROWD + 1


def test_a_crowd_with_refresh_tokens_of_their_own_is_served_whole(oidc: Application) -> None:
    oidc.world.control.plan_fault("token", "503", times=5, match={"grant_type": "refresh_token"})
    token = oidc.connect()
    assert token["refresh_token"]
    grants = [oidc.connect()["refresh_token"] for _ in range(20)]
    answers = at_once(oidc, grants)
    assert Counter(answer.status_code for answer in answers) == {200: 15, 503: 5}
    renewed = [answer.json()["refresh_token"] for answer in answers if answer.ok]
    assert len(set(renewed)) == 15
    assert oidc.world.control.count(endpoint="token", grant_type="refresh_token", outcome="fault:503") == 5
