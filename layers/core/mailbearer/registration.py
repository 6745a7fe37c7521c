"""A registration: one application's entry at one provider, and how to reach that provider."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The authorization server's endpoints; an empty string means that there is none."""

    authorize_url: str
    token_url: str
    revoke_url: str = ""
    userinfo_url: str = ""
    introspection_url: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What an authorization server publishes about itself (OpenID Connect Discovery, RFC 8414)."""

    endpoints: Endpoints
    token_auth_methods: tuple[str, ...]
    issuer_in_callback: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where to submit mail; `security` is `starttls` or `tls`, there is no third."""

    host: str
    port: int
    security: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Everything about a registration that is no secret; `name` is the operator's word for it."""

    name: str
    kind: str
    client_id: str
    transport: str
    flow: str
    endpoints: Endpoints
    scopes: tuple[str, ...]
    api_base_url: str = ""
    smtp: SmtpServer | None = None
    ca_pem: str = field(default="", repr=False)
    authorize_params: tuple[tuple[str, str], ...] = ()
    issuer_in_callback: bool = False
    token_auth_method: str = "client_secret_basic"  # noqa: S105 - RFC 6749's name of a method
    created_at: float = 0
