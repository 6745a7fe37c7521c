"""Practices 10 and 14: what happens is logged and watched, and the log proves itself."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from mailbearer.metering import OTHER, PROVIDERS
from mailbearer.practices.keeping import newest_report
from mailbearer.practices.picture import FUNCTIONS, plural
from mailbearer.practices.practice import failed, passed, some, warned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.practices.picture import Picture
    from mailbearer.practices.practice import Seen

OWN_ALARM = "practices-failed"
"""The alarm that this very report makes ring; it does not count, or no report could end it."""

ALARMS = (
    *(f"{function}-{kind}" for function in FUNCTIONS for kind in ("errors", "throttles")),
    *("dead-letters", "notification-dead-letters", "oldest-message", "rotation-backlog", "token-rotator-silent"),
    *("unknown-outcomes", "credential-expiry", "audit-gap", "digest-late", OWN_ALARM),
)
"""The alarms of every stack, each `mailbearer-<stage>-` and this."""
ALARMS_ON_AWS = ("grants-waiting", *(f"failures-{provider}" for provider in sorted(PROVIDERS - {"sandbox"} | {OTHER})))
"""Those that reckon with several metrics: the engine of the local stack cannot."""

_AUDIT_DAYS = 365
_REPORT_AGE = 2 * 86_400.0
_DIGEST_LATE, _DIGEST_LOST = 7200.0, 10_800.0
_RESTORE = "Deploy the template again: it restores what was removed by hand."


def logs(picture: Picture) -> Iterator[Seen]:
    """See that each function logs into a group that keeps its lines for a time, and the audit log for long."""
    inspector = picture.sources.inspector
    endless, missing = [], []
    groups = {name: function.log_group for name, function in picture.functions.items() if function is not None}
    for name, group in groups.items():
        days = inspector.retention(group)
        if days is None:
            missing.append(name)
        elif not days:
            endless.append(name)
    if missing:
        yield failed(f"No log group for {some(missing)}.", _RESTORE)
    if endless:
        yield warned(
            f"Logs that are kept for ever: {some(endless)}.", "Deploy again, or aws logs put-retention-policy."
        )
    days = inspector.retention(picture.place.audit_log_group)
    if days is None:
        yield failed(f"There is no audit log {picture.place.audit_log_group}.", _RESTORE)
    elif 0 < days < _AUDIT_DAYS:
        yield failed(
            f"The audit log keeps its events for {days} days.", "Deploy again: AuditRetentionDays is a year or more."
        )
    else:
        kept = f"{days} days" if days else "ever"
        yield passed(
            f"{plural(len(groups) - len(missing), 'log group')} with an end; the audit log is kept for {kept}."
        )


def alarms(picture: Picture) -> Iterator[Seen]:
    """See that somebody would hear of it if a function failed."""
    by_name = {alarm.name.removeprefix(picture.place.named("")): alarm for alarm in picture.alarms}
    wanted = ALARMS if picture.place.local else ALARMS + ALARMS_ON_AWS
    missing = [name for name in wanted if name not in by_name]
    silenced = [name for name, alarm in by_name.items() if not alarm.enabled]
    unheard = [name for name, alarm in by_name.items() if not alarm.targets]
    ringing = [name for name, alarm in by_name.items() if alarm.state == "ALARM" and name != OWN_ALARM]
    if missing:
        yield failed(f"{plural(len(missing), 'alarm')} not there: {some(missing)}.", _RESTORE)
    if silenced:
        yield failed(
            f"{plural(len(silenced), 'alarm')} silenced: {some(silenced)}.", "aws cloudwatch enable-alarm-actions"
        )
    if unheard:
        yield warned(
            f"{len(unheard)} of {plural(len(by_name), 'alarm')} tell nobody.",
            "Name an SNS topic in the parameter AlarmTopicArn.",
        )
    if ringing:
        yield warned(
            f"Ringing now: {some(ringing)}.", "Each alarm's description names its runbook page in docs/runbooks/."
        )
    if not (missing or silenced or unheard or ringing):
        yield passed(f"{plural(len(by_name), 'alarm')}: each is on, tells somebody, and none is ringing.")


def dashboard(picture: Picture) -> Iterator[Seen]:
    """See that there is the dashboard."""
    name = picture.place.named("").rstrip("-")
    if picture.sources.inspector.dashboard(name):
        yield passed(f"The dashboard {name} is there.")
    else:
        yield failed(f"There is no dashboard {name}.", _RESTORE)


def written(picture: Picture) -> Iterator[Seen]:
    """See that the audit log is being written."""
    day = picture.day
    if day.lines:
        yield passed(f"{plural(day.lines, 'audit event')} in {day.span}.")
    else:
        yield warned(
            "Not one audit event in the last 24 h, although digests are made each hour.",
            "See the alarms of auditor, and whether functions may write to the audit log.",
        )


def proven(picture: Picture) -> Iterator[Seen]:
    """See that the newest digest is fresh, and that what the log holds is what was signed."""
    proof = picture.sources.prove()
    if not proof.digest:
        young = picture.now - _DIGEST_LOST < min((one.created_at for one in picture.accounts), default=picture.now)
        text, remedy = "No digest of the audit log was ever signed.", "See the alarms digest-late and auditor-errors."
        yield warned(text, remedy) if young else failed(text, remedy)
        return
    late = picture.now - proof.until
    text = f"Digest {proof.digest} holds the audit log until {picture.age(proof.until)} ago."
    remedy = "See the alarms digest-late and auditor-errors."
    if late > _DIGEST_LOST:
        yield failed(text, remedy)
    elif late > _DIGEST_LATE:
        yield warned(text, remedy)
    else:
        yield passed(text)
    if proof.faults:
        yield failed(
            f"The audit log was tampered with: {some(list(proof.faults))}.",
            "mailbearer audit verify names each fault; then docs/runbooks/audit-gap.md.",
        )
    else:
        yield passed(f"{proof.checked} verified: nothing was changed, removed or reordered.")


def reported(picture: Picture) -> Iterator[Seen]:
    """See that the practices were checked by the schedule, not only now."""
    report = newest_report(picture.sources.archive, picture.now)
    remedy = "See the alarm auditor-errors, and the rule auditor-practices."
    if report is None:
        yield warned("The schedule has not kept a report yet.", remedy)
        return
    kept = json.loads(report)
    age = picture.now - datetime.fromisoformat(kept["at"]).timestamp()
    text = f"The schedule's newest report is {picture.age(picture.now - age)} old: {kept['failed']} failed."
    yield passed(text) if age <= _REPORT_AGE else failed(text, remedy)
