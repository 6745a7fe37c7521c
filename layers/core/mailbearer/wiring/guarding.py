"""Saying who may use the API: the verbs, joined."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment in `adapters`
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.adapters import Adapters

if TYPE_CHECKING:
    from mailbearer.admission import Admission
    from mailbearer.bearer_tokens import OidcTokens
    from mailbearer.keyring import Keyring


class Guarding(Adapters):
    """What is joined here is made when it is first asked for."""

    @cached_property
    def admission(self) -> Admission:
        """Give the knowing of callers."""
        from mailbearer.admission import Admission

        trusted = self.settings.jwt_issuer
        return Admission(keys=self.keys, tokens=self._tokens if trusted else None, clock=self.clock)

    @cached_property
    def _oidc_tokens(self) -> OidcTokens:
        from mailbearer.bearer_tokens import OidcTokens

        settings = self.settings
        return OidcTokens(self.egress, self.clock, issuer=settings.jwt_issuer, audience=settings.jwt_audience)

    def _tokens(self) -> OidcTokens:
        """Give the verifying of tokens, which costs a quarter of a second that callers with keys need not wait for."""
        return self._oidc_tokens

    @cached_property
    def keyring(self) -> Keyring:
        """Give the keeping of API keys."""
        from mailbearer.keyring import Keyring
        from mailbearer.keyring.reading import Reader

        return Keyring(
            keys=self.keys,
            reader=Reader(accounts=self.accounts, clock=self.clock),
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )
