from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.webhooks import DynamoDBWebhookStore
from mailbearer.errors import NotFound
from mailbearer.ids import derived_id
from mailbearer.webhook import Webhook
from tests.fakes import FakeWebhookStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.stores import WebhookStore

NOW = 1_750_000_000.123


def webhook(name: str = "one") -> Webhook:
    return Webhook(
        id=derived_id("whk_", name),
        url="https://hooks.example/in?for=ann",
        events=("message.failed", "message.unknown"),
        accounts=frozenset({"acc_1", "acc_2"}),
        description="for the desk",
        created_at=NOW,
        created_by="key_1",
        updated_at=NOW + 1,
        failures=2,
        failing_since=NOW + 0.5,
        last_failure="http_500",
        rotated_at=NOW,
    )


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> WebhookStore:
    if request.param == "fake":
        return FakeWebhookStore()
    world = request.getfixturevalue("world")
    return DynamoDBWebhookStore(world.clients.dynamodb, world.table("webhooks"))


def test_a_webhook_comes_back_as_it_was_put(store: WebhookStore) -> None:
    assert store.create(webhook())
    assert store.get(webhook().id) == webhook()


def test_a_webhook_for_every_account_comes_back_as_it_was_put(store: WebhookStore) -> None:
    plain = replace(webhook(), accounts=frozenset(), events=("*",), disabled=True, reason="gone", revision=3)
    store.create(plain)
    assert store.get(plain.id) == plain


def test_one_that_is_not_there_reads_as_none(store: WebhookStore) -> None:
    assert store.get("whk_none") is None


def test_creating_an_id_again_changes_nothing(store: WebhookStore) -> None:
    store.create(webhook())
    assert not store.create(replace(webhook(), url="https://other.example/"))
    assert store.get(webhook().id) == webhook()


def test_a_change_is_written_if_nobody_came_first(store: WebhookStore) -> None:
    store.create(webhook())
    first = webhook().changed(disabled=True)
    assert store.replace(first, expected=webhook()) == first
    second = webhook().changed(description="late")
    assert store.replace(second, expected=webhook()) == first
    third = first.changed(disabled=False)
    assert store.replace(third, expected=first) == third
    assert store.get(webhook().id) == third


def test_of_twenty_changes_at_once_one_wins(
    store: WebhookStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    store.create(webhook())

    def change(number: int) -> bool:
        wanted = webhook().changed(failures=number)
        return store.replace(wanted, expected=webhook()) == wanted

    assert at_once(change).count(True) == 1


def test_what_was_deleted_is_not_there_and_cannot_be_changed(store: WebhookStore) -> None:
    store.create(webhook())
    store.delete(webhook().id)
    store.delete(webhook().id)
    assert store.get(webhook().id) is None
    with pytest.raises(NotFound):
        store.replace(webhook().changed(failures=1), expected=webhook())
    assert store.get(webhook().id) is None


def test_webhooks_are_listed_by_id(store: WebhookStore) -> None:
    all_of_them = [webhook(name) for name in "cab"]
    for each in all_of_them:
        store.create(each)
    assert store.listing() == sorted(all_of_them, key=lambda each: each.id)
