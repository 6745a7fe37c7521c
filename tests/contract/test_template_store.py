from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.templates import DynamoDBTemplateStore
from mailbearer.errors import Conflict, InvalidInput, NotFound
from mailbearer.template import Template, TemplateVersion
from tests.contract.nouns import NOW
from tests.fakes import FakeTemplateStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.stores import TemplateStore


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> TemplateStore:
    if request.param == "fake":
        return FakeTemplateStore()
    world = request.getfixturevalue("world")
    return DynamoDBTemplateStore(world.clients.dynamodb, world.table("templates"))


def template(name: str = "welcome", **changes: Any) -> Template:
    values: dict[str, Any] = {"latest": 1, "created_at": NOW, "updated_at": NOW + 1}
    return Template(name=name, **(values | changes))


def version(number: int = 1, name: str = "welcome", **changes: Any) -> TemplateVersion:
    values: dict[str, Any] = {
        "subject": "Hello {{ name }}",
        "text": "Dear {{ name }}",
        "html": "<p>{{ name }}</p>",
        "variables": ("name", "order.id"),
        "created_at": NOW + 0.5,
        "created_by": "key_1",
    }
    return TemplateVersion(template=name, version=number, **(values | changes))


@pytest.mark.parametrize(
    "one", [template(), template(published=2, latest=3, description="für alle", revision=7), template(latest=0)]
)
def test_a_template_comes_back_as_it_was_put(store: TemplateStore, one: Template) -> None:
    assert store.create(one) == one
    assert store.get(one.name) == one


@pytest.mark.parametrize(
    "one",
    [version(), version(text=None), version(html=None, variables=()), version(subject="", created_by="", created_at=1)],
)
def test_a_version_comes_back_as_it_was_put(store: TemplateStore, one: TemplateVersion) -> None:
    assert store.add_version(one, since=0) == one
    assert store.version(one.template, one.version) == one


def test_what_is_not_there_reads_as_none(store: TemplateStore) -> None:
    store.create(template())
    assert store.get("none") is None
    assert store.version("welcome", 1) is None
    assert store.versions("none", limit=10, cursor="") == ([], "")


def test_creating_a_name_again_changes_nothing_and_gives_what_stands(store: TemplateStore) -> None:
    store.create(template())
    assert store.create(template(description="another")) == template()
    assert store.get("welcome") == template()


def test_a_version_of_a_number_that_is_taken_changes_nothing_and_gives_what_stands(store: TemplateStore) -> None:
    store.add_version(version(), since=0)
    assert store.add_version(version(subject="another"), since=NOW) == version()
    assert store.version("welcome", 1) == version()


def test_a_version_older_than_the_template_is_left_from_another_of_that_name_and_written_over(
    store: TemplateStore,
) -> None:
    store.add_version(version(), since=0)
    new = version(subject="new", created_at=NOW + 10)
    assert store.add_version(new, since=NOW + 9) == new
    assert store.version("welcome", 1) == new


def test_of_twenty_that_add_one_number_at_once_one_wins_and_all_see_it(
    store: TemplateStore, at_once: Callable[[Callable[[int], TemplateVersion]], list[TemplateVersion]]
) -> None:
    stood = at_once(lambda number: store.add_version(version(subject=f"from {number}"), since=0))
    assert {each.subject for each in stood} == {stood[0].subject}


def test_of_twenty_that_create_one_name_at_once_all_see_one(
    store: TemplateStore, at_once: Callable[[Callable[[int], Template]], list[Template]]
) -> None:
    stood = at_once(lambda number: store.create(template(description=f"from {number}")))
    assert len({each.description for each in stood}) == 1


def test_a_replacement_of_what_still_stands_wins(store: TemplateStore) -> None:
    store.create(template())
    for revision in range(1, 4):
        new = template(revision=revision, published=revision)
        assert store.replace(new, expected=template(revision=revision - 1)) == new
    assert store.get("welcome") == template(revision=3, published=3)


def test_a_replacement_after_a_change_by_somebody_else_loses_and_sees_it(store: TemplateStore) -> None:
    store.create(template())
    theirs = store.replace(template(revision=1, latest=2), expected=template())
    assert store.replace(template(revision=1, published=1), expected=template()) == theirs
    assert store.get("welcome") == theirs


