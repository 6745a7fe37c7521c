"""What is known about a kind of provider, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from mailbearer.registration import Endpoints, Flow, Registration, SmtpServer

    Definitions: TypeAlias = Callable[[str], "Definition"]
    """Gives the definition of a kind; of an unknown one the generic kind's."""

IDENTITY_SCOPES = frozenset({"openid", "email", "profile", "offline_access"})
"""Scopes that concern the grant itself; servers leave them out of what they say they granted."""


# Entra's token endpoints that belong to no tenant.
_MANY_TENANTS = frozenset({"common", "organizations", "consumers"})


class RefreshTokens(StrEnum):
    """What becomes of a refresh token when it is used."""

    KEPT = "kept"
    """It stays as it is."""
    RENEWED = "renewed"
    """Each use gives a new one, and the old one stays good."""
    ROTATED = "rotated"
    """Each use gives a new one, and using the old one again may end the whole grant (RFC 9700 section 4.14)."""


class ProbeBy(StrEnum):
    """What can be asked whether a token opens its mailbox, sending nothing."""

    TOKENINFO = "tokeninfo"
    """Google's: scopes, lifetime and mailbox."""
    INTROSPECTION = "introspection"
    """RFC 7662: whether it is active, and its scopes."""
    USERINFO = "userinfo"
    """OpenID Connect Core section 5.3: whose it is."""
    MAIL = "mail"
    """The mail side itself: Graph's `/me`, Gmail's profile, an SMTP AUTH without a mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """What a national cloud or a data centre has of its own; what it leaves empty is as in the definition."""

    title: str
    endpoints: Endpoints
    smtp: SmtpServer | None = None
    api_base_urls: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Everything known about a kind of provider, as data.

    `scopes` and `api_base_urls` go by transport; `scopes` names the transports that the provider offers, `app_scopes`
    those that an unattended flow asks for. `flows` gives each flow with the reason for it, the usual one first.
    `limits` are the provider's published ones, for one mailbox. `scope_names` maps a scope that is asked for to other
    names under which the provider grants it.

    `idle_life` is how long (seconds) a refresh token lives unused, `live_refresh_tokens` how many may live for one
    mailbox and client before the oldest dies, `token_calls` how many access tokens one refresh token gives within how
    many seconds; 0 = not limited or not known.
    """

    kind: str
    title: str
    endpoints: Endpoints
    scopes: Mapping[str, tuple[str, ...]]
    flows: Mapping[Flow, str]
    default_transport: str
    token_auth_method: str
    app_scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clouds: Mapping[str, Cloud] = field(default_factory=dict)
    authorize_params: tuple[tuple[str, str], ...] = ()
    smtp: SmtpServer | None = None
    api_base_urls: Mapping[str, str] = field(default_factory=dict)
    issuer_in_callback: bool = False
    identity_claims: tuple[str, ...] = ("email", "preferred_username", "upn")
    """The claims that name the mailbox; the first that is there counts."""
    proves_itself: bool = False
    """Whether any client gets a token for itself, if only one that may do nothing."""
    refresh_scopes: tuple[str, ...] = ()
    """Scopes to ask for again with each refresh although the provider leaves them out of what it granted."""
    refresh_tokens: RefreshTokens = RefreshTokens.ROTATED
    refresh_note: str = ""
    idle_life: float = 0
    live_refresh_tokens: int = 0
    token_calls: tuple[int, float] = (0, 0)
    probes: tuple[ProbeBy, ...] = (ProbeBy.INTROSPECTION, ProbeBy.USERINFO, ProbeBy.MAIL)
    revocation_note: str = ""
    limits: tuple[tuple[str, int], ...] = ()
    scope_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    setup_guide: str = ""

    @property
    def default_flow(self) -> Flow:
        """Give the usual flow."""
        return next(iter(self.flows))

    def proving_scopes(self, registration: Registration) -> tuple[str, ...]:
        """Give scopes for which the client can get a token for itself, just to prove its credential; empty if none.

        Entra looks at a code before it looks at who brings it, so a false code proves nothing there; but it gives a
        token without any role to every client of a named tenant.
        """
        if not self.proves_itself:
            return ()
        tenant = urlsplit(registration.endpoints.token_url).path.split("/")[1:2]
        if tenant and tenant[0] in _MANY_TENANTS:
            return ()
        return self.app_scopes.get(registration.transport, ())

    def own_names(self, granted: str) -> frozenset[str]:
        """Give the scopes of a token answer's `scope` under the names by which they were asked for."""
        names = {scope.lower(): scope for scopes in self.scopes.values() for scope in scopes}
        names |= {alias.lower(): scope for scope, aliases in self.scope_names.items() for alias in aliases}
        return frozenset(names.get(scope.lower(), scope) for scope in granted.split())

    def scope_drift(self, wanted: tuple[str, ...], granted: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Compare scopes: give those that are missing and those that are too many."""
        asked, given = frozenset(wanted), self.own_names(granted)
        return tuple(sorted(asked - given - IDENTITY_SCOPES)), tuple(sorted(given - asked - IDENTITY_SCOPES))

    def refresh_scope(self, granted: str) -> str:
        """Give the scope to ask for with a refresh: the one that was granted (RFC 6749 section 6)."""
        scopes = granted.split()
        return " ".join(scopes + [scope for scope in self.refresh_scopes if scopes and scope not in scopes])
