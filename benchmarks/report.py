"""The report: a table to read, and the same as JSON."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from benchmarks.figures import Row, Series

SCHEMA = 1
_COLOURS = {"stretch": "green", "must": "green", "failed": "bold red", "": "dim"}


def document(rows: Sequence[Row], *, quick: bool, seconds: float) -> dict[str, Any]:
    """Give the report as JSON; `passed` says whether every budget holds."""
    return {
        "schema": SCHEMA,
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "machine": {
            "python": platform.python_version(),
            "system": platform.system(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
        },
        "quick": quick,
        "seconds": round(seconds, 1),
        "passed": all(row.verdict != "failed" for row in rows),
        "rows": [row.as_dict() for row in rows],
    }


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table, the yardsticks in full below it, and the bill line by line."""
    table = Table(title="median (min - max); the ratio is of the medians", title_justify="left", box=None)
    for heading in ("", "figure", "yardstick", "ratio", "must", "stretch", ""):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for row in rows:
        colour = _COLOURS[row.verdict]
        table.add_row(
            f"[{colour}]{row.name}[/]",
            _figure(row.figure, row.unit),
            _figure(row.yardstick, row.unit) if row.yardstick else "",
            f"{row.ratio:.2f}x" if row.ratio is not None else "",
            _budget(row, row.must),
            _budget(row, row.stretch),
            f"[{colour}]{row.verdict}[/]",
        )
    console.print(table)
    for against in dict.fromkeys((row.measure, row.against) for row in rows if row.against):
        console.print(f"[dim]{against[0]}: against {against[1]}[/]")
    for row in rows:
        if "bill" in row.details:
            console.print(_bill(row))


def _bill(row: Row) -> Table:
    table = Table(title=f"\n{row.name}: the bill", title_justify="left", box=None)
    for heading in ("share", "part", "unit", "quantity", "USD"):
        table.add_column(heading, justify="right" if heading in {"quantity", "USD"} else "left")
    for line in row.details["bill"]:
        table.add_row(line["share"], line["part"], line["unit"], f"{line['quantity']:,.0f}", f"{line['usd']:.6f}")
    for share, dollars in row.details["shares"].items():
        table.add_row(f"[bold]{share}[/]", "", "", "", f"[bold]{dollars:.6f}[/]")
    return table


def _figure(series: Series, unit: str) -> str:
    if unit == "USD":
        return f"${series.median:.5f}"
    if len(series.values) == 1:
        return f"{series.median * 1000:.1f} ms"
    low, high = min(series.values), max(series.values)
    return f"{series.median * 1000:.2f} ms ({low * 1000:.2f} - {high * 1000:.2f})"


def _budget(row: Row, budget: float | None) -> str:
    if budget is None:
        return ""
    return f"${budget:.4f}" if row.unit == "USD" else f"{budget:.2f}x"
