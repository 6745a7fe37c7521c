"""Judging answers of the mail side: the Gmail API, Graph, and SMTP servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.diagnosis import api_codes, guessing, smtp_codes, table
from mailbearer.diagnosis import client_table as client
from mailbearer.diagnosis import mail_table as mail
from mailbearer.diagnosis import smtp_table as smtp
from mailbearer.diagnosis.finding import Answer
from mailbearer.diagnosis.smtp_reply import SmtpReply
from mailbearer.diagnosis.tokens import by_refusal

if TYPE_CHECKING:
    from mailbearer.diagnosis.finding import Diagnosis
    from mailbearer.diagnosis.seen import Seen

_OK, _ACCEPTED, _BAD, _UNAUTHORIZED, _SERVER = 200, 202, 400, 401, 500


def judge_gmail(seen: Seen) -> Diagnosis:
    """Judge an answer of the Gmail API to a message."""
    if seen.status >= _SERVER:
        return mail.SERVER_ERROR
    if found := _api(seen):
        return _certain(found, seen.status)
    message_id = (seen.body.json or {}).get("id")
    taken = seen.status == _OK and isinstance(message_id, str) and message_id
    return client.NO_ERROR if taken else _by_status(seen)


def judge_graph(seen: Seen) -> Diagnosis:
    """Judge an answer of Graph to a message; only 202 says that it was taken."""
    if seen.challenge == "insufficient_claims":
        return mail.CLAIMS_CHALLENGE
    found = _api(seen)
    if seen.status >= _SERVER and found not in {mail.SERVER_BUSY, mail.MAILBOX_FULL}:
        # A full mailbox and a busy server are said before anything was taken.
        return mail.MAILBOX_FULL if api_codes.STATUSES.get(seen.status) is mail.MAILBOX_FULL else mail.SERVER_ERROR
    if found:
        return _certain(found, seen.status)
    return client.NO_ERROR if seen.status == _ACCEPTED else _by_status(seen)


def _certain(found: Diagnosis, status: int) -> Diagnosis:
    """Put a 4xx before a code for a fault of the server: it is a refusal, and Graph has UnknownError for many."""
    return api_codes.STATUSES.get(status, table.UNKNOWN) if found is mail.SERVER_ERROR and status >= _BAD else found


def refused_by_status(status: int) -> Diagnosis:
    """Say what a refusal means whose codes are not known; a status that nobody knows is taken for the message's."""
    return api_codes.STATUSES.get(status, mail.MESSAGE_REJECTED)


def _api(seen: Seen) -> Diagnosis | None:
    if found := _verdict(_tokens(seen.refusal.description)) or api_word(seen):
        return found
    if seen.refusal.names and not seen.refusal.structured:
        # An OAuth refusal under the name of a mail API, as token requests are part of most libraries.
        word = seen.refusal.word
        return (
            mail.TOKEN_REJECTED if word == "invalid_token" else _known(by_refusal(seen.refusal, provider=seen.provider))
        )
    return {"insufficient_scope": mail.SCOPE_MISSING, "invalid_token": mail.TOKEN_REJECTED}.get(seen.challenge)


def _known(found: Diagnosis) -> Diagnosis | None:
    return None if found is table.UNKNOWN else found


def api_word(seen: Seen) -> Diagnosis | None:
    """Look the codes up, the steadiest first, in the table of the provider that writes such codes."""
    first, second = (
        (api_codes.GRAPH, api_codes.GMAIL) if seen.surface == guessing.GRAPH else (api_codes.GMAIL, api_codes.GRAPH)
    )
    names = [name.lower() for name in seen.refusal.names]
    found = next((first.get(name) or second.get(name) for name in names if name in first or name in second), None)
    if found is None:
        return None
    if found is mail.REQUEST_MALFORMED and api_codes.STATUSES.get(seen.status) is mail.REQUEST_TOO_LARGE:
        return mail.REQUEST_TOO_LARGE
    text = seen.refusal.description.lower()
    if found is mail.MAILBOX_UNAVAILABLE:
        return mail.SUBJECT_MISSING if text.strip(" .") == "bad request" else found
    return next((other for row, marker, other in api_codes.MARKERS if row is found and marker in text), found)


