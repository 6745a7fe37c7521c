"""What is said to cost by the month is what the template holds."""

from __future__ import annotations

import re

from tests.docs import template
from tests.docs.pages import page

SECTION = page("docs/performance.md").section("By the month")


def row(beginning: str) -> list[str]:
    """Give the cells of the one row that begins so."""
    (found,) = [line for line in SECTION.splitlines() if line.startswith(f"| {beginning}")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_alarms_are_counted_by_the_metrics_they_look_at() -> None:
    alarms = template.resources("AWS::CloudWatch::Alarm").values()
    looked_at = sum(
        sum("MetricStat" in each for each in alarm["Metrics"]) if "Metrics" in alarm else 1 for alarm in alarms
    )
    _, each, count, dollars = row("alarms")
    assert (int(count), float(dollars)) == (looked_at, round(looked_at * float(each), 2))


def test_keys_dashboards_and_polled_queues_are_those_of_the_template() -> None:
    kinds = {"KMS key that": "AWS::KMS::Key", "dashboard": "AWS::CloudWatch::Dashboard"}
    assert {name: int(row(name)[2]) for name in kinds} == {
        name: len(template.resources(kind)) for name, kind in kinds.items()
    }
    assert int(row("polling")[2]) == len(template.resources("AWS::Lambda::EventSourceMapping"))


def test_the_sum_is_the_sum_of_the_rows() -> None:
    rows = ("alarms", "metrics", "dashboard", "KMS key that", "polling")
    said = re.search(r"about \$([\d.]+) and", SECTION)
    assert said is not None
    assert abs(sum(float(row(name)[3]) for name in rows) - float(said[1])) < 0.05
