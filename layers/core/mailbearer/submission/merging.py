"""A merge: one message and a list of recipients, each of whom gets a mail of his own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from mailbearer.carriage import unfit
from mailbearer.errors import Fault, IdempotencyConflict, InvalidInput
from mailbearer.lookup import check_sendable
from mailbearer.submission import checked_key
from mailbearer.submission.reading import Draft, filled, from_account, in_time
from mailbearer.submission.recording import Request, digest_of
from mailbearer.wire.merging import Common, Recipient, read_merge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbearer.account import Account
    from mailbearer.caller import Caller
    from mailbearer.errors import MailbearerError
    from mailbearer.message import Message, MessageRecord
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import MessageStore
    from mailbearer.submission.reading import Reader
    from mailbearer.submission.recording import Accepted, Intake
    from mailbearer.submission.together import Together

_PAGE = 100
_MOST_FAULTS = 10
"""So many faults are named for one recipient: a thousand of them have to fit into one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """Accept one message for many."""

    reader: Reader
    intake: Intake
    messages: MessageStore
    together: Together
    clock: Clock

    def accept(self, body: object, caller: Caller, key: str = "") -> list[Accepted | MailbearerError]:
        """Accept a message for each recipient; the same request under the same key has its first answers again.

        Raises `InvalidInput` for what is wrong with the part that all share, `IdempotencyConflict`, `Forbidden`, and
        what `check_sendable` does.
        """
        requests = _Requests(caller.key_id, checked_key(key), digest_of(body) if isinstance(body, dict) else "")
        faults: list[Fault] = []
        common, recipients = read_merge(body, faults)
        known = self._known([requests.of(index) for index in range(len(recipients))]) if key else []
        # What was fit to be sent when it was first asked for stays so.
        now = min((record.created_at for record in known), default=self.clock())
        shared, account = self._read_common(common, recipients, caller, now, faults)
        if faults or account is None:
            raise InvalidInput(tuple(faults))
        if not known:
            check_sendable(account)
        ready = _Ready(self.reader, shared, account)
        return self.together.each(
            [
                (index, partial(self.intake.take, requests.of(index), partial(ready.read, recipient)))
                for index, recipient in enumerate(recipients)
            ]
        )

    def _known(self, requests: Sequence[Request]) -> list[MessageRecord]:
        """Find what was recorded under this key. Raises `IdempotencyConflict` if that was for something else."""
        ids = [request.message_id for request in requests]
        known: list[MessageRecord] = []
        for start in range(0, len(ids), _PAGE):
            known.extend(self.messages.get_many(ids[start : start + _PAGE]).values())
        if any(record.request_hash != requests[0].digest for record in known):
            msg = "This idempotency key was used for another merge; use a new key for a new one."
            raise IdempotencyConflict(msg)
        return known

    def _read_common(
        self, common: Common, recipients: Sequence[Recipient], caller: Caller, now: float, faults: list[Fault]
    ) -> tuple[Common, Account | None]:
        """Settle what all recipients share; the first of them shows what is wrong with the template itself."""
        found: list[Fault] = []
        message = in_time(self.reader.attach(common.message, caller, found), now, found)
        account = self.reader.account_of(message, caller, found)
        if account is not None:
            message = from_account(message, account, found)
        faults.extend(Fault(f"/message{fault.pointer}", fault.code, fault.detail) for fault in found)
        shared = replace(common, message=message)
        if not faults and recipients and account is not None:
            tried: list[Fault] = []
            _Ready(self.reader, shared, account).fill(recipients[0], tried)
            faults.extend(fault for fault in tried if not fault.pointer.startswith(recipients[0].where))
        return shared, account


@dataclass(frozen=True, slots=True)
class _Requests:
    """What makes each recipient's message the same as another: the key of the whole, and the recipient's place."""

    caller: str
    key: str
    digest: str

    def of(self, index: int) -> Request:
        return Request(self.caller, (self.key, "merge", str(index)) if self.key else (), self.digest)


@dataclass(frozen=True, slots=True)
class _Ready:
    """The part that all share, read; each recipient's own part is added to it."""

    reader: Reader
    common: Common
    account: Account

    def read(self, recipient: Recipient, now: float) -> Draft:
        """Give the recipient's message. Raises `InvalidInput`."""
        del now  # the time it is for was judged with the common part
        faults = list(recipient.faults)
        message = self.fill(recipient, faults)
        if not faults:
            own = ("/to", "/cc", "/bcc")
            faults.extend(
                Fault(
                    f"{recipient.where if fault.pointer.startswith(own) else '/message'}{fault.pointer}",
                    fault.code,
                    fault.detail,
                )
                for fault in unfit(message, self.account)
            )
        if faults:
            raise InvalidInput(tuple(faults[:_MOST_FAULTS]))
        return Draft(message, self.account)

    def fill(self, recipient: Recipient, faults: list[Fault]) -> Message:
        """Give the recipient's message with his variables in it; faults of those point at him."""
        message = replace(
            self.common.message,
            to=recipient.to,
            cc=recipient.cc,
            bcc=recipient.bcc,
            tags=recipient.tags,
            metadata=recipient.metadata,
        )
        variables = {**self.common.variables, **recipient.variables}
        found: list[Fault] = []
        if self.common.template is not None:
            where = "/message/template"
            reference = {**self.common.template, "variables": variables}
            message = filled(message, self.reader.templates().render(reference, where, found), where, found)
        else:
            where = "/message"
            templates = self.reader.templates()
            rendered = templates.fill(message.subject, message.text, message.html, variables, where, found)
            message = filled(message, rendered, where, found)
        for fault in found:
            own = fault.pointer.startswith(f"{where}/variables")
            pointer = f"{recipient.where}{fault.pointer.removeprefix(where)}" if own else fault.pointer
            faults.append(Fault(pointer, fault.code, fault.detail))
        return message
