"""Keeping templates and filling them in, on fakes of the store and with the real engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.caller import Caller
from mailbearer.errors import Conflict, Fault, InvalidInput, NotFound, Unavailable
from mailbearer.rendering.engine import JinjaEngine
from mailbearer.template import Template, TemplateVersion
from mailbearer.templating.filling import REMEMBERED, TemplateFilling
from mailbearer.templating.keeping import TemplateKeeping
from mailbearer.trail import BufferedTrail
from tests.fakes import CountedBytes, FakeAuditLog, FakeAuditSpool, FakeClock, FakeTemplateStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.template import Rendered

CALLER = Caller(key_id="key_1", scopes=frozenset({"templates:write"}))
BODY = {"subject": "Hello {{ name }}", "text": "Dear {{ name }}"}


class House:
    """Templates with everything around them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeTemplateStore()
        self.log = FakeAuditLog()
        self.trail = BufferedTrail(self.log, FakeAuditSpool(), self.clock, CountedBytes(), actor="test")
        engine = JinjaEngine(self.clock)
        self.keeping = TemplateKeeping(store=self.store, engine=engine, trail=self.trail, clock=self.clock)
        self.filling = TemplateFilling(store=self.store, engine=engine, clock=self.clock)

    def put(self, name: str = "welcome", **changes: Any) -> Template:
        return self.keeping.draft(name, BODY | changes, CALLER).template

    def render(self, name: str = "welcome", **reference: Any) -> Rendered:
        faults: list[Fault] = []
        rendered = self.filling.render({"name": name, "variables": {"name": "Ann"}} | reference, "/template", faults)
        assert faults == []
        assert rendered is not None
        return rendered

    def refused(self, reference: object) -> list[tuple[str, str]]:
        faults: list[Fault] = []
        assert self.filling.render(reference, "/template", faults) is None
        return [(fault.pointer, fault.code) for fault in faults]

    def actions(self) -> list[str]:
        self.trail.flush()
        return [f"{event.action} {dict(event.facts).get('version', '')}".strip() for event in self.log.events]


@pytest.fixture
def house() -> House:
    return House()


# --- keeping ----------------------------------------------------------------------------------------------------------


def test_each_content_is_a_version_and_the_same_content_again_is_none(house: House) -> None:
    assert house.put().latest == 1
    assert house.put().latest == 1
    assert house.put(subject="Hi").latest == 2
    assert house.put().latest == 3
    assert [version.subject for version in house.keeping.versions("welcome", limit=9, cursor="")[1]] == [
        "Hello {{ name }}",
        "Hi",
        "Hello {{ name }}",
    ]
    assert house.actions() == ["template.drafted 1", "template.drafted 2", "template.drafted 3"]


def test_a_version_knows_what_it_cannot_do_without_and_who_made_it(house: House) -> None:
    house.put()
    version = house.keeping.version("welcome", 1)
    assert (version.variables, version.created_by, version.created_at) == (("name",), "key_1", house.clock())


def test_making_a_template_of_a_name_that_is_taken_is_a_conflict(house: House) -> None:
    house.keeping.create({"name": "welcome"} | BODY, CALLER)
    with pytest.raises(Conflict):
        house.keeping.create({"name": "welcome"} | BODY, CALLER)
    assert house.store.templates["welcome"].latest == 1


def test_drafting_leaves_what_is_published_as_it_is(house: House) -> None:
    house.put(publish=True)
    house.put(subject="Hi")
    shown = house.keeping.show("welcome")
    assert (shown.latest.version, shown.published and shown.published.version) == (2, 1)
    assert house.render().subject == "Hello Ann"


def test_an_older_version_can_be_published_again(house: House) -> None:
    house.put(publish=True)
    house.put(subject="Hi", publish=True)
    house.keeping.publish("welcome", {"version": 1}, CALLER)
    assert house.keeping.show("welcome").template.published == 1
    assert house.actions()[-1] == "template.published 1"
    again = house.keeping.publish("welcome", {"version": 1}, CALLER)
    assert again == house.store.templates["welcome"]
    assert house.actions().count("template.published 1") == 2


@pytest.mark.parametrize("version", [2, 99])
def test_a_version_that_there_is_none_of_is_not_published(house: House, version: int) -> None:
    house.put()
    with pytest.raises(NotFound):
        house.keeping.publish("welcome", {"version": version}, CALLER)


