from __future__ import annotations

from typing import Any

import pytest

from mailbearer.errors import InvalidInput
from mailbearer.providers import DEFINITIONS, register
from mailbearer.registration import Discovery, Endpoints, Flow, Registration, SmtpServer

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
TENANT = "0f0e0d0c-0b0a-4908-8706-050403020100"
OWN = {"authorize_url": "https://as.example.com/auth", "token_url": "https://as.example.com/token"}


def made(kind: str, **given: Any) -> Registration:
    fields: dict[str, Any] = {"name": "main", "client_id": "client-1", "now": 1.5} | given
    return register(kind, **fields)


def faults(kind: str, **given: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        made(kind, **given)
    found = {fault.pointer: fault.code for fault in caught.value.faults}
    assert len(found) == len(caught.value.faults), "one fault for each place"
    assert all(fault.detail for fault in caught.value.faults)
    return found


def discovered(host: str = "as.example.com", **fields: Any) -> Discovery:
    url = f"https://{host}"
    endpoints = {
        "authorize_url": f"{url}/auth",
        "token_url": f"{url}/token",
        "revoke_url": f"{url}/revoke",
        "userinfo_url": f"{url}/userinfo",
        "issuer": url,
    }
    methods = fields.pop("token_auth_methods", ("client_secret_basic",))
    return Discovery(endpoints=Endpoints(**(endpoints | fields)), token_auth_methods=methods, issuer_in_callback=True)


# --- out of the definitions ----------------------------------------------------------------------------------------


def test_google_by_default_may_send_and_no_more() -> None:
    registration = made("google")
    assert registration == Registration(
        name="main",
        kind="google",
        client_id="client-1",
        transport="gmail",
        flow=Flow.AUTHORIZATION_CODE,
        endpoints=DEFINITIONS["google"].endpoints,
        scopes=("openid", "email", "https://www.googleapis.com/auth/gmail.send"),
        api_base_url="https://gmail.googleapis.com",
        smtp=SmtpServer(host="smtp.gmail.com", port=587, security="starttls"),
        authorize_params=(("access_type", "offline"), ("prompt", "consent")),
        issuer_in_callback=False,
        token_auth_method="client_secret_post",
        created_at=1.5,
    )


def test_microsoft_by_default_may_send_and_no_more() -> None:
    registration = made("microsoft")
    assert registration.transport == "graph"
    assert registration.scopes == ("openid", "email", "offline_access", "Mail.Send")
    assert registration.api_base_url == "https://graph.microsoft.com"
    assert registration.authorize_params == (("prompt", "select_account"),)
    assert registration.endpoints.revoke_url == ""


@pytest.mark.parametrize(
    ("kind", "scope", "host"),
    [
        ("google", "https://mail.google.com/", "smtp.gmail.com"),
        ("microsoft", "https://outlook.office.com/SMTP.Send", "smtp.office365.com"),
    ],
)
def test_over_smtp_the_scope_is_the_smtp_one_and_there_is_no_api(kind: str, scope: str, host: str) -> None:
    registration = made(kind, transport="smtp")
    assert scope in registration.scopes
    assert registration.smtp is not None
    assert (registration.smtp.host, registration.api_base_url) == (host, "")


# --- flows, clouds and tenants ------------------------------------------------------------------------------------


def test_an_unattended_flow_asks_for_the_rights_of_the_app_and_shows_nobody_a_page() -> None:
    app = made("microsoft", flow="client_credentials", tenant=TENANT, transport="smtp")
    assert app.scopes == ("https://outlook.office365.com/.default",)
    assert app.authorize_params == ()
    service_account = made("google", flow="jwt_bearer")
    assert service_account.scopes == ("https://www.googleapis.com/auth/gmail.send",)
    assert service_account.token_auth_method == "none"


def test_the_device_flow_is_a_public_clients_at_microsoft() -> None:
    registration = made("microsoft", flow="device_code")
    assert registration.token_auth_method == "none"
    assert registration.endpoints.device_authorization_url.endswith("/common/oauth2/v2.0/devicecode")
    assert made("microsoft", flow="device_code", token_auth_method="client_secret_post").token_auth_method == (
        "client_secret_post"
    )


def test_a_tenant_stands_in_every_endpoint_and_its_id_names_the_issuer() -> None:
    registration = made("microsoft", tenant=TENANT)
    base = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0"
    assert registration.endpoints == Endpoints(
        authorize_url=f"{base}/authorize",
        token_url=f"{base}/token",
        device_authorization_url=f"{base}/devicecode",
        userinfo_url="https://graph.microsoft.com/oidc/userinfo",
        issuer=f"https://login.microsoftonline.com/{TENANT}/v2.0",
    )
    assert registration.tenant == TENANT


@pytest.mark.parametrize("tenant", ["", "common", "organizations", "consumers", "contoso.example"])
def test_the_issuer_of_a_tenant_that_is_not_named_by_its_id_is_not_known(tenant: str) -> None:
    registration = made("microsoft", tenant=tenant)
    assert registration.tenant == (tenant or "common")
    assert registration.endpoints.issuer == ""


@pytest.mark.parametrize("tenant", ["", "common", "organizations", "consumers"])
def test_an_app_cannot_speak_for_itself_in_a_tenant_that_belongs_to_nobody(tenant: str) -> None:
    assert faults("microsoft", flow="client_credentials", tenant=tenant) == {"/tenant": "shared_tenant"}


def test_a_national_cloud_has_its_own_of_everything() -> None:
    registration = made("microsoft", cloud="usgov", tenant=TENANT)
    assert registration.cloud == "usgov"
    assert registration.endpoints.token_url == f"https://login.microsoftonline.us/{TENANT}/oauth2/v2.0/token"
    assert registration.endpoints.issuer == f"https://login.microsoftonline.us/{TENANT}/v2.0"
    assert registration.api_base_url == "https://graph.microsoft.us"
    assert registration.smtp == SmtpServer(host="smtp.office365.us", port=587, security="starttls")
    assert registration.scopes[-1] == "https://graph.microsoft.us/Mail.Send"
    assert made("microsoft", cloud="worldwide") == made("microsoft")


def test_a_data_centre_has_its_own_of_everything() -> None:
    registration = made("zoho", cloud="ca")
    assert registration.endpoints.token_url == "https://accounts.zohocloud.ca/oauth/v2/token"
    assert registration.smtp == SmtpServer(host="smtp.zohocloud.ca", port=465, security="tls")


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("microsoft", {"cloud": "moon"}, {"/cloud": "unknown_value"}),
        ("google", {"cloud": "eu"}, {"/cloud": "unsupported"}),
        ("google", {"flow": "client_credentials"}, {"/flow": "unknown_value"}),
        ("google", {"tenant": TENANT}, {"/tenant": "unsupported"}),
        ("microsoft", {"tenant": "a/b"}, {"/tenant": "invalid_tenant"}),
        ("microsoft", {"tenant": "a?b", "cloud": "x", "flow": "y"}, {"/tenant", "/cloud", "/flow"}),
        (
            "google",
            {"flow": "jwt_bearer", "token_auth_method": "private_key_jwt"},
            {"/token_auth_method": "unsupported"},
        ),
        (
            "microsoft",
            {"flow": "client_credentials", "tenant": TENANT, "token_auth_method": "none"},
            {"/token_auth_method": "unsupported"},
        ),
    ],
)
def test_what_a_kind_does_not_offer_is_a_fault(kind: str, given: Any, expected: Any) -> None:
    found = faults(kind, **given)
    assert found == expected if isinstance(expected, dict) else found.keys() == expected


