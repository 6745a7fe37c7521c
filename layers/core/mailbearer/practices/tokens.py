"""Practices 6, 7 and 8: what tokens may do, that they are renewed ahead of their end, and that they are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.definition import IDENTITY_SCOPES
from mailbearer.practices.picture import plural
from mailbearer.practices.practice import failed, passed, some, warned
from mailbearer.registration import Flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account
    from mailbearer.practices.picture import Picture
    from mailbearer.practices.practice import Seen

_LATE = 900.0
"""Seconds by which the schedule may be late with a refresh, three of its runs, and the time in which it has to run."""

_BACKING_OFF = 7200.0
_UNTRIED = 3600.0
"""Seconds without a probe that count as too long; probes come every 15 min, the slowest once an hour."""

_UNPROVEN = 7200.0
_FEW = 5
_WARN_SHARE, _FAIL_SHARE = 0.1, 0.5
_ROTATOR = "See the alarms token-rotator-silent, token-rotator-errors and rotation-backlog."


def granted(picture: Picture) -> Iterator[Seen]:
    """Compare what each mailbox's grant allows with what its registration asks for."""
    narrow, wide, unsaid = [], [], 0
    for one in picture.active:
        if not one.scopes_granted:
            unsaid += 1
            continue
        registration = picture.registrations[one.provider]
        definition = picture.sources.definitions(registration.kind)
        wanted = one.scopes_wanted or registration.scopes
        seen = one.probe.scopes or one.scopes_granted
        missing, excessive = definition.scope_drift(wanted, " ".join(seen))
        narrow += [f"{one.address} ({' '.join(missing)})"] if missing else []
        wide += [f"{one.address} ({' '.join(excessive)})"] if excessive else []
    if narrow:
        yield failed(
            f"{plural(len(narrow), 'grant')} too narrow to send: {some(narrow)}.",
            "The owner connects again and leaves every box ticked: mailbearer accounts consent ID",
        )
    if wide:
        yield warned(
            f"{plural(len(wide), 'grant')} wider than what was asked for: {some(wide)}.",
            "The owner takes the permission back at the provider, then connects again.",
        )
    count = len(picture.active) - unsaid
    if not narrow and not wide:
        unknown = f" Of {unsaid} more the provider does not say." if unsaid else ""
        yield passed(f"{plural(count, 'grant')} compared: none is too wide or too narrow.{unknown}")


def asked(picture: Picture) -> Iterator[Seen]:
    """Compare what each registration asks for with the least that sends."""
    lean = 0
    for each in picture.registered:
        definition = picture.sources.definitions(each.kind)
        there = definition.at(each.cloud) if each.cloud in definition.cloud_names else definition
        least = there.scopes_for(each.flow, each.transport)
        missing, excessive = there.scope_drift(least, " ".join(each.scopes))
        # What a server of one's own calls its sending scope is not known; then no scope is one too many.
        if missing:
            yield warned(
                f"{each.name} does not ask for {' '.join(missing)}, the usual scope for sending.",
                "Add the registration anew without --scope, unless what it asks for sends too.",
            )
        elif excessive and set(least) - IDENTITY_SCOPES:
            yield warned(
                f"{each.name} asks for more than sending needs: {' '.join(excessive)}.",
                "Add the registration anew without --scope, and let owners connect again.",
            )
        else:
            lean += 1
    if lean or not picture.registered:
        yield passed(f"{lean} of {plural(len(picture.registered), 'registration')} ask for the least that sends.")


def alive(picture: Picture) -> Iterator[Seen]:
    """See that no mailbox stands there with a token that has run out, or long due."""
    dead, paused, late = [], [], []
    for one in picture.active:
        over = picture.now - one.token.expires_at
        if over >= 0 and one.token.backoff_until > picture.now and over < _BACKING_OFF:
            paused.append(one.address)
        elif over >= 0:
            dead.append(one.address)
        elif 0 < one.token.due_at < picture.now - _LATE:
            late.append(one.address)
    if dead:
        yield failed(f"{plural(len(dead), 'token')} run out and not renewed: {some(dead)}.", _ROTATOR)
    if late:
        yield failed(f"{plural(len(late), 'token')} due for longer than 15 min: {some(late)}.", _ROTATOR)
    if paused:
        yield warned(
            f"{plural(len(paused), 'token')} run out while the provider refuses to renew: {some(paused)}.",
            "mailbearer doctor says why, for each.",
        )
    if not dead and not paused and not late:
        yield passed(f"{plural(len(picture.active), 'token')}: all live, and none is due for longer than 15 min.")


