"""Codes, grants and tokens: the one place that says whether a bearer token is good."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sandbox.identity.records import AuthorizationCode, Grant, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_GRANTS = 2_000
MOST_TOKENS = 100_000
CODE_TTL = 60.0
"""Seconds an authorization code lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which tokens a control request means; None matches everything."""

    tenant: str | None = None
    mailbox: str | None = None
    client_id: str | None = None

    def holds(self, grant: Grant) -> bool:
        """Tell whether the grant is meant."""
        return (
            self.tenant in {None, grant.tenant}
            and self.client_id in {None, grant.client_id}
            and (self.mailbox is None or self.mailbox.casefold() == (grant.mailbox or "").casefold())
        )


class TokenStore:
    """Everything issued, in memory; safe to use from several threads."""

    def __init__(self, *, clock: Callable[[], float], random_id: Callable[[], str]) -> None:
        self._clock = clock
        self._random_id = random_id
        self._lock = threading.RLock()
        self._codes: OrderedDict[str, AuthorizationCode] = OrderedDict()
        self._proofs: OrderedDict[str, str] = OrderedDict()
        self._grants: OrderedDict[str, Grant] = OrderedDict()
        self._tokens: OrderedDict[str, Token] = OrderedDict()
        self._assertions: OrderedDict[tuple[str, str], float] = OrderedDict()

    def clear(self) -> None:
        """Forget everything; every token issued so far is refused from now on."""
        with self._lock:
            self._codes.clear()
            self._proofs.clear()
            self._grants.clear()
            self._tokens.clear()
            self._assertions.clear()

    def now(self) -> float:
        """Return the store's time, in epoch seconds."""
        return self._clock()

    # --- codes

    def save_code(self, code: AuthorizationCode) -> None:
        """Remember an authorization code."""
        with self._lock:
            self._codes[code.code] = code
            _drop_oldest(self._codes, MOST_TOKENS)

    def code(self, value: str) -> AuthorizationCode | None:
        """Return the code, used or not, or None."""
        with self._lock:
            return self._codes.get(value)

    def code_has_expired(self, code: AuthorizationCode) -> bool:
        """Tell whether the code is too old to be used."""
        return self._clock() > code.issued_at + CODE_TTL

    def remember_proof(self, kind: str, value: str) -> None:
        """Remember a `state` or `verifier` that a client brought, for tests that look for leaks."""
        with self._lock:
            self._proofs[value] = kind
            _drop_oldest(self._proofs, MOST_TOKENS)

    # --- assertions

    def first_use(self, client_id: str, assertion_id: str) -> bool:
        """Remember the `jti` of a client's assertion; False if it was there before."""
        with self._lock:
            if (client_id, assertion_id) in self._assertions:
                return False
            self._assertions[client_id, assertion_id] = self._clock()
            _drop_oldest(self._assertions, MOST_TOKENS)
            return True

    # --- grants and tokens

    def open_grant(
        self, *, tenant: str, client_id: str, mailbox: str | None, scope: str, ttl: int | None = None
    ) -> Grant:
        """Begin a grant; `ttl` in seconds, None for ever."""
        with self._lock:
            now = self._clock()
            grant = Grant(
                id=self._random_id(),
                tenant=tenant,
                client_id=client_id,
                mailbox=mailbox,
                scope=scope,
                issued_at=now,
                ends_at=None if ttl is None else now + ttl,
            )
            self._grants[grant.id] = grant
            _drop_oldest(self._grants, MOST_GRANTS)
            return grant

    def has_live_grant(self, selection: Selection) -> bool:
        """Tell whether a grant of this kind exists that nobody revoked."""
        with self._lock:
            now = self._clock()
            return any(
                selection.holds(grant) and grant.revoked_at is None and (grant.ends_at is None or now < grant.ends_at)
                for grant in self._grants.values()
            )

    def put(self, *, grant: Grant, kind: str, value: str, scope: str, ttl: int | None) -> None:
        """Remember a token that was just issued; `ttl` in seconds, None for ever, but no longer than its grant."""
        now = self._clock()
        ends = [end for end in (None if ttl is None else now + ttl, grant.ends_at) if end is not None]
        with self._lock:
            if kind == "refresh_token":
                grant.generation += 1
            self._tokens[value] = Token(
                kind=kind,
                value=value,
                grant=grant,
                scope=scope,
                issued_at=now,
                expires_at=min(ends, default=None),
                generation=grant.generation,
            )
            _drop_oldest(self._tokens, MOST_TOKENS)

    def find(self, value: str, *, tenant: str | None = None, kind: str | None = None) -> Token | None:
        """Return the token as it is now, good or not; None if it was never issued (by this tenant, of this kind)."""
        with self._lock:
            token = self._tokens.get(value)
            if token is None or tenant not in {None, token.grant.tenant} or kind not in {None, token.kind}:
                return None
            return replace(token, now=self._clock())

    def mark_rotated(self, value: str) -> None:
        """Say that a newer refresh token took this one's place."""
        with self._lock:
            self._tokens[value].rotated = True

    def keep_newest(self, grant: Grant, most: int) -> None:
        """Let the oldest live refresh tokens of this mailbox and client die beyond `most`, saying nothing."""
        kin = Selection(tenant=grant.tenant, mailbox=grant.mailbox, client_id=grant.client_id)
        with self._lock:
            now = self._clock()
            live = [
                token
                for token in self._tokens.values()
                if token.kind == "refresh_token"
                and not (token.rotated or token.is_revoked())
                and (token.expires_at is None or now < token.expires_at)
                and kin.holds(token.grant)
            ]
            for token in live[: max(0, len(live) - most)]:
                token.revoked = True

    def count_access_token(self, grant: Grant, seconds: int) -> None:
        """Count one access token of the grant; a window of `seconds` begins with its first one."""
        with self._lock:
            now = self._clock()
            if now >= grant.window_from + seconds:
                grant.window_from, grant.window_count = now, 0
            grant.window_count += 1

    def has_used_up(self, grant: Grant, most: int, seconds: int) -> bool:
        """Tell whether the grant has had its `most` access tokens in a window that has not ended."""
        with self._lock:
            return grant.window_count >= most and self._clock() < grant.window_from + seconds

    def count_refresh(self, grant: Grant) -> None:
        """Count one use of a refresh token."""
        with self._lock:
            grant.refreshes += 1

    def revoke_grant(self, grant: Grant, because: str) -> None:
        """End a grant and every token of it."""
        with self._lock:
            if grant.revoked_at is None:
                grant.revoked_at = self._clock()
                grant.revoked_because = because

    def revoke_token(self, value: str) -> None:
        """End one token, leaving its grant."""
        with self._lock:
            self._tokens[value].revoked = True

    def revoke(self, selection: Selection, because: str) -> int:
        """End every grant that is meant; return how many."""
        with self._lock:
            chosen = [grant for grant in self._grants.values() if selection.holds(grant) and grant.revoked_at is None]
            for grant in chosen:
                self.revoke_grant(grant, because)
            return len(chosen)

    def expire(self, selection: Selection, kinds: frozenset[str]) -> int:
        """Let every live token of these kinds that is meant expire now; return how many."""
        with self._lock:
            now = self._clock()
            chosen = [
                token
                for token in self._tokens.values()
                if token.kind in kinds
                and selection.holds(token.grant)
                and (token.expires_at is None or token.expires_at > now)
            ]
            for token in chosen:
                token.expires_at = now
            return len(chosen)

    # --- views

    def state(self) -> list[dict[str, Any]]:
        """Return each grant's state, newest first, without any token value."""
        with self._lock:
            now = self._clock()
            newest: dict[tuple[str, str], Token] = {
                (token.grant.id, token.kind): token for token in self._tokens.values() if not token.revoked
            }
            return [
                {
                    "grant": grant.id,
                    "tenant": grant.tenant,
                    "client_id": grant.client_id,
                    "mailbox": grant.mailbox,
                    "scopes": grant.scope.split(),
                    "issued_at": grant.issued_at,
                    "access_expires_at": _expiry(newest.get((grant.id, "access_token"))),
                    "access_expires_in": _seconds_left(newest.get((grant.id, "access_token")), now),
                    "refresh_expires_in": _seconds_left(newest.get((grant.id, "refresh_token")), now),
                    "has_refresh_token": (grant.id, "refresh_token") in newest,
                    "refresh_generation": grant.generation,
                    "refreshes": grant.refreshes,
                    "revoked": grant.revoked_at is not None,
                    "revoked_because": grant.revoked_because,
                }
                for grant in reversed(self._grants.values())
            ]

    def secrets(self) -> Iterator[tuple[str, str]]:
        """Yield (kind, value) of every code, proof and token still remembered, for tests that look for leaks."""
        with self._lock:
            codes = [("code", value) for value in self._codes]
            proofs = [(kind, value) for value, kind in self._proofs.items()]
            tokens = [(token.kind, value) for value, token in self._tokens.items()]
        yield from (*codes, *tokens, *proofs)


def _expiry(token: Token | None) -> float | None:
    return None if token is None else token.expires_at


def _seconds_left(token: Token | None, now: float) -> int | None:
    if token is None or token.expires_at is None:
        return None
    return max(0, round(token.expires_at - now))


def _drop_oldest(table: OrderedDict[Any, Any], most: int) -> None:
    while len(table) > most:
        table.popitem(last=False)