@pytest.mark.parametrize(
    ("flow", "missing"),
    [
        ("authorization_code", {"/authorize_url"}),
        ("device_code", {"/device_authorization_url"}),
        ("client_credentials", set()),
        ("jwt_bearer", set()),
    ],
)
def test_a_flow_needs_the_endpoints_that_it_calls(flow: str, missing: set[str]) -> None:
    given = {"token_url": OWN["token_url"], "smtp_host": "m.example.com", "scopes": ("send",), "flow": flow}
    if missing:
        assert faults("oidc", **given) == dict.fromkeys(missing, "required")
    else:
        assert made("oidc", **given).flow == flow


def test_an_unattended_flow_at_any_server_needs_to_be_told_its_scope() -> None:
    given = {"token_url": OWN["token_url"], "smtp_host": "m.example.com", "flow": "client_credentials"}
    assert faults("oidc", **given) == {"/scopes": "required"}


def test_a_server_of_ones_own_needs_no_tenant() -> None:
    given = {"token_url": OWN["token_url"], "api_base_url": "https://api.example.com"}
    assert made("microsoft", flow="client_credentials", **given).endpoints.token_url == OWN["token_url"]


def test_several_registrations_of_one_provider_stand_side_by_side() -> None:
    people = made("microsoft", name="people", client_id="a")
    unattended = made("microsoft", name="robots", client_id="b", flow="client_credentials", tenant=TENANT)
    government = made("microsoft", name="government", client_id="c", cloud="dod")
    assert len({people.name, unattended.name, government.name}) == 3
    assert len({people.endpoints.token_url, unattended.endpoints.token_url, government.endpoints.token_url}) == 3
    assert {made.kind for made in (people, unattended, government)} == {"microsoft"}


