from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailbearer.errors import InvalidInput
from mailbearer.providers.checks import SMTP_SECURITY, TOKEN_AUTH_METHODS, Faults
from mailbearer.providers.kinds import DEFINITIONS
from mailbearer.registration import Discovery, Endpoints, Flow, Registration, SmtpServer

if TYPE_CHECKING:
    from mailbearer.definition import Definition

_TLS_PORT = 465
_SUBMISSION_PORT = 587
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# What a flow cannot do without.
_NEEDED = {
    Flow.AUTHORIZATION_CODE: ("authorize_url", "token_url"),
    Flow.DEVICE_CODE: ("device_authorization_url", "token_url"),
    Flow.CLIENT_CREDENTIALS: ("token_url",),
    Flow.JWT_BEARER: ("token_url",),
}


def register(
    kind: str,
    *,
    name: str,
    client_id: str,
    now: float,
    flow: str = "",
    cloud: str = "",
    tenant: str = "",
    discovery: Discovery | None = None,
    issuer: str = "",
    authorize_url: str = "",
    token_url: str = "",
    revoke_url: str = "",
    userinfo_url: str = "",
    introspection_url: str = "",
    tokeninfo_url: str = "",
    device_authorization_url: str = "",
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
        "tokeninfo_url": tokeninfo_url,
        "device_authorization_url": device_authorization_url,
        "issuer": issuer,
    }
    faults.name(name)
    faults.client_id(client_id)
    faults.tenant(tenant)
    faults.scopes(scopes)
    for field, url in (given | {"api_base_url": api_base_url}).items():
        faults.url(f"/{field}", url)
    faults.choice("/token_auth_method", token_auth_method, TOKEN_AUTH_METHODS)
    faults.host("/smtp_host", smtp_host)
    faults.port("/smtp_port", smtp_port)
    faults.choice("/smtp_security", smtp_security, SMTP_SECURITY)
    faults.ca_pem(ca_pem)
    if definition is None:
        raise InvalidInput(tuple(faults.found))

    definition = _in_cloud(definition, cloud, faults)
    way = _flow(definition, flow, faults)
    place = _Place(definition, way, discovery, {field: url for field, url in given.items() if url}, tenant)
    endpoints = place.endpoints(faults)
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
    wanted = tuple(dict.fromkeys(scopes)) or definition.scopes_for(way, transport)
    if not wanted and transport in definition.scopes:
        faults.add("/scopes", "required", "scopes: say what this server calls the right to send.")
    method = _token_auth_method(definition, way, discovery, token_auth_method, faults)
    if faults.found:
        raise InvalidInput(tuple(faults.found))
    return Registration(
        name=name,
        kind=kind,
        client_id=client_id,
        transport=transport,
        flow=way,
        endpoints=endpoints,
        scopes=wanted,
        api_base_url=api_base_url.rstrip("/"),
        smtp=server,
        ca_pem=ca_pem,
        authorize_params=definition.authorize_params if way is Flow.AUTHORIZATION_CODE else (),
        issuer_in_callback=discovery.issuer_in_callback if discovery else definition.issuer_in_callback,
        token_auth_method=method,
        created_at=now,
        cloud="" if cloud == definition.usual_cloud else cloud,
        tenant=place.tenant,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a registration's authorization server is: discovered, given URL by URL, or the definition's own."""

    definition: Definition
    flow: Flow
    discovery: Discovery | None
    given: dict[str, str]
    named_tenant: str

    @property
    def own(self) -> bool:
        """Tell whether the server is the definition's own."""
        return not (self.discovery or self.given)

    @property
    def tenant(self) -> str:
        """Give the tenant, where the provider has such."""
        return self.named_tenant or (self.definition.usual_tenant if self.own else "")

    def endpoints(self, faults: Faults) -> Endpoints:
        """Give the endpoints; note what the flow misses."""
        if self.discovery:
            endpoints = replace(self.discovery.endpoints, **self.given)
            for field in Endpoints.__slots__:
                if field not in self.given:
                    faults.url(f"/{field}", getattr(endpoints, field))
        elif self.given:
            # One endpoint of another server and the rest of the definition's would hand codes and tokens to a stranger.
            endpoints = replace(Endpoints(authorize_url="", token_url=""), **self.given)
        else:
            endpoints = self._own(faults)
        for field in _NEEDED[self.flow]:
            if not getattr(endpoints, field):
                faults.add(f"/{field}", "required", f"{field}: give it, or an issuer that publishes it.")
        return endpoints

    def _own(self, faults: Faults) -> Endpoints:
        """Give the definition's endpoints, for the tenant."""
        definition, tenant = self.definition, self.tenant
        if not definition.usual_tenant:
            if tenant:
                faults.add("/tenant", "unsupported", f"tenant: {definition.title} has no tenants.")
            return definition.endpoints
        if self.flow.unattended and tenant in definition.shared_tenants:
            detail = (
                f"tenant: give your own tenant's id or domain; with {self.flow} there is no {tenant} (AADSTS9001023)."
            )
            faults.add("/tenant", "shared_tenant", detail)
        urls = {field: getattr(definition.endpoints, field) for field in Endpoints.__slots__}
        if not _UUID.fullmatch(tenant):
            urls["issuer"] = ""  # it is named by the tenant's id, which a domain does not tell
        return Endpoints(**{field: url.replace("{tenant}", tenant) for field, url in urls.items()})


def _in_cloud(definition: Definition, cloud: str, faults: Faults) -> Definition:
    if cloud in {"", *definition.cloud_names}:
        return definition.at(cloud)
    if definition.cloud_names:
        faults.choice("/cloud", cloud, definition.cloud_names)
    else:
        faults.add("/cloud", "unsupported", f"cloud: {definition.title} has but one.")
    return definition


def _flow(definition: Definition, flow: str, faults: Faults) -> Flow:
    faults.choice("/flow", flow, tuple(definition.flows))
    return next((offered for offered in definition.flows if offered == flow), definition.default_flow)


def _smtp_server(default: SmtpServer | None, host: str, port: int, security: str) -> SmtpServer | None:
    if not host:
        if default is None:
            return None
        host, port, security = default.host, port or default.port, security or default.security
    security = security or ("tls" if port == _TLS_PORT else "starttls")
    return SmtpServer(host=host, port=port or (_TLS_PORT if security == "tls" else _SUBMISSION_PORT), security=security)


def _token_auth_method(
    definition: Definition, flow: Flow, discovery: Discovery | None, given: str, faults: Faults
) -> str:
    usual = definition.auth_method(flow)
    if given:
        if flow is Flow.CLIENT_CREDENTIALS and given == "none":
            detail = "token_auth_method: a client without secret or key cannot speak for itself (RFC 6749 section 4.4)."
            faults.add("/token_auth_method", "unsupported", detail)
        elif flow is Flow.JWT_BEARER and given != usual:
            detail = "token_auth_method: the assertion for the mailbox is all the proof there is in this flow."
            faults.add("/token_auth_method", "unsupported", detail)
        return given
    if discovery is None or flow is Flow.JWT_BEARER:
        return usual
    for method in (usual, *TOKEN_AUTH_METHODS):
        if method in discovery.token_auth_methods:
            return method
    offered = ", ".join(discovery.token_auth_methods)
    detail = f"token_auth_method: the server takes only {offered}; one of {', '.join(TOKEN_AUTH_METHODS)} is needed."
    faults.add("/token_auth_method", "unsupported", detail)
    return usual


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
