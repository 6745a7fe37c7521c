"""Accepting messages: read wholly, record once, queue, and only then say yes (semantics.md, Sending, 1)."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailbearer.account import Account, AccountState
from mailbearer.addresses import unsafe_in_header
from mailbearer.caller import Caller
from mailbearer.envelope import QUEUE_LIMIT, Dropped, Job, write_content, write_job
from mailbearer.errors import (
    Fault,
    Forbidden,
    IdempotencyConflict,
    InvalidInput,
    MailbearerError,
    NotFound,
)
from mailbearer.ids import derived_id, new_id
from mailbearer.lookup import check_sendable, find_account, sender_of
from mailbearer.message import Address, Message, MessageRecord, Status
from mailbearer.wire import MAX_RECIPIENTS, read_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import ContentStore, MessageQueue
    from mailbearer.ports.mail import Composer, RawReader
    from mailbearer.ports.stores import AccountStore, MessageStore
    from mailbearer.trail import Trail

RECORD_LIFE = 90 * 86_400
"""Seconds for which a record, and with it an idempotency key, is kept."""

QUEUE_CALLER = "queue"
"""The caller of messages that were dropped on the queue: whoever IAM lets send to it."""

_MAX_KEY = 256
_MAX_NAMED = 320


@dataclass(frozen=True, slots=True)
class Accepted:
    """The record, and whether it answers a request that came before."""

    record: MessageRecord
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What a dry run shows."""

    mime: bytes
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Take messages in over both front doors."""

    messages: MessageStore
    accounts: AccountStore
    queue: MessageQueue
    content: ContentStore
    compose: Composer
    read_raw: RawReader
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    def accept(self, body: object, caller: Caller, key: str = "") -> Accepted:
        """Accept one message, or answer as the first time if `key` was used for the same body.

        Raises `InvalidInput` with all faults, `Forbidden`, `AccountPending`, `AccountRevoked`, `IdempotencyConflict`,
        and `Unavailable` if the queue did not take it: the same request again then queues it.
        """
        body, key = _checked_body(body, key)
        message, account = self._read(body, caller)
        try:
            check_sendable(account)
        except MailbearerError:
            if (first := self._first_answer(body, caller.key_id, key)) is not None:
                return first
            raise
        accepted = self._record(body, message, caller.key_id, key)
        record = accepted.record
        if record.status is Status.QUEUED and record.attempt == 0:
            self._enqueue(record, message, new=not accepted.replayed)
        if not accepted.replayed:
            self.trail.note("message.accepted", record.id, "accepted", actor=caller.key_id, account=record.account)
        return Accepted(_as_accepted(record), replayed=accepted.replayed)

    def preview(self, body: object, caller: Caller) -> Preview:
        """Compose a message without storing or sending anything. Raises as `accept` does."""
        body, _ = _checked_body(body, "")
        message, account = self._read(body, caller)
        now = self.clock()
        message_id = f"<dry-run.{new_id('', now, self.random_bytes).lower()}@{_domain(message.sender)}>"
        mime = self.compose(replace(message, message_id=message.message_id or message_id, date=now), bcc_header=False)
        state = account.state if account else AccountState.REVOKED
        warnings = () if state is AccountState.ACTIVE else (f"The mailbox is {state}; the message would wait or fail.",)
        return Preview(mime, warnings)

    def adopt(self, dropped: Dropped) -> Job | None:
        """Take in a message that came straight to the queue; None if it was recorded as failed.

        Raises `InvalidInput` or `IdempotencyConflict` for a message that can never be sent; `refuse` records those.
        """
        caller = Caller(key_id=QUEUE_CALLER, scopes=frozenset({"messages:send"}))
        _checked_body(dropped.body, "")
        message, account = self._read(dropped.body, caller, known_account=False)
        accepted = self._record(dropped.body, message, QUEUE_CALLER, dropped.key)
        record = accepted.record
        if not accepted.replayed:
            self.trail.note("message.accepted", record.id, "accepted", actor=QUEUE_CALLER, account=record.account)
        try:
            check_sendable(account)
        except MailbearerError as error:
            # One that was tried before is delivery's to end: this may be the last copy of it.
            if record.status is Status.QUEUED and record.attempt == 0:
                self._fail(record, message, error)
                return None
        message = replace(message, message_id=record.message_id, date=record.created_at)
        new = None if accepted.replayed else record
        return Job(id=record.id, account=record.account, attempt=0, message=message, record=new)

    def refuse(self, text: str, error: MailbearerError, *, key: str, account: str = "") -> MessageRecord:
        """Record a queue message that can never be sent, and keep it on the dead-letter queue with what is wrong.

        Safe to repeat. Raises `Unavailable` if it could not be kept.
        """
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        message_id = derived_id("msg_", QUEUE_CALLER, key, "refused", digest)
        now = self.clock()
        record = MessageRecord(
            id=message_id,
            account=account if 0 < len(account) <= _MAX_NAMED and not unsafe_in_header(account) else "unknown",
            caller=QUEUE_CALLER,
            status=Status.FAILED,
            message_id="",
            request_hash=digest,
            created_at=now,
            updated_at=now,
            problem_code=error.code,
            problem_detail=error.detail[:300],
            expires_at=now + RECORD_LIFE,
        )
        self.queue.refuse(text, problem=problem_of(error), message_id=message_id, key=key)
        stored = self.messages.create(record)
        self.trail.note("message.refused", message_id, "refused", actor=QUEUE_CALLER, reason=error.code)
        return stored

    def account_of(self, caller: Caller, named: str) -> Account:
        """Find the account a caller names by id or address.

        Raises `NotFound`, the same for what is not the caller's.
        """
        account = find_account(self.accounts, named)
        if account is None or not caller.may_use(account.id):
            msg = "There is no such account."
            raise NotFound(msg)
        return account

    # --- reading ------------------------------------------------------------------------------------------------

    def _read(
        self, body: Mapping[str, Any], caller: Caller, *, known_account: bool = True
    ) -> tuple[Message, Account | None]:
        """Read a message and settle what depends on its account, with all faults at once.

        With `known_account` an unknown account is a fault; otherwise the message comes back without one.
        """
        faults: list[Fault] = []
        message = read_message(body, faults)
        account = self._resolve(message.account, caller, faults, needed=known_account)
        if message.raw is not None:
            message = self._read_raw(message, faults)
        if account is not None:
            message = replace(message, account=account.id)
            if not message.sender.email:
                message = replace(message, sender=sender_of(account))
            elif not account.may_send_as(message.sender.email):
                where = "/raw" if message.raw is not None else "/from"
                detail = f"This mailbox may not send as {message.sender.email}; add it to the account's aliases."
                faults.append(Fault(where, "sender_not_allowed", detail))
        if faults:
            raise InvalidInput(tuple(faults))
        return message, account

    def _resolve(self, named: str, caller: Caller, faults: list[Fault], *, needed: bool) -> Account | None:
        if not named:
            if any(fault.pointer == "/account" for fault in faults):
                return None
            if len(caller.accounts) != 1:
                faults.append(Fault("/account", "account_missing", "Name the account by its id or its address."))
                return None
            named = next(iter(caller.accounts))
        found = find_account(self.accounts, named)
        if caller.accounts and (found is None or not caller.may_use(found.id)):
            msg = "This key is bound to other accounts."
            raise Forbidden(msg)
        if found is None and needed:
            faults.append(Fault("/account", "unknown_account", f"There is no account {named!r}; see GET /v1/accounts."))
        return found

    def _read_raw(self, message: Message, faults: list[Fault]) -> Message:
        """Take sender and recipients of a raw message from its header; recipients in the request are its envelope."""
        read = self.read_raw(base64.b64decode(message.raw or ""))
        faults.extend(read.faults)
        named = (*message.to, *message.cc, *message.bcc)
        wanted = {address.email for address in named}
        if named and not {address.email for address in (*read.to, *read.cc)} <= wanted:
            detail = (
                "to, cc and bcc are the envelope: every address in the raw message's To and Cc has to be among them."
            )
            faults.append(Fault("/to", "recipients_differ", detail))
        shown = {address.email for address in (*read.to, *read.cc)}
        hidden = tuple(address for address in named if address.email not in shown) if named else read.bcc
        whole = replace(
            message,
            sender=(*read.sender, Address(""))[0],
            to=read.to,
            cc=read.cc,
            bcc=hidden,
            message_id=read.message_id,
        )
        if not whole.recipients and not read.faults:
            faults.append(Fault("/raw", "recipient_missing", "The raw message names no recipient."))
        if len(whole.recipients) > MAX_RECIPIENTS:
            detail = f"A message has at most {MAX_RECIPIENTS} recipients in all."
            faults.append(Fault("/raw", "too_many_recipients", detail))
        return whole

    # --- recording and queueing ---------------------------------------------------------------------------------

    def _record(self, body: Mapping[str, Any], message: Message, caller: str, key: str) -> Accepted:
        """Put the record under the id that caller and key give; the one conditional write is the whole check."""
        now = self.clock()
        record_id = derived_id("msg_", caller, key) if key else new_id("msg_", now, self.random_bytes)
        message_id = f"<{record_id.removeprefix('msg_').lower()}@{_domain(message.sender)}>"
        record = MessageRecord(
            id=record_id,
            account=message.account,
            caller=caller,
            status=Status.QUEUED,
            message_id=message.message_id or message_id,
            request_hash=_hash_request(body),
            created_at=now,
            updated_at=now,
            on_unknown=message.on_unknown,
            tags=message.tags,
            metadata=message.metadata,
            expires_at=now + RECORD_LIFE,
        )
        stored = self.messages.create(record)
        if stored.request_hash != record.request_hash:
            msg = "This idempotency key was used for another message; use a new key for a new message."
            raise IdempotencyConflict(msg)
        return Accepted(stored, replayed=stored != record)

    def _first_answer(self, body: Mapping[str, Any], caller: str, key: str) -> Accepted | None:
        """Find what the same request was answered before its account changed."""
        record = self.messages.get(derived_id("msg_", caller, key)) if key else None
        if record is None or record.request_hash != _hash_request(body):
            return None
        return Accepted(_as_accepted(record), replayed=True)

    def _enqueue(self, record: MessageRecord, message: Message, *, new: bool) -> None:
        message = replace(message, message_id=record.message_id, date=record.created_at)
        known = record if new else None
        job = Job(id=record.id, account=record.account, attempt=record.attempt, message=message, record=known)
        text = write_job(job)
        if len(text.encode()) > QUEUE_LIMIT:
            self.content.put(record.id, write_content(message))
            text = write_job(replace(job, message=None, record=None))
        self.queue.send(text, group=record.account)

    def _fail(self, record: MessageRecord, message: Message, error: MailbearerError) -> None:
        """Record that a message from the queue has no mailbox to go through; its content is kept for `retry`."""
        message = replace(message, message_id=record.message_id, date=record.created_at)
        self.content.put(record.id, write_content(message))
        failed = replace(
            record,
            status=Status.FAILED,
            updated_at=self.clock(),
            problem_code=error.code,
            problem_detail=error.detail[:300],
            parked=True,
        )
        if self.messages.replace(failed, expected=record) == failed:
            self.trail.note("message.failed", record.id, "failed", reason=error.code, account=record.account)


def problem_of(error: MailbearerError) -> dict[str, object]:
    """Write an error as a problem document (RFC 9457) without its HTTP status."""
    problem: dict[str, object] = {"title": error.title, "detail": error.detail, "code": error.code}
    if isinstance(error, InvalidInput):
        problem["errors"] = [{"pointer": f.pointer, "code": f.code, "detail": f.detail} for f in error.faults]
    return problem


def _checked_body(body: object, key: str) -> tuple[Mapping[str, Any], str]:
    if not isinstance(body, dict):
        raise InvalidInput((Fault("", "not_an_object", "A message is a JSON object."),))
    own = body.get("idempotency_key")
    if own is not None and key and own != key:
        detail = "The field and the header Idempotency-Key differ; give one of them."
        raise InvalidInput((Fault("/idempotency_key", "keys_differ", detail),))
    key = key or (own if own is not None else "")
    if not isinstance(key, str) or len(key) > _MAX_KEY or (own is not None and not key):
        detail = f"An idempotency key has 1 to {_MAX_KEY} characters."
        raise InvalidInput((Fault("/idempotency_key", "invalid_idempotency_key", detail),))
    return body, key


def _as_accepted(record: MessageRecord) -> MessageRecord:
    """Give the record as it stood when the message was accepted: a replay is the first answer again."""
    return MessageRecord(
        id=record.id,
        account=record.account,
        caller=record.caller,
        status=Status.QUEUED,
        message_id=record.message_id,
        request_hash=record.request_hash,
        created_at=record.created_at,
        updated_at=record.created_at,
        on_unknown=record.on_unknown,
        tags=record.tags,
        metadata=record.metadata,
        expires_at=record.expires_at,
    )


def _domain(sender: Address) -> str:
    return sender.email.rpartition("@")[2] or "mailbearer.invalid"


def _hash_request(body: Mapping[str, Any]) -> str:
    """Hash what was asked, whatever the order of its fields; the key itself is not part of it."""
    plain = {name: value for name, value in body.items() if name != "idempotency_key"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