@pytest.mark.parametrize(
    ("cloud", "callback", "elsewhere"),
    [
        ("eu", {"location": "eu", "accounts-server": "https://accounts.zoho.eu"}, ""),
        ("eu", {}, ""),
        ("", {"location": "us", "accounts-server": "https://accounts.zoho.com/"}, ""),
        ("", {"location": "eu", "accounts-server": "https://accounts.zoho.eu"}, "eu"),
        ("eu", {"location": "eu", "accounts-server": "https://evil.example"}, "https://evil.example"),
        ("eu", {"accounts-server": "https://accounts.zoho.in"}, "https://accounts.zoho.in"),
    ],
)
def test_a_callback_from_another_data_centre_is_known_as_such(
    cloud: str, callback: dict[str, str], elsewhere: str
) -> None:
    registration = made("zoho", cloud=cloud)
    assert DEFINITIONS["zoho"].other_location(registration, callback) == elsewhere


def test_where_callbacks_name_no_data_centre_none_is_looked_for() -> None:
    callback = {"location": "eu", "accounts-server": "https://evil.example"}
    assert DEFINITIONS["google"].other_location(made("google"), callback) == ""


@pytest.mark.parametrize(
    ("tenant", "expected"),
    [(TENANT, ("https://graph.microsoft.us/.default",)), ("common", ()), ("consumers", ())],
)
def test_a_client_proves_itself_only_in_a_tenant_of_its_own(tenant: str, expected: tuple[str, ...]) -> None:
    registration = made("microsoft", cloud="usgov", tenant=tenant)
    assert DEFINITIONS["microsoft"].proving_scopes(registration) == expected


# --- any server by flags alone ------------------------------------------------------------------------------------


def test_any_server_with_any_smtp_server_works_by_urls_alone() -> None:
    registration = made("oidc", **OWN, revoke_url="https://as.example.com/revoke", smtp_host="mail.example.com")
    assert registration.endpoints == Endpoints(**OWN, revoke_url="https://as.example.com/revoke")
    assert registration.scopes == ("openid", "email", "offline_access")
    assert registration.smtp == SmtpServer(host="mail.example.com", port=587, security="starttls")
    assert registration.token_auth_method == "client_secret_basic"
    assert registration.issuer_in_callback is False


def test_any_server_works_by_its_issuer_alone() -> None:
    registration = made("oidc", issuer="https://as.example.com", discovery=discovered(), smtp_host="mail.example.com")
    assert registration.endpoints == discovered().endpoints
    assert registration.issuer_in_callback is True


def test_given_scopes_replace_the_default_ones_wholly_and_lose_repetitions() -> None:
    assert made("google", scopes=("a", "b", "a")).scopes == ("a", "b")


def test_a_given_url_wins_over_the_discovered_one() -> None:
    registration = made(
        "oidc", discovery=discovered(), token_url="https://other.example.com/t", smtp_host="m.example.com"
    )
    assert registration.endpoints.token_url == "https://other.example.com/t"
    assert registration.endpoints.authorize_url == "https://as.example.com/auth"


