"""`make crash`, of refreshes: what it shows holds, and the page of the documentation shows the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proofs.faults import FAULTS
from tests.docs.pages import ROOT

SECONDS = 280
"""How long it may take on a busy machine; alone it takes a minute."""
pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.long, pytest.mark.timeout(SECONDS + 20)]

ANSWERED = ("kept", "renewed", "rotated")
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run what `make crash` runs of refreshes, in an interpreter of its own: forking wants one thread."""
    output = tmp_path_factory.mktemp("proofs") / "proofs.json"
    done = subprocess.run(
        [sys.executable, "-m", "proofs", "crowd", "crash", "faults", "--output", str(output)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert output.exists(), f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
    shown: dict[str, Any] = json.loads(output.read_text())
    return shown | {"returncode": done.returncode, "stderr": done.stderr}


@pytest.fixture(scope="module")
def crashes(proofs: dict[str, Any]) -> Rows:
    found: Rows = proofs["crash"]
    return found


def test_the_command_succeeds_if_everything_holds_and_has_nothing_to_complain_of(proofs: dict[str, Any]) -> None:
    assert (proofs["returncode"], proofs["stderr"]) == (0, "")


# --- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "wanted"), [("200 refreshers", 200), ("50 messages", 50)])
def test_many_at_once_on_an_expired_token_make_one_token_request_and_all_are_served(
    proofs: dict[str, Any], what: str, wanted: int
) -> None:
    (crowd,) = (each for each in proofs["crowd"] if each["what"] == what)
    assert (crowd["wanted"], crowd["served"]) == (wanted, wanted)
    assert (crowd["token_calls"], crowd["tokens"], crowd["versions_written"]) == (1, 1, 1)
    assert crowd["kept"]
    assert crowd["processes"] > 1


# --- crash points -----------------------------------------------------------------------------------------------------


def test_every_call_of_a_refresh_is_a_crash_point_before_and_after_its_effect(crashes: Rows) -> None:
    for case in (*ANSWERED, "revoked"):
        points = [(row["number"], row["answered"]) for row in crashes if row["case"] == case]
        assert points == [(number, answered) for number in range(len(points) // 2) for answered in (False, True)]
    calls = [row["call"] for row in crashes if row["case"] == "rotated" and not row["answered"]]
    assert calls.count("POST token") == calls.count("Secrets Manager PutSecretValue (accounts)") == 1
    assert len(calls) > 10


def test_every_crash_ends_as_the_specification_says(crashes: Rows) -> None:
    assert [row for row in crashes if row["seen"] != row["expected"] or not row["holds"]] == []


def test_a_grant_is_lost_only_where_the_provider_has_rotated_it_and_the_vault_does_not_hold_it_yet(
    crashes: Rows,
) -> None:
    lost = {(row["number"], row["answered"]) for row in crashes if row["case"] in ANSWERED and not row["seen"]["kept"]}
    rotated = [row for row in crashes if row["case"] == "rotated"]
    calls = [row["call"] for row in rotated]
    first = calls.index("POST token") + 1
    last = calls.index("Secrets Manager PutSecretValue (accounts)")
    assert lost == {(row["number"], row["answered"]) for row in rotated[first : last + 1]}
    assert {row["case"] for row in crashes if row["case"] in ANSWERED and not row["seen"]["kept"]} == {"rotated"}
    outcomes = {row["seen"]["outcome"] for row in crashes if row["in_the_window"] and row["case"] == "rotated"}
    assert outcomes == {"consent_required (rotation_lost_or_revoked)"}


def test_outside_the_window_a_crash_costs_no_second_token_call(crashes: Rows) -> None:
    outside = [row for row in crashes if row["case"] in ANSWERED and not row["in_the_window"]]
    assert {row["seen"]["token_calls"] for row in outside} == {1}


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(len(FAULTS)), ids=[f"{each.name}-{each.provider}" for each in FAULTS])
def test_a_fault_of_the_token_endpoint_ends_in_the_state_that_is_specified(proofs: dict[str, Any], place: int) -> None:
    (ending,) = (each for each in proofs["faults"] if each["place"] == place)
    first, last = ending["expected"].pop("pause")
    pause, _ = ending["seen"].pop("pause")
    assert first <= pause <= last
    assert ending["seen"] == ending["expected"]


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["crash points", "window", "refused", "faults"])
def test_the_page_shows_what_a_run_shows(proofs: dict[str, Any], name: str) -> None:
    page = Path(ROOT / "docs/explanation/crash-points.md").read_text()
    assert proofs["page"][name] in page
