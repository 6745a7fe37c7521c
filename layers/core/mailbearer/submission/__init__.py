"""Accepting messages: read wholly, record once, queue, and only then say yes (semantics.md, Sending, 1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailbearer.account import Account, AccountState
from mailbearer.addresses import unsafe_in_header
from mailbearer.caller import Caller
from mailbearer.envelope import Dropped, Job
from mailbearer.errors import Fault, IncidentDeclared, InvalidInput, MailbearerError, NotFound
from mailbearer.ids import derived_id, new_id
from mailbearer.lookup import check_sendable, find_account
from mailbearer.message import MessageRecord, Status
from mailbearer.submission.recording import RECORD_LIFE, Accepted, Request, dated, digest_of, untouched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.message import Message
    from mailbearer.ports.channels import MessageQueue
    from mailbearer.ports.mail import Composer
    from mailbearer.submission.reading import Reader
    from mailbearer.submission.recording import Intake

__all__ = ["QUEUE_CALLER", "RECORD_LIFE", "Accepted", "Preview", "Submission", "checked_key", "problem_of"]

QUEUE_CALLER = "queue"
"""The caller of messages that were dropped on the queue: whoever IAM lets send to it."""

_MAX_KEY = 256
_MAX_NAMED = 320


@dataclass(frozen=True, slots=True)
class Preview:
    """What a dry run shows."""

    mime: bytes
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Take messages in over both front doors."""

    reader: Reader
    intake: Intake
    queue: MessageQueue
    compose: Composer

    def accept(self, body: object, caller: Caller, key: str = "", *, place: tuple[str, int] = ("", 0)) -> Accepted:
        """Accept one message, or answer as the first time if `key` was used for the same body.

        Without a key the message's `place` in a batch serves, if that has a key: the key, and its number there.
        Raises `InvalidInput` with all faults, `Forbidden`, `AccountPending`, `AccountRevoked`, `IdempotencyConflict`,
        and `Unavailable` if the queue did not take it: the same request again then queues it.
        """
        message, key = _checked_body(body, key)
        of_batch = (place[0], "batch", str(place[1])) if place[0] else ()
        request = Request(caller.key_id, (key,) if key else of_batch, digest_of(message))
        return self.intake.take(request, lambda now: self.reader.read(message, caller, now=now))

    def preview(self, body: object, caller: Caller) -> Preview:
        """Compose a message without storing or sending anything. Raises as `accept` does."""
        checked, _ = _checked_body(body, "")
        now = self.intake.clock()
        draft = self.reader.read(checked, caller, now=now)
        message, account = draft.message, draft.account
        domain = message.sender.email.rpartition("@")[2]
        message_id = message.message_id or f"<dry-run.{new_id('', now, self.intake.random_bytes).lower()}@{domain}>"
        dated_message = replace(message, message_id=message_id, date=message.send_at or now)
        mime = self.compose(dated_message, bcc_header=False)
        warnings = []
        state = account.state if account else AccountState.REVOKED
        if state is not AccountState.ACTIVE:
            warnings.append(f"The mailbox is {state}; the message would wait or fail.")
        if any(part.upload_id for part in message.attachments):
            warnings.append("Uploads are shown without their bytes; they come in when the message is sent.")
        return Preview(mime, tuple(warnings))

    def adopt(self, dropped: Dropped) -> Job | MessageRecord:
        """Take in a message that came straight to the queue.

        Gives its record if there is nothing to deliver now: it is for later, or it was recorded as failed. Raises
        `InvalidInput` or `IdempotencyConflict` for a message that can never be sent; `refuse` records those.
        """
        caller = Caller(key_id=QUEUE_CALLER, scopes=frozenset({"messages:send"}))
        body, _ = _checked_body(dropped.body, "")
        now = self.intake.clock()
        # On the queue a time may pass while the message waits its turn.
        draft = self.reader.read(body, caller, now=now, known_account=False, late=True)
        record, new = self.intake.record(Request(QUEUE_CALLER, (dropped.key,), digest_of(body)), draft.message)
        message = dated(draft.message, record)
        if untouched(record):
            try:
                check_sendable(draft.account)
            except IncidentDeclared:
                # It waits, as what was accepted before does: there is nobody here who could be told to come again.
                pass
            except MailbearerError as error:
                return self._fail(record, message, error)
            if record.retry_at > now:
                self.intake.dispatch(record, message, new=False)
                return record
        # One that was tried before is delivery's to end: this may be the last copy of it.
        known = record if new and not record.send_at else None
        return Job(id=record.id, account=record.account, attempt=0, message=message, record=known)

    def refuse(self, text: str, error: MailbearerError, *, key: str, account: str = "") -> MessageRecord:
        """Record a queue message that can never be sent, and keep it on the dead-letter queue with what is wrong.

        Safe to repeat. Raises `Unavailable` if it could not be kept.
        """
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        message_id = derived_id("msg_", QUEUE_CALLER, key, "refused", digest)
        now = self.intake.clock()
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
        stored = self.intake.messages.create(record)
        self.intake.trail.note("message.refused", message_id, "refused", actor=QUEUE_CALLER, reason=error.code)
        return stored

    def account_of(self, caller: Caller, named: str) -> Account:
        """Find the account a caller names by id or address.

        Raises `NotFound`, the same for what is not the caller's.
        """
        account = find_account(self.reader.accounts, named, caller)
        if account is None:
            msg = "There is no such account."
            raise NotFound(msg)
        return account

    def _fail(self, record: MessageRecord, message: Message, error: MailbearerError) -> MessageRecord:
        """Record that a message from the queue has no mailbox to go through; its content is kept for `retry`."""
        self.intake.comeback.park(record, message)
        failed = replace(
            record,
            status=Status.FAILED,
            updated_at=self.intake.clock(),
            retry_at=0,
            problem_code=error.code,
            problem_detail=error.detail[:300],
            parked=True,
        )
        stored = self.intake.messages.replace(failed, expected=record)
        if stored == failed:
            trail = self.intake.trail
            trail.note("message.failed", record.id, "failed", reason=error.code, account=record.account)
        return stored


def problem_of(error: MailbearerError) -> dict[str, object]:
    """Write an error as a problem document (RFC 9457) without its HTTP status."""
    problem: dict[str, object] = {"title": error.title, "detail": error.detail, "code": error.code}
    if isinstance(error, InvalidInput):
        problem["errors"] = [{"pointer": f.pointer, "code": f.code, "detail": f.detail} for f in error.faults]
    return problem


def checked_key(key: object, *, own: bool = False) -> str:
    """Check an idempotency key; empty means that there is none, unless it is a message's `own`."""
    if not isinstance(key, str) or len(key) > _MAX_KEY or (own and not key):
        detail = f"An idempotency key has 1 to {_MAX_KEY} characters."
        raise InvalidInput((Fault("/idempotency_key", "invalid_idempotency_key", detail),))
    return key


def _checked_body(body: object, key: str) -> tuple[Mapping[str, Any], str]:
    if not isinstance(body, dict):
        raise InvalidInput((Fault("", "not_an_object", "A message is a JSON object."),))
    own = body.get("idempotency_key")
    if own is None:
        return body, checked_key(key)
    if key and own != key:
        detail = "The field and the header Idempotency-Key differ; give one of them."
        raise InvalidInput((Fault("/idempotency_key", "keys_differ", detail),))
    return body, checked_key(own, own=True)
