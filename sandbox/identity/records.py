"""What an authorization server remembers, with the methods that Authlib's mixins name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.identity.credentials import ClientCertificate, ClientSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One registered OAuth client (RFC 6749, section 2)."""

    tenant: str
    client_id: str
    object_id: str
    """What Graph calls the application, besides its client id."""
    secrets: tuple[ClientSecret, ...] = ()
    certificates: tuple[ClientCertificate, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    public: bool = False
    grant_types: tuple[str, ...] = ()
    app_mailboxes: frozenset[str] | None = None
    """Mailboxes (casefolded) that the application may use without a person; None: all of the tenant."""
    app_roles: tuple[str, ...] = ()
    """What an administrator allowed the application itself (Microsoft)."""
    now: float = 0.0
    """The time this copy was looked up: dates are judged at that moment."""

    @property
    def client_metadata(self) -> dict[str, str]:
        """Return the RFC 7591 metadata; none is registered here."""
        return {}

    def get_client_id(self) -> str:
        """Return the client identifier."""
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """Return the redirect URI to use when the request names none."""
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return the scopes as asked: the person at the sign-in page decides."""
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Compare the whole string, as RFC 9700, section 2.1 asks."""
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Tell whether this is one of the secrets that are good now."""
        return any(
            secret.matches(client_secret) and secret.effective_at <= self.now < secret.expires_at
            for secret in self.secrets
        )

    def had_secret(self, client_secret: str) -> bool:
        """Tell whether this secret was good once and has expired."""
        return any(secret.matches(client_secret) and secret.expires_at <= self.now for secret in self.secrets)

    def may_use(self, address: str) -> bool:
        """Tell whether the application may use this mailbox without a person."""
        return self.app_mailboxes is None or address.casefold() in self.app_mailboxes

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Let public clients use `none`, and confidential ones anything else."""
        return (method == "none") == self.public

    def check_response_type(self, response_type: str) -> bool:
        """Allow the code flow only."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Allow the tenant's grant types."""
        return grant_type in self.grant_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One person's or team's mailbox at a tenant."""

    tenant: str
    address: str
    name: str
    aliases: tuple[str, ...] = ()
    subject: str = ""
    """The `sub` claim."""

    def may_send_as(self, address: str) -> bool:
        """Tell whether mail may leave this mailbox under `address`."""
        return address.casefold() in {self.address.casefold(), *(alias.casefold() for alias in self.aliases)}


@dataclass(slots=True, kw_only=True)
class AuthorizationCode:
    """One authorization code and all that it is bound to."""

    code: str = field(repr=False)
    client_id: str
    mailbox: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None = field(repr=False)
    code_challenge_method: str | None
    offline: bool
    """True: the code is worth a refresh token."""
    issued_at: float
    grant: Grant | None = None
    """Set once the code was used."""

    def get_redirect_uri(self) -> str:
        """Return the redirect URI the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the granted scope."""
        return self.scope

    def get_nonce(self) -> str | None:
        """Return the request's nonce."""
        return self.nonce

    def get_auth_time(self) -> int:
        """Return when the person signed in, in epoch seconds."""
        return int(self.issued_at)

    def get_acr(self) -> None:
        """Return no authentication class."""
        return

    def get_amr(self) -> None:
        """Return no authentication methods."""
        return


@dataclass(slots=True, kw_only=True)
class Grant:
    """What one person allowed one client, once; every token belongs to a grant."""

    id: str
    tenant: str
    client_id: str
    mailbox: str | None
    """None for client credentials, which speak for every mailbox that the client may use."""
    scope: str
    """Of an application of the tenant `microsoft`: its roles."""
    issued_at: float
    ends_at: float | None = None
    """When it dies by itself; None: never."""
    window_from: float = 0.0
    window_count: int = 0
    """Access tokens given since `window_from`."""
    generation: int = 0
    """How many refresh tokens the grant has given out."""
    refreshes: int = 0
    revoked_at: float | None = None
    revoked_because: str | None = None


@dataclass(slots=True, kw_only=True)
class Token:
    """One access or refresh token, always read together with its grant."""

    kind: str
    value: str = field(repr=False)
    grant: Grant
    scope: str
    issued_at: float
    expires_at: float | None
    generation: int = 0
    rotated: bool = False
    """True: a newer refresh token took its place."""
    revoked: bool = False
    now: float = 0.0
    """The time this copy was looked up: expiry is judged at that moment."""

    def check_client(self, client: Client) -> bool:
        """Tell whether the token was issued to this client."""
        return self.grant.client_id == client.client_id

    def get_scope(self) -> str:
        """Return the token's scope."""
        return self.scope

    def is_expired(self) -> bool:
        """Tell whether it was too old when it was looked up."""
        return self.expires_at is not None and self.expires_at <= self.now

    def is_revoked(self) -> bool:
        """Tell whether the token or its grant was ended."""
        return self.revoked or self.grant.revoked_at is not None

    @property
    def scopes(self) -> frozenset[str]:
        """Return the scopes as a set."""
        return frozenset(self.scope.split())
