from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.ids import rfc3339
from tests.integration.cli import stacks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Operator

LEDGERS = "ledgers-1"


@pytest.fixture
def operator_of_all(deployed: Operator, aws: stacks.AwsEndpoint) -> Operator:
    """Somebody whose stage has what the practices look at, but no function and no alarm."""
    aws.stacks["mailbearer-prod"] |= {
        "LedgersTableName": LEDGERS,
        "SigningKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1",
    }
    stacks.client("dynamodb").create_table(
        TableName=LEDGERS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "account", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "account", "KeyType": "HASH"}],
    )
    return deployed


def kept(operator: Operator, **row: Any) -> dict[str, Any]:
    """Keep a report of one row, as the schedule does."""
    seen = {"outcome": "fail", "seen": "The schedule is off.", "remedy": "Switch it on."}
    wrong = {"number": 7, "practice": "expiry", "outcome": "fail", "evidence": [seen]}
    report = {"stage": "prod", "at": rfc3339(operator.clock.now), "passed": 0, "warned": 0, "failed": 1}
    report |= {"practices": [wrong | row]}
    key = "practices/" + rfc3339(operator.clock.now)[:19].replace(":", "-") + "Z.json"
    stacks.client("s3").put_object(Bucket=stacks.ARCHIVE, Key=key, Body=json.dumps(report))
    return report


def test_every_practice_has_its_row_and_one_that_is_not_kept_ends_with_1(operator_of_all: Operator) -> None:
    done = operator_of_all("practices", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert [row["number"] for row in report["practices"]] == list(range(1, 16))
    assert report["failed"] == sum(row["outcome"] == "fail" for row in report["practices"])
    seen = [each for row in report["practices"] for each in row["evidence"]]
    assert {each["seen"]: each["remedy"] for each in seen if each["seen"].startswith("Not deployed: messages-api")}
    assert all(bool(each["remedy"]) == (each["outcome"] != "pass") for each in seen)


def test_a_person_reads_a_table_and_below_it_what_to_do_the_worst_first(operator_of_all: Operator) -> None:
    done = operator_of_all("practices")
    assert done.exit_code == 1
    table, _, todo = done.stdout.partition("What to do:")
    assert table.splitlines()[1].split()[:3] == ["1", "understand", "OAuth2"]
    assert "not kept. Stage prod" in table
    assert todo.splitlines()[2].strip()
    assert "deploy" in todo.lower()


def test_the_newest_kept_report_is_shown_and_nothing_is_looked_at(operator_of_all: Operator) -> None:
    report = kept(operator_of_all)
    done = operator_of_all("practices", "--report", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (1, report)
    shown = operator_of_all("practices", "--report").stdout
    assert "The schedule is off." in shown
    assert "   Switch it on." in shown


def test_without_a_kept_report_it_says_so(operator_of_all: Operator) -> None:
    done = operator_of_all("practices", "--report")
    assert done.exit_code == 1
    assert "has not kept a report" in done.stderr


def test_the_page_holds_every_row_and_lets_nothing_of_a_report_become_markup(
    operator_of_all: Operator, tmp_path: Path
) -> None:
    kept(operator_of_all, practice="<script>alert(1)</script>")
    page = tmp_path / "practices.html"
    assert operator_of_all("practices", "--report", "--html", str(page)).exit_code == 1
    written = page.read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in written
    assert re.findall(r"<script|(?:src|href)=|url\(|@import", written) == []
    assert ("The schedule is off." in written, "Switch it on." in written, "<details open>" in written) == (True,) * 3


def test_a_page_that_cannot_be_written_is_said_to_be_so(operator_of_all: Operator, tmp_path: Path) -> None:
    kept(operator_of_all)
    done = operator_of_all("practices", "--report", "--html", str(tmp_path))
    assert (done.exit_code, "cannot be written" in done.stderr) == (2, True)
