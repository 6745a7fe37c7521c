"""Google's service accounts with domain-wide delegation."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox.identity.tenants import GMAIL_SEND, GOOGLE_MAIL, JWT_BEARER
from tests.integration.sandbox.application import RAW, Application, bearer, now, signed
from tests.integration.sandbox.test_applications import smtp_auth

if TYPE_CHECKING:
    from sandbox.control.key_pairs import KeyPair


ROBOT = "robot@project.iam.example"


def register(google: Application, keys: KeyPair, **changes: Any) -> None:
    given: dict[str, Any] = {
        "client_id": "1234567890",
        "public_key": keys.public_key,
        "domain": "tenant.example",
        "scopes": [GMAIL_SEND, GOOGLE_MAIL],
        **changes,
    }
    google.world.control.register_service_account(ROBOT, **given)


@pytest.fixture
def google(google: Application, key_pair: KeyPair) -> Application:
    register(google, key_pair)
    return google


def exchange(
    app: Application, keys: KeyPair, *, alg: str = "RS256", kid: str = "", **changes: Any
) -> requests.Response:
    claims = {
        "iss": ROBOT,
        "sub": app.mailbox,
        "scope": GMAIL_SEND,
        "aud": app.tenant.token_url,
        "iat": now(),
        "exp": now() + 3_600,
        **changes,
    }
    assertion = signed(keys, claims, alg=alg, **({"kid": kid} if kid else {}))
    form = {"grant_type": JWT_BEARER, "assertion": assertion}
    return requests.post(app.tenant.token_url, data=form, timeout=5)


def refusal(response: requests.Response) -> tuple[int, str, str]:
    body = response.json()
    return response.status_code, body["error"], body["error_description"]


def test_an_assertion_is_exchanged_for_an_access_token_of_the_mailbox_alone(
    google: Application, key_pair: KeyPair
) -> None:
    answer = exchange(google, key_pair).json()
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    url = f"{google.tenant.api_base_url}/gmail/v1/users/me/messages/send"
    body = {"raw": base64.b64encode(RAW).decode()}
    assert requests.post(url, json=body, headers=bearer(answer["access_token"]), timeout=5).status_code == 200
    (mail,) = google.world.control.mail()
    assert mail["mailbox"] == google.mailbox
    (grant,) = google.world.control.tokens()
    assert (grant["client_id"], grant["has_refresh_token"]) == ("1234567890", False)


def test_smtp_takes_the_token_for_that_mailbox_and_no_other(google: Application, key_pair: KeyPair) -> None:
    google.world.control.add_mailbox("google", "eve@tenant.example")
    token = exchange(google, key_pair, scope=GOOGLE_MAIL).json()["access_token"]
    assert smtp_auth(google, google.mailbox, token) == 235
    assert smtp_auth(google, "eve@tenant.example", token) == 535


def test_a_robot_without_a_person_has_no_mailbox(google: Application, key_pair: KeyPair) -> None:
    token = exchange(google, key_pair, sub=None, scope=GOOGLE_MAIL).json()["access_token"]
    assert smtp_auth(google, google.mailbox, token) == 535
    url = f"{google.tenant.api_base_url}/gmail/v1/users/me/messages/send"
    answer = requests.post(url, json={"raw": "eA"}, headers=bearer(token), timeout=5)
    assert answer.json()["error"]["errors"][0]["reason"] == "failedPrecondition"


@pytest.mark.parametrize(
    ("changes", "refused", "text"),
    [
        ({"scope": "https://www.googleapis.com/auth/drive"}, (401, "unauthorized_client"), "not authorized for any"),
        ({"sub": "ada@elsewhere.example"}, (401, "unauthorized_client"), "not authorized for any"),
        ({"sub": "nobody@tenant.example"}, (400, "invalid_grant"), "Invalid email or User ID"),
        ({"iss": "other@project.iam.example"}, (400, "invalid_grant"), "account not found"),
        ({"iss": None}, (400, "invalid_grant"), "account not found"),
        ({"aud": "https://elsewhere.example"}, (400, "invalid_grant"), "Failed audience check"),
        ({"scope": None}, (400, "invalid_scope"), "Invalid OAuth scope"),
        ({"iat": now() - 7_200, "exp": now() - 3_600}, (400, "invalid_grant"), "short-lived token (60 minutes)"),
        ({"iat": now() + 9_000, "exp": now() + 9_900}, (400, "invalid_grant"), "short-lived token (60 minutes)"),
        ({"exp": now() + 7_200}, (400, "invalid_grant"), "short-lived token (60 minutes)"),
        ({"exp": "soon"}, (400, "invalid_grant"), "short-lived token (60 minutes)"),
    ],
)
def test_a_refusal_is_worded_as_google_words_it(
    google: Application, key_pair: KeyPair, changes: dict[str, Any], refused: tuple[int, str], text: str
) -> None:
    found = refusal(exchange(google, key_pair, **changes))
    assert found[:2] == refused
    assert text in found[2]


def test_a_foreign_signature_is_refused(google: Application, key_pair: KeyPair, other_key_pair: KeyPair) -> None:
    expected = (400, "invalid_grant", "Invalid JWT Signature.")
    assert refusal(exchange(google, other_key_pair)) == expected
    assert refusal(exchange(google, key_pair, alg="PS256")) == expected


def test_a_disabled_robot_is_told_so_and_works_again_when_enabled(google: Application, key_pair: KeyPair) -> None:
    register(google, key_pair, disabled=True)
    assert refusal(exchange(google, key_pair)) == (400, "invalid_grant", "Robot is disabled.")
    register(google, key_pair)
    assert exchange(google, key_pair).status_code == 200


def test_a_key_id_that_google_does_not_know_has_no_verifier(google: Application, key_pair: KeyPair) -> None:
    register(google, key_pair, key_id="k1")
    assert exchange(google, key_pair, kid="k1").status_code == 200
    assert "No valid verifier" in refusal(exchange(google, key_pair, kid="k2"))[2]


def test_what_is_no_jwt_is_refused_and_only_google_has_this_grant(google: Application, oidc: Application) -> None:
    form = {"grant_type": JWT_BEARER, "assertion": "no.jwt"}
    assert refusal(requests.post(google.tenant.token_url, data=form, timeout=5))[1] == "invalid_grant"
    answer = requests.post(oidc.tenant.token_url, data=form, timeout=5)
    assert answer.json()["error"] == "unsupported_grant_type"
