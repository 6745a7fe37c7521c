"""The mailboxes: adding, changing, pausing and finding them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailbearer.account import Account, AccountState
from mailbearer.addresses import escape_pointer, read_address, unsafe_in_header
from mailbearer.errors import Conflict, Fault, InvalidInput, NotFound
from mailbearer.ids import new_id
from mailbearer.lookup import find_account
from mailbearer.news import News

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.caller import Caller
    from mailbearer.embargo import Embargo
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import EventBus
    from mailbearer.ports.stores import AccountStore, RegistrationStore
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

_LONGEST_HOLD = 28 * 86_400  # seconds; the content bucket keeps what waits for 30 days
_LIMITS = ("per_minute", "per_day", "recipients_per_day", "recipients_per_message", "concurrency", "hold_for")
_CHANGE = frozenset({"display_name", "aliases", "limits", "contacts", "carries_notices"})
_CREATE = _CHANGE | {"provider", "address", "transport"}
_GONE = frozenset({AccountState.REVOKED})
_NOT_SENDING = frozenset({AccountState.PENDING_CONSENT, AccountState.CONSENT_REQUIRED, AccountState.REVOKED})
_MAX_NAME, _MAX_ALIASES, _MAX_CONTACTS, _MAX_PROVIDER, _MAX_LIMIT = 200, 50, 10, 64, 1_000_000_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A mailbox that could be added, and the account that `standing` for it already is to be used anew, if any."""

    account: Account
    registration: Registration
    standing: Account | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Keep the mailboxes."""

    accounts: AccountStore
    registrations: RegistrationStore
    embargo: Embargo
    events: EventBus
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    def draft(self, body: object) -> Draft:
        """Read what is to be added; nothing is stored.

        Raises `InvalidInput` with all faults, `Conflict` for a twin or what an incident forbids.
        """
        fields = _object(body)
        faults = _unknown(fields, _CREATE)
        registration = self._registration(fields, faults)
        address = read_address(fields.get("address"), "/address", faults)
        transport = fields.get("transport") or (registration.transport if registration else "")
        if registration is not None and transport != registration.transport:
            detail = (
                f"{registration.name} is registered for {registration.transport}; add a registration for {transport}."
            )
            faults.append(Fault("/transport", "transport_not_registered", detail))
        changes = _read_changes(fields, faults)
        if faults or registration is None or address is None:
            raise InvalidInput(tuple(faults))
        standing = self._twin(address.email, registration)
        now = self.clock()
        account = standing or Account(
            id=new_id("acc_", now, self.random_bytes),
            provider=registration.name,
            address=address.email,
            transport=registration.transport,
            state=AccountState.PENDING_CONSENT,
            scopes_wanted=registration.scopes,
            created_at=now,
            updated_at=now,
        )
        self.embargo.check(account)
        return Draft(replace(account, **changes), registration, standing)

    def add(self, draft: Draft, caller: Caller) -> Account:
        """Add a mailbox as drafted; one that stands already is changed to that."""
        account = draft.account
        if draft.standing is not None:
            return self._renew(account, draft.standing, caller)
        self.announce(draft, caller)
        return self.create(draft, caller)

    def announce(self, draft: Draft, caller: Caller) -> None:
        """Write the intent to add a new mailbox. Raises `AuditUnavailable`: then nothing of it may be stored."""
        name = draft.registration.name
        self.trail.intend("account.add", draft.account.id, actor=caller.key_id, registration=name)

    def create(self, draft: Draft, caller: Caller) -> Account:
        """Add a new mailbox that was announced."""
        account, name = draft.account, draft.registration.name
        self.accounts.create(account)
        self.trail.note("account.added", account.id, "added", actor=caller.key_id, registration=name)
        return account

    def change(self, account: Account, body: object, caller: Caller) -> Account:
        """Change name, aliases, limits, or whom notices go to and through.

        Raises `InvalidInput` with all faults, `Conflict`.
        """
        fields = _object(body)
        faults = _unknown(fields, _CHANGE)
        changes = _read_changes(fields, faults)
        if faults:
            raise InvalidInput(tuple(faults))
        changed = self._replace(account, **changes)
        self.trail.note("account.changed", account.id, "changed", actor=caller.key_id, fields=" ".join(sorted(changes)))
        return changed

    def pause(self, account: Account, caller: Caller) -> Account:
        """Let the mailbox's mail wait. Raises `Conflict` unless it is active."""
        if account.state is AccountState.PAUSED:
            return account
        if account.state is not AccountState.ACTIVE:
            msg = f"Only an active mailbox can be paused; this one is {account.state}."
            raise Conflict(msg)
        paused = self._replace(account, state=AccountState.PAUSED)
        self.trail.note("account.paused", account.id, "paused", actor=caller.key_id)
        News(self.events, self.trail, self.clock).publish("account.paused", paused)
        return paused

    def resume(self, account: Account, caller: Caller) -> Account:
        """Let a paused mailbox send again. Raises `Conflict` unless it is paused, or if an incident forbids it."""
        if account.state is AccountState.ACTIVE:
            return account
        if account.state is not AccountState.PAUSED:
            msg = f"Only a paused mailbox can be resumed; this one is {account.state}."
            raise Conflict(msg)
        self.embargo.check(account)
        active = self._replace(account, state=AccountState.ACTIVE, drain_from=self.clock())
        self.trail.note("account.resumed", account.id, "resumed", actor=caller.key_id)
        News(self.events, self.trail, self.clock).publish("account.resumed", active)
        return active

    def remove(self, account: Account, caller: Caller) -> None:
        """Forget a revoked mailbox. Raises `Conflict` while its revocation is unfinished."""
        if account.state is not AccountState.REVOKED or account.revocation_pending:
            msg = "The provider could not be told of the revocation yet; the schedule goes on. Delete it again later."
            raise Conflict(msg)
        self.accounts.delete(account)
        self.trail.note("account.deleted", account.id, "deleted", actor=caller.key_id)

    def find(self, account_id: str, caller: Caller) -> Account:
        """Find an account by id or address. Raises `NotFound`, the same for what is not the caller's."""
        account = find_account(self.accounts, account_id, caller)
        if account is None:
            msg = "There is no such account."
            raise NotFound(msg)
        return account

    def listing(self, caller: Caller, *, limit: int, cursor: str) -> tuple[list[Account], str]:
        """List the accounts a caller may use."""
        if caller.accounts:
            found = (self.accounts.get(account_id) for account_id in sorted(caller.accounts))
            return [account for account in found if account is not None], ""
        return self.accounts.listing(limit=limit, cursor=cursor)

    def _registration(self, fields: Mapping[str, Any], faults: list[Fault]) -> Registration | None:
        name = fields.get("provider")
        fits = isinstance(name, str) and 0 < len(name) <= _MAX_PROVIDER and name.isascii()
        registration = self.registrations.get(str(name)) if fits else None
        if registration is None:
            detail = "Name a registration; GET /v1/providers lists them, `mailbearer providers add` adds one."
            faults.append(Fault("/provider", "unknown_provider", detail))
        return registration

    def _twin(self, address: str, registration: Registration) -> Account | None:
        """Give the account that an unattended registration connects anew under its old id; elsewhere there is a link.

        Raises `Conflict` if the address stands already, or is that of a mailbox which an incident shuts.
        """
        found = self.accounts.by_address(address.lower())
        for one in found:
            if one.is_shut:
                # Whoever has the mailbox in hand must not come in by another account of it.
                self.embargo.check(one)
        twins = [one for one in found if one.provider == registration.name]
        idle = _NOT_SENDING if registration.flow.unattended else _GONE
        for twin in twins:
            if twin.state not in idle:
                msg = f"{address} has an account through {registration.name} already: {twin.id}, {twin.state}."
                if twin.state in _NOT_SENDING:
                    msg += f" Its owner connects it by a link: `mailbearer accounts consent {address}`."
                raise Conflict(msg)
        return max(twins, key=lambda twin: twin.updated_at, default=None) if registration.flow.unattended else None

    def _renew(self, account: Account, standing: Account, caller: Caller) -> Account:
        wanted = {field: getattr(account, field) for field in _CHANGE}
        changes = {field: value for field, value in wanted.items() if value != getattr(standing, field)}
        if not changes:
            return standing
        renewed = self._replace(standing, **changes)
        fields = " ".join(sorted(changes))
        self.trail.note("account.changed", standing.id, "changed", actor=caller.key_id, fields=fields)
        return renewed

    def _replace(self, account: Account, **fields: Any) -> Account:
        for _ in range(10):
            changed = account.changed(updated_at=self.clock(), **fields)
            stored = self.accounts.replace(changed, expected=account)
            if stored == changed:
                return changed
            if stored.state is not account.state:
                break
            account = stored
        msg = "The account changed in the meantime; look at it again."
        raise Conflict(msg)


