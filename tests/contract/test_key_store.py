from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.keys import DynamoDBKeyStore
from mailbearer.caller import Replaced
from mailbearer.errors import Conflict, InvalidInput, NotFound
from tests.contract.nouns import key
from tests.fakes import FakeKeyStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.stores import KeyStore


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> KeyStore:
    if request.param == "fake":
        return FakeKeyStore()
    world = request.getfixturevalue("world")
    return DynamoDBKeyStore(world.clients.dynamodb, world.table("keys"))


def test_a_key_comes_back_as_it_was_put(store: KeyStore) -> None:
    assert store.create(key())
    assert store.get(key().id) == key()


def test_a_disabled_key_for_every_account_comes_back_as_it_was_put(store: KeyStore) -> None:
    plain = key(accounts=frozenset(), expires_at=0, disabled=True)
    store.create(plain)
    assert store.get(plain.id) == plain


def test_a_key_that_is_not_there_reads_as_none(store: KeyStore) -> None:
    assert store.get("key_none") is None


def test_creating_an_id_again_changes_nothing(store: KeyStore) -> None:
    store.create(key())
    assert not store.create(key(disabled=True))
    assert not store.create(key())
    assert store.get(key().id) == key()


def test_of_twenty_that_create_one_id_at_once_one_wins(
    store: KeyStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    assert at_once(lambda _: store.create(key())).count(True) == 1


def test_the_end_of_a_key_is_kept_in_whole_seconds(store: KeyStore) -> None:
    store.create(key(expires_at=1000.5))
    kept = store.get(key().id)
    assert kept
    assert kept.expires_at == 1001


def test_a_changed_key_comes_back_as_it_was_written(store: KeyStore) -> None:
    full = key(
        disabled=True,
        reason="requested",
        rotated_at=5.5,
        replaced=(Replaced("ab", 7.25), Replaced("cd", 8)),
        revision=3,
    )
    store.create(full)
    assert store.get(full.id) == full
    plain = full.changed(
        disabled=False, reason="", replaced=(), accounts=frozenset(), expires_at=0, scopes=frozenset({"admin"})
    )
    assert store.replace(plain, expected=full) == plain
    assert store.get(full.id) == plain


def test_a_key_that_somebody_changed_is_not_written_over(store: KeyStore) -> None:
    store.create(key())
    first = store.replace(key().changed(name="first"), expected=key())
    assert store.replace(key().changed(name="second"), expected=key()) == first
    assert store.get(key().id) == first


def test_a_write_that_had_gone_through_already_has_won(store: KeyStore) -> None:
    store.create(key())
    changed = key().changed(disabled=True)
    assert store.replace(changed, expected=key()) == changed
    assert store.replace(changed, expected=key()) == changed


def test_a_change_that_was_not_counted_is_noticed(store: KeyStore) -> None:
    store.create(key(disabled=True))
    assert store.replace(key().changed(name="other"), expected=key()) == key(disabled=True)


def test_a_key_that_is_gone_is_not_written_anew(store: KeyStore) -> None:
    with pytest.raises(NotFound):
        store.replace(key().changed(disabled=True), expected=key())
    assert store.get(key().id) is None


def test_of_twenty_that_change_one_key_at_once_one_wins(
    store: KeyStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    store.create(key())

    def change(number: int) -> bool:
        wanted = key().changed(name=str(number))
        return store.replace(wanted, expected=key()) == wanted

    assert at_once(change).count(True) == 1


def test_a_deleted_key_is_gone_and_may_be_deleted_again(store: KeyStore) -> None:
    store.create(key())
    store.delete(key())
    store.delete(key())
    assert store.get(key().id) is None


def test_a_key_that_somebody_changed_is_not_deleted(store: KeyStore) -> None:
    store.create(key())
    store.replace(key().changed(disabled=False, name="kept"), expected=key())
    with pytest.raises(Conflict):
        store.delete(key())
    assert store.get(key().id)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_a_list_gives_every_key_once(store: KeyStore, limit: int) -> None:
    made = {key(str(number)).id for number in range(7)}
    for number in range(7):
        store.create(key(str(number)))
    found: list[str] = []
    cursor = ""
    while True:
        page, cursor = store.listing(limit=limit, cursor=cursor)
        assert len(page) <= limit
        found += [each.id for each in page]
        if not cursor:
            break
    assert len(found) == 7
    assert set(found) == made


def test_a_cursor_that_is_not_ours_is_refused(store: KeyStore) -> None:
    with pytest.raises(InvalidInput):
        store.listing(limit=1, cursor="what?")


def test_the_last_use_is_kept_and_known_to_a_quarter_of_an_hour(store: KeyStore) -> None:
    store.create(key())
    for at, known in ((1000.5, 1000.5), (1001, 1000.5), (1900.25, 1000.5), (1900.5, 1900.5), (900, 1900.5)):
        store.mark_used(key().id, at)
        kept = store.get(key().id)
        assert kept
        assert kept.last_used_at == known


def test_a_use_and_a_change_do_not_meet(store: KeyStore) -> None:
    store.create(key())
    store.mark_used(key().id, 1000)
    changed = key().changed(disabled=True)
    assert store.replace(changed, expected=key()) == changed
    store.mark_used(key().id, 5000)
    assert store.replace(changed.changed(name="other"), expected=changed).name == "other"
    kept = store.get(key().id)
    assert kept
    assert (kept.last_used_at, kept.revision, kept.disabled) == (5000, 2, True)


def test_the_use_of_a_key_that_is_gone_brings_nothing_back(store: KeyStore) -> None:
    store.mark_used(key().id, 1000)
    assert store.get(key().id) is None
    assert store.listing(limit=10, cursor="") == ([], "")
