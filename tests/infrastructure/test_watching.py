"""The dashboard, the alarms over several metrics and the saved queries name what there is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.audit import AuditEvent, Link
from mailbearer.metering import OTHER, PROVIDERS
from tests.docs import source, template
from tests.docs.pages import first_column, page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RESOURCES: Mapping[str, Any] = template.template()["Resources"]
BODY: str = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
WIDGETS: list[dict[str, Any]] = json.loads(BODY)["widgets"]
ALARMS = template.resources("AWS::CloudWatch::Alarm")
QUERIES = template.resources("AWS::Logs::QueryDefinition")
# What AWS publishes, and by which dimension.
OF_AWS = {
    "AWS/SQS": (
        {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
        "QueueName",
        "AWS::SQS::Queue",
    ),
    "AWS/Lambda": ({"Duration", "Errors", "Throttles"}, "FunctionName", "AWS::Serverless::Function"),
    "AWS/ApiGateway": ({"Count", "4xx", "5xx", "Latency"}, "ApiId", "AWS::ApiGatewayV2::Api"),
}


def drawn() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Give namespace, name and dimensions of every metric that a widget names."""
    for widget in WIDGETS:
        for metric in widget["properties"].get("metrics", ()):
            if isinstance(metric[0], str):
                namespace, name, *rest = [part for part in metric if isinstance(part, str)]
                yield namespace, name, dict(zip(rest[::2], rest[1::2], strict=True))


def searched() -> Iterator[tuple[str, set[str]]]:
    """Give name and dimensions of every metric that a widget searches for."""
    for expression in re.findall(r"SEARCH\('([^']+)'", json.dumps(WIDGETS).replace('\\"', '"')):
        schema, name = re.fullmatch(r'\{Mailbearer,([\w,]+)\} MetricName="(\w+)"', expression).groups()  # type: ignore[union-attr]
        yield name, set(schema.split(","))