def ahead(picture: Picture) -> Iterator[Seen]:
    """See who renewed tokens: the schedule, or a sender who had to wait for it."""
    by = picture.day.refreshed_by
    total, waited = by.total(), by[picture.place.named("delivery-worker")]
    text = f"{waited} of {plural(total, 'refresh', 'refreshes')} in {picture.day.span} had a sender waiting."
    if waited >= 2 * _FEW and waited > _FAIL_SHARE * total:
        yield failed(text, _ROTATOR)
    elif waited >= _FEW and waited > _WARN_SHARE * total:
        yield warned(text, _ROTATOR)
    else:
        yield passed(text)


def scheduled(picture: Picture) -> Iterator[Seen]:
    """See that the schedule is on, and has run."""
    name = picture.place.named("token-rotator")
    on = picture.sources.inspector.rule_enabled(name)
    if not on:
        what = "off" if on is False else "not there"
        yield failed(f"The schedule {name} is {what}.", f"aws events enable-rule --name {name}, or deploy again.")
        return
    function = picture.functions["token-rotator"]
    if function and picture.sources.inspector.wrote(function.log_group, since=picture.now - _LATE):
        yield passed(f"The schedule {name} is on and has run within 15 min.")
        return
    text = f"The schedule {name} is on, and its function logged nothing for 15 min."
    # A stage without any mailbox that is older than that has had no time to run, or nothing to lose by it.
    needed = any(one.created_at < picture.now - _LATE for one in picture.active)
    yield failed(text, _ROTATOR) if needed else warned(text, _ROTATOR)


def tried(picture: Picture) -> Iterator[Seen]:
    """See that each token was tried of late, and opened its mailbox."""
    untried, refused = [], []
    for one in picture.active:
        if one.probe.outcome == "invalid":
            refused.append(f"{one.address} ({one.probe.code or 'refused'})")
        elif picture.now - _last_look(one) > _UNTRIED:
            untried.append(one.address)
    if refused:
        yield failed(
            f"{plural(len(refused), 'token')} refused by the provider: {some(refused)}.",
            "mailbearer doctor says why, and who has to act.",
        )
    if untried:
        yield failed(f"{plural(len(untried), 'token')} not tried for an hour: {some(untried)}.", _ROTATOR)
    if not untried and not refused:
        yield passed(f"{plural(len(picture.active), 'token')}: each was tried within the hour, and none was refused.")


def provable(picture: Picture) -> Iterator[Seen]:
    """See that tokens of which nothing can tell were renewed of late: then the token endpoint knows the grant."""
    mute = [one for one in picture.active if one.probe.outcome == "unknown"]
    unproven = [one.address for one in mute if picture.now - one.token.refreshed_at > _UNPROVEN]
    if unproven:
        yield warned(
            f"Of {plural(len(unproven), 'token')} nothing at the provider could tell whether they are good, and none "
            f"was renewed of late: {some(unproven)}.",
            "Give the registration an introspection or userinfo URL if its server has one; else only mail tells.",
        )
    elif mute:
        yield passed(f"Of {plural(len(mute), 'token')} only the renewal of late tells that they are good.")


def ending(picture: Picture) -> Iterator[Seen]:
    """See that grants which somebody has to give are known to end, if they do."""
    dying = [
        one.address
        for one in picture.active
        if one.token.grant_ends_at and picture.registrations[one.provider].flow is not Flow.NONE
    ]
    if dying:
        yield warned(
            f"{plural(len(dying), 'grant')} will end whatever is done: {some(dying)}.",
            "mailbearer doctor says when and why; for Google, publish the app (registration_in_testing).",
        )


def _last_look(account: Account) -> float:
    """Give when the token was last tried; a new mailbox has until its first probe is due."""
    return max(account.probe.at, account.probe.due_at if not account.probe.at else 0.0, account.created_at)
