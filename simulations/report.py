"""The tables of a simulation: each line a figure, what must hold of it, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from mailbearer.refreshing.lease import WRITE_EVERY
from mailbearer.schedule.rotation import RUN_TAKES
from simulations.week import BURST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from simulations.fairness import Fairness
    from simulations.hour import Hour
    from simulations.week import Week

MOST_BYTES = 4_000_000
"""What one run may hold in memory."""

MOST_RUN_SECONDS = 60.0
"""What one run may take, of the 290 s it has."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table; `holds` is None where nothing is promised."""

    name: str
    figure: str
    must: str = ""
    holds: bool | None = None


def hour_lines(hour: Hour) -> list[Line]:
    """Say what came of many mailboxes due at once."""
    longest_run, longest_batch = max(hour.run_seconds), max(hour.batch_seconds, default=0.0)
    done, most = hour.summaries, hour.most_consumers
    return [
        Line("mailboxes missed", f"{hour.missed}", "none", hour.missed == 0),
        Line("refreshed twice for one due time", f"{hour.refreshed_twice}", "none", hour.refreshed_twice == 0),
        Line("refused by the provider", f"{hour.refused}", "none", hour.refused == 0),
        Line("token calls", f"{hour.token_calls:,}", "each a refresh", hour.token_calls == done["refreshed"]),
        Line("accounts with problems", f"{len(hour.problems)}", "none", not hour.problems),
        Line("nearest to its end a token was refreshed", f"{hour.nearest:.0f} s", "> 0 s", hour.nearest > 0),
        Line("probes", f"{done['probed']:,}"),
        Line(f"runs, at most {RUN_TAKES} worked by each", f"{len(hour.run_seconds)}"),
        Line("longest run", f"{longest_run:.1f} s", f"< {MOST_RUN_SECONDS:.0f} s", longest_run < MOST_RUN_SECONDS),
        Line("killed by the time-out", f"{hour.killed}", "none", hour.killed == 0),
        Line("queued", f"{done['queued']:,}"),
        Line("most on the queue", f"{hour.longest_queue:,}"),
        Line("batches, the longest", f"{len(hour.batch_seconds):,}, {longest_batch:.1f} s"),
        Line("consumers at once", f"{most}", f"<= {hour.consumers}", most <= hour.consumers),
    ]


def memory_lines(peaks: Mapping[int, int]) -> list[Line]:
    """Say what one run held in memory, by the number of mailboxes that were due."""
    least, most = min(peaks.values()), max(peaks.values())
    lines = [
        Line(f"memory of one run, {accounts:,} due", f"{peak / 1e6:.2f} MB", "< 4 MB", peak < MOST_BYTES)
        for accounts, peak in peaks.items()
    ]
    return [*lines, Line("the most against the least", f"{most / least:.2f}x", "< 1.25x", most < 1.25 * least)]


def week_lines(week: Week) -> list[Line]:
    """Say what came of seven days."""
    lines = [
        Line("runs, of which died", f"{week.runs:,}, {week.crashed}"),
        Line("outages of a provider (5 min to 2 h)", f"{week.outages}"),
        Line("token calls", f"{week.token_calls:,}"),
        Line("probes", f"{week.summaries['probed']:,}"),
        Line("grants lost", f"{week.grants_lost}", "none", week.grants_lost == 0),
        Line("stored tokens over their end, provider up", f"{week.stale_while_up}", "none", not week.stale_while_up),
        Line("sends", f"{week.sends:,}"),
        Line("sends put off for want of a token, in an outage", f"{week.sends_put_off - week.sends_put_off_while_up}"),
        Line(
            "sends put off for want of a token, provider up",
            f"{week.sends_put_off_while_up}",
            "none",
            not week.sends_put_off_while_up,
        ),
        Line("tokens refused by the mail side", f"{week.refused_by_mail_side}"),
        Line("sends refused again, within five minutes of that or in an outage", f"{week.sends_refused_twice}"),
        Line("refused tokens that nobody mended", f"{week.dead_tokens_left}", "none", week.dead_tokens_left == 0),
        Line("secret writes, of which on demand", f"{week.writes:,}, {week.writes_on_demand}"),
    ]
    per = f"t/{WRITE_EVERY:.0f} s"
    for name, steepest in sorted(week.steepest.items()):
        which = "writes" if name.startswith("kept") else "writes by the schedule"
        said = f"{which} of one secret in any time t, {name}"
        lines.append(Line(said, f"{steepest:.2f} + {per}", f"<= {BURST:.0f} + {per}", steepest <= BURST))
        if not name.startswith("kept"):
            lines.append(Line(f"  and with those on demand, {name}", f"{week.steepest_of_all[name]:.2f} + {per}"))
    return lines


