"""Every link leads somewhere, and every page is led to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailbearer.http import PROBLEM_BASE
from tests.docs.pages import ROOT, Page, page, pages

PAGES = pages()


@pytest.mark.parametrize("each", PAGES, ids=str)
def test_every_relative_link_and_anchor_exists(each: Page) -> None:
    broken = [target for target in each.links() if not leads_somewhere(each, target)]
    assert broken == []


def leads_somewhere(each: Page, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return target.startswith("https://")
    file, _, anchor = target.partition("#")
    path = (each.path.parent / file).resolve() if file else each.path
    if not path.exists() or not path.is_relative_to(ROOT):
        return False
    return not anchor or anchor in Page(path).anchors()


def test_the_index_names_every_page_of_the_documentation() -> None:
    index = page("docs/README.md")
    named = {(index.path.parent / target.partition("#")[0]).resolve() for target in index.links()}
    with_an_index = {ROOT / "docs/decisions", ROOT / "docs/runbooks"}
    expected = {each.path for each in PAGES if each.path.is_relative_to(ROOT / "docs")} - {index.path}
    assert {path for path in expected if path.parent not in with_an_index or path.name == "README.md"} - named == set()


def test_the_readme_leads_to_the_index_and_to_what_every_project_has() -> None:
    targets = set(page("README.md").links())
    assert {"docs/README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"} <= targets


def test_the_type_of_a_problem_leads_to_the_page_of_problems() -> None:
    path = PROBLEM_BASE.partition("/blob/main/")[2].removesuffix("#")
    assert (ROOT / path) == page("docs/reference/problems.md").path


@pytest.mark.parametrize("each", PAGES, ids=str)
def test_a_page_has_one_title_and_no_line_that_ends_in_blanks(each: Page) -> None:
    assert sum(line.startswith("# ") for line in each.prose()) == 1
    assert [line for line in each.read().splitlines() if line != line.rstrip()] == []


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    picture = Path(ROOT / "docs/images/flow.svg").read_text()
    assert re.findall(r"(?:href|src)=\"|url\((?!#)|<script|@import", picture) == []
    assert "prefers-color-scheme: dark" in picture
