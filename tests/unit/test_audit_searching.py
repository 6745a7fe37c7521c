from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from mailbearer.audit import AuditLine
from mailbearer.auditing.entries import Entry, read_entry
from mailbearer.auditing.searching import Search, Wanted, search
from mailbearer.errors import InvalidInput
from tests.fakes import FakeAuditReader
from tests.unit.audit_log import event

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def reader() -> FakeAuditReader:
    """Give a log of twenty events of two writers, four at a time, in pages of three."""
    made = FakeAuditReader(page_size=3)
    for number in range(1, 21):
        stream = "b" if number % 2 else "a"
        made.file(stream, 1000 + number // 4, event(number, action="message.sent" if number % 5 else "token.refreshed"))
    return made


def walk(looking: Search, wanted: Wanted, limit: int) -> Iterator[list[Entry]]:
    cursor = ""
    while True:
        found, cursor = looking.page(wanted, since=0, until=2000, limit=limit, cursor=cursor)
        yield found
        if not cursor:
            return


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 20, 100])
@pytest.mark.parametrize("action", ["", "message.*", "token.refreshed", "none.*"])
def test_pages_together_hold_each_event_once_in_order(reader: FakeAuditReader, limit: int, action: str) -> None:
    wanted = Wanted(action=action)
    pages = list(walk(Search(reader=reader, monotonic=lambda: 0.0), wanted, limit))
    found = [entry.event["id"] for page in pages for entry in page]
    assert sorted(found) == sorted(entry.event["id"] for entry in search(reader, wanted, since=0, until=2000))
    assert len(found) == len(set(found))
    assert all(len(page) <= limit for page in pages)


def test_a_call_ends_in_time_with_what_it_has_found(reader: FakeAuditReader) -> None:
    times = iter(range(100))
    looking = Search(reader=reader, monotonic=lambda: float(next(times)), seconds=1)
    pages = list(walk(looking, Wanted(action="token.*"), 50))
    assert len(pages) == 7
    assert [len(page) for page in pages].count(0) == 3
    assert sum(map(len, pages)) == 4


def test_what_a_bound_key_may_see_is_about_its_accounts() -> None:
    made = FakeAuditReader()
    made.file("a", 1, event(1, subject="acc_1", facts=()), event(2), event(3, facts=(("account", "acc_2"),)))
    made.file("a", 1, event(4, subject="key_1", facts=()))
    (found, _) = Search(reader=made, monotonic=lambda: 0.0).page(
        Wanted(accounts=frozenset({"acc_1"})), since=0, until=9, limit=9
    )
    assert [entry.event["id"] for entry in found] == ["evt_1", "evt_2"]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(), True),
        (Wanted(action="message.*", outcome="sent", actor="worker", subject="msg_1", account="acc_1"), True),
        (Wanted(action="*.sent"), True),
        (Wanted(action="message"), False),
        (Wanted(action="MESSAGE.SENT"), False),
        (Wanted(outcome="sen"), False),
        (Wanted(actor="key_1"), False),
        (Wanted(subject="acc_1"), False),
        (Wanted(account="acc_2"), False),
        (Wanted(accounts=frozenset({"acc_2"})), False),
    ],
)
def test_an_event_is_wanted_if_it_fits_everything(wanted: Wanted, fits: bool) -> None:
    made = FakeAuditReader()
    made.file("a", 1, event(1))
    entry = read_entry(made.held[0])
    assert entry is not None
    assert wanted.matches(entry) is fits


def test_lines_that_are_no_events_are_passed_over(reader: FakeAuditReader) -> None:
    for text in ("no JSON", "[1]", "{}", '{"seq": true}', "[" * 100_000, '"\\ud800"'):
        reader.held.append(AuditLine("c", 1003, text))
    pages = list(walk(Search(reader=reader, monotonic=lambda: 0.0), Wanted(), 4))
    assert sum(map(len, pages)) == 20


@pytest.mark.parametrize(
    "cursor",
    [
        "spoilt",
        "A",
        "====",
        *(
            base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()
            for parts in (
                1,
                [],
                [0, 1, "", 0, "", "0"],
                [0, 1, "", 0, "", True],
                [-1, 1, "", 0, "", 0],
                [2, 1, "", 0, "", 0],
                [0, 10**18, "", 0, "", 0],
                [0, 1, "Ä", 0, "", 0],
                [0, 1, "\n", 0, "", 0],
                [0, 1, "a" * 5000, 0, "", 0],
            )
        ),
    ],
)
def test_a_cursor_that_was_not_given_here_is_refused(reader: FakeAuditReader, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        Search(reader=reader, monotonic=lambda: 0.0).page(Wanted(), since=0, until=1, limit=1, cursor=cursor)