def _object(body: object) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise InvalidInput((Fault("", "not_an_object", "The body has to be a JSON object."),))
    return body


def _unknown(fields: Mapping[str, Any], known: frozenset[str]) -> list[Fault]:
    detail = f"There is no such field; there are {', '.join(sorted(known))}."
    return [Fault(f"/{escape_pointer(name)}", "unknown_field", detail) for name in fields if name not in known]


def _read_addresses(field: str, given: object, most: int, faults: list[Fault]) -> tuple[str, ...]:
    if not isinstance(given, list) or len(given) > most:
        faults.append(Fault(f"/{field}", "not_a_list", f"{field} is a list of at most {most} addresses."))
        return ()
    read = [read_address(one, f"/{field}/{index}", faults) for index, one in enumerate(given)]
    return tuple(one.email for one in read if one is not None)


def _read_changes(fields: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if (name := fields.get("display_name")) is not None:
        if not isinstance(name, str) or len(name) > _MAX_NAME or unsafe_in_header(name):
            detail = f"display_name is a string of at most {_MAX_NAME} characters without control characters."
            faults.append(Fault("/display_name", "invalid_display_name", detail))
        changes["display_name"] = name
    for name, most in (("aliases", _MAX_ALIASES), ("contacts", _MAX_CONTACTS)):
        if (given := fields.get(name)) is not None:
            changes[name] = _read_addresses(name, given, most, faults)
    if (carries := fields.get("carries_notices")) is not None:
        if not isinstance(carries, bool):
            faults.append(Fault("/carries_notices", "not_a_boolean", "carries_notices is true or false."))
        changes["carries_notices"] = carries
    if (limits := fields.get("limits")) is not None:
        if not isinstance(limits, dict) or not all(
            name in _LIMITS
            and isinstance(value, int)
            and not isinstance(value, bool)
            and 0 < value <= (_LONGEST_HOLD if name == "hold_for" else _MAX_LIMIT)
            for name, value in limits.items()
        ):
            faults.append(
                Fault(
                    "/limits",
                    "invalid_limits",
                    f"limits holds integers from 1 to {_MAX_LIMIT} for {', '.join(_LIMITS)}; hold_for is at most "
                    f"{_LONGEST_HOLD}.",
                )
            )
        else:
            changes["limits"] = tuple(sorted(limits.items()))
    return changes
