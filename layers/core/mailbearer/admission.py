"""Who comes with a request: by an API key, or by a token of the issuer that the stack trusts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.caller import NOBODYS_KEY, SCOPES, Caller, bearer_of, split_bearer
from mailbearer.errors import Unauthenticated, Unavailable
from mailbearer.ids import derived_id, is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.ports import Clock
    from mailbearer.ports.provider import BearerTokens
    from mailbearer.ports.stores import KeyStore

ACCOUNTS_CLAIM = "mailbearer_accounts"
_SCOPE_CLAIMS = ("scope", "scp", "roles")
_MAX_ACCOUNTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Know callers; `tokens` is None if the stack trusts no issuer, and made when the first token comes."""

    keys: KeyStore
    tokens: Callable[[], BearerTokens] | None
    clock: Clock

    def caller_of(self, authorization: str) -> Caller:
        """Give who comes with this `Authorization` header.

        Raises `Unauthenticated`, with a reason if it was a token, and `Unavailable` if that cannot be told now.
        """
        bearer = bearer_of(authorization)
        if bearer.startswith("mb_") or self.tokens is None:
            return self._holder(authorization)
        return _subject(self.tokens().claims(bearer))

    def _holder(self, authorization: str) -> Caller:
        """Give the caller behind an API key; whatever is wrong with it, the answer and its time are the same."""
        key_id, secret = split_bearer(authorization) or ("", "")
        key = (self.keys.get(key_id) if is_id("key_", key_id) else None) or NOBODYS_KEY
        now = self.clock()
        if not key.proves(secret, now):
            raise Unauthenticated("")
        if key.use_is_due(now):
            self._mark_used(key.id, now)
        return key.caller()

    def _mark_used(self, key_id: str, now: float) -> None:
        try:
            self.keys.mark_used(key_id, now)
        except Unavailable:
            # Nobody is refused for it: the next look tries again.
            return


def _subject(claims: Mapping[str, Any]) -> Caller:
    """Give the caller that a verified token stands for; the same subject is the same caller, whatever its tokens."""
    return Caller(
        key_id=derived_id("jwt_", claims["iss"], claims["sub"]),
        scopes=_scopes(claims),
        accounts=_accounts(claims),
    )


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Give those of our scopes that the token names, as RFC 9068 and the large issuers write them."""
    named: set[str] = set()
    for name in _SCOPE_CLAIMS:
        value = claims.get(name)
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        named.update(word for word in words if isinstance(word, str))
    return frozenset(SCOPES) & named


def _accounts(claims: Mapping[str, Any]) -> frozenset[str]:
    """Give the accounts that the token is bound to; none is every one, so nothing unclear may read as none."""
    if ACCOUNTS_CLAIM not in claims:
        return frozenset()
    value = claims[ACCOUNTS_CLAIM]
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= _MAX_ACCOUNTS
        or not all(isinstance(each, str) and is_id("acc_", each) for each in value)
    ):
        raise Unauthenticated(f"{ACCOUNTS_CLAIM} has to be a list of 1 to {_MAX_ACCOUNTS} account ids.")
    return frozenset(value)