@pytest.mark.parametrize(
    ("port", "security", "expected"),
    [(0, "", (587, "starttls")), (465, "", (465, "tls")), (0, "tls", (465, "tls")), (2525, "", (2525, "starttls"))],
)
def test_port_and_security_follow_each_other(port: int, security: str, expected: tuple[int, str]) -> None:
    server = made("oidc", **OWN, smtp_host="m.example.com", smtp_port=port, smtp_security=security).smtp
    assert server is not None
    assert (server.port, server.security) == expected


@pytest.mark.parametrize(
    ("kind", "offered", "expected"),
    [
        ("oidc", ("client_secret_post", "client_secret_basic"), "client_secret_basic"),
        ("oidc", ("private_key_jwt", "client_secret_post"), "client_secret_post"),
        ("oidc", ("none",), "none"),
        ("oidc", ("private_key_jwt", "tls_client_auth"), "private_key_jwt"),
        ("google", ("client_secret_basic", "client_secret_post"), "client_secret_post"),
    ],
)
def test_the_token_auth_method_is_one_that_the_server_takes(kind: str, offered: tuple[str, ...], expected: str) -> None:
    given = {"smtp_host": "m.example.com", "api_base_url": "https://api.example.com"}
    registration = made(kind, discovery=discovered(token_auth_methods=offered), **given)
    assert registration.token_auth_method == expected


def test_a_given_token_auth_method_wins() -> None:
    given = {"discovery": discovered(), "smtp_host": "m.example.com", "token_auth_method": "client_secret_post"}
    assert made("oidc", **given).token_auth_method == "client_secret_post"


def test_a_server_that_takes_no_method_of_ours_is_a_fault() -> None:
    discovery = discovered(token_auth_methods=("tls_client_auth",))
    assert faults("oidc", discovery=discovery, smtp_host="m.example.com") == {"/token_auth_method": "unsupported"}


# --- no token to a stranger ---------------------------------------------------------------------------------------


def test_with_own_endpoints_nothing_of_the_definitions_is_mixed_in() -> None:
    registration = made("google", **OWN, api_base_url="https://api.example.com/gmail/")
    assert registration.endpoints == Endpoints(**OWN)
    assert registration.api_base_url == "https://api.example.com/gmail"
    assert registration.smtp is None
    assert registration.authorize_params == DEFINITIONS["google"].authorize_params


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_one_endpoint_of_another_server_is_not_enough(kind: str) -> None:
    found = faults(kind, revoke_url="https://as.example.com/revoke", api_base_url="https://api.example.com")
    assert found == {"/authorize_url": "required", "/token_url": "required"}


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_a_foreign_servers_tokens_do_not_travel_to_the_providers_hosts(kind: str) -> None:
    assert faults(kind, **OWN) == {"/api_base_url": "required"}
    assert faults(kind, **OWN, transport="smtp") == {"/smtp_host": "required"}


def test_a_discovered_tenant_of_microsofts_keeps_graph_and_smtp() -> None:
    registration = made("microsoft", discovery=discovered("login.microsoftonline.com"))
    assert registration.api_base_url == "https://graph.microsoft.com"
    assert registration.smtp == DEFINITIONS["microsoft"].smtp


# --- faults -------------------------------------------------------------------------------------------------------


def test_all_faults_come_at_once() -> None:
    assert faults(
        "oidc",
        name="no/slash",
        client_id="",
        authorize_url="http://as.example.com/auth",
        token_url="https://user:pw@as.example.com/token",  # pragma: allowlist secret
        revoke_url="ftp://as.example.com",
        userinfo_url="https://10.0.0.1/userinfo",
        introspection_url="https://as.example.com/i#x",
        scopes=("openid", "two words", 'qu"ote'),
        transport="pigeon",
        smtp_host="not a host",
        smtp_port=70_000,
        smtp_security="none",
        ca_pem="-----BEGIN PRIVATE KEY-----",  # pragma: allowlist secret
        token_auth_method="magic",
        api_base_url="nothing",
    ) == {
        "/name": "invalid_name",
        "/client_id": "invalid_client_id",
        "/authorize_url": "https_required",
        "/token_url": "invalid_url",
        "/revoke_url": "https_required",
        "/userinfo_url": "private_host",
        "/introspection_url": "invalid_url",
        "/scopes/1": "invalid_scope",
        "/scopes/2": "invalid_scope",
        "/transport": "unknown_value",
        "/smtp_host": "invalid_host",
        "/smtp_port": "invalid_port",
        "/smtp_security": "unknown_value",
        "/ca_pem": "private_key",
        "/token_auth_method": "unknown_value",
        "/api_base_url": "invalid_url",
    }


