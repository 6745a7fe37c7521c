"""Judging answers of the authorization server: token endpoint, callback, introspection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.diagnosis import callback_codes, table, token_codes
from mailbearer.diagnosis import client_table as client
from mailbearer.diagnosis import mail_table as mail
from mailbearer.diagnosis.finding import Answer
from mailbearer.diagnosis.mail_side import api_word
from mailbearer.diagnosis.tokens import by_number, by_refusal

if TYPE_CHECKING:
    from mailbearer.diagnosis.finding import Diagnosis
    from mailbearer.diagnosis.seen import Seen

_OK, _REDIRECT, _BAD, _SERVER = 200, 300, 400, 500
_UNAUTHORIZED, _TIMEOUT, _TOO_MANY = 401, 408, 429
_NOT_THERE = frozenset({404, 405, 410})


def judge_token(seen: Seen) -> Diagnosis:
    """Judge a token endpoint's answer."""
    if seen.refusal.structured and (found := api_word(seen)):
        return _token_of_api(found)
    found = by_refusal(seen.refusal, provider=seen.provider)
    if seen.status in {_TIMEOUT, _TOO_MANY} or seen.status >= _SERVER:
        return found if found.answer is Answer.BUSY else _busy(seen)
    if found is not table.UNKNOWN or seen.refusal.names or seen.refusal.numbers:
        return found
    return _without_codes(seen)


def _without_codes(seen: Seen) -> Diagnosis:
    if seen.body.json is None:
        return _not_json(seen)
    if "access_token" in seen.body.json:
        return client.NO_ERROR
    if _OK <= seen.status < _REDIRECT:
        return client.ANSWER_INVALID
    # RFC 6749 section 5.2 has 401 for a client that is not taken, and for nothing else.
    return client.CLIENT if seen.status == _UNAUTHORIZED else table.UNKNOWN


def _busy(seen: Seen) -> Diagnosis:
    return client.THROTTLED if seen.status == _TOO_MANY else client.BUSY


def _not_json(seen: Seen) -> Diagnosis:
    """Judge what is no JSON: mostly it is not the token endpoint that speaks."""
    if _REDIRECT <= seen.status < _BAD or seen.status in _NOT_THERE:
        return client.ENDPOINT
    if seen.status == _UNAUTHORIZED:
        return client.CLIENT
    return client.BUSY if seen.body.markup or seen.status else table.UNKNOWN


def _token_of_api(found: Diagnosis) -> Diagnosis:
    """Say for a token what Google's API for signing or exchanging tokens says in the words of its mail API."""
    return {mail.MAILBOX_DENIED: table.SIGNING, mail.THROTTLED: client.THROTTLED, mail.SERVER_ERROR: client.BUSY}.get(
        found, found
    )


def judge_callback(seen: Seen) -> Diagnosis:
    """Judge what came back from the consent page, or stood on it."""
    refusal, query = seen.refusal, seen.body.query
    by_admin = "admin_consent" in query
    if not query:
        return _page(seen)
    if not refusal.names and not refusal.numbers:
        granted = "code" in query or (by_admin and "tenant" in query)
        return client.NO_ERROR if granted else callback_codes.ADMIN_DECLINED if by_admin else table.UNKNOWN
    if by_admin and refusal.word in {"access_denied", "consent_required"}:
        return callback_codes.ADMIN_DECLINED
    return _consent(seen)


def _consent(seen: Seen) -> Diagnosis:
    refusal = seen.refusal
    known = token_codes.WORDS.get(refusal.word)
    if known is client.BUSY:
        return known
    named = next(
        (callback_codes.NUMBERS[number] for number in refusal.numbers if number in callback_codes.NUMBERS), None
    )
    number = named or by_number(refusal.numbers)
    return number or callback_codes.WORDS.get(refusal.word) or by_refusal(refusal)


def _page(seen: Seen) -> Diagnosis:
    """Read the provider's own page, from which nothing ever comes back."""
    text = " ".join(seen.body.text.lower().split())
    on_page = callback_codes.PAGE_WORDS.get(seen.refusal.word) if seen.refusal.status else None
    marked = next((found for marker, found in callback_codes.PAGE_MARKERS if marker in text), None)
    if seen.refusal.names or seen.refusal.numbers:
        return on_page or _consent(seen)
    return marked or (client.BUSY if seen.status >= _SERVER else table.UNKNOWN)


def judge_introspection(seen: Seen) -> Diagnosis:
    """Judge the answer of an introspection, tokeninfo or userinfo endpoint."""
    active = (seen.body.json or {}).get("active")
    if isinstance(active, bool):
        return client.NO_ERROR if active else table.GRANT_GONE
    if seen.status in {_TIMEOUT, _TOO_MANY} or seen.status >= _SERVER:
        return _busy(seen)
    word = seen.refusal.word or seen.challenge
    if seen.refusal.structured or word in {"invalid_token", "token_expired", "insufficient_scope"}:
        return mail.SCOPE_MISSING if word == "insufficient_scope" else api_word(seen) or mail.TOKEN_REJECTED
    if word:
        return token_codes.WORDS.get(word) or by_refusal(seen.refusal)
    if seen.status == _UNAUTHORIZED:
        return client.CLIENT
    return client.NO_ERROR if _OK <= seen.status < _REDIRECT else table.UNKNOWN