def test_a_description_changes_without_a_new_version_and_stays_if_it_is_left_out(house: House) -> None:
    assert house.put(description="For all").description == "For all"
    assert house.put().description == "For all"
    changed = house.put(description="For some")
    assert (changed.description, changed.latest) == ("For some", 1)


def test_all_faults_of_a_draft_are_told_at_once(house: House) -> None:
    body = {"name": "A", "subject": 1, "description": "a\nb", "publish": "yes", "html": "{{ x", "more": 1}
    with pytest.raises(InvalidInput) as invalid:
        house.keeping.create(body, CALLER)
    assert [(fault.pointer, fault.code) for fault in invalid.value.faults] == [
        ("/name", "invalid_template_name"),
        ("/more", "unknown_field"),
        ("/description", "invalid_description"),
        ("/publish", "not_a_boolean"),
        ("/subject", "not_a_string"),
        ("/html", "template_syntax"),
    ]
    assert house.store.templates == {}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ([], ("", "not_an_object")),
        ({"text": "x"}, ("/subject", "required")),
        ({"subject": "x"}, ("", "content_missing")),
        ({"subject": "x", "text": None}, ("", "content_missing")),
    ],
)
def test_a_draft_has_a_subject_and_a_content(house: House, body: Any, found: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput) as invalid:
        house.keeping.draft("welcome", body, CALLER)
    assert found in [(fault.pointer, fault.code) for fault in invalid.value.faults]


def test_a_template_that_is_forgotten_can_be_made_anew_with_a_first_version_of_its_own(house: House) -> None:
    house.put(publish=True)
    house.put(subject="Hi")
    assert house.render().subject == "Hello Ann"
    house.keeping.delete("welcome", CALLER)
    assert house.store.kept == {}
    with pytest.raises(NotFound):
        house.keeping.show("welcome")
    house.clock.advance(1)
    assert house.put(subject="New", publish=True).latest == 1
    house.clock.advance(REMEMBERED)
    assert house.render().subject == "New"


def test_deleting_what_is_not_there_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        house.keeping.delete("welcome", CALLER)


# --- crashes and races ------------------------------------------------------------------------------------------------


def test_a_template_whose_maker_died_before_its_first_version_counts_as_none_and_is_made_by_the_next(
    house: House,
) -> None:
    house.store.faults.before("add_version", Unavailable("down"))
    with pytest.raises(Unavailable):
        house.put()
    with pytest.raises(NotFound):
        house.keeping.show("welcome")
    assert house.keeping.listing(limit=9, cursor="") == ([], "")
    assert house.refused({"name": "welcome"}) == [("/template/name", "unknown_template")]
    made = house.keeping.create({"name": "welcome"} | BODY, CALLER)
    assert (made.template.latest, made.new) == (1, True)


def test_a_draft_whose_maker_died_before_it_counted_is_taken_up_by_the_same_request(house: House) -> None:
    house.put()
    house.store.faults.before("replace", Unavailable("down"))
    with pytest.raises(Unavailable):
        house.put(subject="Hi")
    assert house.keeping.show("welcome").latest.subject == "Hello {{ name }}"
    with pytest.raises(NotFound):
        house.keeping.version("welcome", 2)
    assert [each.version for each in house.keeping.versions("welcome", limit=9, cursor="")[1]] == [1]
    assert house.put(subject="Hi").latest == 2


def test_another_draft_after_such_a_death_takes_the_next_number(house: House) -> None:
    house.put()
    house.store.faults.before("replace", Unavailable("down"))
    with pytest.raises(Unavailable):
        house.put(subject="Hi")
    assert house.put(subject="Ho").latest == 3
    assert house.keeping.show("welcome").latest.subject == "Ho"


def test_a_draft_whose_answer_was_lost_is_there_once(house: House) -> None:
    house.store.faults.after("replace", Unavailable("lost"))
    with pytest.raises(Unavailable):
        house.put()
    assert house.put().latest == 1


def test_of_two_that_draft_at_once_both_have_their_version_and_the_later_is_the_newest(house: House) -> None:
    house.put()
    house.store.faults.before("replace", lambda: house.put(subject="theirs"))
    assert house.put(subject="mine").latest == 4
    subjects = {each.version: each.subject for each in house.store.kept.values()}
    assert (subjects[4], house.keeping.show("welcome").latest.subject) == ("mine", "mine")


