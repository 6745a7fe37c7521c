"""`make crash`, of incidents, digests, notices and the audit log: what it shows holds, and the page shows the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

SECONDS = 400
"""How long it may take on a busy machine; alone it takes two minutes."""
pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.long, pytest.mark.timeout(SECONDS + 20)]


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run these parts of `make crash` in an interpreter of its own: forking wants one thread."""
    output = tmp_path_factory.mktemp("trust") / "proofs.json"
    parts = ("unwritten", "notices", "digests", "incidents")
    done = subprocess.run(
        [sys.executable, "-m", "proofs", *parts, "--output", str(output)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert output.exists(), f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
    shown: dict[str, Any] = json.loads(output.read_text())
    return shown | {"returncode": done.returncode, "stderr": done.stderr}


def test_the_command_succeeds_if_everything_holds_and_has_nothing_to_complain_of(proofs: dict[str, Any]) -> None:
    wrong = [
        row for part in ("incidents", "digests", "notices", "unwritten") for row in proofs[part] if not row["holds"]
    ]
    assert wrong == []
    assert (proofs["returncode"], proofs["stderr"]) == (0, "")


def test_twenty_commands_and_more_are_killed_before_and_after_the_incident_is_on_record(proofs: dict[str, Any]) -> None:
    rows = proofs["incidents"]
    assert len(rows) > 20
    assert {row["seen"]["found"] for row in rows} == {"nothing", "declared", "shut"}
    assert {row["seen"]["message"] for row in rows if row["seen"]["found"] == "shut"} == {"held 0"}


def test_an_auditor_is_killed_with_and_without_having_made_its_digest(proofs: dict[str, Any]) -> None:
    rows = proofs["digests"]
    assert {row["seen"]["found"] for row in rows} == {0, 1}
    assert all(row["seen"]["good"] and row["seen"]["numbers"] and not row["seen"]["twice"] for row in rows)


def test_every_notice_comes_at_least_once_and_under_one_id(proofs: dict[str, Any]) -> None:
    rows = proofs["notices"]
    assert len(rows) > 20
    assert all(row["seen"]["times"] > 0 and row["seen"]["ids"] == 1 for row in rows)


def test_events_that_the_log_refuses_are_kept_and_written_once_it_takes_them(proofs: dict[str, Any]) -> None:
    (seen,) = proofs["unwritten"]
    assert (seen["meanwhile"], seen["left"], seen["good"]) == (0, 0, True)
    assert seen["kept"] > 0
    assert seen["whole"] == seen["messages"] == seen["sent"]


@pytest.mark.parametrize("name", ["digests", "notices"])
def test_the_page_shows_what_a_run_shows(proofs: dict[str, Any], name: str) -> None:
    assert proofs["page"][name] in Path(ROOT / "docs/explanation/crash-points.md").read_text()
