"""The balance sheet: what became of every order, against the records, the dead letters and the hosts' mail."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from mailbearer.message import Status, Verdict
from mailbearer.quota import trust_of
from soak.books import bare
from soak.doors import Answer
from soak.mailboxes import MAILBOXES
from soak.orders import Fate
from soak.tellings import Tellings, is_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cli.dead_letters import Letter
    from mailbearer.message import MessageRecord
    from soak.books import Mail
    from soak.doors import Receipt
    from soak.ears import Heard
    from soak.orders import Order

_SERIAL = re.compile(r"soak-\d{6}")
_WINDOW = 60.0


class Column(StrEnum):
    """What became of an order; each is in one of them."""

    TURNED_AWAY = "turned away"
    NO_ANSWER = "no answer"
    SENT = "sent"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"
    WAITING = "waiting"
    LOST = "lost"


_ENDED = {
    Status.SENT: Column.SENT,
    Status.FAILED: Column.FAILED,
    Status.CANCELED: Column.CANCELED,
    Status.UNKNOWN: Column.UNKNOWN,
}
_FAILS_WITH = {Fate.SUPPRESSED: "recipient_suppressed", Fate.REFUSED: "recipient_rejected"}
_OF_A_DEATH = "worker_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One order and what became of it; `mails` are those that the hosts took for it.

    `notices` are the ids under which a webhook was told of its end, one for each time.
    """

    receipt: Receipt
    record: MessageRecord | None
    column: Column
    mails: int = 0
    notices: Sequence[str] = ()

    @property
    def order(self) -> Order:
        """Give what was ordered."""
        return self.receipt.order

    @property
    def wait(self) -> float | None:
        """Give the seconds from accepted, or from when it was for, to sent."""
        record = self.record
        if record is None or self.column is not Column.SENT:
            return None
        return record.sent_at - max(record.created_at, record.send_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The entries, and what is wrong with them."""

    entries: Sequence[Entry]
    letters: Counter[str]
    wrong: Sequence[str]
    most_in_a_minute: dict[str, int] = field(default_factory=dict)

    def counts(self, name: str) -> dict[str, Counter[Column]]:
        """Count the entries by column, for each `form` or `kind`."""
        found: defaultdict[str, Counter[Column]] = defaultdict(Counter)
        for entry in self.entries:
            row = str(entry.receipt.form) if name == "form" else entry.order.kind
            found[row][entry.column] += 1
        return dict(found)

    def reasons(self, column: Column) -> Counter[str]:
        """Count why the entries of a column are there."""
        return Counter(
            entry.record.problem_code if entry.record is not None else entry.receipt.code or "kept as a dead letter"
            for entry in self.entries
            if entry.column is column
        )

    def mails(self) -> dict[Column, Counter[int]]:
        """Count, for each column, how many messages have how many mails."""
        found: defaultdict[Column, Counter[int]] = defaultdict(Counter)
        for entry in self.entries:
            found[entry.column][entry.mails] += 1
        return dict(found)

    def tellings(self) -> dict[Column, Counter[int]]:
        """Count, for each column that is told, of how many messages the webhook was told how often."""
        found: defaultdict[Column, Counter[int]] = defaultdict(Counter)
        for entry in self.entries:
            if entry.record is not None and is_told(entry.record):
                found[entry.column][len(entry.notices)] += 1
        return dict(found)

    def waits(self, mailbox: str) -> list[float]:
        """Give the seconds to `sent` of a mailbox's messages, in order."""
        return sorted(
            entry.wait for entry in self.entries if entry.order.mailbox.name == mailbox and entry.wait is not None
        )


def judge(
    receipts: Iterable[Receipt],
    records: Iterable[MessageRecord],
    letters: Sequence[Letter],
    mails: Sequence[Mail],
    *,
    heard: Iterable[Heard] | None = None,
    workers: int = 1,
    deaths: Sequence[float] = (),
) -> Sheet:
    """Draw the balance: every order against its record, dead letters, mails and tellings, and nothing left over.

    `heard` is None where nobody listened. Of a limit each of the `workers` may use a share without asking, and so may
    one more for each that was killed within the same minute (`deaths`, epoch seconds): a dead one's share is not known
    to the next.
    """
    wrong: list[str] = []
    refusals = {letter.record for letter in letters if letter.record}
    refused = _letters(letters, wrong)
    known, left_over = _by_serial(records, wrong)
    wrong += [
        f"{record.id}: a record ({record.status}, {record.problem_code}) of which nobody knows"
        for record in left_over
        if record.id not in refusals
    ]
    taken = Counter(mail.message_id for mail in mails)
    tellings = None if heard is None else Tellings(heard)
    entries = []
    for receipt in receipts:
        record = known.pop(receipt.order.serial, None)
        letter = refused.pop(receipt.order.serial, None)
        number = taken.pop(bare(record.message_id), 0) if record is not None and record.message_id else 0
        entry = Entry(
            receipt=receipt,
            record=record,
            column=_column(receipt, record, letter),
            mails=number,
            notices=tellings.of(record) if tellings is not None and record is not None else (),
        )
        entries.append(entry)
        wrong += _faults(entry, letter)
        if tellings is not None and record is not None:
            wrong += [f"{receipt.order.serial}: {fault}" for fault in tellings.faults(record)]
    wrong += [f"{serial}: a record that nobody ordered" for serial in known]
    wrong += [f"{serial}: a dead letter that nobody ordered" for serial in refused]
    wrong += [f"{number} mails with the Message-ID {message_id}, of no record" for message_id, number in taken.items()]
    limits = {box.name: box.per_minute for box in MAILBOXES if box.per_minute}
    fullest = {name: _fullest(mail.at for mail in mails if mail.mailbox == name) for name in limits}
    for name, limit in limits.items():
        most = limit + _fullest(deaths) * trust_of(limit, workers).each
        if fullest[name] > most:
            wrong.append(f"{name}: {fullest[name]} mails within a minute; its limit allows {most}, deaths considered")
    return Sheet(
        entries=entries,
        letters=Counter(letter.code for letter in letters),
        wrong=wrong,
        most_in_a_minute=fullest,
    )


def waiting(receipts: Iterable[Receipt], records: Iterable[MessageRecord], letters: Iterable[Letter]) -> int:
    """Count the orders that have not come to an end."""
    known, _ = _by_serial(records, [])
    refused = _letters(letters, [])
    return sum(
        _column(receipt, known.get(receipt.order.serial), refused.get(receipt.order.serial))
        in {Column.WAITING, Column.LOST}
        for receipt in receipts
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Give the value below which that share of them lies; 0 of none."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0.0


def _by_serial(
    records: Iterable[MessageRecord], wrong: list[str]
) -> tuple[dict[str, MessageRecord], list[MessageRecord]]:
    found: dict[str, MessageRecord] = {}
    left_over = []
    for record in records:
        serial = dict(record.metadata).get("order", "")
        if not serial:
            left_over.append(record)
        elif serial in found:
            wrong.append(f"{serial}: two records, {found[serial].id} and {record.id}")
        else:
            found[serial] = record
    return found, left_over


def _letters(letters: Iterable[Letter], wrong: list[str]) -> dict[str, Letter]:
    """Give the dead letters of refused bodies by serial; one may lie there twice, if a worker died while refusing."""
    found = {}
    for letter in letters:
        serial = _SERIAL.search(letter.body)
        if letter.source != "refused" or serial is None:
            wrong.append(f"a dead letter of {letter.source}, {letter.code}: {letter.body[:80]}")
        else:
            found[serial[0]] = letter
    return found


def _column(receipt: Receipt, record: MessageRecord | None, letter: Letter | None) -> Column:
    if record is not None:
        if record.status in _ENDED:
            return _ENDED[record.status]
        # No copy of it came onto the queue, and nobody was told that one did.
        recorded_only = receipt.answer is Answer.NONE and record.status is Status.QUEUED
        return Column.NO_ANSWER if recorded_only else Column.WAITING
    if receipt.answer is Answer.NONE:
        return Column.NO_ANSWER
    if receipt.answer is Answer.TURNED_AWAY or (receipt.answer is Answer.DROPPED and letter is not None):
        return Column.TURNED_AWAY
    return Column.LOST


def _faults(entry: Entry, letter: Letter | None) -> list[str]:
    """Say what is otherwise than it has to be."""
    receipt, record = entry.receipt, entry.record
    faults = list(receipt.wrong)
    faults += [
        f"{entry.order.serial}: {fault}"
        for fault in (*_wrong_end(entry), *_wrong_mails(entry), *_wrong_letter(entry, letter))
    ]
    if record is not None and receipt.id and record.id != receipt.id:
        faults.append(f"{entry.order.serial}: accepted as {receipt.id}, recorded as {record.id}")
    return faults


def _wrong_end(entry: Entry) -> list[str]:
    column, fate, code = (
        entry.column,
        entry.order.fate,
        entry.record.problem_code if entry.record else entry.receipt.code,
    )
    said = f"{entry.order.kind} for {entry.order.mailbox.name} is {column} {code}".rstrip()
    if column is Column.NO_ANSWER:
        return [] if not entry.order.key else [f"{said}, although it was asked again"]
    right = {Column.TURNED_AWAY: fate is Fate.TURNED_AWAY, Column.CANCELED: fate is Fate.CANCELED}
    right[Column.SENT] = fate is Fate.SENT or (fate is Fate.CANCELED and not entry.receipt.canceled)
    right[Column.FAILED] = fate in _FAILS_WITH and _FAILS_WITH[fate] == code
    right[Column.UNKNOWN] = fate is not Fate.TURNED_AWAY and (entry.order.mailbox.troubled or code == _OF_A_DEATH)
    return [] if right.get(column) else [said]


def _wrong_mails(entry: Entry) -> list[str]:
    lost = sum(attempt.outcome == Verdict.UNKNOWN for attempt in entry.record.attempts) if entry.record else 0
    resent = lost if entry.order.resends else 0
    least, most = {
        Column.SENT: (1, 1 + resent),
        Column.FAILED: (0, resent),
        Column.UNKNOWN: (0, max(1, resent)),
        Column.WAITING: (0, max(1, lost)),
    }.get(entry.column, (0, 0))
    return [] if least <= entry.mails <= most else [f"{entry.column}, with {entry.mails} mails at its host"]


def _wrong_letter(entry: Entry, letter: Letter | None) -> list[str]:
    expected = entry.receipt.answer is Answer.DROPPED and (
        entry.order.fate is Fate.TURNED_AWAY or bool(entry.receipt.conflicts)
    )
    if letter is not None and not expected:
        return [f"a dead letter, {letter.code}"]
    if letter is None and expected:
        return ["no dead letter of what was refused"]
    return []


def _fullest(unsorted: Iterable[float]) -> int:
    """Give the most moments that lie within any minute."""
    moments = sorted(unsorted)
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - _WINDOW:
            first += 1
        most = max(most, last - first + 1)
    return most
