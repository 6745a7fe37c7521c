from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from mailbearer.errors import InvalidInput
from mailbearer.providers import DEFINITIONS, register
from mailbearer.providers.checks import TOKEN_AUTH_METHODS
from mailbearer.registration import Discovery, Endpoints, Flow, Registration, SmtpServer

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
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


# --- definitions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=list(DEFINITIONS))
def test_a_definition_holds_together(definition: Any) -> None:
    assert definition.default_transport in definition.scopes
    assert definition.token_auth_method in TOKEN_AUTH_METHODS
    assert definition.default_flow == "authorization_code"
    assert all(definition.flows.values())
    assert all("openid" in scopes and "email" in scopes for scopes in definition.scopes.values())
    assert set(definition.api_base_urls) <= set(definition.scopes)


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
    discovery = discovered(token_auth_methods=("private_key_jwt",))
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


def test_a_tenant_of_microsofts_own_keeps_graph_and_smtp() -> None:
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
        token_url="https://user:pw@as.example.com/token",
        revoke_url="ftp://as.example.com",
        userinfo_url="https://10.0.0.1/userinfo",
        introspection_url="https://as.example.com/i#x",
        scopes=("openid", "two words", 'qu"ote'),
        transport="pigeon",
        smtp_host="not a host",
        smtp_port=70_000,
        smtp_security="none",
        ca_pem="-----BEGIN PRIVATE KEY-----",
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
    assert faults("google", ca_pem=PEM + "-----BEGIN EC PRIVATE KEY-----") == {"/ca_pem": "private_key"}


# --- scopes -------------------------------------------------------------------------------------------------------


def test_a_scope_granted_under_another_name_is_the_one_asked_for() -> None:
    google, microsoft = DEFINITIONS["google"], DEFINITIONS["microsoft"]
    granted = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/gmail.send"
    assert google.own_names(granted) == set(google.scopes["gmail"])
    granted = "email openid https://graph.microsoft.com/mail.send offline_access"
    assert microsoft.own_names(granted) == set(microsoft.scopes["graph"])


def test_a_scope_that_nobody_asked_for_keeps_its_name() -> None:
    assert DEFINITIONS["oidc"].own_names("SMTP imap") == {"SMTP", "imap"}


def test_definitions_load_neither_requests_nor_authlib() -> None:
    heavy = "{'requests', 'authlib', 'urllib3', 'ssl', 'email'}"
    script = f"import sys, mailbearer.providers, mailbearer.diagnosis; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 0


def test_the_reference_page_says_what_the_definitions_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "providers.md").read_text("utf-8")
    for definition in DEFINITIONS.values():
        urls = (url for url in asdict(definition.endpoints).values() if url and url != definition.endpoints.issuer)
        scopes = (" ".join(scopes) for scopes in definition.scopes.values())
        params = (f"{name}={value}" for name, value in definition.authorize_params)
        said = (definition.kind, *definition.flows, definition.token_auth_method, *urls, *scopes, *params)
        assert [word for word in said if f"`{word}" not in page] == []
