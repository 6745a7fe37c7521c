"""The tables, in memory."""

from __future__ import annotations

import hashlib
import heapq
import math
import threading
from collections import deque
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from mailbearer.caller import USED_EVERY
from mailbearer.errors import Conflict, NotFound
from mailbearer.ids import rfc3339
from mailbearer.ports.stores import Due, Page
from tests.fakes.cursors import bad_cursor, read_cursor, write_cursor
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailbearer.account import Account, Consent
    from mailbearer.caller import ApiKey
    from mailbearer.message import MessageRecord
    from mailbearer.registration import Registration

DUE_PAGE = 100


class FakeMessageStore:
    """Message records; like the table it keeps `created_at` in milliseconds and `expires_at` in whole seconds."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.records: dict[str, MessageRecord] = {}
        # What the index of held messages still shows, once each.
        self.behind: deque[tuple[str, ...]] = deque()
        self._lock = threading.Lock()

    def create(self, record: MessageRecord) -> MessageRecord:
        with self.faults.around("create"), self._lock:
            if record.id in self.records:
                return self._standing(record)
            self.records[record.id] = _as_kept(record)
            return record

    def get(self, message_id: str) -> MessageRecord | None:
        with self.faults.around("get"), self._lock:
            return self.records.get(message_id)

    def get_many(self, message_ids: Sequence[str]) -> dict[str, MessageRecord]:
        with self.faults.around("get_many"), self._lock:
            return {message_id: self.records[message_id] for message_id in message_ids if message_id in self.records}

    def replace(self, new: MessageRecord, *, expected: MessageRecord) -> MessageRecord:
        with self.faults.around("replace"), self._lock:
            stands = self.records.get(new.id)
            if stands is None:
                raise NotFound("There is no such message.")
            if _turn(stands) != _turn(expected):
                return self._standing(new)
            self.records[new.id] = _as_kept(new)
            return new

    def by_account(self, account_id: str, *, since: float, limit: int, cursor: str) -> Page:
        with self.faults.around("by_account"), self._lock:
            rows = sorted(
                (
                    (rfc3339(record.created_at), record.id)
                    for record in self.records.values()
                    if record.account == account_id and rfc3339(record.created_at) >= rfc3339(since)
                ),
                reverse=True,
            )
        if cursor:
            owner, created_at, last_id = read_cursor(cursor, 3)
            if owner != account_id:
                raise bad_cursor()
            rows = [row for row in rows if row < (created_at, last_id)]
        page = rows[:limit]
        more = write_cursor(account_id, *page[-1]) if len(rows) > limit else ""
        return Page(tuple(message_id for _, message_id in page), more)

    def held(self, account_id: str, *, limit: int) -> tuple[str, ...]:
        with self.faults.around("held"), self._lock:
            if self.behind:
                return self.behind.popleft()[:limit]
            waiting = sorted(
                (record.created_at, record.id)
                for record in self.records.values()
                if record.is_drained and record.account == account_id
            )
        return tuple(message_id for _, message_id in waiting[:limit])

    def _standing(self, wanted: MessageRecord) -> MessageRecord:
        stands = self.records[wanted.id]
        return wanted if stands == _as_kept(wanted) else stands


class FakeAccountStore:
    """Accounts."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.accounts: dict[str, Account] = {}
        # What a read that need not be consistent still shows.
        self.lagging: dict[str, Account | None] = {}
        self._lock = threading.Lock()

    def create(self, account: Account) -> bool:
        with self.faults.around("create"), self._lock:
            if account.id in self.accounts:
                return False
            self.accounts[account.id] = account
            return True

    def get(self, account_id: str, *, consistent: bool = True) -> Account | None:
        with self.faults.around("get"), self._lock:
            if not consistent and account_id in self.lagging:
                return self.lagging[account_id]
            return self.accounts.get(account_id)

    def replace(self, new: Account, *, expected: Account) -> Account:
        with self.faults.around("replace"), self._lock:
            if new.id not in self.accounts:
                raise NotFound("There is no such account.")
            if self.accounts[new.id] == expected:
                self.accounts[new.id] = new
            return self.accounts[new.id]

    def delete(self, account: Account) -> None:
        with self.faults.around("delete"), self._lock:
            if self.accounts.get(account.id, account) != account:
                raise Conflict("The account was changed meanwhile. Read it again before deleting it.")
            self.accounts.pop(account.id, None)

    def by_address(self, address: str) -> list[Account]:
        with self.faults.around("by_address"), self._lock:
            found = [account for account in self.accounts.values() if account.address.lower() == address.lower()]
        return sorted(found, key=lambda account: account.id)

    def listing(self, *, limit: int, cursor: str) -> tuple[list[Account], str]:
        with self.faults.around("listing"), self._lock:
            # Like a scan, in an order that means nothing.
            rows = sorted(self.accounts.values(), key=lambda account: _scan_position(account.id))
        if cursor:
            (last_id,) = read_cursor(cursor, 1)
            rows = [account for account in rows if _scan_position(account.id) > _scan_position(last_id)]
        return rows[:limit], write_cursor(rows[limit - 1].id) if len(rows) > limit else ""

    def due(self, now: float) -> Iterator[Due]:
        after = Due(0, "")
        while True:
            # Page by page, as the index is read: what changes meanwhile is seen or not.
            with self.faults.around("due"), self._lock:
                rows = [Due(account.due_at, account.id) for account in self.accounts.values()]
            page = heapq.nsmallest(DUE_PAGE, (row for row in rows if 0 < row.at <= now and row > after))
            yield from page
            if len(page) < DUE_PAGE:
                return
            after = page[-1]


