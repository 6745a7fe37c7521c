"""Practices 5 and 13: what providers refuse is understood, and their limits are kept before they say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.ledger import limits_of
from mailbearer.practices.picture import mailboxes, plural
from mailbearer.practices.practice import failed, passed, some, warned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account
    from mailbearer.practices.picture import Picture
    from mailbearer.practices.practice import Seen
    from mailbearer.registration import Registration

_UNKNOWN = "unknown_refusal"
_FEW = 5
_WARN_SHARE, _FAIL_SHARE = 0.05, 0.2
_BUSIEST = 50
_OVER = 1.05
"""How far above a limit counts as above it: a day of the ledger is made of hours, so up to one more."""

# What an account's own limit is called, and what the provider's is.
_PUBLISHED = {
    "per_minute": "messages_per_minute",
    "per_day": "messages_per_day",
    "recipients_per_day": "recipients_per_day",
    "recipients_per_message": "recipients_per_message",
    "concurrency": "concurrency",
}


def understood(picture: Picture) -> Iterator[Seen]:
    """Count the refusals that the table of diagnoses does not know."""
    refusals = picture.day.refusals
    total, unknown = refusals.total(), refusals[_UNKNOWN]
    text = f"{unknown} of {plural(total, 'refusal')} in {picture.day.span} not in the table of diagnoses."
    remedy = (
        f"mailbearer audit tail --since 1d, then `mailbearer explain` with the provider's words; report what it does "
        f"not know ({_UNKNOWN})."
    )
    if unknown >= _FEW and unknown > _FAIL_SHARE * total:
        yield failed(text, remedy)
    elif unknown and unknown > _WARN_SHARE * total:
        yield warned(text, remedy)
    else:
        yield passed(text)


def explained(picture: Picture) -> Iterator[Seen]:
    """See that whatever a mailbox suffers from has a cause and a remedy in the table."""
    from mailbearer.diagnosis import by_code  # noqa: PLC0415 - the tables are large, and nothing else here reads them

    suffering = {
        one.address: code
        for one in picture.accounts
        for code in (one.mail_refusal, one.token.failure, one.probe.code)
        if code
    }
    nameless = [f"{address} ({code})" for address, code in suffering.items() if by_code(code).code != code]
    if nameless:
        yield failed(
            f"{mailboxes(len(nameless))} with a code that is not in the table: {some(nameless)}.",
            "Deploy the version that wrote it, or connect the mailbox again.",
        )
    else:
        yield passed(f"{mailboxes(len(suffering))} with a refusal: each has its cause and remedy.")


def own_limits(picture: Picture) -> Iterator[Seen]:
    """Compare the limits that were set for mailboxes with those that providers publish."""
    above = []
    for one, registration in _with_registration(picture, picture.accounts):
        definition = picture.sources.definitions(registration.kind)
        for name, limit in one.limits:
            published = definition.limit(_PUBLISHED.get(name, name), one.address, registration.transport)
            if published and limit > published:
                above.append(f"{one.address} ({name} {limit}, published {published})")
    if above:
        yield warned(
            f"{plural(len(above), 'limit')} set above what the provider publishes: {some(above)}.",
            "Keep them only if the provider has granted more; else set them lower (PATCH /v1/accounts/{id}).",
        )
    else:
        yield passed(f"No limit is set above what its provider publishes, of {picture.all_accounts}.")


def kept(picture: Picture) -> Iterator[Seen]:
    """Read the ledgers of the mailboxes that sent most, and compare them with their limits."""
    known = {one.id: one for one in picture.active}
    busiest = [known[account] for account, _ in picture.day.sent_by.most_common(_BUSIEST) if account in known]
    over, counted = [], 0
    for one, registration in _with_registration(picture, busiest):
        limits = limits_of(one, registration, picture.sources.definitions(registration.kind))
        ledger = picture.sources.ledgers.get(one.id)
        counted += bool(ledger.revision)
        _, messages, recipients = ledger.used(picture.now)
        if limits.per_day and messages > _OVER * limits.per_day:
            over.append(f"{one.address} ({messages} of {limits.per_day} messages)")
        if limits.recipients_per_day and recipients > _OVER * limits.recipients_per_day:
            over.append(f"{one.address} ({recipients} of {limits.recipients_per_day} recipients)")
    if over:
        yield failed(
            f"{mailboxes(len(over))} above a limit of the last day: {some(over)}.",
            "Somebody lowered a limit, or a worker could not reach the ledger: see account.ledger_unavailable.",
        )
    else:
        yield passed(
            f"The {mailboxes(len(busiest))} that sent most are within their limits, {counted} by a shared ledger."
        )


def throttled(picture: Picture) -> Iterator[Seen]:
    """Count what providers refused because it was too much."""
    from mailbearer.diagnosis import Answer, by_code  # noqa: PLC0415 - as above

    day = picture.day
    limited = {code: count for code, count in day.refusals.items() if code and by_code(code).answer is Answer.LIMIT}
    total, sent = sum(limited.values()), day.happened["message.sent"]
    text = f"{plural(total, 'message')} refused as too much in {day.span}, {sent} sent."
    remedy = "Set lower limits for the mailboxes that mailbearer doctor names (PATCH /v1/accounts/{id})."
    if total >= 2 * _FEW and total > _WARN_SHARE * (sent + total):
        yield failed(text, remedy)
    elif total:
        yield warned(text, remedy)
    else:
        yield passed(text)


def circuits(picture: Picture) -> Iterator[Seen]:
    """Name the mailboxes that are left alone now because their mail side is ill."""
    open_now = [one.address for one in picture.accounts if one.circuit_until > picture.now]
    blind = picture.day.happened["account.ledger_unavailable"]
    if open_now:
        yield warned(
            f"{mailboxes(len(open_now))} left alone for now, being ill: {some(open_now)}.",
            "Nothing: it is tried again by itself. mailbearer doctor says why.",
        )
    if blind:
        yield warned(
            f"{plural(blind, 'time')} in {picture.day.span} a ledger could not be reached.",
            "See DynamoDB's throttles and the permissions of delivery_worker.",
        )


def _with_registration(
    picture: Picture, accounts: tuple[Account, ...] | list[Account]
) -> Iterator[tuple[Account, Registration]]:
    for one in accounts:
        registration = picture.registrations.get(one.provider)
        if registration is not None and registration.flow.has_token:
            yield one, registration
