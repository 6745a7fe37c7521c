"""Proving that a token still opens its mailbox, still has its scopes, and is still the same mailbox's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.account import AccountState
from mailbearer.errors import ClientRefused, GrantDead, TokenError
from mailbearer.news import News
from mailbearer.pauses import chance
from mailbearer.probing.looking import Look, Looker
from mailbearer.registration import check_has_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.client import Client
    from mailbearer.definition import Definition, Definitions
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import EventBus
    from mailbearer.ports.mail import Transport
    from mailbearer.ports.stores import AccountStore, RegistrationStore
    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

PROBE_EVERY = 900.0
"""Seconds from probe to probe, a tenth more or less at random; a dead grant is known after that at the latest.

A probe costs one call of the provider, one read and one write of the account, and, where the process does not hold the
token, one more read of the account and one of the secret: about $0.02 a month for a mailbox.
"""

SLOWEST = 3600.0
"""While nobody can tell, or a refusal stays, the pauses grow to so many seconds."""

_NEEDED_FOR = 30.0
_FRESH = 300.0
_TRIES = 5
_WORDS = {True: "valid", False: "invalid", None: "unknown"}


@dataclass(frozen=True, slots=True)
class Probed:
    """The account after the probe, and whether the token opened it; None if nothing there can tell."""

    account: Account
    valid: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prober:
    """Look whether a mailbox's token is good, and keep what was seen on its account."""

    accounts: AccountStore
    registrations: RegistrationStore
    definitions: Definitions
    lifecycle: Lifecycle
    client: Client
    transport: Callable[[str], Transport]
    events: EventBus
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    def probe(self, account: Account, *, asked: bool = False) -> Probed:
        """Use the token for nothing but a look; one that is refused is refreshed, at most once in five minutes.

        So a grant that has ended at the provider becomes `consent_required` here, by the token endpoint's word. `asked`
        means that an operator asks, who may have mended something: a back-off does not count then. Raises the
        `TokenError` family if there is no token to look with, `Conflict` for a mailbox that needs none.
        """
        state, now = account.token, self.clock()
        if not asked and state.due_at > now and not state.lives(now + _NEEDED_FOR):
            # The schedule refreshes it later, for a back-off or the secret's write budget; the look is taken then.
            waiting = account.changed(probe=replace(account.probe, due_at=state.due_at))
            return Probed(self.accounts.replace(waiting, expected=account), None)
        registration = self.registrations.get(account.provider)
        check_has_token(registration, account.address)
        try:
            if registration is None:
                raise ClientRefused(f"The registration {account.provider} does not exist.")
            token = self._token(account, asked=asked)
        except GrantDead:
            raise
        except TokenError:
            self._keep(account, registration, Look())
            raise
        looker = Looker(client=self.client, definitions=self.definitions, transport=self.transport)
        look = looker.look(account, registration, token)
        if look.valid is False or (look.doubted and account.probe.how != look.how):
            # A mail host that checks tokens by itself goes on taking those of a grant that has ended; the token
            # endpoint knows better. One refresh tells, and a server that doubts for ever is not asked for ever.
            renewed = self.lifecycle.force_refresh(account.id)
            account = self.accounts.get(account.id) or account
            if renewed:
                look = looker.look(account, registration, self._token(account, asked=False))
            # A token is fresh also if whoever sends had the refresh of these five minutes.
            dead = account.state is AccountState.CONSENT_REQUIRED
            if dead or account.token.refreshed_at + _FRESH <= self.clock():
                look = replace(look, valid=look.valid and not dead, code="")
        return self._keep(account, registration, look)

    def _token(self, account: Account, *, asked: bool) -> str:
        needed_until = self.clock() + _NEEDED_FOR
        if asked and account.token.backoff_until > self.clock() and not account.token.lives(needed_until):
            return self.lifecycle.rotate(account).tokens.access_token
        return self.lifecycle.usable(account, needed_for=_NEEDED_FOR)

    # --- what is kept and told ----------------------------------------------------------------------------------------

    def _keep(self, account: Account, registration: Registration | None, look: Look) -> Probed:
        """Keep what was seen; whoever changed the account meanwhile keeps his change."""
        definition = self.definitions(registration.kind if registration is not None else "")
        before, probed = account, account
        for _ in range(_TRIES):
            before, probed = account, self._after(account, look)
            account = self.accounts.replace(probed, expected=before)
            if account == probed:
                break
        else:
            # The next probe sees it again.
            return Probed(account, look.valid)
        self.trail.note("token.validated", account.id, _WORDS[look.valid], how=look.how)
        if look.valid is not None:
            self._tell(before, probed, definition)
        return Probed(probed, look.valid)

    def _after(self, account: Account, look: Look) -> Account:
        now, before = self.clock(), account.probe
        pause = PROBE_EVERY
        if not look.valid and before.outcome == _WORDS[look.valid]:
            pause = min(SLOWEST, max(PROBE_EVERY, 2 * (before.due_at - before.at)))
        probe = replace(
            before,
            at=now,
            due_at=now + pause * (0.9 + 0.2 * chance(self.random_bytes)),
            outcome=_WORDS[look.valid],
        )
        if look.valid is None:
            return account.changed(probe=probe)
        probe = replace(
            probe,
            valid_at=now if look.valid else before.valid_at,
            how=look.how,
            code="" if look.valid else look.code or before.code,
            identity=look.identity or before.identity,
            scopes=before.scopes if look.scopes is None else look.scopes,
        )
        granted = account.scopes_granted if look.scopes is None else look.scopes
        return account.changed(probe=probe, scopes_granted=granted)

    def _tell(self, before: Account, after: Account, definition: Definition) -> None:
        """Audit and publish what is other than it was; what stays as it is was told already."""
        news = News(self.events, self.trail, self.clock)
        old, new = before.probe, after.probe
        if new.code and new.code != old.code:
            self.trail.note("token.unusable", after.id, "invalid", reason=new.code, how=new.how)
            news.publish("token.unusable", after, reason=new.code)
        if new.identity != old.identity and new.identity and not after.may_send_as(new.identity):
            self.trail.note("account.identity_drift", after.id, "drifted", identity=new.identity)
            news.publish("account.identity_drift", after, identity=new.identity)
        drift = _drift(definition, after, after.scopes_granted)
        if new.scopes and drift not in {_drift(definition, before, old.scopes), _drift(definition, before, ())}:
            missing, excessive = (" ".join(scopes) for scopes in drift)
            outcome = "drifted" if missing or excessive else "mended"
            self.trail.note("token.scope_drift", after.id, outcome, scope_missing=missing, scope_excessive=excessive)
            news.publish("token.scope_drift", after, scope_missing=missing, scope_excessive=excessive)


def _drift(definition: Definition, account: Account, seen: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare the wanted scopes with those that were seen, or else with those that were granted."""
    scopes = seen or account.scopes_granted or account.scopes_wanted
    return definition.scope_drift(account.scopes_wanted, " ".join(scopes)) if account.scopes_wanted else ((), ())