def test_my_own_replacement_repeated_is_won(store: TemplateStore) -> None:
    store.create(template())
    new = template(revision=1, latest=2)
    store.replace(new, expected=template())
    assert store.replace(new, expected=template()) == new


def test_of_twenty_that_change_it_at_once_one_wins(
    store: TemplateStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    store.create(template())

    def change(number: int) -> bool:
        new = template(revision=1, description=f"from {number}")
        return store.replace(new, expected=template()) == new

    assert at_once(change).count(True) == 1


def test_replacing_what_is_not_there_is_an_error(store: TemplateStore) -> None:
    with pytest.raises(NotFound):
        store.replace(template(revision=1), expected=template())


def test_deleting_removes_the_template_with_its_versions_and_no_other(store: TemplateStore) -> None:
    store.create(template())
    store.create(template("other"))
    for number in (1, 2, 3):
        store.add_version(version(number), since=0)
        store.add_version(version(number, "other"), since=0)
    store.delete(template())
    assert store.get("welcome") is None
    assert store.versions("welcome", limit=10, cursor="") == ([], "")
    assert store.get("other") == template("other")
    assert len(store.versions("other", limit=10, cursor="")[0]) == 3


def test_deleting_again_changes_nothing(store: TemplateStore) -> None:
    store.delete(template())
    assert store.get("welcome") is None


def test_deleting_what_somebody_changed_is_refused_and_removes_nothing(store: TemplateStore) -> None:
    store.create(template())
    store.add_version(version(), since=0)
    changed = store.replace(template(revision=1, latest=2), expected=template())
    with pytest.raises(Conflict):
        store.delete(template())
    assert store.get("welcome") == changed
    assert store.version("welcome", 1) == version()


def test_deleting_spares_the_versions_of_a_template_that_took_the_name_meanwhile(store: TemplateStore) -> None:
    store.add_version(version(1), since=0)
    new = version(2, created_at=NOW + 10)
    store.add_version(new, since=0)
    store.delete(template(updated_at=NOW + 5))
    assert store.versions("welcome", limit=10, cursor="") == ([new], "")


def test_templates_are_listed_by_name_in_pages_each_once(store: TemplateStore) -> None:
    for number in (5, 2, 7, 1, 6, 3, 4):
        store.create(template(f"t{number}"))
        store.add_version(version(1, f"t{number}"), since=0)
    seen, cursor, sizes = [], "", []
    while True:
        page, cursor = store.listing(limit=3, cursor=cursor)
        sizes.append(len(page))
        seen += page
        if not cursor:
            break
    assert sizes == [3, 3, 1]
    assert seen == [template(f"t{number}") for number in range(1, 8)]


def test_versions_are_listed_newest_first_in_pages_each_once(store: TemplateStore) -> None:
    for number in range(1, 13):
        store.add_version(version(number), since=0)
    seen, cursor = [], ""
    while True:
        page, cursor = store.versions("welcome", limit=5, cursor=cursor)
        seen += page
        if not cursor:
            break
    assert seen == [version(number) for number in range(12, 0, -1)]


def test_versions_that_do_not_fit_into_one_answer_of_dynamodb_are_all_listed(store: TemplateStore) -> None:
    for number in range(1, 9):
        store.add_version(version(number, html="x" * 250_000), since=0)
    page, cursor = store.versions("welcome", limit=50, cursor="")
    assert ([each.version for each in page], cursor) == ([8, 7, 6, 5, 4, 3, 2, 1], "")


@pytest.mark.parametrize("cursor", ["garbage", "é", "bnVsbA", "WyJhIiwiYiIsImMiXQ==", "WzFd"])
def test_a_cursor_that_is_not_ours_is_invalid(store: TemplateStore, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        store.listing(limit=2, cursor=cursor)
    with pytest.raises(InvalidInput):
        store.versions("welcome", limit=2, cursor=cursor)


def test_a_cursor_of_another_templates_versions_is_invalid(store: TemplateStore) -> None:
    for number in (1, 2):
        store.add_version(version(number), since=0)
    _, cursor = store.versions("welcome", limit=1, cursor="")
    with pytest.raises(InvalidInput):
        store.versions("other", limit=1, cursor=cursor)
