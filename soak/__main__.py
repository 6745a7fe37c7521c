"""`python -m soak [--count N] [--seed N] [--output PATH]`: load both doors, kill, and print the balance sheet."""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from proofs.ground import prepared
from sandbox import local
from sandbox.deploy import DeployError
from sandbox.engine import EngineError
from soak import report
from soak.doors import DoorError
from soak.ears import Ears
from soak.run import Soak
from soak.trouble import EVERY, VISIBILITY, TroubleError

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT = 10_000
FORESEEN = (DoorError, TroubleError, DeployError, EngineError, local.LocalError)
WIDTH = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; gives 1 if anything is not accounted for."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help=f"how many messages ({COUNT})")
    parser.add_argument("--seed", type=int, help="of an earlier run, to plan the same load again")
    parser.add_argument("--every", type=float, default=EVERY, help=f"seconds between two kills, on average ({EVERY:g})")
    hidden = f"seconds for which a dead worker's copies stay hidden ({VISIBILITY})"
    parser.add_argument("--visibility", type=int, default=VISIBILITY, help=hidden)
    parser.add_argument("--output", type=Path, help="where to write the balance sheet, as JSON")
    options = parser.parse_args(arguments)
    if options.count < 1 or options.every <= 0 or options.visibility < 1:
        parser.error("--count and --visibility are at least 1, and --every is above 0")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(f"{options.count} messages, seed {seed}; the stack starts")
    local.stop_on_signals()
    try:
        with prepared() as ground, Ears() as ears:
            soak = Soak(ground, console, ears, seed=seed, every=options.every, visibility=options.visibility)
            sheet, run = soak.run(options.count)
    except local.Stopped:
        console.print("Stopped; nothing is shown.")
        return 1
    except FORESEEN as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
        return 1
    report.show(sheet, run, console)
    if options.output:
        options.output.write_text(json.dumps(report.as_json(sheet, run), indent=1) + "\n")
    verdict = f"[red]{len(sheet.wrong)} not as it has to be[/]" if sheet.wrong else "[green]the balance holds[/]"
    console.print(f"{verdict}: {options.count} messages accounted for one by one")
    return 1 if sheet.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