def test_a_draft_of_what_is_deleted_meanwhile_makes_the_template_anew(house: House) -> None:
    house.put(publish=True)
    house.store.faults.before("replace", lambda: house.keeping.delete("welcome", CALLER))
    drafted = house.keeping.draft("welcome", BODY | {"subject": "mine"}, CALLER)
    assert (drafted.new, drafted.template.published, drafted.version.subject) == (True, 0, "mine")


def test_a_template_that_others_change_all_the_time_is_a_conflict(house: House) -> None:
    house.put()

    def other() -> None:
        stands = house.store.templates["welcome"]
        house.store.templates["welcome"] = replace(stands, revision=stands.revision + 1)

    house.store.faults.before("replace", other, times=20)
    with pytest.raises(Conflict):
        house.keeping.publish("welcome", {}, CALLER)


# --- for messages -----------------------------------------------------------------------------------------------------


def test_a_hundred_messages_of_one_template_cost_two_reads(house: House) -> None:
    house.put(publish=True)
    house.store.faults.calls.clear()
    for _ in range(100):
        house.render()
    assert house.store.faults.calls == ["get", "version"]


def test_what_is_published_anew_is_sent_five_seconds_later_at_the_latest(house: House) -> None:
    house.put(publish=True)
    assert house.render().subject == "Hello Ann"
    house.put(subject="Hi", publish=True)
    house.clock.advance(REMEMBERED)
    assert house.render().subject == "Hi"


def test_what_could_not_be_sent_a_moment_ago_is_looked_up_again(house: House) -> None:
    house.put()
    assert house.refused({"name": "welcome"}) == [("/template/name", "template_unpublished")]
    house.keeping.publish("welcome", {}, CALLER)
    assert house.render().subject == "Hello Ann"
    house.put(subject="Hi")
    assert house.render(version=2).subject == "Hi"


def test_a_version_can_be_named_whether_it_is_published_or_not(house: House) -> None:
    house.put()
    assert house.render(version=1).text == "Dear Ann"


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("welcome", ("/template", "not_an_object")),
        ({}, ("/template/name", "unknown_template")),
        ({"name": 1}, ("/template/name", "unknown_template")),
        ({"name": "welcome", "version": True}, ("/template/version", "unknown_version")),
        ({"name": "welcome", "version": 0}, ("/template/version", "unknown_version")),
        ({"name": "welcome", "version": 2}, ("/template/version", "unknown_version")),
        ({"name": "welcome", "variables": "x"}, ("/template/variables", "not_an_object")),
        ({"name": "welcome", "a/b": 1}, ("/template/a~1b", "unknown_field")),
        ({"name": "welcome", "variables": {}}, ("/template/variables/name", "variable_missing")),
        ({"name": "welcome", "variables": {"name": "a\nb"}}, ("/template/subject", "unsafe_character")),
    ],
)
def test_a_reference_that_cannot_be_filled_in_is_a_fault(
    house: House, reference: object, found: tuple[str, str]
) -> None:
    house.put(publish=True)
    assert house.refused(reference) == [found]


def test_what_a_merge_brings_is_filled_in_and_its_faults_point_below_what_is_given(house: House) -> None:
    faults: list[Fault] = []
    rendered = house.filling.fill("Hi {{ name }}", None, "<b>{{ name }}</b>", {"name": "<Ann>"}, "/message", faults)
    assert rendered is not None
    assert (rendered.subject, rendered.text, rendered.html) == ("Hi <Ann>", None, "<b>&lt;Ann&gt;</b>")
    variables: Mapping[str, object] = {}
    assert house.filling.fill("{{ a }}", "{% x %}", None, variables, "/message", faults) is None
    assert [(fault.pointer, fault.code) for fault in faults] == [
        ("/message/variables/a", "variable_missing"),
        ("/message/text", "template_syntax"),
    ]


def test_versions_are_remembered_up_to_a_number(house: House) -> None:
    for number in range(40):
        house.put(f"t{number}", publish=True)
        house.render(f"t{number}")
    house.store.faults.calls.clear()
    house.render("t39")
    assert house.store.faults.calls == []
    house.render("t0")
    assert house.store.faults.calls == ["version"]


def test_a_version_that_vanished_is_a_fault(house: House) -> None:
    house.put(publish=True)
    del house.store.kept["welcome", 1]
    assert house.refused({"name": "welcome"}) == [("/template/version", "unknown_version")]


def test_the_content_of_a_template_never_prints() -> None:
    version = TemplateVersion(template="t", version=1, subject="secret", text="secret", html="secret", created_at=1)
    assert "secret" not in repr(version)
