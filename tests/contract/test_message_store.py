from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.messages import DynamoDBMessageStore, to_item
from mailbearer.errors import InvalidInput, NotFound
from mailbearer.message import Attempt, RefusedRecipient, Status
from tests.contract.nouns import NOW, record
from tests.fakes import FakeMessageStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.message import MessageRecord
    from mailbearer.ports.stores import MessageStore


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> MessageStore:
    if request.param == "fake":
        return FakeMessageStore()
    world = request.getfixturevalue("world")
    return DynamoDBMessageStore(world.clients.dynamodb, world.table("messages"))


def test_a_record_comes_back_as_it_was_put(store: MessageStore) -> None:
    assert store.create(record()) == record()
    assert store.get(record().id) == record()


def test_a_record_of_nothing_but_what_it_needs_comes_back_as_it_was_put(store: MessageStore) -> None:
    bare = record(
        caller="",
        attempt=0,
        owner="",
        lease_until=0,
        attempts=(),
        tags=(),
        metadata=(),
        expires_at=0,
        on_unknown="resend",
    )
    store.create(bare)
    assert store.get(bare.id) == bare


def test_a_record_that_is_not_there_reads_as_none(store: MessageStore) -> None:
    assert store.get(record().id) is None


def test_creating_an_id_again_gives_the_record_that_stands(store: MessageStore) -> None:
    store.create(record())
    assert store.create(record(request_hash="other")) == record()
    assert store.get(record().id) == record()


def test_of_twenty_that_create_one_id_at_once_one_wins(
    store: MessageStore, at_once: Callable[[Callable[[int], MessageRecord]], list[MessageRecord]]
) -> None:
    stands = at_once(lambda number: store.create(record(caller=f"caller-{number}")))
    assert len({one.caller for one in stands}) == 1


def test_refused_and_remaining_recipients_come_back(store: MessageStore) -> None:
    told = record(
        refused=(RefusedRecipient(recipient="bob@example.net", code="recipient_unknown", detail="550 5.1.1 no"),),
        remaining=("ben@example.net", "bea@example.net"),
    )
    store.create(told)
    assert store.get(told.id) == told


def test_what_waits_for_a_mailbox_is_listed_the_oldest_first(store: MessageStore) -> None:
    ann = record().account
    store.create(record("young", status=Status.HELD, created_at=NOW + 2, held_at=NOW + 3))
    store.create(record("old", status=Status.HELD, created_at=NOW - 2, held_at=NOW + 9))
    store.create(record("quota", status=Status.HELD, retry_at=NOW + 99))
    store.create(record("other", status=Status.HELD, account="acc_other"))
    store.create(record("sent", status=Status.SENT))
    assert store.held(ann, limit=10) == (record("old").id, record("young").id)
    assert store.held(ann, limit=1) == (record("old").id,)


@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ({"status": Status.SENDING, "owner": "me", "held_at": NOW}, True),
        ({"status": Status.SENDING, "owner": "me", "held_at": 0.0}, False),
        ({"status": Status.SENT, "held_at": NOW}, False),
    ],
)
def test_what_is_sent_from_that_list_stays_there_until_it_is_settled(
    store: MessageStore, fields: dict[str, Any], listed: bool
) -> None:
    held = store.create(record(status=Status.HELD, held_at=NOW))
    store.replace(replace(held, **fields), expected=held)
    assert store.held(held.account, limit=10) == ((held.id,) if listed else ())


def test_a_replacement_of_what_still_stands_wins(store: MessageStore) -> None:
    old = store.create(record())
    new = replace(old, status=Status.SENDING, attempt=2, owner="me", updated_at=NOW + 9)
    assert store.replace(new, expected=old) == new
    assert store.get(old.id) == new


@pytest.mark.parametrize("changed", [{"status": Status.SENT}, {"attempt": 2}, {"owner": ""}, {"retry_at": NOW + 7.25}])
def test_a_replacement_after_somebody_elses_change_loses_and_sees_it(
    store: MessageStore, changed: dict[str, Any]
) -> None:
    old = store.create(record())
    theirs = store.replace(replace(old, **changed), expected=old)
    assert store.replace(replace(old, status=Status.SENDING, owner="me"), expected=old) == theirs
    assert store.get(old.id) == theirs


def test_fields_that_nobody_fights_over_do_not_make_a_replacement_lose(store: MessageStore) -> None:
    old = store.create(record())
    store.replace(replace(old, updated_at=NOW + 7), expected=old)
    new = replace(old, status=Status.SENT)
    assert store.replace(new, expected=old) == new


def test_my_own_replacement_repeated_is_won(store: MessageStore) -> None:
    old = store.create(record())
    new = replace(old, status=Status.SENDING, attempt=2, owner="me")
    store.replace(new, expected=old)
    assert store.replace(new, expected=old) == new


