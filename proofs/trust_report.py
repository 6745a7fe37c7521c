"""The tables of incidents, digests, notices and the audit log."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from proofs.report import markdown
from proofs.strikes import How

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proofs import digests as of_digests
    from proofs import emergencies as of_incidents
    from proofs import notices as of_notices
    from proofs import unwritten as of_log
    from proofs.report import Line

INCIDENT_HEADS = (
    "killed",
    "the dead one left",
    "then",
    "grant revoked",
    "new mail refused",
    "mail in the queue",
    "back",
)
DIGEST_HEADS = ("killed", "digests it had made", "after the next run", "verdict")
NOTICE_HEADS = ("call", *How)
UNWRITTEN_HEADS = (
    "messages",
    "sent",
    "events in the log meanwhile",
    "lots kept",
    "messages with each event once",
    "left",
)


def incidents(rows: Sequence[of_incidents.Row]) -> list[Line]:
    """Write a line for each point at which a declaration was killed."""
    return [
        (
            _point(row),
            row.seen.found,
            row.seen.state or "nothing",
            _yes(row.seen.revoked),
            _yes(row.seen.refused),
            row.seen.message,
            _yes(row.seen.back),
        )
        for row in sorted(rows, key=lambda row: (row.number, row.answered))
    ]


def digests(rows: Sequence[of_digests.Row]) -> list[Line]:
    """Write a line for each point at which an auditor was killed."""
    return [
        (_point(row), str(row.seen.found), str(row.seen.made), row.seen.told)
        for row in sorted(rows, key=lambda row: (row.number, row.answered))
    ]


def notices(rows: Sequence[of_notices.Row]) -> list[Line]:
    """Write a line for each call on a notice's way."""
    lines = []
    in_order = sorted(rows, key=lambda row: row.number)
    for (number, call), at_call in itertools.groupby(in_order, key=lambda row: (row.number, row.call)):
        ends = {row.how: row.seen.told for row in at_call}
        lines.append((f"{number + 1} {call}", *(ends.get(how, "") for how in How)))
    return lines


def unwritten(seen: Sequence[of_log.Unwritten]) -> list[Line]:
    """Write what came of a log that refused everything."""
    return [
        tuple(map(str, (each.messages, each.sent, each.meanwhile, each.kept, each.whole, each.left))) for each in seen
    ]


def page(
    of_incident: Sequence[of_incidents.Row], of_digest: Sequence[of_digests.Row], of_notice: Sequence[of_notices.Row]
) -> dict[str, str]:
    """Write what stands on the page, by name; an incident's calls have no order of their own, so it is counted."""
    counted = (
        f"{len(of_incident)} commands were killed: {sum(not row.declared for row in of_incident)} had put nothing on "
        f"record, {sum(row.declared and row.holds for row in of_incident)} incidents were contained, revoked and "
        f"resolved all the same, {sum(not row.holds for row in of_incident)} were not."
    )
    return {
        "incidents": counted if of_incident else "",
        "digests": markdown(DIGEST_HEADS, digests(of_digest)) if of_digest else "",
        "notices": markdown(NOTICE_HEADS, notices(of_notice)) if of_notice else "",
    }


def _point(row: of_incidents.Row | of_digests.Row) -> str:
    return f"{row.number + 1} {'after' if row.answered else 'before'} {row.call}"


def _yes(truth: bool) -> str:  # noqa: FBT001
    return "yes" if truth else "no"
