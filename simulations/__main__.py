"""`python -m simulations [--quick]`: show what the schedule does with many mailboxes and over days, and a flood."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from rich.console import Console

from simulations import fairness, hour, memory, report, week

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and show; gives 1 if something that has to hold does not."""
    parser = argparse.ArgumentParser(prog="python -m simulations", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the mailboxes")
    share = 10 if parser.parse_args(arguments).quick else 1
    console = Console(width=None if sys.stdout.isatty() else 120)
    begin = time.monotonic()
    # Each simulation is one thread at a time, so each has a core of its own.
    with ProcessPoolExecutor(2) as pool:
        spread = pool.submit(hour.simulate, 10_000 // share)
        days = pool.submit(week.simulate, 180 // share)
        at_once = pool.submit(hour.simulate, 2_000 // share, spread=1.0)
        peaks = {accounts: pool.submit(memory.peak, accounts) for accounts in (1_000, 10_000)}
        quiet = pool.submit(fairness.simulate, None)
        floods = [
            pool.submit(fairness.simulate, flood, fair_queue=fair)
            for flood in fairness.FLOODS
            for fair in (False, True)
        ]
        hours = [spread.result(), at_once.result()]
        held = report.show_hours(hours, {accounts: peak.result() for accounts, peak in peaks.items()}, console)
        held = report.show_week(days.result(), console) and held
        held = report.show_fairness(quiet.result(), [flood.result() for flood in floods], console) and held
    console.print(f"[dim]{time.monotonic() - begin:.0f} s[/]")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
