"""The reference says what the source says: nothing more, nothing less."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from functions.accounts_api import app as accounts_api
from functions.admin_api import app as admin_api
from functions.messages_api import app as messages_api
from mailbearer import config
from mailbearer.account import Account, AccountState
from mailbearer.audit import AuditEvent, Link
from mailbearer.caller import ApiKey
from mailbearer.diagnosis.catalogue import rows
from mailbearer.errors import Fault, InvalidInput
from mailbearer.health import health_resource
from mailbearer.http import problem_response
from mailbearer.message import Attempt, MessageRecord, RefusedRecipient, Status
from mailbearer.resources import account_resource, key_resource, message_resource
from mailbearer.wiring import Wiring
from tests.docs import source, template
from tests.docs.pages import blocks, first_column, page

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTP_API, PROBLEMS, METRICS = (
    page("docs/reference/http-api.md"),
    page("docs/reference/problems.md"),
    page("docs/reference/metrics.md"),
)
CONFIGURATION = page("docs/reference/configuration.md")


def test_every_code_has_one_heading_and_every_heading_a_code() -> None:
    headings = [heading.strip("`") for heading in PROBLEMS.headings() if heading.startswith("`")]
    assert sorted(headings) == sorted(source.codes())
    assert set(headings) <= PROBLEMS.anchors()


def test_no_code_is_left_without_words() -> None:
    for code in source.codes():
        assert len(PROBLEMS.section(f"`{code}`").split()) >= 2, code


def test_every_audit_action_has_its_row() -> None:
    names = first_column(page("docs/reference/audit-events.md").read())
    rows = [name for name in names if "." in name and not name.startswith("facts.")]
    assert sorted(rows) == sorted(source.actions())


def test_every_metric_has_its_row() -> None:
    assert sorted(first_column(METRICS.section("Metrics"))) == sorted(source.metrics())


def test_every_alarm_has_its_row() -> None:
    assert sorted(first_column(METRICS.section("Alarms"))) == sorted(template.alarms())


def test_every_parameter_has_its_row_and_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", CONFIGURATION.section("Parameters"), re.MULTILINE)
    declared = template.template()["Parameters"].items()
    assert dict(rows) == {
        name: f"`{given['Default']}`" if given["Default"] != "" else "empty" for name, given in declared
    }


def test_every_output_has_its_row() -> None:
    assert sorted(first_column(CONFIGURATION.section("Outputs"))) == sorted(template.template()["Outputs"])


def test_every_variable_has_its_row_and_its_functions() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| ([\w, ]+) \|$", CONFIGURATION.section("Environment"), re.MULTILINE)
    everybody = set(template.functions())
    documented = {name: everybody if who == "all" else set(who.split(", ")) for name, who in rows}
    assert documented == template.environment()
    assert set(config._NAMES.values()) <= set(documented)  # noqa: SLF001 - what settings are read from is the truth


@pytest.mark.parametrize("function", sorted(template.functions()))
def test_the_permissions_of_a_function_are_those_of_its_role(function: str) -> None:
    section = page("docs/reference/permissions.md").section(f"`{function}`")
    documented = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert documented == template.permissions()[function]


def test_every_route_has_its_row_and_its_scope() -> None:
    joined = Wiring(config.Settings())
    served = tuple(route for app in (messages_api, accounts_api, admin_api) for route in app.routes_of(joined))
    routes = {(f"{route.method} {route.path}", route.scope) for route in served}
    rows = re.findall(r"^\| `([A-Z]+ [^`?]+)` \| (?:`([^`]+)` )?\|", HTTP_API.section("Routes"), re.MULTILINE)
    assert set(rows) == routes


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("What comes back", set(Status)),
        ("An account", set(AccountState)),
    ],
)
def test_every_status_has_its_row(heading: str, words: set[str]) -> None:
    assert set(first_column(HTTP_API.section(heading))) == words


def sample(heading: str, where: Any = HTTP_API) -> Mapping[str, Any]:
    """Give the first JSON sample below a heading, one without a mark."""
    text = where.section(heading) if heading else where.read()
    found: Mapping[str, Any] = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    return found


ACCOUNT = Account(
    id="acc_1",
    provider="p",
    address="a@b.example",
    transport="smtp",
    state=AccountState.CONSENT_REQUIRED,
    reason="denied",
    created_at=1,
    updated_at=1,
)
KEY = ApiKey(id="key_1", name="shop", secret_hash="", scopes=frozenset({"admin"}), created_at=1)
RECORD = MessageRecord(
    id="msg_1",
    account="acc_1",
    caller="key_1",
    status=Status.DEFERRED,
    message_id="<1@b.example>",
    request_hash="",
    created_at=1,
    updated_at=1,
    attempts=(Attempt(at=1, outcome="not_accepted"),),
    refused=(RefusedRecipient(recipient="a@b.example", code="recipient_unknown"),),
)


def shape(value: object) -> object:
    """Give the names of a JSON value's fields, all the way down; what maps free names has no shape."""
    if isinstance(value, dict):
        free = {"metadata", "limits", "facts"}
        return {name: shape(item) if name not in free else None for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value if isinstance(item, dict)][:1]
    return None


def test_the_samples_of_answers_have_the_fields_of_the_answers() -> None:
    assert shape(sample("What comes back")) == shape(message_resource(RECORD))
    assert shape(sample("An account")) == shape(account_resource(ACCOUNT) | {"consent_url": ""})
    assert shape(sample("A key")) == shape(key_resource(KEY, 2.0))
    assert shape(sample("Health")) == shape(health_resource(ACCOUNT, 2.0, "/consent"))
    problem = problem_response(InvalidInput((Fault("/to/0", "invalid_address", "?"),))).body
    assert shape(sample("", PROBLEMS)) == shape(problem)


def test_the_sample_of_an_audit_event_has_the_fields_of_one() -> None:
    event = AuditEvent(
        id="1", at="2", actor="3", action="4", subject="5", outcome="6", request_id="7", facts=(("8", "9"),)
    )
    line, _ = Link().extend(event)
    assert sorted(sample("", page("docs/reference/audit-events.md"))) == sorted(json.loads(line))


def test_codes_in_samples_are_codes() -> None:
    named = {
        code for block in blocks() if block.language == "json" for code in re.findall(r'"code": "(\w+)"', block.text)
    }
    assert len(named) >= 4
    assert named <= {*source.codes(), *rows()}
