"""The tables of messages' lives: one for each road, with a line for each call."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

from proofs.report import markdown
from proofs.strikes import How

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from proofs.lives import Row
    from proofs.report import Line

HEADS = ("call", *How)


def by_road(rows: Iterable[Row]) -> Iterator[tuple[str, list[Line]]]:
    """Give each road's name and lines, in their order."""
    in_order = sorted(rows, key=lambda row: (row.place, row.number))
    for road, of_road in itertools.groupby(in_order, key=lambda row: row.road):
        lines = []
        for (number, call), at_call in itertools.groupby(of_road, key=lambda row: (row.number, row.call)):
            ends = {row.how: row.seen.told for row in at_call}
            lines.append((f"{number + 1} {call}", *(ends.get(how, "") for how in How)))
        yield road, lines


def page(rows: Iterable[Row]) -> str:
    """Write all roads for the page of the documentation."""
    return "\n\n".join(f"### {road.capitalize()}\n\n{markdown(HEADS, lines)}" for road, lines in by_road(rows))


def totals(rows: Iterable[Row]) -> str:
    """Count how the messages ended."""
    ends = Counter(row.seen.told for row in rows)
    told = "; ".join(f"{number} {end}" for end, number in ends.most_common())
    return f"{ends.total()} messages were struck: {told}."
