"""The OpenAPI document and the code say the same: routes, scopes, fields, choices, bounds and codes."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from functions.accounts_api import app as accounts_api
from functions.admin_api import app as admin_api
from functions.messages_api import app as messages_api
from mailbearer import config, directory, errors, http, suppressing, uploading, wire
from mailbearer.account import AccountState
from mailbearer.api.description import described
from mailbearer.caller import SCOPES, KeyState
from mailbearer.diagnosis import Who
from mailbearer.happenings import EVENTS, schema_name
from mailbearer.keyring import reading as keys
from mailbearer.message import Status, Verdict
from mailbearer.notifying import keeping as webhooks
from mailbearer.notifying import replaying
from mailbearer.registration import Flow
from mailbearer.templating import keeping, reading
from mailbearer.wire import attachments, merging, rotations
from mailbearer.wiring import Wiring
from tests.docs import template
from tests.docs.openapi import Operation, expanded, operations, strict, validator, wrong
from tests.docs.pages import ROOT, page

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYER = ROOT / "layers" / "core" / "mailbearer"
SCHEMAS = described()["components"]["schemas"]
BROWSERS = {"/connect/{ticket}", "/oauth/callback"}


def operation_id(operation: Operation) -> str:
    return str(operation.said["operationId"])


each_operation = pytest.mark.parametrize("operation", operations(), ids=operation_id)


def test_the_document_is_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(described()).iter_errors()) == []


def test_no_name_stands_twice_in_one_object() -> None:
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(name for name in set(names) if names.count(name) > 1)
        return dict(pairs)

    json.loads((LAYER / "api" / "openapi.json").read_text(), object_pairs_hook=once)
    assert twice == []


def test_every_route_is_an_operation_with_its_scope_and_every_operation_a_route() -> None:
    joined = Wiring(config.Settings())
    served = (*messages_api.routes_of(joined), *accounts_api.routes_of(joined), *admin_api.routes_of(joined))
    routes = {(route.method, route.path, route.scope) for route in served}
    assert {(each.method, each.path, each.scope) for each in operations()} == routes


def test_the_operations_without_a_key_are_the_open_routes_of_the_gateway() -> None:
    routes = template.resources("AWS::ApiGatewayV2::Route").values()
    open_routes = {route["RouteKey"] for route in routes if route["AuthorizationType"] == "NONE"}
    assert {str(each) for each in operations() if not each.said["security"]} == open_routes
    assert len(open_routes) == 5


@each_operation
def test_an_operation_says_all_that_is_needed_to_use_it(operation: Operation) -> None:
    said = operation.said
    assert said["summary"]
    assert set(said["tags"]) <= {tag["name"] for tag in described()["tags"]}
    item = described()["paths"][operation.path]
    parameters = expanded([*item.get("parameters", []), *said.get("parameters", [])])
    in_path = {each["name"] for each in parameters if each["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", operation.path))
    assert bool(operation.examples) == (operation.request is not None)
    for status, answer in operation.answers.items():
        for kind, content in answer.get("content", {}).items():
            assert (
                "examples" in content or kind == "text/html" or status in {"401", "413"} or "openapi" in str(operation)
            )


@each_operation
def test_every_answer_names_its_request(operation: Operation) -> None:
    assert [status for status, answer in operation.answers.items() if "x-request-id" not in answer["headers"]] == []


def test_names_of_operations_are_unique() -> None:
    names = [operation_id(each) for each in operations()]
    assert len(set(names)) == len(names)


@each_operation
def test_the_examples_are_what_their_schemas_say(operation: Operation) -> None:
    for name, value in operation.examples.items():
        assert operation.request is not None
        assert wrong(validator(operation.request["schema"]), value) == [], name
    for status, answer in operation.answers.items():
        for content in answer.get("content", {}).values():
            against = validator(strict(content["schema"]))
            for name, example in content.get("examples", {}).items():
                assert wrong(against, example["value"]) == [], f"{status} {name}"


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        ("Message", wire.FIELDS),
        ("Attachment", attachments.ATTACHMENT_FIELDS),
        ("Merge", merging.MERGE_FIELDS),
        ("MergeMessage", merging.COMMON_FIELDS),
        ("MergeRecipient", merging.RECIPIENT_FIELDS),
        ("TemplateReference", reading.REFERENCE_FIELDS),
        ("TemplateDraft", reading.DRAFT_FIELDS),
        ("NewTemplate", reading.DRAFT_FIELDS | {"name"}),
        ("Publish", keeping._PUBLISH_FIELDS),  # noqa: SLF001 - what is read is the truth
        ("Preview", keeping._PREVIEW_FIELDS),  # noqa: SLF001 - the same
        ("NewWebhook", webhooks.CREATE_FIELDS),
        ("ChangeWebhook", webhooks.CHANGE_FIELDS),
        ("RotateWebhook", rotations.ROTATE_FIELDS),
        ("WebhookReplay", replaying.REPLAY_FIELDS),
        ("NewUpload", uploading._FIELDS),  # noqa: SLF001 - the same
        ("NewSuppression", suppressing._FIELDS),  # noqa: SLF001 - the same
        ("NewKey", keys.FIELDS),
        ("ChangeKey", keys.FIELDS),
        ("RotateKey", rotations.ROTATE_FIELDS),
        ("AddAccount", directory._CREATE),  # noqa: SLF001 - the same
        ("ChangeAccount", directory._CHANGE),  # noqa: SLF001 - the same
        ("Limits", directory._LIMITS),  # noqa: SLF001 - the same
    ],
)
def test_a_request_has_the_fields_that_the_code_reads(schema: str, fields: Any) -> None:
    assert SCHEMAS[schema]["properties"].keys() == set(fields)


@each_operation
def test_a_request_has_no_other_fields(operation: Operation) -> None:
    if operation.request is None:
        return
    schema = operation.request["schema"]
    assert all(each["additionalProperties"] is False for each in schema.get("oneOf", [schema]))


def test_the_parameters_of_the_query_are_those_that_the_code_reads() -> None:
    sources = [*(LAYER / "api").glob("*.py"), LAYER / "http.py", *(ROOT / "functions").rglob("app.py")]
    read = {name for source in sources for name in re.findall(r'query\.get\("(\w+)"', source.read_text())}
    items = described()["paths"].items()
    said = [
        each
        for path, item in items
        if path not in BROWSERS
        for holder in item.values()
        for each in expanded(holder.get("parameters", []) if isinstance(holder, dict) else holder)
    ]
    assert {each["name"] for each in said if each["in"] == "query"} == read


def test_a_webhook_is_described_for_every_event() -> None:
    hooks = described()["webhooks"]
    assert list(hooks) == list(EVENTS)
    for kind, item in hooks.items():
        said = item["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert (said["type"], said["data"]) == (
            {"const": kind},
            {"$ref": f"#/components/schemas/{schema_name(kind)}"},
        )
        assert item["post"]["summary"] == EVENTS[kind].meaning


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "choices"),
    [
        (SCHEMAS["MessageStatus"], Status),
        (SCHEMAS["AccountStatus"], AccountState),
        (SCHEMAS["KeyStatus"], KeyState),
        (SCHEMAS["Scope"], SCOPES),
        (SCHEMAS["Attempt"]["properties"]["outcome"], Verdict),
        (SCHEMAS["Provider"]["properties"]["flow"], Flow),
        (SCHEMAS["Diagnosis"]["properties"]["who"], Who),
    ],
)
def test_a_choice_has_the_words_of_the_code(where: Any, choices: Any) -> None:
    assert sorted(where["enum"]) == sorted(str(word) for word in choices)


# --- codes ------------------------------------------------------------------------------------------------------------


def kinds(root: type[errors.MailbearerError] = errors.MailbearerError) -> Iterator[type[errors.MailbearerError]]:
    """Give every class of error."""
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def fault_codes() -> set[str]:
    """Give the codes of faults in requests that the source names; what a command alone finds is not among them."""
    found = set()
    for path in LAYER.rglob("*.py"):
        if path.is_relative_to(LAYER / "providers"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fault":
                found |= {part.value for part in ast.walk(node.args[1]) if isinstance(part, ast.Constant)}
    return {code for code in found if isinstance(code, str)}


def test_the_codes_of_problems_are_those_of_the_errors() -> None:
    assert SCHEMAS["ProblemCode"]["enum"] == sorted({kind.code for kind in kinds()})


def test_the_codes_of_faults_are_those_that_the_code_names() -> None:
    assert fault_codes() <= set(SCHEMAS["FaultCode"]["enum"])
    source = "\n".join(path.read_text() for path in LAYER.rglob("*.py"))
    assert [code for code in SCHEMAS["FaultCode"]["enum"] if f'"{code}"' not in source] == []


def test_every_code_is_on_the_page_of_problems() -> None:
    codes = {*SCHEMAS["ProblemCode"]["enum"], *SCHEMAS["FaultCode"]["enum"]}
    assert codes <= {heading.strip("`") for heading in page("docs/reference/problems.md").headings()}


def codes_in(said: Any) -> set[str]:
    """Give the codes of problems that what is said of an answer names for it."""
    if isinstance(said, list):
        return set().union(*map(codes_in, said))
    if not isinstance(said, dict):
        return set()
    code = said.get("properties", {}).get("code", {})
    named = {code["const"]} if "const" in code else set(code.get("enum", ()))
    everything = set(SCHEMAS["ProblemCode"]["enum"])
    return (named if named < everything else set()).union(*map(codes_in, said.values()))


@each_operation
def test_a_code_is_said_of_the_status_it_is_answered_with(operation: Operation) -> None:
    statuses: dict[str, set[int]] = {}
    for kind in kinds():
        found = next((status for base, status in http._STATUS if issubclass(kind, base)), 500)  # noqa: SLF001 - the table itself
        statuses.setdefault(kind.code, set()).add(found)
    statuses["consent_refused"] = {403, 409, 410, 502}  # each refusal brings its own
    for status, answer in operation.answers.items():
        for code in codes_in(answer.get("content", {})) & statuses.keys():
            assert int(status) in statuses[code], code
