"""The balance sheet on the screen and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from soak.mailboxes import MAILBOXES
from soak.orders import Form
from soak.sheet import Column, percentile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from soak.sheet import Sheet

_SHOWN = 40
_P95 = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What else is known of a run; times in seconds."""

    count: int
    seed: int
    load: float
    whole: float
    told: float
    refused: int
    visibility: float
    killed: Counter[str]
    faults: Counter[str]
    unanswered: int

    def as_json(self) -> dict[str, Any]:
        """Give it for a file."""
        return {
            "count": self.count,
            "seed": self.seed,
            "load_seconds": round(self.load, 1),
            "seconds": round(self.whole, 1),
            "told_seconds": round(self.told, 1),
            "webhook_refused": self.refused,
            "per_second": round(self.count / self.whole, 1),
            "killed": dict(self.killed),
            "faults": dict(self.faults),
            "unanswered_requests": self.unanswered,
        }


def show(sheet: Sheet, run: Run, console: Console) -> None:
    """Print the balance sheet."""
    by_form = sheet.counts("form")
    doors = [
        ("HTTP", [form for form in Form if form.over_http]),
        ("queue", [form for form in Form if not form.over_http]),
    ]
    table = _table("door", "form", *(str(column) for column in Column), "ordered", title="What became of every message")
    whole: Counter[Column] = Counter()
    for door, forms in doors:
        for form in forms:
            counts = by_form.get(str(form), Counter())
            whole += counts
            table.add_row(door, form, *_cells(counts))
            door = ""  # noqa: PLW2901 - named once
    table.add_section()
    table.add_row("all", "", *_cells(whole), style="bold")
    console.print(table)
    table = _table("kind", *(str(column) for column in Column), "ordered", title="The same by kind")
    for kind, counts in sorted(sheet.counts("kind").items()):
        table.add_row(kind, *_cells(counts))
    console.print(table)
    _show_reasons(sheet, console)
    _show_numbers(sheet.mails(), "mails", "Mails that the hosts took for a message", console)
    _show_numbers(sheet.tellings(), "times", "Times that the webhook was told how a message ended", console)
    _show_waits(sheet, run, console)
    facts = run.as_json()
    console.print(
        f"{run.count} messages in {run.whole:.0f} s ({facts['per_second']} a second), the load took {run.load:.0f} s. "
        f"Killed: {_named(run.killed)}. Played by the providers: {_named(run.faults)}.\n"
        f"Requests without an answer: {run.unanswered}, asked again under their key. "
        f"Repeated on purpose: {sum(e.receipt.repeated for e in sheet.entries)}, "
        f"keys with another body: {sum(e.receipt.conflicts for e in sheet.entries)}. "
        f"Dead letters: {_named(sheet.letters)}. "
        f"The webhook refused {run.refused} calls, and was told of all after {run.told:.0f} s. The seed is {run.seed}."
    )
    for fault in sheet.wrong[:_SHOWN]:
        console.print(f"[red]✗[/] {escape(fault)}")
    if len(sheet.wrong) > _SHOWN:
        console.print(f"[red]✗[/] and {len(sheet.wrong) - _SHOWN} more")


def as_json(sheet: Sheet, run: Run) -> dict[str, Any]:
    """Give all of it for a file."""
    return run.as_json() | {
        "columns": dict(sum(sheet.counts("form").values(), Counter())),
        "forms": sheet.counts("form"),
        "kinds": sheet.counts("kind"),
        "reasons": {column: dict(sheet.reasons(column)) for column in (Column.FAILED, Column.UNKNOWN)},
        "mails": {column: dict(counts) for column, counts in sheet.mails().items()},
        "tellings": {column: dict(counts) for column, counts in sheet.tellings().items()},
        "p95": {mailbox.name: round(percentile(sheet.waits(mailbox.name), _P95), 2) for mailbox in MAILBOXES},
        "visibility_seconds": run.visibility,
        "most_in_a_minute": sheet.most_in_a_minute,
        "dead_letters": dict(sheet.letters),
        "wrong": list(sheet.wrong),
    }


def _show_reasons(sheet: Sheet, console: Console) -> None:
    table = _table("", "reason", "messages", title="Why")
    for column in (Column.TURNED_AWAY, Column.FAILED, Column.UNKNOWN, Column.WAITING):
        for reason, number in sheet.reasons(column).most_common():
            table.add_row(column, reason, str(number))
    console.print(table)


def _show_numbers(found: Mapping[Column, Counter[int]], what: str, title: str, console: Console) -> None:
    most = max((number for counts in found.values() for number in counts), default=1)
    table = _table("", *(f"{number} {what}" for number in range(most + 1)), title=title)
    for column in Column:
        if column in found:
            table.add_row(column, *(str(found[column][number] or "") for number in range(most + 1)))
    console.print(table)


def _show_waits(sheet: Sheet, run: Run, console: Console) -> None:
    heads = ("mailbox", "sent", "p50", "p95", f"{run.visibility:.0f} s and more", "p95 of the others", "longest")
    table = _table(*heads, title="Seconds from accepted to sent")
    for mailbox in MAILBOXES:
        waits = sheet.waits(mailbox.name)
        shorter = [wait for wait in waits if wait < run.visibility]
        limit = f", {mailbox.per_minute} a minute (at most {sheet.most_in_a_minute.get(mailbox.name, 0)} came)"
        table.add_row(
            mailbox.name + (limit if mailbox.per_minute else ""),
            str(len(waits)),
            f"{percentile(waits, 0.5):.1f}",
            f"{percentile(waits, _P95):.1f}",
            str(len(waits) - len(shorter) or ""),
            f"{percentile(shorter, _P95):.1f}",
            f"{percentile(waits, 1):.1f}",
        )
    console.print(table)
    console.print(
        f"[dim]What a killed worker had in hand is taken up again after {run.visibility:.0f} s. The local queue is no "
        "fair queue: it gives out the oldest first, whosesoever it is.[/]"
    )


def _table(*heads: str, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    words = {"door", "form", "kind", "reason", "mailbox", ""}
    for head in heads:
        table.add_column(head, justify="left" if head in words else "right")
    return table


def _cells(counts: Counter[Column]) -> list[str]:
    return [*(str(counts[column] or "") for column in Column), str(counts.total())]


def _named(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.most_common()) or "none"
