"""A large message at Graph: a draft, its attachments one by one, and then the word to send it."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from mailbearer.carriage import GRAPH_ATTACHMENT_LIMIT, draft_scope_missing, size_of
from mailbearer.message import Outcome, Verdict
from mailbearer.transports.graph_json import attachment_resource, upload_request, written
from mailbearer.transports.outcomes import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.message import Attachment, Message
    from mailbearer.transports.http_call import Answer, Errand

CHUNK = 3 * 1024 * 1024
"""Bytes of an attachment in one PUT: Graph takes up to 4 MB, and a multiple of three can be cut out of base64."""

_OK, _CREATED, _BAD, _NOT_FOUND = 200, 201, 400, 404
_JSON = "application/json"
_WITHOUT_THE_SCOPE = frozenset({"mailbox_access_denied", "scope_missing"})
_SIZES = frozenset({"message_too_large", "request_too_large"})


class _Unfinished(Exception):
    """The draft did not become whole, and has certainly not been sent."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRoad:
    """Sends messages from drafts in the mailbox at `user_url`.

    Until the word to send is given nothing can have been sent, whatever becomes of a call. `tidying` may go on a little
    longer than `errand`, so that a draft that came to nothing can be removed.
    """

    errand: Errand
    tidying: Errand
    user_url: str
    classify: Callable[[Answer], Outcome]

    def send(self, message: Message, draft: bytes, media_type: str) -> Outcome:
        """Make `draft` one in the mailbox, attach what `message` has, and send it."""
        draft_url = ""
        try:
            draft_url = self._created(message, draft, media_type)
            for part in message.attachments:
                # What is there counts: a piece too few would be sent in silence.
                self._attach(draft_url, replace(part, size=_octets(part.content)), html=message.html is not None)
            outcome = self._sent(self.errand.ask("POST", f"{draft_url}/send", body=b""))
        except _Unfinished as failure:
            outcome = failure.outcome
        if draft_url and outcome.verdict is Verdict.NOT_ACCEPTED:
            # None should be left lying about; whether that works changes nothing for the message.
            self.tidying.ask("DELETE", draft_url)
        return outcome

    def _created(self, message: Message, draft: bytes, media_type: str) -> str:
        answer = self.errand.ask("POST", f"{self.user_url}/messages", media_type=media_type, body=draft)
        try:
            draft_id = _text_in(self._expect(answer, _CREATED), "id")
        except _Unfinished as failure:
            if failure.outcome.code not in _WITHOUT_THE_SCOPE:
                raise
            # What an administrator has granted to an application is not known before it is tried.
            missing = refused("message_too_large", draft_scope_missing(size_of(message)))
            raise _Unfinished(missing) from failure
        return f"{self.user_url}/messages/{quote(draft_id, safe='')}"

    def _attach(self, draft_url: str, part: Attachment, *, html: bool) -> None:
        url = f"{draft_url}/attachments"
        if part.size > GRAPH_ATTACHMENT_LIMIT:
            body = written(upload_request(part, html=html))
            answer = self.errand.ask("POST", f"{url}/createUploadSession", media_type=_JSON, body=body)
            if not _too_small(answer):
                self._upload(_text_in(self._expect(answer, _CREATED), "uploadUrl"), part)
                return
        body = written(attachment_resource(part, html=html))
        self._expect(self.errand.ask("POST", url, media_type=_JSON, body=body), _CREATED)

    def _upload(self, url: str, part: Attachment) -> None:
        """Hand an attachment over in pieces, in order. The address is a key in itself: it does not see the token."""
        for start in range(0, part.size, CHUNK):
            end = min(start + CHUNK, part.size)
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"bytes {start}-{end - 1}/{part.size}",
            }
            piece = binascii.a2b_base64(part.content[start // 3 * 4 : -(-end // 3) * 4])
            answer = self.errand.ask_without_token("PUT", url, headers=headers, body=piece)
            # Only after the last piece is it an attachment; without that it must not be sent.
            self._expect(answer, _CREATED if end == part.size else _OK, of_mailbox=False)

    def _sent(self, answer: Answer | Outcome) -> Outcome:
        if isinstance(answer, Outcome):
            return answer
        if answer.status == _NOT_FOUND:
            return refused("draft_unfinished", "Nothing was sent. The draft is gone.")
        return self.classify(answer)

    def _expect(self, answer: Answer | Outcome, status: int, *, of_mailbox: bool = True) -> Answer:
        """Give the answer if it is the one that means yes. Raises `_Unfinished`.

        What an upload session refuses says nothing about the mailbox and its token, nor does a draft that is gone; but
        either may be the first to know the mailbox's own limit.
        """
        if isinstance(answer, Outcome):
            outcome, clear = answer, answer.verdict is Verdict.NOT_ACCEPTED
        elif answer.status == status:
            return answer
        else:
            outcome = self.classify(answer)
            meant = outcome.code in _SIZES or (of_mailbox and answer.status != _NOT_FOUND)
            clear = outcome.verdict is Verdict.NOT_ACCEPTED and meant
        if clear:
            raise _Unfinished(outcome)
        unfinished = refused("draft_unfinished", f"Nothing was sent. {outcome.code} {outcome.detail}".strip())
        raise _Unfinished(replace(unfinished, retry_after=outcome.retry_after))


def _octets(content: str) -> int:
    """Give the bytes that are in base64 without line breaks."""
    return len(content) // 4 * 3 - content[-2:].count("=")


def _too_small(answer: Answer | Outcome) -> bool:
    """Tell whether an attachment has to go in one call: nobody says which 3 MB Microsoft means, 10^6 or 2^20 bytes."""
    if isinstance(answer, Outcome) or answer.status != _BAD:
        return False
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and error.get("code") == "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"


def _text_in(answer: Answer, name: str) -> str:
    body = answer.json()
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value:
        raise _Unfinished(refused("draft_unfinished", f"Nothing was sent. Graph's answer names no {name}."))
    return value
