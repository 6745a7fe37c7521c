"""Keeping webhooks: who hears of what, and the secrets that sign it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import AuditUnavailable, Conflict, Fault, InvalidInput, NotFound, SecretMissing, Unavailable
from mailbearer.ids import is_id, new_id
from mailbearer.lookup import find_account
from mailbearer.notifying.reading import (
    check_names,
    host_of,
    read_description,
    read_events,
    read_flag,
    read_names,
    read_object,
    read_url,
)
from mailbearer.notifying.signing import new_secret, shown
from mailbearer.webhook import OldSecret, SigningSecrets, Webhook
from mailbearer.wire.rotations import read_overlap

if TYPE_CHECKING:
    from collections.abc import Collection

    from mailbearer.caller import Caller
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import AccountStore, WebhookStore
    from mailbearer.ports.vaults import WebhookVault
    from mailbearer.trail import Trail

MOST = 100
"""So many webhooks one stack has: every event is held against each."""

MOST_SECRETS = 5
"""So many secrets sign at the same time: the signatures have to fit into one header field."""

CREATE_FIELDS = frozenset({"url", "events", "accounts", "description"})
CHANGE_FIELDS = frozenset({"url", "events", "description", "disabled"})

SETTLED = 60.0
"""Seconds after which whoever began to make or rotate a webhook has put its secrets, or never will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookKeeping:
    """Make, change, show and forget webhooks.

    A caller that is bound to accounts has to do with webhooks that are bound to some of these only; all others look to
    it as if they were not there. `kinds` are the event types there are.
    """

    store: WebhookStore
    vault: WebhookVault
    accounts: AccountStore
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes
    kinds: Collection[str]
    local: bool

    def create(self, body: object, caller: Caller) -> tuple[Webhook, str]:
        """Make a webhook; gives it with its signing secret, which nobody is shown again.

        Raises `InvalidInput` with all faults, `Conflict` if there are too many, `Unavailable`.
        """
        fields, faults = read_object(body), list[Fault]()
        check_names(fields, CREATE_FIELDS, faults)
        url = read_url(fields.get("url"), faults, local=self.local)
        events = read_events(fields.get("events"), self.kinds, faults)
        description = read_description(fields.get("description"), faults)
        accounts = self._bound_to(read_names(fields.get("accounts"), faults), caller, faults)
        if faults:
            raise InvalidInput(tuple(faults))
        if len(self.store.listing()) >= MOST:
            raise Conflict(f"There are {MOST} webhooks, which is the most; delete one first.")
        now = self.clock()
        webhook = Webhook(
            id=new_id("whk_", now, self.random_bytes),
            url=url,
            events=events,
            accounts=accounts,
            description=description,
            created_at=now,
            created_by=caller.key_id,
            updated_at=now,
            rotated_at=now,
        )
        secret = new_secret(self.random_bytes)
        self.trail.intend("webhook.create", webhook.id, actor=caller.key_id, host=host_of(url))
        # The row first: whatever happens next, it is there to be seen, rotated and deleted. Until it has its secret its
        # deliveries are put off.
        self.store.create(webhook)
        try:
            self.vault.put(webhook.id, SigningSecrets(secret, rotated_at=now))
        except Unavailable:
            self.store.delete(webhook.id)
            raise
        self.trail.note("webhook.created", webhook.id, "created", actor=caller.key_id, host=host_of(url))
        return webhook, shown(secret)

    def get(self, webhook_id: str, caller: Caller) -> Webhook:
        """Read one. Raises `NotFound`."""
        webhook = self.store.get(webhook_id) if is_id("whk_", webhook_id) else None
        if webhook is None or not _may_see(caller, webhook):
            msg = "There is no such webhook."
            raise NotFound(msg)
        return webhook

    def listing(self, caller: Caller, *, limit: int, cursor: str) -> tuple[list[Webhook], str]:
        """List the caller's webhooks by id; the second value continues the list. Raises `InvalidInput`."""
        if cursor and not is_id("whk_", cursor):
            detail = "Use next_cursor of the same list as it was given."
            raise InvalidInput((Fault("/cursor", "invalid_cursor", detail),))
        found = [each for each in self.store.listing() if each.id > cursor and _may_see(caller, each)]
        return found[:limit], found[limit - 1].id if len(found) > limit else ""

    def change(self, webhook_id: str, body: object, caller: Caller) -> Webhook:
        """Change address, events or description, or disable it and enable it again.

        What it failed at before counts no longer once it is enabled, or has another address. Raises `InvalidInput` with
        all faults, `NotFound`, `Conflict` if somebody else changes it, `Unavailable`.
        """
        webhook = self.get(webhook_id, caller)
        fields, faults = read_object(body), list[Fault]()
        check_names(fields, CHANGE_FIELDS, faults)
        changes: dict[str, object] = {}
        if "url" in fields:
            changes["url"] = read_url(fields["url"], faults, local=self.local)
        if "events" in fields:
            changes["events"] = read_events(fields["events"], self.kinds, faults)
        if "description" in fields:
            changes["description"] = read_description(fields["description"], faults)
        if "disabled" in fields:
            changes["disabled"] = read_flag(fields["disabled"], "/disabled", faults)
        if faults:
            raise InvalidInput(tuple(faults))
        changes = {name: value for name, value in changes.items() if value != getattr(webhook, name)}
        if not changes:
            return webhook
        if "disabled" in changes:
            changes["reason"] = "requested" if changes["disabled"] else ""
        if changes.get("disabled") is False or "url" in changes:
            changes |= {"failures": 0, "failing_since": 0, "last_failure": ""}
        facts = {
            "fields": " ".join(sorted(changes.keys() & CHANGE_FIELDS)),
            "host": host_of(str(changes.get("url", ""))),
        }
        # Whoever only ends deliveries is not held up by an audit log that is down.
        self._intend("webhook.change", webhook, caller, must=changes.keys() != {"disabled", "reason"}, **facts)
        changed = self._replace(webhook, webhook.changed(updated_at=self.clock(), **changes))
        self.trail.note("webhook.changed", webhook.id, "changed", actor=caller.key_id, **facts)
        return changed

    def rotate(self, webhook_id: str, body: object, caller: Caller) -> tuple[Webhook, str]:
        """Make a new signing secret, shown this once; those before sign too until the overlap has passed.

        Raises `InvalidInput` with all faults, `NotFound`, `Conflict` if somebody else changes the webhook or too many
        secrets would sign, `Unavailable`.
        """
        webhook, overlap = self.get(webhook_id, caller), read_overlap(body)
        now, secret = self.clock(), new_secret(self.random_bytes)
        kept = self._secrets_of(webhook, now)
        before: tuple[OldSecret, ...] = ()
        if kept is not None and overlap:
            in_force = [old for old in kept.previous if now < old.until]
            shortened = [OldSecret(old.value, min(old.until, now + overlap)) for old in in_force]
            before = (OldSecret(kept.current, now + overlap), *shortened)
        if len(before) >= MOST_SECRETS:
            detail = f"{MOST_SECRETS} secrets sign already; wait for the end of an overlap, or rotate with overlap 0."
            raise Conflict(detail)
        facts = {"overlap": str(overlap)}
        self.trail.intend("webhook.rotate", webhook.id, actor=caller.key_id, **facts)
        # The row is the claim: of two that rotate at the same time one is told so, before any secret is put.
        rotated = self._replace(webhook, webhook.changed(rotated_at=now, updated_at=now))
        self.vault.put(webhook.id, SigningSecrets(secret, before, rotated_at=now))
        self.trail.note("webhook.rotated", webhook.id, "rotated", actor=caller.key_id, **facts)
        return rotated, shown(secret)

    def delete(self, webhook_id: str, caller: Caller) -> None:
        """Forget a webhook and its secrets; safe to repeat until it is gone. Raises `NotFound`, `Unavailable`."""
        webhook = self.get(webhook_id, caller)
        self._intend("webhook.delete", webhook, caller, must=False)
        self.vault.retire(webhook.id)
        self.store.delete(webhook.id)
        self.trail.note("webhook.deleted", webhook.id, "deleted", actor=caller.key_id)

    def _secrets_of(self, webhook: Webhook, now: float) -> SigningSecrets | None:
        """Give what signs now, None if nothing can. Raises `Conflict` while somebody else is about to put secrets.

        His would be lost, or ours: the vault takes whatever comes last.
        """
        try:
            kept = self.vault.read(webhook.id)
        except SecretMissing:
            kept = None  # somebody wrote over them; a new one mends that
        if now - webhook.rotated_at < SETTLED and (kept is None or kept.rotated_at != webhook.rotated_at):
            raise Conflict("A secret of this webhook is being made just now; try again in a minute.")
        return kept

    def _intend(self, action: str, webhook: Webhook, caller: Caller, *, must: bool, **facts: str) -> None:
        try:
            self.trail.intend(action, webhook.id, actor=caller.key_id, **facts)
        except AuditUnavailable:
            if must:
                raise
            self.trail.note(action, webhook.id, "intended", actor=caller.key_id, **facts)

    def _replace(self, webhook: Webhook, wanted: Webhook) -> Webhook:
        if self.store.replace(wanted, expected=webhook) != wanted:
            raise Conflict("Somebody else has just changed this webhook; look at it and try again.")
        return wanted

    def _bound_to(self, names: tuple[str, ...], caller: Caller, faults: list[Fault]) -> frozenset[str]:
        """Find the accounts that are meant; those of the caller, if it is bound to some and names none."""
        found: set[str] = set()
        for index, name in enumerate(names):
            try:
                account = find_account(self.accounts, name, caller)
            except InvalidInput as error:
                faults.extend(Fault(f"/accounts/{index}", fault.code, fault.detail) for fault in error.faults)
                continue
            if account is not None and caller.may_use(account.id):
                found.add(account.id)
            elif name:
                faults.append(Fault(f"/accounts/{index}", "unknown_account", "There is no such account."))
        return frozenset(found) if names else caller.accounts


def _may_see(caller: Caller, webhook: Webhook) -> bool:
    return not caller.accounts or bool(webhook.accounts and webhook.accounts <= caller.accounts)
