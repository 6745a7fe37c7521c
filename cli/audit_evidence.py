"""What the commands that prove the audit log have in common: where its evidence lies, and how far reading it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.moments import read_since
from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from cli.operation import Operation
    from mailbearer.auditing.evidence import Evidence

_LONGEST_RETENTION = "3653"  # days; of a stack that does not say it


def gather(operation: Operation, *, since: str, until: str = "") -> Evidence:
    """Gather the evidence of a stage, from a moment on or all that is kept."""
    cloud, now = operation.cloud, operation.surroundings.clock()
    # Whoever wants to be rid of events could shorten the log group's own retention; what the stack was deployed with
    # is another matter.
    kept_since = now - int(cloud.outputs.get("AuditRetentionDays", _LONGEST_RETENTION)) * 86_400.0
    for needed in ("ArchiveBucketName", "SigningKeyArn"):
        cloud.output(needed)
    return cloud.wiring.gathering.gather(
        since=int(read_since(since, "--since", now) * 1000) if since else 0,
        until=int((read_since(until, "--until", now) if until else now) * 1000) + 1,
        kept_since=int(kept_since * 1000),
        progress=lambda count, timestamp: operation.out.note(f"{count} events read, up to {moment(timestamp)} ..."),
    )


def moment(timestamp: int) -> str:
    """Write epoch milliseconds; the beginning of all is no time."""
    return rfc3339(timestamp / 1000) if timestamp else "the beginning"