def _by_status(seen: Seen) -> Diagnosis:
    if seen.refusal.names:
        # The code is not known; what the status says of it is no more than a class.
        known = api_codes.STATUSES.get(seen.status)
        return known if known and (known.retry or seen.status == _UNAUTHORIZED) else table.UNKNOWN
    return api_codes.STATUSES.get(seen.status, mail.UNEXPECTED if _OK <= seen.status < _BAD else table.UNKNOWN)


# --- SMTP -----------------------------------------------------------------------------------------------------------


def judge_smtp(seen: Seen) -> Diagnosis:
    """Judge an SMTP reply, by the stage of the dialogue too where that is known."""
    reply = seen.reply
    if reply is None:
        return table.UNKNOWN
    special = smtp_codes.PROVIDERS.get((seen.provider, reply.enhanced)) or smtp_codes.PROVIDERS.get(
        (seen.provider, reply.code)
    )
    found = special or _smtp_identifier(reply) or _at_stage(_smtp_code(reply), reply, seen.stage)
    early = seen.stage in smtp_codes.BEFORE_MAIL and found.answer is Answer.MESSAGE
    return smtp_codes.STAGES[seen.stage] if early else found


def _at_stage(found: Diagnosis, reply: SmtpReply, stage: str) -> Diagnosis:
    """Let the stage speak where the codes say nothing; an answer to RCPT is about the recipient's mailbox."""
    if reply.code == "454" and stage not in {"", "auth"}:
        # RFC 3207 has it for TLS, RFC 4954 for a sign-in.
        return smtp.DEFERRED
    vague = found in {table.UNKNOWN, smtp.PROTOCOL} and reply.code.startswith("5")
    of_recipient = stage == "rcpt" and found in {mail.MAILBOX_FULL, mail.SENDER_REFUSED}
    return smtp_codes.STAGES.get(stage, found) if vague or of_recipient else found


def _smtp_identifier(reply: SmtpReply) -> Diagnosis | None:
    found = _verdict(reply.tokens)
    if found and not (reply.code.startswith("4") and not found.retry):
        return found
    text = " ".join(reply.text.lower().split())
    return next((row for marker, row in smtp_codes.MARKERS.get(reply.enhanced, ()) if marker in text), None)


def _smtp_code(reply: SmtpReply) -> Diagnosis:
    code, enhanced = reply.code, reply.enhanced
    if code == "334":
        return _challenged(reply)
    exact = smtp_codes.EXACT.get((code, enhanced))
    if exact or code == "421":
        return exact or smtp.SERVICE_UNAVAILABLE
    by_reply = smtp_codes.REPLIES.get(code)
    if by_reply is mail.SMTP_TOKEN:
        return _challenged(reply)
    if code.startswith("5") and enhanced.startswith("5"):
        last = int(enhanced.rpartition(".")[2])
        family = next((row for numbers, row in smtp_codes.FAMILIES if last in numbers), None)
        known = smtp_codes.ENHANCED.get(enhanced) or (family if enhanced.startswith("5.7.") else None)
        subject = smtp_codes.SUBJECTS.get(enhanced.rpartition(".")[0])
        return known or by_reply or subject or table.UNKNOWN
    known = smtp_codes.ENHANCED.get(enhanced)
    if known and (known.retry or not code.startswith("4")):
        return known
    return by_reply or (smtp.DEFERRED if code.startswith("4") else table.UNKNOWN)


def _challenged(reply: SmtpReply) -> Diagnosis:
    """Judge a refused token by the challenge before it: a number as text (XOAUTH2), or a word of RFC 6750."""
    if reply.challenge in {"403", "insufficient_scope"}:
        return mail.SCOPE_MISSING
    return mail.LOGIN_THROTTLED if reply.challenge.startswith("5") else mail.SMTP_TOKEN


def _verdict(tokens: tuple[str, ...]) -> Diagnosis | None:
    """Look for the identifiers that Exchange and Yahoo put into a text; a verdict only beside its filter's name."""
    if not smtp_codes.VERDICT_SIGNS.isdisjoint(tokens):
        verdict = next((smtp_codes.VERDICTS[token] for token in tokens if token in smtp_codes.VERDICTS), None)
        if verdict:
            return verdict
    return next((smtp_codes.IDENTIFIERS[token] for token in tokens if token in smtp_codes.IDENTIFIERS), None)


def _tokens(text: str) -> tuple[str, ...]:
    return SmtpReply(code="", text=text[:4096]).tokens
