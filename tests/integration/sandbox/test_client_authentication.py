"""How a client proves itself: secrets in overlap, certificates, and assertions signed with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import requests

from tests.integration.sandbox.application import REDIRECT_URI, VERIFIER, Application, now, signed

if TYPE_CHECKING:
    from sandbox.control.key_pairs import KeyPair
    from sandbox.world import World
    from tests.integration.sandbox.conftest import Clock


ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRAPH_DEFAULT = "https://graph.microsoft.com/.default"


@pytest.fixture(params=["microsoft", "oidc"])
def app(request: pytest.FixtureRequest, world: World) -> Application:
    return Application(world=world, tenant=world.tenants[request.param]).registered()


@pytest.fixture
def thumb(app: Application, key_pair: KeyPair) -> str:
    """Register the certificate and return its `x5t#S256`."""
    added = app.world.control.add_certificate(app.tenant.name, app.client_id, key_pair.certificate, name="first")
    value: str = added["x5t#S256"]
    return value


def claims(app: Application, **changes: Any) -> dict[str, Any]:
    return {
        "iss": app.client_id,
        "sub": app.client_id,
        "aud": app.tenant.token_url,
        "iat": now(),
        "exp": now() + 300,
        "jti": str(uuid4()),
        **changes,
    }


def present(app: Application, assertion: str, **form: str) -> requests.Response:
    data = {
        "grant_type": "client_credentials",
        "scope": GRAPH_DEFAULT if app.tenant.name == "microsoft" else "smtp",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **form,
    }
    return requests.post(app.tenant.token_url, data=data, timeout=5)


def refused_with(app: Application, response: requests.Response, number: int) -> bool:
    body = response.json()
    if app.tenant.name != "microsoft":
        return (response.status_code, body["error"]) == (401, "invalid_client")
    return bool(body["error"] == "invalid_client" and body["error_codes"] == [number])


# --- secrets


def test_several_secrets_are_good_at_once_each_with_id_hint_and_expiry(app: Application) -> None:
    control = app.world.control
    added = control.add_secret(app.tenant.name, app.client_id, "xyz-second", name="rotation", expires_in=86_400)
    assert (added["hint"], added["client_secret"]) == ("xyz", "xyz-second")
    second = replace(app, client_secret="xyz-second")
    assert app.connect()["access_token"]
    assert second.connect()["access_token"]
    (client,) = control.clients()
    assert [secret["hint"] for secret in client["secrets"]] == ["app", "xyz"]
    assert client["secrets"][1] == {name: added[name] for name in ("id", "hint", "name", "effective_at", "expires_at")}
    assert "xyz-second" in control.secrets()


def test_a_secret_without_a_value_is_made(oidc: Application) -> None:
    made = oidc.world.control.add_secret("oidc", "app")["client_secret"]
    assert len(made) > 20
    assert replace(oidc, client_secret=made).connect()["access_token"]


def test_an_expired_secret_is_told_apart_from_a_wrong_one(app: Application, clock: Clock) -> None:
    app.world.control.add_secret(app.tenant.name, app.client_id, "short-lived", expires_in=60)
    short = replace(app, client_secret="short-lived")
    code = app.consent().parameters["code"]
    clock.ahead = 61
    assert refused_with(app, short.redeem(code), 7000222)
    assert refused_with(app, replace(app, client_secret="never-given").redeem(code), 7000215)


def test_a_credential_can_be_let_expire_and_taken_away(app: Application) -> None:
    control, name = app.world.control, app.tenant.name
    secret = control.add_secret(name, app.client_id, "second")["id"]
    second = replace(app, client_secret="second")
    assert control.expire_credential(name, app.client_id, secret)
    assert refused_with(app, second.redeem("any"), 7000222)
    assert control.remove_credential(name, app.client_id, secret)
    assert refused_with(app, second.redeem("any"), 7000215)
    assert not control.remove_credential(name, app.client_id, secret)
    assert app.connect()["access_token"]


def test_a_secret_may_take_effect_later(app: Application, clock: Clock) -> None:
    app.world.control.add_secret(app.tenant.name, app.client_id, "late", delay=30)
    late = replace(app, client_secret="late")
    assert refused_with(app, late.redeem("any"), 7000215)
    clock.ahead = 31
    assert late.redeem("any").json()["error"] == "invalid_grant"


def test_a_confidential_client_that_sends_no_credential_is_told_so(app: Application) -> None:
    response = requests.post(app.tenant.token_url, data={"grant_type": "refresh_token", "client_id": "app"}, timeout=5)
    assert refused_with(app, response, 7000218)


# --- private_key_jwt


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
@pytest.mark.parametrize("audience", ["token_url", "issuer"])
def test_an_assertion_takes_the_place_of_a_secret(
    app: Application, thumb: str, key_pair: KeyPair, alg: str, audience: str
) -> None:
    mine = claims(app, aud=getattr(app.tenant, audience))
    assertion = signed(key_pair, mine, alg=alg, **{"x5t#S256": thumb})
    assert present(app, assertion, client_id=app.client_id).json()["access_token"]


def test_the_sha1_thumbprint_names_the_certificate_too(app: Application, key_pair: KeyPair) -> None:
    x5t = app.world.control.add_certificate(app.tenant.name, app.client_id, key_pair.certificate)["x5t"]
    assert present(app, signed(key_pair, claims(app), x5t=x5t)).status_code == 200


def test_codes_and_refresh_tokens_are_redeemed_with_an_assertion(
    app: Application, thumb: str, key_pair: KeyPair
) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": app.consent().parameters["code"],
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    answer = present(app, signed(key_pair, claims(app), **{"x5t#S256": thumb}), **form).json()
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "scope": ""}
    assert present(app, signed(key_pair, claims(app), **{"x5t#S256": thumb}), **form).status_code == 200


def test_a_client_may_have_certificates_and_no_secret(world: World, key_pair: KeyPair) -> None:
    app = Application(world=world, tenant=world.tenants["oidc"])
    world.control.register_client("oidc", "app", certificate=key_pair.certificate)
    assert present(app, signed(key_pair, claims(app))).status_code == 200
    assert app.ask_token("client_credentials").json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"aud": "https://elsewhere.example/token"}, 700023),
        ({"aud": [{}]}, 700023),
        ({"exp": lambda: now() - 61}, 700024),
        ({"exp": lambda: now() + 700}, 700024),
        ({"iat": lambda: now() + 3_600, "exp": lambda: now() + 3_900}, 700024),
        ({"exp": None}, 700024),
        ({"exp": "soon"}, 50027),
        ({"jti": None}, 50027),
        ({"iss": "somebody"}, 50027),
        ({"sub": None}, 50027),
        ({"sub": "app", "iss": None}, 50027),
    ],
)
def test_an_assertion_with_wrong_claims_is_refused(
    app: Application, thumb: str, key_pair: KeyPair, changes: dict[str, Any], number: int
) -> None:
    # Moments are taken now, and not when the tests were collected minutes ago.
    wrong = {name: value() if callable(value) else value for name, value in changes.items()}
    response = present(app, signed(key_pair, claims(app, **wrong), **{"x5t#S256": thumb}))
    assert refused_with(app, response, number), response.text


def test_an_assertion_is_good_once(app: Application, thumb: str, key_pair: KeyPair) -> None:
    assertion = signed(key_pair, claims(app), **{"x5t#S256": thumb})
    assert present(app, assertion).status_code == 200
    assert refused_with(app, present(app, assertion), 50027)


def test_the_signature_must_be_of_the_named_certificate_and_of_a_known_kind(
    app: Application, thumb: str, key_pair: KeyPair, other_key_pair: KeyPair
) -> None:
    for keys, alg in ((other_key_pair, "RS256"), (key_pair, "RS512")):
        response = present(app, signed(keys, claims(app), alg=alg, **{"x5t#S256": thumb}))
        assert refused_with(app, response, 700027)
    assert refused_with(app, present(app, "no.jwt"), 50027)


def test_an_unknown_thumbprint_is_refused(app: Application, thumb: str, key_pair: KeyPair) -> None:
    response = present(app, signed(key_pair, claims(app), **{"x5t#S256": thumb[::-1]}))
    assert refused_with(app, response, 700027)


def test_microsoft_needs_a_thumbprint_and_others_do_not(app: Application, thumb: str, key_pair: KeyPair) -> None:
    assert thumb
    response = present(app, signed(key_pair, claims(app)))
    if app.tenant.name == "microsoft":
        assert refused_with(app, response, 700027)
    else:
        assert response.status_code == 200


def test_two_certificates_are_good_at_once_and_an_expired_one_is_refused(
    app: Application, thumb: str, key_pair: KeyPair, other_key_pair: KeyPair
) -> None:
    control, name = app.world.control, app.tenant.name
    second = control.add_certificate(name, app.client_id, other_key_pair.certificate)
    for keys, value in ((key_pair, thumb), (other_key_pair, second["x5t#S256"])):
        assert present(app, signed(keys, claims(app), **{"x5t#S256": value})).status_code == 200
    control.expire_credential(name, app.client_id, second["id"])
    response = present(app, signed(other_key_pair, claims(app), **{"x5t#S256": second["x5t#S256"]}))
    assert refused_with(app, response, 700027)
    assert "expired" in response.json()["error_description"]
    assert present(app, signed(key_pair, claims(app), **{"x5t#S256": thumb})).status_code == 200


def test_an_assertion_of_another_client_is_refused(app: Application, thumb: str, key_pair: KeyPair) -> None:
    other = replace(app, client_id="other").registered()
    mine = signed(key_pair, claims(app), **{"x5t#S256": thumb})
    assert refused_with(app, present(app, mine, client_id=other.client_id), 700021)
    theirs = signed(key_pair, claims(other), **{"x5t#S256": thumb})
    assert refused_with(app, present(app, theirs), 700027)
    nobodys = present(app, signed(key_pair, claims(app, iss="nobody", sub="nobody"), **{"x5t#S256": thumb}))
    assert nobodys.json()["error"] == ("unauthorized_client" if app.tenant.name == "microsoft" else "invalid_client")


def test_introspection_takes_an_assertion_for_its_own_audience(oidc: Application, key_pair: KeyPair) -> None:
    oidc.world.control.add_certificate("oidc", "app", key_pair.certificate)
    form = {
        "token": oidc.connect()["access_token"],
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed(key_pair, claims(oidc, aud=oidc.tenant.issuer)),
    }
    assert requests.post(oidc.tenant.introspection_url, data=form, timeout=5).json()["active"] is True


def test_the_metadata_names_the_method_and_its_algorithms(app: Application) -> None:
    metadata = requests.get(f"{app.tenant.url}/.well-known/openid-configuration", timeout=5).json()
    assert "private_key_jwt" in metadata["token_endpoint_auth_methods_supported"]
    assert metadata["token_endpoint_auth_signing_alg_values_supported"] == ["PS256", "RS256"]
