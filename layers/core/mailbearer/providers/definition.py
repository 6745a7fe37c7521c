from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.registration import Endpoints, SmtpServer


class RefreshTokens(StrEnum):
    """What becomes of a refresh token when it is used."""

    KEPT = "kept"
    """It stays as it is."""
    RENEWED = "renewed"
    """Each use gives a new one, and the old one stays good."""
    ROTATED = "rotated"
    """Each use gives a new one, and using the old one again may end the whole grant (RFC 9700 section 4.14)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Everything known about a kind of provider, as data.

    `scopes` and `api_base_urls` go by transport; `scopes` names the transports that the provider offers. `limits` are
    the provider's published ones, for one mailbox. `scope_names` maps a scope that is asked for to other names under
    which the provider grants it.
    """

    kind: str
    title: str
    endpoints: Endpoints
    scopes: Mapping[str, tuple[str, ...]]
    flow: str
    flow_reason: str
    default_transport: str
    token_auth_method: str
    authorize_params: tuple[tuple[str, str], ...] = ()
    smtp: SmtpServer | None = None
    api_base_urls: Mapping[str, str] = field(default_factory=dict)
    issuer_in_callback: bool = False
    refresh_tokens: RefreshTokens = RefreshTokens.ROTATED
    refresh_note: str = ""
    revocation_note: str = ""
    limits: tuple[tuple[str, int], ...] = ()
    scope_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    setup_guide: str = ""

    def own_names(self, granted: str) -> frozenset[str]:
        """Give the scopes of a token answer's `scope` under the names by which they were asked for."""
        names = {scope.lower(): scope for scopes in self.scopes.values() for scope in scopes}
        names |= {alias.lower(): scope for scope, aliases in self.scope_names.items() for alias in aliases}
        return frozenset(names.get(scope.lower(), scope) for scope in granted.split())
