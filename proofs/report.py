"""The tables: on the screen, in a file, and on the page of the documentation."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from proofs.specified import REVOKED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from proofs.crash import Row
    from proofs.crowd import Crowd
    from proofs.endings import Ending

CRASH_HEADS = (
    "crash point",
    "provider",
    "token calls",
    "what the next process found",
    "until then",
    "outcome",
    "grant kept",
)
FAULT_HEADS = ("fault", "provider", "calls", "state", "nobody asks for", "sends go on", "audit", "then")
CROWD_HEADS = ("at once", "processes", "served", "deferred", "token calls", "secret versions", "grant kept", "s")
_BEGIN, _END = "<!-- {}: written by `make crash PAGE=1` -->", "<!-- end of {} -->"

Line = tuple[str, ...]


def crash_lines(rows: Iterable[Row]) -> list[Line]:
    """Write a line for each crash point, one for all providers at which it came to the same."""
    lines: list[Line] = []
    in_order = sorted(rows, key=lambda row: (row.number, row.answered))
    for (number, answered), at_point in itertools.groupby(in_order, key=lambda row: (row.number, row.answered)):
        alike: dict[Line, list[str]] = {}
        for row in at_point:
            seen = row.seen
            what: Line = (str(seen.token_calls), seen.found, seen.meanwhile, seen.outcome, _yes(seen.kept))
            point = f"{number + 1} {'after' if answered else 'before'} {row.call}"
            alike.setdefault((point, *what), []).append(row.case)
        lines += sorted((what[0], ", ".join(sorted(providers)), *what[1:]) for what, providers in alike.items())
    return lines


def fault_lines(endings: Iterable[Ending], *, measured: bool) -> list[Line]:
    """Write a line for each fault; the pause as it was measured, or within which bounds it has to be."""
    return [
        (
            each.fault,
            each.provider,
            str(each.seen.token_calls),
            each.seen.state + (", answer lost" if each.seen.lost else "") + _life(each.seen.life),
            _pause(each.seen.pause if measured else each.expected.pause),
            _yes(each.seen.serves),
            # Each begins with the intent, which is the same everywhere.
            "; ".join(each.seen.audit[1:]),
            each.seen.after,
        )
        for each in sorted(endings, key=lambda each: each.place)
    ]


def crowd_lines(crowds: Iterable[Crowd]) -> list[Line]:
    """Write a line for each crowd."""
    return [
        (
            each.what,
            str(each.processes),
            f"{each.served} of {each.wanted}",
            str(each.deferred),
            str(each.token_calls),
            str(each.versions_written),
            _yes(each.kept),
            f"{each.seconds:.1f}",
        )
        for each in crowds
    ]


def table(title: str, heads: Sequence[str], lines: Iterable[Line]) -> Table:
    """Make a table for the screen."""
    shown = Table(*heads, title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for line in lines:
        shown.add_row(*map(escape, line))
    return shown


def window(rows: Sequence[Row]) -> str:
    """Name and count the one window that nobody can close."""
    rows, _ = halves(rows)
    inside = [row for row in rows if row.in_the_window]
    points = sorted({(row.number, row.answered) for row in inside})
    of = len({(row.number, row.answered) for row in rows})
    lost = [row for row in rows if not row.seen.kept]
    return (
        f"The window (the provider has answered, the vault does not hold it yet) is {len(points)} of {of} points.\n"
        f"Grants lost: {len(lost)} of {len(rows)} crashes, {sum(row.in_the_window for row in lost)} of them in the "
        f"window, at the providers: {', '.join(sorted({row.case for row in lost})) or 'none'}."
    )


def markdown(heads: Sequence[str], lines: Iterable[Line]) -> str:
    """Make a table for the page."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines))


def parts(rows: Sequence[Row], endings: Sequence[Ending]) -> dict[str, str]:
    """Write what stands on the page, by name."""
    living, dead = halves(rows)
    tables = {
        "crash points": markdown(CRASH_HEADS, crash_lines(living)) if living else "",
        "refused": markdown(CRASH_HEADS, crash_lines(dead)) if dead else "",
        "faults": markdown(FAULT_HEADS, fault_lines(endings, measured=False)) if endings else "",
    }
    return tables | {"window": window(rows) if rows else ""}


def halves(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Give the crashes of refreshes that a provider answers, and those of refreshes that it refuses."""
    return [row for row in rows if row.case != REVOKED], [row for row in rows if row.case == REVOKED]


def write_page(page: Path, written: dict[str, str]) -> None:
    """Put tables into their places on the page."""
    text = page.read_text()
    for name, content in written.items():
        begin, end = _BEGIN.format(name), _END.format(name)
        if content:
            before, _, rest = text.partition(begin)
            text = f"{before}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}"
    page.write_text(text)


def _yes(truth: bool) -> str:  # noqa: FBT001
    return "yes" if truth else "no"


def _pause(pause: tuple[float, float]) -> str:
    first, last = pause
    if not last:
        return ""
    return f"{last:g} s" if first == last else f"{first:g} to {last:g} s"


def _life(life: float | None) -> str:
    return f", token of {life:g} s" if life else ""
