"""A report as a page for people, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SHOWN = 500


def markdown(report: Mapping[str, Any]) -> str:
    """Write a report as a page; of many mailboxes those first that need somebody."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    incident, summary, sent = report["incident"], report["summary"], report["sent"]
    yield f"# Incident {incident['id']}{' (drill)' if incident['drill'] else ''}"
    yield ""
    yield from _table(
        ("", ""),
        (
            ("State", f"{incident['state']}, as of {report['made_at']}"),
            ("Shuts", f"{incident['reach']} {incident['target'] or ''}"),
            ("Reason", incident["reason"]),
            ("Declared", f"{incident['declared_at']} by {incident['declared_by']}"),
            ("Contained", incident["contained_at"] or "not yet"),
            ("Resolved", incident["resolved_at"] or "not yet"),
            ("Mailboxes", f"{summary['accounts']}, of which {summary['shut']} are shut now"),
            ("Being retried", summary["being_retried"]),
            ("Owners told", summary["owners_told"]),
            ("API keys disabled", summary["keys_disabled"]),
            ("Messages sent", f"{sent['count']} since {sent['since']}"),
        ),
    )
    if report["missing"]:
        yield from ("", "## What this report could not find out", "")
        yield from (f"- {_cell(each)}" for each in report["missing"])
    yield from _by_hand(report["accounts"])
    yield from ("", "## Mailboxes", "")
    accounts = sorted(report["accounts"], key=_urgency)
    columns = ("address", "provider", "state", "state_before", "shut_at", "provider_told", "secret_retired")
    more = ("retried_at", "last_send_possible_until", "token_may_live_until", "id")
    yield from _table((*columns, *more), ([one[name] for name in (*columns, *more)] for one in accounts[:_SHOWN]))
    if len(accounts) > _SHOWN:
        yield f"\nand {len(accounts) - _SHOWN} more in the JSON beside this page."
    yield from _sent(sent, {one["id"]: one["address"] for one in accounts})
    yield from ("", "## API keys", "")
    yield from (f"- {_cell(note)}" for note in report["keys"]["notes"])
    yield from (f"- disabled: `{_cell(key)}`" for key in report["keys"]["disabled"])


def _by_hand(accounts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    steps: dict[str, list[str]] = {}
    for one in accounts:
        if one["manual_step"]:
            steps.setdefault(f"{one['provider']}: {one['manual_step']}", []).append(one["address"])
    if steps:
        yield from ("", "## What a person has to do at the provider", "")
    for step, addresses in steps.items():
        rest = f" and {len(addresses) - _SHOWN} more" if len(addresses) > _SHOWN else ""
        yield f"- {_cell(step)} For: {_cell(', '.join(addresses[:_SHOWN]))}{rest}."


def _sent(sent: Mapping[str, Any], addresses: Mapping[str, str]) -> Iterator[str]:
    yield from ("", f"## Sent from {sent['since']} until {sent['until']}", "")
    if not sent["count"]:
        yield "Nothing, as far as the audit log says."
        return
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sent["outcomes"].items())
    yield f"{sent['count']} messages ({outcomes}), the first {sent['first_at']}, the last {sent['last_at']}."
    yield "Each is a line of the messages file. What is `unknown` may have left."
    yield ""
    rows = ((addresses.get(account, ""), account, count) for account, count in sent["by_account"].items())
    yield from _table(("mailbox", "id", "messages"), list(rows)[:_SHOWN])


def _urgency(account: Mapping[str, Any]) -> tuple[bool, bool, str]:
    return account["manual_step"] is None, account["retried_at"] is None, account["address"]


def _table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    names = list(columns)
    yield f"| {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(value: object) -> str:
    """Write a value so that it stays in its cell: what came from outside may hold anything."""
    text = "" if value is None else str(value)
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