def measured() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give namespace, name and dimensions of every metric that an alarm looks at."""
    for alarm in ALARMS.values():
        stats = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
        for metric in stats or [alarm]:
            yield (
                metric["Namespace"],
                metric["MetricName"],
                {each["Name"]: each["Value"] for each in metric["Dimensions"]},
            )


def check(namespace: str, name: str, dimensions: Mapping[str, Any]) -> None:
    if namespace == "Mailbearer":
        assert {*dimensions} == {"service", *source.dimensions()[name]}
        assert dimensions["service"] in template.functions()
        assert dimensions.get("provider", OTHER) in {*PROVIDERS, OTHER}
        return
    names, dimension, kind = OF_AWS[namespace]
    assert name in names
    assert {*dimensions} == {dimension}
    (named,) = re.findall(
        r"\w{4,}", json.dumps(dimensions[dimension]).replace("Fn::GetAtt", "").replace("QueueName", "")
    )[:1]
    assert RESOURCES[named.removesuffix("Ref")]["Type"] == kind


def test_every_metric_of_the_dashboard_is_one_that_is_counted() -> None:
    found = list(drawn())
    assert len(found) > 30
    for namespace, name, dimensions in found:
        check(namespace, name, {key: value.strip("${}") for key, value in dimensions.items()})


def test_every_metric_that_is_searched_for_is_one_that_is_counted() -> None:
    found = dict(searched())
    assert found.keys() == {"messages", "message_problems", "token_refreshes"}
    for name, dimensions in found.items():
        assert dimensions == {"service", *source.dimensions()[name]}


def test_every_metric_of_an_alarm_is_one_that_is_counted() -> None:
    for namespace, name, dimensions in measured():
        plain = {
            key: next(iter(value.values())) if isinstance(value, dict) else value for key, value in dimensions.items()
        }
        check(namespace, name, {key: value[0] if isinstance(value, list) else value for key, value in plain.items()})


def test_the_dashboard_shows_every_alarm() -> None:
    (widget,) = [widget for widget in WIDGETS if widget["type"] == "alarm"]
    shown = [arn.rpartition(":alarm:mailbearer-${Stage}-")[2] for arn in widget["properties"]["alarms"]]
    assert sorted(shown) == sorted(template.alarms())


def test_what_the_dashboard_puts_in_is_in_the_template() -> None:
    pseudo = {"AWS::Region", "AWS::Partition", "AWS::AccountId", "Stage"}
    for name in set(re.findall(r"\$\{([^}]+)\}", BODY)) - pseudo:
        assert name.partition(".")[0] in RESOURCES


def test_no_widget_covers_another_and_none_leaves_the_page() -> None:
    cells: set[tuple[int, int]] = set()
    for widget in WIDGETS:
        across, down = (
            range(widget["x"], widget["x"] + widget["width"]),
            range(widget["y"], widget["y"] + widget["height"]),
        )
        own = {(x, y) for x in across for y in down}
        assert not own & cells
        assert across.stop <= 24
        cells |= own


def test_what_the_local_engine_refuses_is_for_aws_alone() -> None:
    for resource in RESOURCES.values():
        several = "Metrics" in resource.get("Properties", {})
        if several or resource["Type"] == "AWS::Logs::QueryDefinition":
            assert resource["Condition"] == "OnAws"


@pytest.mark.parametrize("kind", sorted({*PROVIDERS, OTHER} - {"sandbox"}))
def test_each_kind_of_provider_has_an_alarm_of_its_own(kind: str) -> None:
    (alarm,) = [each for each in ALARMS.values() if each["AlarmName"]["Fn::Sub"].endswith(f"-failures-{kind}")]
    ratio, *parts = alarm["Metrics"]
    looked_at = [{each["Name"]: each["Value"] for each in part["MetricStat"]["Metric"]["Dimensions"]} for part in parts]
    assert {each["provider"] for each in looked_at} == {kind}
    assert {each["outcome"] for each in looked_at} == {part["Id"] for part in parts} == {"sent", "failed", "deferred"}
    assert set(re.findall(r"FILL\((\w+), 0\)", ratio["Expression"])) == {part["Id"] for part in parts}


FIELDS = {
    "AuditLogGroup": {
        *json.loads(
            Link().extend(
                AuditEvent(id="1", at="2", actor="3", action="4", subject="5", outcome="6", reason="7", request_id="8")
            )[0]
        ),
        *(f"facts.{name}" for name in source.facts()),
    },
    "HttpApiLogGroup": set(json.loads(RESOURCES["HttpApiStage"]["Properties"]["AccessLogSettings"]["Format"])),
}
OF_FUNCTIONS = {"level", "message", "service", "exception", "exception_name", "request_id", "correlation_id"}
WORDS = {
    *("fields", "filter", "sort", "stats", "limit", "by", "as", "and", "or", "in", "asc", "desc"),
    *("count", "latest", "ispresent", "pct"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_saved_query_asks_for_fields_that_are_logged(name: str) -> None:
    query = QUERIES[name]
    groups = [group["Ref"] for group in query["LogGroupNames"]]
    known = set().union(*(FIELDS.get(group, OF_FUNCTIONS) for group in groups)) | {"@timestamp"}
    text = re.sub(r'#.*|"[^"]*"', "", query["QueryString"])
    made = set(re.findall(r" as (\w+)", text))
    words = set(re.findall(r"@?[a-z][\w.]*", text))
    assert words - WORDS - made <= known
    assert words & known


def test_actions_that_saved_queries_name_are_actions() -> None:
    named = {word for query in QUERIES.values() for word in re.findall(r'"([a-z]+\.[a-z_]+)"', query["QueryString"])}
    assert named
    assert named <= source.actions()


def test_tracing_is_off_unless_it_is_asked_for_and_reaches_every_function() -> None:
    assert template.template()["Parameters"]["TracingMode"]["Default"] == "None"
    assert template.template()["Globals"]["Function"]["Tracing"] == {"Fn::If": ["HasTracing", "Active", "PassThrough"]}
    policy = RESOURCES["TracingPolicy"]
    assert policy["Condition"] == "HasTracing"
    roles = {function["Role"]["Fn::GetAtt"][0] for function in template.functions().values()}
    assert {role["Ref"] for role in policy["Properties"]["Roles"]} == roles


def test_the_guide_lists_every_saved_query() -> None:
    names = {query["Name"]["Fn::Sub"].removeprefix("mailbearer-${Stage}/") for query in QUERIES.values()}
    rows = first_column(page("docs/how-to/watch-it.md").section("Logs"))
    assert sorted(rows) == sorted(names)
