"""Device authorization (RFC 8628): a device that asks, polls, and its person at the page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox.identity.tenants import DEVICE_CODE
from tests.integration.sandbox.application import SCOPES, Application, bearer

if TYPE_CHECKING:
    from sandbox.world import World
    from tests.integration.sandbox.conftest import Clock


@pytest.fixture(params=["microsoft", "oidc"])
def app(request: pytest.FixtureRequest, world: World) -> Application:
    return Application(world=world, tenant=world.tenants[request.param]).registered()


def ask(app: Application, scope: str | None = None) -> requests.Response:
    form = {"scope": SCOPES[app.tenant.name] if scope is None else scope}
    url = app.tenant.device_authorization_url
    if app.client_secret is None:
        return requests.post(url, data={"client_id": app.client_id, **form}, timeout=5)
    return requests.post(url, data=form, auth=app.auth, timeout=5)


def begin(app: Application) -> dict[str, Any]:
    answer = ask(app)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def poll(app: Application, device: dict[str, Any]) -> requests.Response:
    return app.ask_token(DEVICE_CODE, device_code=device["device_code"])


def error(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


def test_the_endpoint_is_in_the_metadata_and_in_the_state(app: Application) -> None:
    metadata = requests.get(f"{app.tenant.url}/.well-known/openid-configuration", timeout=5).json()
    assert metadata["device_authorization_endpoint"] == app.tenant.device_authorization_url
    assert DEVICE_CODE in metadata["grant_types_supported"]
    assert app.world.state()["tenants"][app.tenant.name]["device_authorization_url"]


def test_a_device_waits_until_its_person_allows_and_gets_the_tokens_of_the_code_flow(
    app: Application, clock: Clock
) -> None:
    device = begin(app)
    assert set(device) >= {"device_code", "user_code", "verification_uri", "verification_uri_complete"}
    assert (device["expires_in"], device["interval"]) == (900, 5)
    assert error(poll(app, device)) == (400, "authorization_pending")
    app.world.control.verify_device(device["verification_uri"], device["user_code"])
    clock.ahead = 5
    answer = poll(app, device).json()
    told = requests.get(app.tenant.userinfo_url, headers=bearer(answer["access_token"]), timeout=5).json()
    assert told["email"] == app.mailbox
    assert answer["id_token"]
    renewed = app.refresh(answer["refresh_token"]).json()["refresh_token"]
    assert renewed != answer["refresh_token"]
    kept = app.tenant.name == "microsoft"
    assert (app.refresh(answer["refresh_token"]).status_code == 200) == kept


def test_the_complete_address_spares_the_typing_and_the_person_chooses_mailbox_and_scopes(oidc: Application) -> None:
    oidc.world.control.add_mailbox("oidc", "eve@tenant.example")
    device = begin(oidc)
    uri = device["verification_uri_complete"]
    oidc.world.control.verify_device(uri, mailbox="eve@tenant.example", untick=["email"])
    assert poll(oidc, device).json()["scope"] == "openid smtp"
    assert oidc.world.control.tokens()[0]["mailbox"] == "eve@tenant.example"


@pytest.mark.parametrize("typed", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_a_user_code_may_be_typed_carelessly(oidc: Application, typed: Any) -> None:
    device = begin(oidc)
    oidc.world.control.verify_device(device["verification_uri"], typed(device["user_code"]))
    assert poll(oidc, device).status_code == 200


def test_a_denied_device_is_told_so(app: Application) -> None:
    device = begin(app)
    app.world.control.verify_device(device["verification_uri_complete"], allow=False)
    assert error(poll(app, device)) == (400, "access_denied")


def test_an_undecided_device_code_expires(app: Application, clock: Clock) -> None:
    app.world.control.change_settings(app.tenant.name, device_code_ttl=60)
    device = begin(app)
    assert device["expires_in"] == 60
    clock.ahead = 61
    assert error(poll(app, device)) == (400, "expired_token")
    with pytest.raises(ValueError, match="HTTP 400"):
        app.world.control.verify_device(device["verification_uri_complete"])


def test_a_device_that_polls_too_fast_has_to_wait_five_seconds_more(app: Application, clock: Clock) -> None:
    app.world.control.change_settings(app.tenant.name, device_interval=2)
    device = begin(app)
    assert error(poll(app, device)) == (400, "authorization_pending")
    clock.ahead = 1
    assert error(poll(app, device)) == (400, "slow_down")
    clock.ahead = 5
    assert error(poll(app, device)) == (400, "slow_down"), "2 + 5 seconds now"
    clock.ahead = 18
    assert error(poll(app, device)) == (400, "authorization_pending"), "2 + 5 + 5"


def test_a_device_code_is_good_once(app: Application) -> None:
    device = begin(app)
    app.world.control.verify_device(device["verification_uri_complete"])
    assert poll(app, device).status_code == 200
    assert error(poll(app, device)) == (400, "invalid_grant")
    assert error(poll(app, {"device_code": "never-given"})) == (400, "invalid_grant")


def test_a_device_is_decided_once_and_for_a_mailbox_that_is_there(oidc: Application) -> None:
    device = begin(oidc)
    control, uri = oidc.world.control, device["verification_uri_complete"]
    with pytest.raises(ValueError, match="not taken: HTTP 400"):
        control.verify_device(uri, mailbox="nobody@tenant.example")
    control.verify_device(uri)
    with pytest.raises(ValueError, match="no form"):
        control.verify_device(uri, allow=False)
    with pytest.raises(ValueError, match="no form"):
        control.verify_device(device["verification_uri"], "XXXX-XXXX")
    assert poll(oidc, device).status_code == 200


def test_of_two_decisions_at_once_the_first_holds(oidc: Application) -> None:
    device, devices = begin(oidc), oidc.world.devices
    found = devices.by_user_code(device["user_code"], tenant="oidc")
    assert found is not None
    assert devices.decide(found, mailbox=oidc.mailbox, scope="openid")
    assert not devices.decide(found, mailbox=None, scope="")
    assert poll(oidc, device).json()["scope"] == "openid"


def test_a_device_of_another_client_is_not_redeemed(oidc: Application) -> None:
    device = begin(oidc)
    other = replace(oidc, client_id="other").registered()
    assert error(poll(other, device)) == (400, "unauthorized_client")


def test_a_public_client_needs_no_secret_and_an_unknown_one_is_refused(world: World) -> None:
    app = Application(world=world, tenant=world.tenants["microsoft"], client_secret=None).registered()
    device = begin(app)
    world.control.verify_device(device["verification_uri_complete"])
    assert poll(app, device).json()["refresh_token"]
    assert ask(replace(app, client_id="nobody")).json()["error_codes"] == [700016]


def test_microsoft_gives_a_device_no_refresh_token_without_offline_access(microsoft: Application) -> None:
    device = ask(microsoft, "openid Mail.Send").json()
    microsoft.world.control.verify_device(device["verification_uri_complete"])
    assert "refresh_token" not in poll(microsoft, device).json()


def test_microsoft_numbers_its_refusals(microsoft: Application) -> None:
    assert poll(microsoft, begin(microsoft)).json()["error_codes"] == [70016]


@pytest.mark.parametrize("scope", ["https://mail.google.com/", "openid https://www.googleapis.com/auth/gmail.send"])
def test_google_keeps_mail_from_devices(google: Application, scope: str) -> None:
    assert error(ask(google, scope)) == (400, "invalid_scope")
    assert ask(google, "openid email").status_code == 200


def test_the_pages_say_that_this_is_a_sandbox_and_run_no_script(oidc: Application) -> None:
    device = begin(oidc)
    for uri in (device["verification_uri"], device["verification_uri_complete"]):
        page = requests.get(uri, timeout=5)
        assert "sandbox, not a real identity provider" in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_the_device_endpoint_and_its_polls_fail_on_demand(oidc: Application) -> None:
    control = oidc.world.control
    control.plan_fault("device_authorization", "503", tenant="oidc")
    assert ask(oidc).status_code == 503
    device = begin(oidc)
    control.verify_device(device["verification_uri_complete"])
    match = {"grant_type": DEVICE_CODE, "mailbox": oidc.mailbox, "client_id": oidc.client_id}
    control.plan_fault("token", "503", match=match)
    assert oidc.redeem("any").status_code == 400
    assert poll(oidc, device).status_code == 503
    assert control.count(endpoint="token", grant_type=DEVICE_CODE, outcome="fault:503") == 1


def test_device_codes_are_among_the_secrets_and_forgotten_with_the_rest(oidc: Application) -> None:
    device = begin(oidc)
    assert device["device_code"] in oidc.world.control.secrets()
    oidc.world.control.clear()
    assert device["device_code"] not in oidc.world.control.secrets()
