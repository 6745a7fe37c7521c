"""Mail through the Gmail API (`users.messages.send`)."""

from __future__ import annotations

import binascii
import re
import time
from typing import TYPE_CHECKING

from mailbearer.carriage import GMAIL_LIMIT, may_search_gmail
from mailbearer.message import Outcome, Verdict
from mailbearer.transports.http_call import Answer, Errand, WayOut, allowed_seconds, greet, judged, unaddressable
from mailbearer.transports.outcomes import is_writable, malformed_token, refused

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.message import Outgoing
    from mailbearer.ports import Clock
    from mailbearer.ports.mail import Greeting
    from mailbearer.registration import Registration

_BASE_URL = "https://gmail.googleapis.com"
# Gmail takes requests of 5 MB with the message in base64; larger ones go through the upload endpoint.
_JSON_LIMIT = 3_500_000
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_OK = 200
# What a search term may hold without saying anything else to Gmail's query language.
_SEARCHABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=%$-]*@[A-Za-z0-9][A-Za-z0-9._-]*")


class GmailTransport:
    """Sends with one POST; Gmail reads the recipients from the header and removes Bcc itself."""

    per_mailbox = 10
    size_limit = GMAIL_LIMIT
    names_recipients_in_headers = True
    keeps_connections = False
    needs_token = True

    def __init__(self, egress: WayOut, clock: Clock, *, deadline: float = 30.0) -> None:
        self.deadline = deadline
        self._egress = egress
        self._clock = clock

    def deadline_for(self, size: int) -> float:
        """Give the longest that a call with a message of `size` bytes can take, in seconds."""
        return allowed_seconds(self.deadline, size)

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:  # noqa: ARG002 - the token names the mailbox
        """Make one call and classify its answer."""
        mime = outgoing.mime
        if len(mime) > self.size_limit:
            return refused("message_too_large", f"Gmail takes up to {self.size_limit} bytes.")
        if not is_writable(access_token):
            return malformed_token()
        if (problem := unaddressable(outgoing)) is not None:
            return problem
        errand = self._errand(registration, access_token, len(mime))
        if len(mime) < _JSON_LIMIT:
            url = f"{_base_url(registration)}/gmail/v1/users/me/messages/send"
            media_type = "application/json"
            body = b'{"raw":"' + binascii.b2a_base64(mime, newline=False).translate(_URL_SAFE) + b'"}'
        else:
            url = f"{_base_url(registration)}/upload/gmail/v1/users/me/messages/send?uploadType=media"
            media_type, body = "message/rfc822", mime
        answer = errand.ask("POST", url, media_type=media_type, body=body)
        return answer if isinstance(answer, Outcome) else self._classified(answer, access_token)

    def verify(self, *, account: Account, registration: Registration, access_token: str) -> bool | None:
        """Ask whose mailbox it is (`users.getProfile`); None if the token may only send, or if no answer came."""
        if not is_writable(access_token):
            return False
        url = f"{_base_url(registration)}/gmail/v1/users/me/profile"
        answer = self._errand(registration, access_token).ask("GET", url)
        if isinstance(answer, Outcome):
            return None
        if answer.status == 401:  # noqa: PLR2004 - HTTP
            return False
        body = answer.json()
        address = body.get("emailAddress") if answer.status == _OK and isinstance(body, dict) else None
        return address.lower() == account.address.lower() if isinstance(address, str) else None

    def look_up(
        self, message_id: str, *, account: Account, registration: Registration, access_token: str
    ) -> bool | None:
        """Search the sent mail for a Message-ID (`users.messages.list`).

        None if no scope lets it be read, if the id could say something else to Gmail's query language, or if no answer
        came.
        """
        bare = message_id.removeprefix("<").removesuffix(">")
        if not (may_search_gmail(account, registration) and is_writable(access_token) and _SEARCHABLE.fullmatch(bare)):
            return None
        from urllib.parse import quote  # noqa: PLC0415 - nothing else here needs it

        query = quote(f"rfc822msgid:{bare} in:sent", safe="")
        url = f"{_base_url(registration)}/gmail/v1/users/me/messages?maxResults=1&q={query}"
        answer = self._errand(registration, access_token).ask("GET", url)
        if isinstance(answer, Outcome) or answer.status != _OK:
            return None
        body = answer.json()
        if not isinstance(body, dict):
            return None
        # Gmail leaves the list out where it would be empty.
        found = body.get("messages", [])
        return bool(found) if isinstance(found, list) else None

    def greet(self, registration: Registration) -> Greeting:
        """Look whether the API answers."""
        url = f"{_base_url(registration)}/gmail/v1/users/me/profile"
        return greet(self._egress, url, registration=registration, deadline=self.deadline)

    def close(self) -> None:
        """Do nothing: the connections are the egress's."""

    def _errand(self, registration: Registration, token: str, size: int = 0) -> Errand:
        end = time.monotonic() + self.deadline_for(size)
        return Errand(egress=self._egress, registration=registration, token=token, end=end)

    def _classified(self, answer: Answer, token: str) -> Outcome:
        body = answer.json() if answer.status == _OK else None
        message_id = body.get("id") if isinstance(body, dict) else None
        if isinstance(message_id, str) and message_id:
            return Outcome(verdict=Verdict.ACCEPTED, provider_id=message_id)
        return judged(answer, "gmail", secret=token, now=self._clock())


def _base_url(registration: Registration) -> str:
    return (registration.api_base_url or _BASE_URL).rstrip("/")
