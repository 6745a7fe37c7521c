"""Connecting a mailbox by a code that its owner types at the provider's page, on any device (RFC 8628).

The page behind the link shows the code and renews itself; each time, if the provider's interval is over, it asks the
token endpoint once. The answer that brings the tokens comes once, and three places are left where a crash loses it:

- before that answer is read: the provider calls the device code spent when it is asked next, and the link ends refused;
- after it, before the consent is taken: the same;
- after the consent is taken, before the secret is stored: the link is unknown from then on.

In each of them nothing was stored, the account is as it was, a new link connects it, and the provider keeps a grant
that nobody holds. Taking the consent before asking would only be worse: each crash on the way would end the link.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.account import Account, Consent, DeviceCode
from mailbearer.connecting.sealing import seal, unseal
from mailbearer.connecting.tickets import CONSENT_LIFE, hash_of, state_of, unknown_state
from mailbearer.errors import (
    AuthorizationPending,
    Conflict,
    ConsentRefused,
    SecretMissing,
    TokenEndpointBusy,
    TokenError,
    TooManyGrants,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.client import Client
    from mailbearer.connecting.granting import Connected, Granting
    from mailbearer.connecting.tickets import Tickets
    from mailbearer.ports import Clock
    from mailbearer.ports.provider import TokenAnswer
    from mailbearer.ports.stores import ConsentStore
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

TURN = 30.0
"""Seconds in which whoever asks is alone: longer than a token call takes, so that no second one can spend the code."""

_SLOWER = 5.0  # RFC 8628 section 3.5
_SLOWEST = 60.0
_DENIED = ("denied", 400, "The consent was declined.")
_EXPIRED = ("device_code_expired", 410, "The code has expired or was used already. Ask for a new link.")
# RFC 8628 section 3.5 and Microsoft's own words for the same; of other codes the diagnosis knows best.
_WORDS = {"access_denied": _DENIED, "authorization_declined": _DENIED, "expired_token": _EXPIRED}
_FINDINGS = {"consent_declined": _DENIED, "device_code_expired": _EXPIRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePage:
    """What the page shows while the provider waits for the owner; `again_in` is when it renews itself (seconds)."""

    account: Account
    registration: Registration
    device: DeviceCode
    again_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFlow:
    """Lead the owner of a mailbox through consent without a browser on this side."""

    tickets: Tickets
    consents: ConsentStore
    granting: Granting
    client: Client
    trail: Trail
    clock: Clock

    def begin(self, account: Account, *, actor: str, announce: Callable[[], None] | None = None) -> str:
        """Get a device code; gives the link of the page that shows it.

        `announce` says what else the link is for, last before it is stored. Raises what that does, `Conflict` if there
        is nobody to ask or the provider refuses, `TooManyGrants` if it keeps no more grants, `Unavailable` if it cannot
        be reached.
        """
        registration = self.tickets.registration_of(account)
        self.granting.check_room(account, registration)
        self.trail.intend("consent.begin", account.id, actor=actor)
        try:
            given = self.client.begin_device(registration)
        except TokenEndpointBusy as error:
            raise Unavailable(f"The provider gives no device code now: {error.detail}") from error
        except (TokenError, SecretMissing) as error:
            raise Conflict(f"The provider gives no device code: {error.detail}") from error
        if announce is not None:
            announce()
        ticket, now = self.tickets.text(), self.clock()
        self.consents.put(
            Consent(
                state_hash=hash_of(state_of(ticket)),
                account_id=account.id,
                registration=registration.name,
                created_at=now,
                expires_at=now + min(CONSENT_LIFE, given.expires_in),
                device=DeviceCode(
                    code=seal(given.device_code, ticket),
                    user_code=given.user_code,
                    verification_uri=given.verification_uri,
                    verification_uri_complete=given.verification_uri_complete,
                    interval=given.interval,
                    ask_at=now + given.interval,
                ),
            )
        )
        return self.tickets.link(ticket)

    def look(self, consent: Consent, ticket: str) -> DevicePage | Connected:
        """Ask for the tokens if it is time to; gives the page to go on showing, or the connected mailbox.

        Raises `ConsentRefused` once it cannot come to a good end, `Unavailable` if the log or a store is down.
        """
        try:
            account, registration = self.tickets.subjects(consent)
            waiting = self._take_turn(account, registration, consent)
            if isinstance(waiting, DevicePage):
                return waiting
            answer = self._ask(registration, waiting, ticket)
            if isinstance(answer, Consent):
                return self._page(account, registration, answer)
            return self._finish(account, registration, waiting, answer)
        except ConsentRefused as error:
            self.trail.note("consent.refused", consent.account_id, "refused", reason=error.reason)
            self.consents.take(consent.state_hash)
            raise

    # --- asking -------------------------------------------------------------------------------------------------------

    def _take_turn(self, account: Account, registration: Registration, consent: Consent) -> Consent | DevicePage:
        """Claim the next question, by a conditional write; whoever is too early or comes second gets the page."""
        device = _device_of(consent)
        if device.ask_at > self.clock():
            return self._page(account, registration, consent)
        try:
            self.granting.check_room(account, registration)
        except TooManyGrants as error:
            raise ConsentRefused(error.detail, reason=error.code, status=409) from error
        if not device.asked_by:
            # Any of the questions may bring the grant, so the intent stands before the first.
            self.trail.intend("consent.grant", account.id, registration=registration.name)
        mine = replace(consent, device=replace(device, ask_at=self.clock() + TURN, asked_by=self.tickets.text()))
        stands = self.consents.replace(mine, expected=consent)
        if stands is None:
            raise unknown_state()
        return mine if stands == mine else self._page(account, registration, stands)

    def _ask(self, registration: Registration, consent: Consent, ticket: str) -> TokenAnswer | Consent:
        """Ask once; gives the tokens, or the consent as it waits on."""
        device = _device_of(consent)
        try:
            return self.client.poll_device(registration, device_code=unseal(device.code, ticket))
        except AuthorizationPending as error:
            return self._wait(consent, device.interval + (_SLOWER if error.slow_down else 0))
        except SecretMissing as error:
            raise ConsentRefused(error.detail, reason="registration_incomplete", status=502) from error
        except TokenError as error:
            if error.retryable:
                # A server that could not answer is asked at half the pace (RFC 8628 section 3.5).
                return self._wait(consent, min(2 * device.interval, _SLOWEST))
            usual = (error.finding or error.code, 502, f"The provider gave no token: {error.detail}")
            end = _WORDS.get(error.raw.partition("/")[0]) or _FINDINGS.get(error.finding)
            reason, status, msg = end or usual
            raise ConsentRefused(msg, reason=reason, status=status) from error

    def _wait(self, consent: Consent, interval: float) -> Consent:
        device = replace(_device_of(consent), interval=interval, ask_at=self.clock() + interval)
        waiting = replace(consent, device=device)
        self.consents.replace(waiting, expected=consent)
        return waiting

    def _finish(self, account: Account, registration: Registration, consent: Consent, answer: TokenAnswer) -> Connected:
        """Consume the consent, and only then store what came of it."""
        try:
            taken = self.consents.take(consent.state_hash)
            # While the log cannot be written no new access is kept, whatever it could do when the questions began.
            self.trail.intend("consent.grant", account.id, registration=registration.name)
        except Unavailable:
            self.granting.give_back(registration, answer, whose=account.address.lower())
            raise
        if taken is None:
            self.granting.give_back(registration, answer, whose=account.address.lower())
            raise unknown_state()
        return self.granting.keep_consented(account, registration, answer)

    def _page(self, account: Account, registration: Registration, consent: Consent) -> DevicePage:
        device = _device_of(consent)
        again_in = int(max(device.ask_at - self.clock(), 0)) + 1
        return DevicePage(account=account, registration=registration, device=device, again_in=again_in)


def _device_of(consent: Consent) -> DeviceCode:
    if consent.device is None:
        raise unknown_state()
    return consent.device
