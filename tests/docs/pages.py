"""Reading the documentation: pages, fenced blocks with their marks, headings, links, tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"(?P<fence>`{3,})(?P<language>\w*)")
_MARK = re.compile(r"<!-- test: (?P<mark>.+) -->")
_HEADING = re.compile(r"#{1,6} +(?P<text>.+)")
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")
_CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: where it begins, its language and content, and the mark on the line before it."""

    page: Path
    line: int
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the documentation."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    def read(self) -> str:
        """Read the whole page."""
        return _read(self.path)

    def blocks(self) -> list[Block]:
        """Give the page's fenced blocks, and marks that stand alone as blocks without language, in their order."""
        found: list[Block] = []
        lines = self.read().splitlines()
        mark, index = "", 0
        while index < len(lines):
            line = lines[index].strip()
            fence = _FENCE.fullmatch(line)
            if fence:
                end = next(at for at in range(index + 1, len(lines)) if lines[at].strip() == fence["fence"])
                text = "\n".join(lines[index + 1 : end]) + "\n"
                found.append(Block(page=self.path, line=index + 1, language=fence["language"], text=text, mark=mark))
                mark, index = "", end
            elif marked := _MARK.fullmatch(line):
                mark = marked["mark"]
            elif mark and not line:
                found.append(Block(page=self.path, line=index, language="", text="", mark=mark))
                mark = ""
            index += 1
        return found

    def prose(self) -> list[str]:
        """Give the lines outside fenced blocks."""
        lines, inside = [], ""
        for line in self.read().splitlines():
            fence = _FENCE.fullmatch(line.strip())
            if inside:
                inside = "" if line.strip() == inside else inside
            elif fence:
                inside = fence["fence"]
            else:
                lines.append(line)
        return lines

    def headings(self) -> list[str]:
        """Give the headings' texts."""
        return [match["text"] for line in self.prose() if (match := _HEADING.fullmatch(line))]

    def anchors(self) -> set[str]:
        """Give the anchors that GitHub makes of the headings."""
        anchors: set[str] = set()
        for heading in self.headings():
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
            anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            number, unique = 0, anchor
            while unique in anchors:
                number += 1
                unique = f"{anchor}-{number}"
            anchors.add(unique)
        return anchors

    def links(self) -> list[str]:
        """Give the targets of the links outside code."""
        prose = _CODE_SPAN.sub(lambda match: "`" if "](" in match[0] else match[0], "\n".join(self.prose()))
        return [match["target"] for match in _LINK.finditer(prose)]

    def section(self, heading: str) -> str:
        """Give what stands below a heading, down to the next of its rank or a higher one."""
        level = next(
            line for line in self.read().splitlines() if line.lstrip("#").strip() == heading and line.startswith("#")
        )
        rank = len(level) - len(level.lstrip("#"))
        after = self.read().partition(f"{level}\n")[2]
        return re.split(rf"^#{{1,{rank}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


@cache
def _read(path: Path) -> str:
    return path.read_text()


@cache
def pages() -> list[Page]:
    """Give every page: the root's and those under docs."""
    return [Page(path) for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))]


def page(name: str) -> Page:
    """Give one page by its path in the checkout."""
    return Page(ROOT / name)


@cache
def blocks() -> list[Block]:
    """Give every block of every page."""
    return [block for each in pages() for block in each.blocks()]


def first_column(text: str) -> list[str]:
    """Give what stands in backticks in the first column of the tables of a text, one entry a row."""
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    return list(rows)