class FakeConsentStore:
    """Consents under way."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.consents: dict[str, Consent] = {}
        self._lock = threading.Lock()

    def put(self, consent: Consent) -> None:
        with self.faults.around("put"), self._lock:
            self.consents[consent.state_hash] = replace(consent, expires_at=math.ceil(consent.expires_at))

    def get(self, state_hash: str) -> Consent | None:
        with self.faults.around("get"), self._lock:
            return self.consents.get(state_hash)

    def replace(self, new: Consent, *, expected: Consent) -> Consent | None:
        with self.faults.around("replace"), self._lock:
            if self.consents.get(new.state_hash) == expected:
                self.consents[new.state_hash] = new
            return self.consents.get(new.state_hash)

    def take(self, state_hash: str) -> Consent | None:
        with self.faults.around("take"), self._lock:
            return self.consents.pop(state_hash, None)


class FakeRegistrationStore:
    """Registrations."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.registrations: dict[str, Registration] = {}
        self._lock = threading.Lock()

    def create(self, registration: Registration) -> bool:
        with self.faults.around("create"), self._lock:
            if registration.name in self.registrations:
                return False
            self.registrations[registration.name] = registration
            return True

    def replace(self, new: Registration, *, expected: Registration) -> Registration:
        with self.faults.around("replace"), self._lock:
            stands = self.registrations.get(new.name)
            if stands is None:
                raise NotFound("There is no such registration.")
            if stands.revision != expected.revision:
                return stands
            self.registrations[new.name] = new
            return new

    def get(self, name: str) -> Registration | None:
        with self.faults.around("get"), self._lock:
            return self.registrations.get(name)

    def listing(self) -> list[Registration]:
        with self.faults.around("listing"), self._lock:
            return sorted(self.registrations.values(), key=lambda registration: registration.name)


class FakeKeyStore:
    """API keys."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.keys: dict[str, ApiKey] = {}
        self._lock = threading.Lock()

    def create(self, key: ApiKey) -> bool:
        with self.faults.around("create"), self._lock:
            if key.id in self.keys:
                return False
            self.keys[key.id] = replace(key, expires_at=math.ceil(key.expires_at))
            return True

    def get(self, key_id: str) -> ApiKey | None:
        with self.faults.around("get"), self._lock:
            return self.keys.get(key_id)

    def replace(self, new: ApiKey, *, expected: ApiKey) -> ApiKey:
        with self.faults.around("replace"), self._lock:
            stands = self.keys.get(new.id)
            if stands is None:
                raise NotFound("There is no such key.")
            if stands != expected:
                return stands
            self.keys[new.id] = replace(new, expires_at=math.ceil(new.expires_at), last_used_at=stands.last_used_at)
            return new

    def delete(self, key: ApiKey) -> None:
        with self.faults.around("delete"), self._lock:
            if self.keys.get(key.id, key) != key:
                raise Conflict("The key was changed meanwhile. Read it again before deleting it.")
            self.keys.pop(key.id, None)

    def listing(self, *, limit: int, cursor: str) -> tuple[list[ApiKey], str]:
        with self.faults.around("listing"), self._lock:
            # Like a scan, in an order that means nothing.
            rows = sorted(self.keys.values(), key=lambda key: _scan_position(key.id))
        if cursor:
            (last_id,) = read_cursor(cursor, 1)
            rows = [key for key in rows if _scan_position(key.id) > _scan_position(last_id)]
        return rows[:limit], write_cursor(rows[limit - 1].id) if len(rows) > limit else ""

    def mark_used(self, key_id: str, at: float) -> None:
        with self.faults.around("mark_used"), self._lock:
            stands = self.keys.get(key_id)
            if stands is not None and stands.last_used_at <= at - USED_EVERY:
                self.keys[key_id] = replace(stands, last_used_at=at)


def _turn(record: MessageRecord) -> tuple[object, ...]:
    return record.status, record.attempt, record.owner, record.retry_at


def _as_kept(record: MessageRecord) -> MessageRecord:
    return replace(
        record,
        created_at=datetime.fromisoformat(rfc3339(record.created_at)).timestamp(),
        expires_at=math.ceil(record.expires_at),
    )


def _scan_position(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
