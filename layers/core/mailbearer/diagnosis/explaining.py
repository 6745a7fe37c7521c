"""From evidence to an explanation, one judge for each surface."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from mailbearer.diagnosis import guessing, mail_side, oauth_side, table
from mailbearer.diagnosis import mail_table as mail
from mailbearer.diagnosis.cleaning import clean, secrets_in, struck
from mailbearer.diagnosis.evidence import Evidence, Explanation
from mailbearer.diagnosis.seen import Seen, look_at
from mailbearer.diagnosis.tokens import by_number

if TYPE_CHECKING:
    from collections.abc import Mapping

_JUDGES = MappingProxyType(
    {
        guessing.TOKEN: oauth_side.judge_token,
        guessing.CALLBACK: oauth_side.judge_callback,
        guessing.INTROSPECTION: oauth_side.judge_introspection,
        guessing.GMAIL: mail_side.judge_gmail,
        guessing.GRAPH: mail_side.judge_graph,
        guessing.SMTP: mail_side.judge_smtp,
    }
)


def explained(evidence: Evidence, known: Mapping[str, str]) -> Explanation:
    """Explain one answer."""
    seen = look_at(evidence)
    found = _JUDGES[seen.surface](seen) if seen.surface else table.UNKNOWN
    remedy = found.remedy_for(provider=seen.provider, **known)
    if seen.refusal.link and found in {mail.API_DISABLED, mail.PROJECT_QUOTA}:
        remedy = f"{remedy} Google's own link: {seen.refusal.link}"
    secrets = evidence.secrets | secrets_in(evidence.body) | secrets_in(evidence.smtp)
    return Explanation(
        code=found.code,
        cause=f"{found.cause} {_beyond_the_table(seen)}".rstrip(),
        retry=found.retry,
        who=str(found.who),
        remedy=remedy,
        raw=struck(_raw(seen), secrets),
        provider=seen.provider,
        surface=seen.surface,
        kind=found.kind,
        said=clean(_said(seen), secrets),
        retry_after=seen.retry_after,
        retry_at=seen.retry_at,
    )


def _beyond_the_table(seen: Seen) -> str:
    """Say that the provider's number is new to us, where the rest of its answer was judged."""
    if seen.surface not in {guessing.TOKEN, guessing.CALLBACK} or not seen.refusal.numbers:
        return ""
    if by_number(seen.refusal.numbers) is not None:
        return ""
    numbers = ", ".join(map(str, seen.refusal.numbers))
    return f"The provider's number {numbers} is not in the table; the rest of its answer was judged."


def _raw(seen: Seen) -> str:
    if seen.reply is not None and seen.surface == guessing.SMTP:
        return seen.reply.raw
    if seen.refusal.raw:
        return seen.refusal.raw
    if seen.challenge:
        return seen.challenge
    active = (seen.body.json or {}).get("active")
    if isinstance(active, bool):
        return f"active={str(active).lower()}"
    return f"HTTP {seen.status}" if seen.status else ""


def _said(seen: Seen) -> str:
    if seen.reply is not None and seen.surface == guessing.SMTP:
        return seen.reply.text
    # What is neither JSON nor a callback may be anything, a whole log with secrets in it too.
    return seen.refusal.description if seen.body.json is not None or seen.body.query else ""
