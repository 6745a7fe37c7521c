"""The files that every project has."""

from __future__ import annotations

import hashlib
import re
import tomllib
from datetime import date

from tests.docs.pages import ROOT, page

CHANGELOG = page("CHANGELOG.md")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
_RELEASE = re.compile(r"\[(?P<version>\d+\.\d+\.\d+)\] - (?P<date>\d{4}-\d{2}-\d{2})")


def test_the_changelog_begins_with_what_is_unreleased_and_goes_back_in_time() -> None:
    title, first, *headings = [heading for heading in CHANGELOG.headings() if heading not in KINDS]
    assert (title, first) == ("Changelog", "[Unreleased]")
    releases = [match for heading in headings if (match := _RELEASE.fullmatch(heading))]
    assert len(releases) == len(headings) >= 1
    days = [date.fromisoformat(release["date"]) for release in releases]
    versions = [tuple(map(int, release["version"].split("."))) for release in releases]
    assert (days, versions) == (sorted(days, reverse=True), sorted(set(versions), reverse=True))


def test_the_newest_release_is_the_projects_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = next(match["version"] for heading in CHANGELOG.headings() if (match := _RELEASE.fullmatch(heading)))
    assert newest == version


def test_every_version_in_the_changelog_has_its_link() -> None:
    text = CHANGELOG.read()
    versions = set(re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE))
    assert versions == set(re.findall(r"^\[([^\]]+)\]: https://", text, re.MULTILINE))


def test_the_licence_is_the_apache_licence_unchanged() -> None:
    words = " ".join((ROOT / "LICENSE").read_text().split())
    assert (
        hashlib.sha256(words.encode()).hexdigest() == "0ffddef9e48f8a09aed5caf2d44f7ba1c1be2d9b8e0a6f693b1635b2d5566645"
    )
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "Apache-2.0"


def test_the_readme_says_what_it_is_in_ten_lines() -> None:
    lines = page("README.md").read().splitlines()
    assert lines[0] == "# Mailbearer"
    assert next(index for index, line in enumerate(lines) if line.startswith("![")) <= 12
