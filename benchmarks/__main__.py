"""`python -m benchmarks [init http smtp attachment batch audit cost] [--quick] [--json] [--output PATH]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import attachment, auditing, batch, cost, init, message, report
from benchmarks.effort import FULL, QUICK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.effort import Effort
    from benchmarks.figures import Row

MEASURES: dict[str, Callable[[Effort], list[Row]]] = {
    "init": init.measure,
    "http": message.measure_http,
    "smtp": message.measure_smtp,
    "attachment": attachment.measure,
    "batch": batch.measure,
    "audit": auditing.measure,
    "cost": cost.measure,
}
OUTPUT = Path(".mailbearer/bench.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show, write; gives 1 if a budget that has to hold does not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="measure", help=f"some of: {' '.join(MEASURES)}; default all")
    parser.add_argument("--quick", action="store_true", help="few repetitions, and this Python only")
    parser.add_argument("--json", action="store_true", help="print the JSON on standard output, the table beside it")
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"where the JSON goes; default {OUTPUT}")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.measures) - MEASURES.keys()):
        parser.error(f"there is no measure {', '.join(unknown)}; choose from {', '.join(MEASURES)}")
    # The table goes where it is not in the way of the JSON.
    console = Console(stderr=options.json, width=None if sys.stdout.isatty() else 170)
    effort = QUICK if options.quick else FULL
    begin = time.monotonic()
    rows: list[Row] = []
    for name in options.measures or MEASURES:
        console.print(f"[dim]measuring {name}[/]")
        rows += MEASURES[name](effort)
    whole = report.document(rows, quick=options.quick, seconds=time.monotonic() - begin)
    report.show(rows, console)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(whole, indent=1) + "\n")
    if options.json:
        sys.stdout.write(json.dumps(whole) + "\n")
    console.print(f"[dim]{whole['seconds']} s; {options.output}[/]")
    return 0 if whole["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
