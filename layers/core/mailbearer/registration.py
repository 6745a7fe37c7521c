"""A registration: one application's entry at one provider, and how to reach that provider."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from mailbearer.errors import Conflict


class Flow(StrEnum):
    """How a registration comes by tokens."""

    AUTHORIZATION_CODE = "authorization_code"
    """The mailbox's owner consents in a browser (RFC 6749 section 4.1, RFC 7636)."""
    DEVICE_CODE = "device_code"
    """The owner types a code at the provider's page, on any device (RFC 8628)."""
    CLIENT_CREDENTIALS = "client_credentials"
    """The registration speaks for itself, as far as an administrator lets it (RFC 6749 section 4.4)."""
    JWT_BEARER = "jwt_bearer"
    """A service account signs an assertion for the mailbox (RFC 7523 section 2.1)."""
    NONE = "none"
    """There is no token at all, so nothing to consent to, to keep, to refresh or to probe: the built-in sandbox."""

    @property
    def unattended(self) -> bool:
        """Tell whether no person consents: then there is no grant that could die and no refresh token to lose."""
        return self in {Flow.CLIENT_CREDENTIALS, Flow.JWT_BEARER, Flow.NONE}

    @property
    def has_token(self) -> bool:
        """Tell whether a mailbox gets a token by it."""
        return self is not Flow.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The authorization server's endpoints; an empty string means that there is none."""

    authorize_url: str
    token_url: str
    revoke_url: str = ""
    userinfo_url: str = ""
    introspection_url: str = ""
    tokeninfo_url: str = ""
    device_authorization_url: str = ""
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
    """Everything about a registration that is no secret; `name` is the operator's word for it.

    `cloud` names the provider's national cloud or data centre, empty for its usual one; `tenant` is the customer's
    directory there, where the provider has such. `warned` holds the warnings that were given of credentials about to
    expire, each `<credential id>:<days>`; `checked_at` (epoch seconds) is when the schedule last looked. `revision`
    grows by one with every change.
    """

    name: str
    kind: str
    client_id: str
    transport: str
    flow: Flow
    endpoints: Endpoints
    scopes: tuple[str, ...]
    api_base_url: str = ""
    smtp: SmtpServer | None = None
    ca_pem: str = field(default="", repr=False)
    authorize_params: tuple[tuple[str, str], ...] = ()
    issuer_in_callback: bool = False
    token_auth_method: str = "client_secret_basic"  # noqa: S105 - RFC 6749's name of a method
    created_at: float = 0
    cloud: str = ""
    tenant: str = ""
    warned: tuple[str, ...] = ()
    checked_at: float = 0
    revision: int = 0

    def changed(self, **fields: Any) -> Self:
        """Give the registration with these fields changed, as the next revision."""
        return replace(self, revision=self.revision + 1, **fields)


SANDBOX = Registration(
    name="sandbox",
    kind="sandbox",
    client_id="",
    transport="sandbox",
    flow=Flow.NONE,
    endpoints=Endpoints(authorize_url="", token_url=""),
    scopes=(),
    token_auth_method="none",  # noqa: S106 - the name of a method, not a secret
)
"""Built in, in every stack: mailboxes through it need nothing, and capture mail instead of sending it."""


def check_has_token(registration: Registration | None, address: str) -> None:
    """Refuse what concerns a token for a mailbox that needs none. Raises `Conflict`."""
    if registration is not None and not registration.flow.has_token:
        msg = f"{address} needs no token: it belongs to {registration.name}, which is built in. It is ready to be used."
        raise Conflict(msg)
