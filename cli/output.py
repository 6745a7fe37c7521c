"""What a command prints: one JSON value for a machine, or Rich for a person; errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.refusal import Refused

_WIDE = 4096  # into a file or a pipe nothing is cut off or wrapped: a table is as wide as what stands in it


def console(*, err: bool = False) -> Console:
    """Give a console on the present standard output or error, which reads no markup out of what it prints."""
    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False, soft_wrap=True)


def plain(value: object) -> str:
    """Write any value as one printable line: what came from outside may hold the terminal's control sequences."""
    text = ", ".join(plain(item) for item in value) if isinstance(value, (list, tuple)) else str(value)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class Output:
    """Prints a command's result in the form that was asked for."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def show(self, value: Mapping[str, Any] | Sequence[Any], human: Callable[[Console], None]) -> None:
        """Print the result: `value` as JSON, or what `human` makes of it."""
        if self.as_json:
            write_json(value, indent=2)
        else:
            human(console())

    def note(self, text: str) -> None:
        """Tell something on the way, on standard error."""
        console(err=True).print(Text(plain(text), style="dim"))


def write_json(value: Any, *, indent: int | None = None) -> None:
    """Write one JSON value and a line end to standard output, at once."""
    sys.stdout.write(json.dumps(value, indent=indent) + "\n")
    sys.stdout.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Make a table without frames, so that it reads well and `grep` and `cut` work on it."""
    made = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*(Text(plain("" if cell is None else cell), overflow="fold") for cell in row))
    return made


def details(pairs: Iterable[tuple[str, object]]) -> Table:
    """Make a list of names and values, leaving out what is empty."""
    made = Table.grid(padding=(0, 2))
    for name, value in pairs:
        if value not in (None, "", [], (), {}):
            made.add_row(Text(name, style="bold"), Text(plain(value), overflow="fold"))
    return made


def show_refusal(refused: Refused) -> None:
    """Print why a command said no, with every fault and the remedy."""
    out = console(err=True)
    out.print(Text.assemble(("Error: ", "bold red"), plain(refused.sentence)))
    for fault in refused.faults:
        out.print(Text(f"  {plain(fault.pointer) or '(the whole)'}: {plain(fault.detail)} [{plain(fault.code)}]"))
    if refused.remedy:
        out.print(Text(plain(refused.remedy)))
