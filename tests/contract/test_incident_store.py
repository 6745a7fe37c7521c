from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.incidents import DynamoDBIncidentStore
from mailbearer.errors import NotFound
from mailbearer.ids import derived_id
from mailbearer.incident import Incident, IncidentState, Reach
from tests.contract.nouns import NOW
from tests.fakes import FakeIncidentStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.stores import IncidentStore


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> IncidentStore:
    if request.param == "fake":
        return FakeIncidentStore()
    world = request.getfixturevalue("world")
    return DynamoDBIncidentStore(world.clients.dynamodb, world.table("incidents"))


def incident(name: str = "one", **changes: Any) -> Incident:
    values: dict[str, Any] = {
        "id": derived_id("inc_", name),
        "reach": Reach.PROVIDER,
        "target": "google-main",
        "reason": "The client secret lay in a public repository.",
        "state": IncidentState.DECLARED,
        "declared_at": NOW,
        "declared_by": "arn:aws:iam::123456789012:user/ann",
        "since": NOW - 86_400,
        "disable_keys": True,
    }
    return Incident(**(values | changes))


def test_an_incident_comes_back_as_it_was_put(store: IncidentStore) -> None:
    assert store.create(incident())
    assert store.get(incident().id) == incident()


def test_an_incident_that_is_not_there_reads_as_none(store: IncidentStore) -> None:
    assert store.get("inc_none") is None


def test_creating_an_id_again_changes_nothing(store: IncidentStore) -> None:
    store.create(incident())
    assert not store.create(incident(reason="Another."))
    assert store.get(incident().id) == incident()


def test_a_change_to_what_was_read_is_kept(store: IncidentStore) -> None:
    store.create(incident())
    contained = incident().changed(state=IncidentState.CONTAINED, contained_at=NOW + 5)
    assert store.replace(contained, expected=incident()) == contained
    resolved = contained.changed(state=IncidentState.RESOLVED, resolved_at=NOW + 9, resolved_by="ann")
    assert store.replace(resolved, expected=contained) == resolved
    assert store.get(resolved.id) == resolved


def test_whoever_read_an_older_state_changes_nothing_and_sees_what_stands(store: IncidentStore) -> None:
    store.create(incident())
    first = incident().changed(contained_at=NOW)
    store.replace(first, expected=incident())
    assert store.replace(incident().changed(contained_at=NOW + 1), expected=incident()) == first


def test_an_incident_that_is_not_there_cannot_be_changed(store: IncidentStore) -> None:
    with pytest.raises(NotFound):
        store.replace(incident().changed(contained_at=NOW), expected=incident())


def test_of_twenty_that_change_one_state_at_once_one_wins(
    store: IncidentStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    store.create(incident())

    def change(number: int) -> bool:
        mine = incident().changed(contained_at=NOW + 1 + number)
        return store.replace(mine, expected=incident()) == mine

    assert at_once(change).count(True) == 1


def test_incidents_are_listed_the_newest_first(store: IncidentStore) -> None:
    for name, at in (("a", NOW), ("b", NOW + 2), ("c", NOW + 1)):
        store.create(incident(name, declared_at=at))
    assert [one.declared_at for one in store.listing()] == [NOW + 2, NOW + 1, NOW]
