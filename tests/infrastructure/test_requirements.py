"""What the requirement files promise: everything pinned with hashes, nothing about where it comes from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
COMPILED = {
    "layer": ROOT / "layers/core/requirements.txt",
    "run": ROOT / "requirements/run.txt",
    "test": ROOT / "requirements/test.txt",
    "bench": ROOT / "requirements/bench.txt",
    "build": ROOT / "requirements/build.txt",
}


def pins(path: Path) -> dict[str, set[str]]:
    """Give the pinned versions by distribution; more than one where markers choose among them."""
    found: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.removesuffix("\\").strip())
            found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    return found


def wishes(path: Path) -> list[Requirement]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    own = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]
    included = [line.removeprefix("-r").strip() for line in lines if line.startswith("-r")]
    return own + [wish for name in included for wish in wishes(path.parent / name)]


@pytest.mark.parametrize("name", COMPILED)
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    entries = re.split(r"\n(?=[a-zA-Z0-9])", COMPILED[name].read_text())[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9_.\[\]-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("name", COMPILED)
def test_no_file_says_where_packages_come_from(name: str) -> None:
    text = COMPILED[name].read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links| @ |^-e", text, re.MULTILINE)


@pytest.mark.parametrize("name", COMPILED)
def test_the_pins_are_what_was_asked_for(name: str) -> None:
    pinned = pins(COMPILED[name])
    for wish in wishes(ROOT / f"requirements/{name}.in"):
        versions = pinned[canonicalize_name(wish.name)]
        assert all(wish.specifier.contains(version.removeprefix("==")) for version in versions), wish


@pytest.mark.parametrize(("part", "whole"), [("layer", "run"), ("run", "test")])
def test_the_same_versions_are_tested_run_and_shipped(part: str, whole: str) -> None:
    assert pins(COMPILED[part]).items() <= pins(COMPILED[whole]).items()


def test_boto3_and_botocore_are_of_one_release() -> None:
    run = pins(COMPILED["run"])
    assert run["boto3"] == run["botocore"]


def test_the_layer_leaves_boto3_to_the_runtime() -> None:
    assert not {"boto3", "botocore", "s3transfer"} & pins(COMPILED["layer"]).keys()