def test_an_unknown_kind_is_a_fault_beside_the_others() -> None:
    assert faults("pigeon", name="", smtp_port=-1) == {
        "/kind": "unknown_value",
        "/name": "invalid_name",
        "/smtp_port": "invalid_port",
    }


def test_discovered_endpoints_are_checked_like_given_ones() -> None:
    discovery = discovered(token_url="http://as.example.com/token")
    assert faults("oidc", discovery=discovery, smtp_host="m.example.com") == {"/token_url": "https_required"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "app.localhost", "::1", "::ffff:127.0.0.1", "10.1.2.3", "169.254.169.254"]
)
def test_a_private_host_is_refused(host: str) -> None:
    assert faults("oidc", **OWN, smtp_host=host) == {"/smtp_host": "private_host"}


@pytest.mark.parametrize(
    "host",
    ["mail", "0x7f.1", "2130706433", "mail.example.1", "-a.example.com", "a..com", "mäil.example.com", "a b.com"],
)
def test_what_is_no_public_name_is_refused(host: str) -> None:
    assert faults("oidc", **OWN, smtp_host=host) == {"/smtp_host": "invalid_host"}


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https:as.example.com",
        "https://as.example.com:0/",
        "https://as.example.com:99999/",
        "https://as.example.com/a b",
        "https://as.example.com\\@evil.example.com/",
        "https://äs.example.com/",
        "https://as.example.com@evil.example.com/",
        "https://as.example.com/\n",
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    assert faults("oidc", **OWN, smtp_host="m.example.com", revoke_url=url) == {"/revoke_url": "invalid_url"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_local_stage_takes_loopback_over_plain_http(host: str) -> None:
    base = f"http://{host}:8080"
    urls = {"authorize_url": f"{base}/a", "token_url": f"{base}/t", "api_base_url": base}
    assert made("google", **urls, smtp_host=host, local=True).endpoints.token_url == f"{base}/t"
    assert faults("google", **urls, smtp_host=host).keys() == {*(f"/{name}" for name in urls), "/smtp_host"}


@pytest.mark.parametrize("host", ["10.1.2.3", "169.254.169.254", "192.168.1.1"])
def test_a_local_stage_takes_no_other_private_host(host: str) -> None:
    assert faults("oidc", **OWN, smtp_host=host, local=True) == {"/smtp_host": "private_host"}


def test_certificates_are_taken_and_anything_else_is_not() -> None:
    assert made("google", ca_pem=PEM).ca_pem == PEM
    assert faults("google", ca_pem="hello") == {"/ca_pem": "invalid_certificate"}
    begin = "-----BEGIN EC PRIVATE KEY-----"  # pragma: allowlist secret
    assert faults("google", ca_pem=PEM + begin) == {"/ca_pem": "private_key"}


# --- scopes -------------------------------------------------------------------------------------------------------


def test_a_scope_granted_under_another_name_is_the_one_asked_for() -> None:
    google, microsoft = DEFINITIONS["google"], DEFINITIONS["microsoft"]
    granted = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/gmail.send"
    assert google.own_names(granted) == set(google.scopes["gmail"])
    granted = "email openid https://graph.microsoft.com/mail.send offline_access"
    assert microsoft.own_names(granted) == set(microsoft.scopes["graph"])


def test_a_scope_of_a_national_cloud_may_be_granted_by_its_short_name() -> None:
    microsoft = DEFINITIONS["microsoft"]
    wanted = microsoft.at("dod").scopes["graph"]
    assert microsoft.scope_drift(wanted, "Mail.Send openid") == ((), ())
    assert microsoft.scope_drift(wanted, "https://dod-graph.microsoft.us/mail.send") == ((), ())
    assert microsoft.scope_drift(wanted, "openid") == (("Mail.Send",), ())


def test_a_scope_that_nobody_asked_for_keeps_its_name() -> None:
    assert DEFINITIONS["oidc"].own_names("SMTP imap") == {"SMTP", "imap"}
