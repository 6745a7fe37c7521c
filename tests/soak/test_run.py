"""`make soak`, small: what it prints adds up, and nothing is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 280
COUNT = 60
pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.long, pytest.mark.timeout(SECONDS + 20)]


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run it in an interpreter of its own, as `make soak` does."""
    output: Path = tmp_path_factory.mktemp("soak") / "soak.json"
    arguments = ("--count", str(COUNT), "--seed", "4", "--every", "3", "--visibility", "20", "--output", str(output))
    done = subprocess.run(
        [sys.executable, "-m", "soak", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert output.exists(), f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
    shown: dict[str, Any] = json.loads(output.read_text())
    return shown | {"returncode": done.returncode, "stdout": done.stdout}


def test_everything_is_accounted_for(sheet: dict[str, Any]) -> None:
    assert (sheet["wrong"], sheet["returncode"]) == ([], 0)


def test_the_columns_add_up_to_what_was_ordered(sheet: dict[str, Any]) -> None:
    assert sum(sheet["columns"].values()) == COUNT
    assert not {"waiting", "lost"} & sheet["columns"].keys()


def test_processes_were_killed(sheet: dict[str, Any]) -> None:
    assert sum(sheet["killed"].values()) > 0


def test_the_balance_and_the_seed_are_shown(sheet: dict[str, Any]) -> None:
    assert "What became of every message" in sheet["stdout"]
    assert f"{COUNT} messages, seed 4" in sheet["stdout"]