def fairness_lines(seen: Fairness, alone: Fairness) -> list[Line]:
    """Say what came of quiet mailboxes beside a flooded one, against the same without."""
    must, flood = 2 * alone.p95 + 1, seen.flood
    lines = [
        Line("quiet mail, p95, the flood absent", f"{alone.p95:.2f} s"),
        Line("quiet mail, p95", f"{seen.p95:.2f} s", f"<= {must:.2f} s", seen.p95 <= must),
        Line("quiet mail, longest", f"{max(seen.waits):.2f} s"),
        Line("quiet mail not sent", f"{seen.lost}", "none", seen.lost == 0),
        Line("calls for the flooded mailbox, sent", f"{seen.calls}, {seen.sent}"),
    ]
    if flood is not None and flood.per_minute:
        most, limit = seen.most_in_a_minute, flood.per_minute
        lines.append(Line("its calls in any minute", f"{most}", f"<= {limit}", most <= limit))
    return [*lines, Line("queue copies for each message", f"{seen.copies:.2f}")]


def show_fairness(alone: Fairness, floods: Sequence[Fairness], console: Console) -> bool:
    """Show how long quiet mailboxes' mail takes beside flooded ones; tell whether all holds."""
    held = True
    for seen in floods:
        lines = fairness_lines(seen, alone)
        name = seen.flood.name if seen.flood is not None else "none"
        queue = "fair" if seen.fair_queue else "plain"
        console.print(_table(f"Beside {seen.flooded:,} messages at once for a mailbox {name}; a {queue} queue", lines))
        held = held and holds(lines)
    return held


def show_hours(hours: Sequence[Hour], peaks: Mapping[int, int], console: Console) -> bool:
    """Show simulated hours and their bills; tell whether all holds."""
    held = True
    for hour in hours:
        when = "within one hour" if hour.spread > 1 else "at one moment"
        lines = hour_lines(hour)
        console.print(_table(f"{hour.accounts:,} mailboxes due {when}", lines))
        bill = hour.bill()
        console.print(_bill_table(bill.calls, bill.dollars, bill.total))
        held = held and holds(lines)
    lines = memory_lines(peaks)
    console.print(_table("Memory", lines))
    return held and holds(lines)


def show_week(week: Week, console: Console) -> bool:
    """Show simulated days; tell whether all holds."""
    lines = week_lines(week)
    console.print(_table(f"{week.accounts} mailboxes, {week.days:.0f} days", lines))
    return holds(lines)


def holds(lines: Sequence[Line]) -> bool:
    """Tell whether everything promised is so."""
    return all(line.holds is not False for line in lines)


def _table(title: str, lines: Sequence[Line]) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", box=None)
    for heading in ("", "figure", "must", ""):
        table.add_column(heading, justify="left" if not heading else "right")
    for line in lines:
        word = {True: "[green]holds[/]", False: "[bold red]broken[/]", None: ""}[line.holds]
        table.add_row(line.name, line.figure, line.must, word)
    return table


def _bill_table(calls: Mapping[str, int], dollars: Mapping[str, float], total: float) -> Table:
    table = Table(title="\nAWS calls, and what is charged", title_justify="left", box=None)
    for heading in ("calls of", "number", "charged as", "USD"):
        table.add_column(heading, justify="right" if heading in {"number", "USD"} else "left")
    left = [(name, f"{number:,}") for name, number in sorted(calls.items())]
    right = [(unit, f"{price:.4f}") for unit, price in sorted(dollars.items())] + [("in all", f"{total:.4f}")]
    for number in range(max(len(left), len(right))):
        row = (left[number] if number < len(left) else ("", "")) + (right[number] if number < len(right) else ("", ""))
        table.add_row(*row)
    return table