def test_my_own_replacement_repeated_is_won_at_any_fraction_of_a_second(store: MessageStore) -> None:
    old = store.create(record(created_at=NOW + 0.000_456_7, expires_at=NOW + 0.1))
    new = replace(old, status=Status.SENDING, attempt=2, owner="me")
    store.replace(new, expected=old)
    assert store.replace(new, expected=old) == new


def test_creation_is_kept_in_milliseconds_and_expiry_in_whole_seconds(store: MessageStore) -> None:
    store.create(record(created_at=1000.123_456, expires_at=2000.1))
    kept = store.get(record().id)
    assert kept
    assert (kept.created_at, kept.expires_at) == (1000.123, 2001)


def test_of_twenty_that_replace_at_once_one_wins(
    store: MessageStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    old = store.create(record())

    def lease(number: int) -> bool:
        new = replace(old, status=Status.SENDING, attempt=2, owner=f"worker-{number}")
        return store.replace(new, expected=old) == new

    assert at_once(lease).count(True) == 1


def test_replacing_a_record_that_is_not_there_is_an_error(store: MessageStore) -> None:
    with pytest.raises(NotFound):
        store.replace(record(), expected=record())
    assert store.get(record().id) is None


def test_many_records_are_read_at_once_and_missing_ones_left_out(store: MessageStore) -> None:
    records = [store.create(record(str(number))) for number in range(100)]
    asked = [one.id for one in records[:99]] + [record("missing").id]
    assert store.get_many([*asked[:98], asked[0], asked[98]]) == {one.id: one for one in records[:99]}
    assert store.get_many([]) == {}


def test_an_accounts_messages_are_listed_newest_first_in_pages(store: MessageStore) -> None:
    records = [store.create(record(str(number), created_at=NOW + number / 1000)) for number in range(7)]
    store.create(record("foreign", account="acc_other"))
    newest_first = [one.id for one in reversed(records)]
    seen: list[str] = []
    cursor = ""
    for size in (3, 3, 1):
        page = store.by_account(record().account, since=0, limit=3, cursor=cursor)
        assert len(page.ids) == size
        seen += page.ids
        cursor = page.cursor
        assert bool(cursor) is (len(seen) < 7)
    assert seen == newest_first


def test_a_list_that_ends_with_its_page_has_no_cursor(store: MessageStore) -> None:
    for number in range(3):
        store.create(record(str(number), created_at=NOW + number))
    assert store.by_account(record().account, since=0, limit=3, cursor="").cursor == ""


def test_an_accounts_messages_are_listed_from_a_time_on(store: MessageStore) -> None:
    records = [store.create(record(str(number), created_at=NOW + number)) for number in range(4)]
    page = store.by_account(record().account, since=records[2].created_at, limit=10, cursor="")
    assert page.ids == (records[3].id, records[2].id)


def test_a_cursor_older_than_the_time_asked_for_leads_to_nothing(store: MessageStore) -> None:
    for number in range(4):
        store.create(record(str(number), created_at=NOW + number))
    page = store.by_account(record().account, since=0, limit=2, cursor="")
    assert store.by_account(record().account, since=NOW + 3, limit=2, cursor=page.cursor).ids == ()


@pytest.mark.parametrize(
    "cursor", ["garbage", "é", "e30", "WzEsIDIsIDNd", "WyIiLCAiIiwgIiJd", "WyJcXHVkODAwIl0", "%%%"]
)
def test_a_cursor_that_is_not_ours_is_invalid(store: MessageStore, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        store.by_account(record().account, since=0, limit=3, cursor=cursor)


def test_a_cursor_of_another_account_is_invalid(store: MessageStore) -> None:
    for number in range(2):
        store.create(record(str(number), created_at=NOW + number))
    page = store.by_account(record().account, since=0, limit=1, cursor="")
    with pytest.raises(InvalidInput):
        store.by_account("acc_other", since=0, limit=1, cursor=page.cursor)


def test_a_usual_record_costs_one_write_unit() -> None:
    tried = tuple(Attempt(at=NOW + n, outcome="deferred", code="throttled", detail="429", retry_at=9) for n in range(3))
    assert _size(to_item(record(attempts=tried, provider_id="18c2f0a1b2c3d4e5", status=Status.SENT))) < 1024


def _size(value: object) -> int:
    """Reckon as DynamoDB does, a little too much: names, texts, 21 bytes a number, 3 a list and 1 an entry."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bool):
        return 1
    if isinstance(value, list):
        return 3 + sum(1 + _size(entry) for entry in value)
    assert isinstance(value, dict)
    match value:
        case {"N": str()}:
            return 21
        case {"S": inner} | {"L": inner} | {"BOOL": inner} | {"M": inner}:
            return _size(inner)
        case _:
            return sum(len(name) + _size(inner) for name, inner in value.items())
