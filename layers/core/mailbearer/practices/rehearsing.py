"""Practices 12 and 15: what could go wrong has been played through, and an emergency finds everything ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.account import AccountState
from mailbearer.incident import IncidentState
from mailbearer.practices.picture import mailboxes, plural
from mailbearer.practices.practice import failed, passed, some, warned
from mailbearer.registration import SANDBOX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.practices.picture import Picture
    from mailbearer.practices.practice import Seen

_DRILL_EVERY = 90 * 86_400.0
_LISTED = 20
_CONTAINED_WITHIN = 3600.0
_REVOKED_LATE, _REVOKED_LOST = 3600.0, 86_400.0
_DRILL = "Run `mailbearer incident drill`: it plays an emergency on the sandbox and touches nothing real."


def separate(picture: Picture) -> Iterator[Seen]:
    """See that mail is captured for mailboxes of the sandbox, and for no other."""
    known = picture.registrations
    there = known.get(SANDBOX.name)
    if there is None or there.transport != SANDBOX.transport:
        yield failed("The sandbox is not there.", "Deploy this version again: the sandbox is built in.")
        return
    mixed = [
        one.address
        for one in picture.accounts
        if one.provider in known and (one.transport == SANDBOX.transport) != (one.provider == SANDBOX.name)
    ]
    mixed += [each.name for each in picture.registered if each.transport == SANDBOX.transport]
    if mixed:
        yield failed(
            f"Sandbox and real mail are mixed: {some(mixed)}.",
            "Revoke and delete them, then add them anew with the registration that is meant.",
        )
    else:
        count = sum(one.provider == SANDBOX.name for one in picture.accounts)
        yield passed(f"{mailboxes(count)} of the sandbox among {picture.all_accounts}; none mixes it with real mail.")


def captured(picture: Picture) -> Iterator[Seen]:
    """See that what sandbox mailboxes send is captured, and when that was used."""
    sandboxes = [one for one in picture.accounts if one.provider == SANDBOX.name]
    sent = picture.day.sent_by
    lost, newest = [], 0.0
    for one in sorted(sandboxes, key=lambda one: -sent[one.id])[:_LISTED]:
        found = picture.sources.captures.listing(one.id, limit=1)
        newest = max([newest, *(capture.at for capture in found)])
        if sent[one.id] and not found:
            lost.append(one.address)
    if lost:
        yield failed(
            f"Mail of the sandbox was sent and not captured: {some(lost)}.",
            "See the errors of delivery_worker, and whether somebody emptied captured/ in the content bucket.",
        )
    drills = [each for each in picture.incidents if each.drill]
    used = max([newest, *(each.declared_at for each in drills)])
    if used > picture.now - _DRILL_EVERY:
        yield passed(f"The sandbox was last used {picture.age(used)} ago.")
    else:
        yield warned("The sandbox was not used in the last 90 days, as far as can be seen.", _DRILL)


def drilled(picture: Picture) -> Iterator[Seen]:
    """See that an emergency was played through of late, and came to its end."""
    drills = [each for each in picture.incidents if each.drill]
    stuck = [each.id for each in drills if each.state is not IncidentState.RESOLVED and _old(picture, each.declared_at)]
    done = max((each.resolved_at for each in drills if each.state is IncidentState.RESOLVED), default=0.0)
    if stuck:
        yield failed(f"A drill did not come to its end: {some(stuck)}.", "mailbearer incident show ID, then resolve ID")
    elif done > picture.now - _DRILL_EVERY:
        yield passed(f"An emergency was last played through {picture.age(done)} ago.")
    else:
        when = f"was last played through {picture.age(done)} ago" if done else "was never played through"
        yield warned(f"An emergency {when}.", _DRILL)


def contained(picture: Picture) -> Iterator[Seen]:
    """See that no emergency is left half done."""
    real = [each for each in picture.incidents if not each.drill and each.state is not IncidentState.RESOLVED]
    spreading = [each.id for each in real if each.state is IncidentState.DECLARED and _old(picture, each.declared_at)]
    if spreading:
        yield failed(
            f"Declared more than an hour ago and not contained: {some(spreading)}.",
            "mailbearer incident show ID says what is left; see the alarms of token-rotator.",
        )
    elif real:
        yield warned(
            f"{plural(len(real), 'emergency', 'emergencies')} not resolved: {some([each.id for each in real])}.",
            "When the cause is mended: mailbearer incident resolve ID",
        )
    else:
        yield passed(f"No emergency is open, of {len(picture.incidents)} in all.")


def revoked(picture: Picture) -> Iterator[Seen]:
    """See that whatever was revoked is revoked at the provider too."""
    pending = [one for one in picture.accounts if one.revocation_pending]
    lost = [one.address for one in pending if one.revoked_at < picture.now - _REVOKED_LOST]
    late = [one.address for one in pending if one.revoked_at < picture.now - _REVOKED_LATE]
    count = sum(one.state is AccountState.REVOKED for one in picture.accounts)
    remedy = "End the grant at the provider by hand: mailbearer accounts show ID and docs/how-to/revoke-a-mailbox.md."
    if lost:
        yield failed(f"Revoked here for more than a day, and not at the provider: {some(lost)}.", remedy)
    elif late:
        yield warned(f"Revoked here for more than an hour, and not at the provider: {some(late)}.", remedy)
    else:
        yield passed(f"{mailboxes(count)} revoked; none waits for its provider.")


def heard(picture: Picture) -> Iterator[Seen]:
    """See that an emergency would be heard of."""
    topics = sorted({target for alarm in picture.alarms for target in alarm.targets})
    if topics:
        yield passed(f"Alarms go to {some(topics)}.")
    else:
        yield warned("Alarms go to nobody.", "Name an SNS topic in the parameter AlarmTopicArn.")


def _old(picture: Picture, moment: float) -> bool:
    return moment < picture.now - _CONTAINED_WITHIN
