"""`make crash`, of messages: the page holds what the specification wants, and one of its roads is walked anew."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proofs.fates import expected
from proofs.life import Call
from proofs.lives_report import HEADS
from proofs.roads import ROADS, Road
from proofs.strikes import How, Strike, ways
from tests.docs.pages import ROOT

SECONDS = 280
"""How long the road may take on a busy machine; alone it takes a quarter of a minute."""
WALKED = ("over HTTP",)

_LINE = re.compile(r"\| (\d+) (\d+) (\w+): (.*?) \|(.*)\|")


def section(road: str) -> str:
    """Give what the page shows of a road."""
    page = Path(ROOT / "docs/explanation/crash-points.md").read_text()
    _, found, rest = page.partition(f"### {road.capitalize()}\n\n")
    assert found, f"the page has no road {road!r}"
    return re.split(r"\n\n", rest, maxsplit=1)[0]


def shown(road: str) -> tuple[list[int], list[Call], list[list[str]]]:
    """Read the lines of a road: the numbers of its calls, the calls, and how each way of striking one ended."""
    lines = [match.groups() for match in map(_LINE.fullmatch, section(road).splitlines()) if match]
    calls = [Call(int(process) - 1, function, name) for _, process, function, name, _ in lines]
    return [int(line[0]) for line in lines], calls, [[end.strip() for end in line[4].split("|")] for line in lines]


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.name)
def test_each_message_on_the_page_ended_as_the_specification_says(road: Road) -> None:
    numbers, calls, ends = shown(road.name)
    assert len(calls) > 4
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    wanted = [
        [expected(road, calls, Strike(number, how)).told if how in ways(call.name) else "" for how in How]
        for number, call in enumerate(calls)
    ]
    assert ends == wanted


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.name)
def test_no_message_on_the_page_is_lost_and_none_is_mailed_twice_unless_its_caller_said_so(road: Road) -> None:
    ends = {end for of_call in shown(road.name)[2] for end in of_call if end}
    most_once = {"sent 1", "unknown 0", "unknown 1"}
    assert ends <= (
        most_once if not road.resends else {"sent 1", "sent 2"} if road.mails == 1 else {"sent 2", "sent 3"}
    )


def test_the_page_has_these_roads_and_no_others() -> None:
    page = Path(ROOT / "docs/explanation/crash-points.md").read_text()
    _, _, lives = page.partition("<!-- lives: written")
    assert re.findall(r"^### (.*)$", lives, re.MULTILINE) == [road.name.capitalize() for road in ROADS]
    assert lives.count(f"| {' | '.join(HEADS)} |") == len(ROADS)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Walk it as `make crash` does, in an interpreter of its own: forking wants a process with one thread."""
    output = tmp_path_factory.mktemp("lives") / "proofs.json"
    roads = [part for road in WALKED for part in ("--road", road)]
    done = subprocess.run(
        [sys.executable, "-m", "proofs", "lives", *roads, "--output", str(output)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert output.exists(), f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
    found: dict[str, Any] = json.loads(output.read_text())
    return found | {"returncode": done.returncode, "stderr": done.stderr}


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.long
@pytest.mark.timeout(SECONDS + 20)
def test_a_message_that_is_struck_anywhere_ends_as_the_specification_says(walked: dict[str, Any]) -> None:
    assert [row for row in walked["lives"] if row["seen"] != row["expected"] or not row["holds"]] == []
    assert (walked["returncode"], walked["stderr"]) == (0, "")


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.long
@pytest.mark.timeout(SECONDS + 20)
@pytest.mark.parametrize("road", WALKED)
def test_the_page_shows_what_a_walk_shows(walked: dict[str, Any], road: str) -> None:
    assert section(road) in walked["page"]["lives"]
