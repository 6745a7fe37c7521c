"""What is known about a kind of provider, as data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from mailbearer.registration import Endpoints, Flow, Registration, SmtpServer

    Definitions: TypeAlias = Callable[[str], "Definition"]
    """Gives the definition of a kind; of an unknown one the generic kind's."""

NOBODY = "nobody"
"""Stands for an address that does not count, and is none itself."""

IDENTITY_SCOPES = frozenset({"openid", "email", "profile", "offline_access"})
"""Scopes that concern the grant itself; servers leave them out of what they say they granted."""


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
    """What a national cloud, a data centre or a namespace has of its own; what it leaves empty is as in the definition.

    `location` is what the provider calls it in a callback. `unverified` is as in the definition.
    """

    title: str
    endpoints: Endpoints
    smtp: SmtpServer | None = None
    api_base_urls: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    app_scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    location: str = ""
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Everything known about a kind of provider, as data.

    `scopes` and `api_base_urls` go by transport; `scopes` names the transports that the provider offers, `app_scopes`
    those that an unattended flow asks for. `flows` gives each flow with the reason for it, the usual one first.
    `limits` are the provider's published ones, for one mailbox; a name may end in a transport, or in `_personal` or
    `_workspace` where addresses at `personal_domains` have others than a customer's own. `scope_names` maps a scope
    that is asked for to other names under which the provider grants it.

    `endpoints`, `smtp`, `scopes` and `api_base_urls` are those of the cloud that `usual_cloud` names; `clouds` are the
    others. `{tenant}` in a URL stands for the customer's directory; `usual_tenant` is the one where none is named, and
    `shared_tenants` are those that belong to nobody, so that no application can speak for itself there.

    `idle_life` is how long (seconds) a refresh token lives unused, `live_refresh_tokens` how many may live for one
    mailbox and client before the oldest dies, `token_calls` how many access tokens one refresh token gives within how
    many seconds; 0 = not limited or not known.

    `admin_steps` is what an administrator has to do at the provider for a flow and a transport, with places for
    `client_id`, `scopes` (by comma) and `tenant` in braces; `cautions` is what to know before a transport is chosen.
    `unverified` names what could not be checked at the source: a field, a dot, and an entry of it if it is just that.

    `setup_guide` is our page from the checkout's root, `provider_guide` the provider's own, `error_table` the page of
    its errors.
    """

    kind: str
    title: str
    endpoints: Endpoints
    scopes: Mapping[str, tuple[str, ...]]
    flows: Mapping[Flow, str]
    default_transport: str
    token_auth_method: str
    provider_guide: str
    setup_guide: str
    error_table: str = "docs/reference/diagnosis.md"
    auth_methods: Mapping[Flow, str] = field(default_factory=dict)
    """Where a flow authenticates the client otherwise than by `token_auth_method`."""
    app_scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    usual_cloud: str = ""
    clouds: Mapping[str, Cloud] = field(default_factory=dict)
    location: str = ""
    """What the provider calls the usual cloud in a callback."""
    usual_tenant: str = ""
    shared_tenants: tuple[str, ...] = ()
    authorize_params: tuple[tuple[str, str], ...] = ()
    smtp: SmtpServer | None = None
    api_base_urls: Mapping[str, str] = field(default_factory=dict)
    issuer_in_callback: bool = False
    identity_claims: tuple[str, ...] = ("email", "preferred_username", "upn")
    """The claims that name the mailbox; the first that is there counts."""
    says_email_verified: bool = False
    """Whether `email_verified` always comes with `email`: then an address without it proves nothing."""
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
    revoke_by_hand: str = ""
    """What a person has to do at the provider to end a grant, where no program can."""
    limits: tuple[tuple[str, int], ...] = ()
    personal_domains: tuple[str, ...] = ()
    scope_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    admin_steps: Mapping[tuple[Flow, str], tuple[str, ...]] = field(default_factory=dict)
    cautions: Mapping[str, str] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()

    @property
    def keeps_refresh_tokens(self) -> bool:
        """Tell whether a refresh token stays as it is when it is used."""
        return self.refresh_tokens is RefreshTokens.KEPT

    @property
    def default_flow(self) -> Flow:
        """Give the usual flow."""
        return next(iter(self.flows))

    @property
    def cloud_names(self) -> tuple[str, ...]:
        """Give the names of all clouds, the usual one first; empty if there is but one world."""
        return (self.usual_cloud, *self.clouds) if self.clouds else ()

    def at(self, cloud: str) -> Self:
        """Give the definition as it is in a cloud; the usual one also goes by an empty name. Raises `KeyError`."""
        if cloud in {"", self.usual_cloud}:
            return self
        there = self.clouds[cloud]
        return replace(
            self,
            endpoints=there.endpoints,
            smtp=there.smtp or self.smtp,
            api_base_urls={**self.api_base_urls, **there.api_base_urls},
            scopes={**self.scopes, **there.scopes},
            app_scopes={**self.app_scopes, **there.app_scopes},
            location=there.location,
            unverified=self.unverified + there.unverified,
        )

    def other_location(self, registration: Registration, callback: Mapping[str, str]) -> str:
        """Give the data centre from which a callback says it comes, if it is not the registration's; else nothing.

        Zoho sends `location` and `accounts-server` with the code, which is good at that data centre alone.
        """
        location, server = callback.get("location", ""), callback.get("accounts-server", "").rstrip("/")
        here = self.at(registration.cloud).location if registration.cloud in {"", *self.clouds} else ""
        if here and location and location != here:
            return location
        if here and server and server != _origin(registration.endpoints.token_url):
            return server
        return ""

    def manual_step(self, registration: Registration) -> str:
        """Say what a person has to do at the provider to end a registration's grant, and which client it is there."""
        return f"{self.revoke_by_hand} Its client id is {registration.client_id}."

    def auth_method(self, flow: Flow) -> str:
        """Give how a client of a flow authenticates at the token endpoint (RFC 7591 section 2), if not by a key."""
        return self.auth_methods.get(flow, self.token_auth_method)

    def scopes_for(self, flow: Flow, transport: str) -> tuple[str, ...]:
        """Give the least scopes that send; empty if only the operator can say them, or there is no such transport."""
        return (self.app_scopes if flow.unattended else self.scopes).get(transport, ())

    def proving_scopes(self, registration: Registration) -> tuple[str, ...]:
        """Give scopes for which the client can get a token for itself, just to prove its credential; empty if none.

        Entra looks at a code before it looks at who brings it, so a false code proves nothing there; but it gives a
        token without any role to every client of a named tenant.
        """
        if not self.proves_itself:
            return ()
        tenant = urlsplit(registration.endpoints.token_url).path.split("/")[1:2]
        if tenant and tenant[0] in self.shared_tenants:
            return ()
        there = self.at(registration.cloud) if registration.cloud in self.clouds else self
        return there.app_scopes.get(registration.transport, ())

    def limit(self, name: str, address: str, transport: str) -> int:
        """Give a published limit of a mailbox, the most particular that there is, or 0."""
        published = dict(self.limits)
        whose = "personal" if address.rpartition("@")[2].lower() in self.personal_domains else "workspace"
        names = (f"{name}_{transport}", f"{name}_{whose}", name)
        return next((published[each] for each in names if each in published), 0)

    def own_names(self, granted: str) -> frozenset[str]:
        """Give the scopes of a token answer's `scope` under the names by which they were asked for."""
        everywhere = (self.scopes, *(cloud.scopes for cloud in self.clouds.values()))
        names = {scope.lower(): scope for offered in everywhere for scopes in offered.values() for scope in scopes}
        names |= {alias.lower(): scope for scope, aliases in self.scope_names.items() for alias in aliases}
        return frozenset(names.get(scope.lower(), scope) for scope in granted.split())

    def mailbox_in(self, claims: Mapping[str, object], *others: str) -> str:
        """Give the mailbox that claims name, in lower case; empty if they name none.

        The first claim that counts with this provider and holds an address decides, then `others`. An address that the
        provider has not verified is `NOBODY`'s.
        """
        for name in (*self.identity_claims, *others):
            value = claims.get(name)
            if isinstance(value, str) and "@" in value:
                # Made small, some letters beyond ASCII (the Kelvin sign) become those of another's address.
                counts = value.isascii() and (name != "email" or self._verified(claims))
                return value.lower() if counts else NOBODY
        return ""

    def _verified(self, claims: Mapping[str, object]) -> bool:
        verified = claims.get("email_verified")
        verified = verified.lower() if isinstance(verified, str) else verified
        return verified in (True, "true") if self.says_email_verified else verified not in (False, "false")

    def scope_drift(self, wanted: tuple[str, ...], granted: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Compare scopes: give those that are missing and those that are too many."""
        asked, given = self.own_names(" ".join(wanted)), self.own_names(granted)
        return tuple(sorted(asked - given - IDENTITY_SCOPES)), tuple(sorted(given - asked - IDENTITY_SCOPES))

    def refresh_scope(self, granted: str) -> str:
        """Give the scope to ask for with a refresh: the one that was granted (RFC 6749 section 6)."""
        scopes = granted.split()
        return " ".join(scopes + [scope for scope in self.refresh_scopes if scopes and scope not in scopes])


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
