from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailbearer.errors import InvalidInput
from mailbearer.providers.checks import SMTP_SECURITY, TOKEN_AUTH_METHODS, Faults
from mailbearer.providers.kinds import DEFINITIONS
from mailbearer.registration import Discovery, Endpoints, Registration, SmtpServer

if TYPE_CHECKING:
    from mailbearer.definition import Definition

_TLS_PORT = 465
_SUBMISSION_PORT = 587


def register(
    kind: str,
    *,
    name: str,
    client_id: str,
    now: float,
    discovery: Discovery | None = None,
    issuer: str = "",
    authorize_url: str = "",
    token_url: str = "",
    revoke_url: str = "",
    userinfo_url: str = "",
    introspection_url: str = "",
    scopes: tuple[str, ...] = (),
    transport: str = "",
    smtp_host: str = "",
    smtp_port: int = 0,
    smtp_security: str = "",
    ca_pem: str = "",
    api_base_url: str = "",
    token_auth_method: str = "",
    local: bool = False,
) -> Registration:
    """Make a registration from a definition and what the operator gives on top of it.

    `discovery` is what the issuer publishes; URLs that are given win over it. `local` lets plain http and loopback
    through. Raises `InvalidInput` with every fault at once, its pointers named after these parameters.
    """
    faults = Faults(local=local)
    definition = DEFINITIONS.get(kind)
    if definition is None:
        faults.choice("/kind", kind or "nothing", tuple(DEFINITIONS))
    given = {
        "authorize_url": authorize_url,
        "token_url": token_url,
        "revoke_url": revoke_url,
        "userinfo_url": userinfo_url,
        "introspection_url": introspection_url,
        "issuer": issuer,
    }
    faults.name(name)
    faults.client_id(client_id)
    faults.scopes(scopes)
    for field, url in (given | {"api_base_url": api_base_url}).items():
        faults.url(f"/{field}", url)
    faults.choice("/token_auth_method", token_auth_method, TOKEN_AUTH_METHODS)
    faults.host("/smtp_host", smtp_host)
    faults.port(smtp_port)
    faults.choice("/smtp_security", smtp_security, SMTP_SECURITY)
    faults.ca_pem(ca_pem)
    if definition is None:
        raise InvalidInput(tuple(faults.found))

    endpoints = _endpoints(definition, discovery, given, faults)
    # A foreign server's tokens are not this provider's: they must not travel to its mail hosts by default.
    foreign = _host(endpoints.token_url) != _host(definition.endpoints.token_url)
    transport = transport or definition.default_transport
    faults.choice("/transport", transport, tuple(definition.scopes))
    server = _smtp_server(None if foreign else definition.smtp, smtp_host, smtp_port, smtp_security)
    if transport == "smtp":
        if server is None:
            faults.add("/smtp_host", "required", "smtp_host: say where mail is submitted.")
    elif transport in definition.scopes:
        api_base_url = api_base_url or ("" if foreign else definition.api_base_urls.get(transport, ""))
        if not api_base_url:
            detail = f"api_base_url: say where the {transport} API of this server is."
            faults.add("/api_base_url", "required", detail)
    method = token_auth_method or _token_auth_method(definition, discovery, faults)
    if faults.found:
        raise InvalidInput(tuple(faults.found))
    return Registration(
        name=name,
        kind=kind,
        client_id=client_id,
        transport=transport,
        flow=definition.default_flow,
        endpoints=endpoints,
        scopes=tuple(dict.fromkeys(scopes)) or definition.scopes[transport],
        api_base_url=api_base_url.rstrip("/"),
        smtp=server,
        ca_pem=ca_pem,
        authorize_params=definition.authorize_params,
        issuer_in_callback=discovery.issuer_in_callback if discovery else definition.issuer_in_callback,
        token_auth_method=method,
        created_at=now,
    )


def _endpoints(definition: Definition, discovery: Discovery | None, given: dict[str, str], faults: Faults) -> Endpoints:
    overrides = {field: url for field, url in given.items() if url}
    if discovery:
        endpoints = replace(discovery.endpoints, **overrides)
        for field in given:
            if field not in overrides:
                faults.url(f"/{field}", getattr(endpoints, field))
    elif overrides:
        # One endpoint of another server and the rest of the definition's would hand codes and tokens to a stranger.
        endpoints = Endpoints(authorize_url="", token_url="")
        endpoints = replace(endpoints, **overrides)
    else:
        endpoints = definition.endpoints
    for field in ("authorize_url", "token_url"):
        if not getattr(endpoints, field):
            faults.add(f"/{field}", "required", f"{field}: give it, or an issuer that publishes it.")
    return endpoints


def _smtp_server(default: SmtpServer | None, host: str, port: int, security: str) -> SmtpServer | None:
    if not host:
        if default is None:
            return None
        host, port, security = default.host, port or default.port, security or default.security
    security = security or ("tls" if port == _TLS_PORT else "starttls")
    return SmtpServer(host=host, port=port or (_TLS_PORT if security == "tls" else _SUBMISSION_PORT), security=security)


def _token_auth_method(definition: Definition, discovery: Discovery | None, faults: Faults) -> str:
    preferred = (definition.token_auth_method, *TOKEN_AUTH_METHODS)
    if discovery is None:
        return definition.token_auth_method
    for method in preferred:
        if method in discovery.token_auth_methods:
            return method
    offered = ", ".join(discovery.token_auth_methods)
    detail = f"token_auth_method: the server takes only {offered}; one of {', '.join(TOKEN_AUTH_METHODS)} is needed."
    faults.add("/token_auth_method", "unsupported", detail)
    return definition.token_auth_method


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
