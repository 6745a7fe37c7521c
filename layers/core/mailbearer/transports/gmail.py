"""Mail through the Gmail API (`users.messages.send`)."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from mailbearer.message import Outcome, Verdict
from mailbearer.transports.http_call import Answer, WayOut, call, greet, judged
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


class GmailTransport:
    """Sends with one POST; Gmail reads the recipients from the header and removes Bcc itself."""

    per_mailbox = 10
    size_limit = 35_000_000
    names_recipients_in_headers = True
    needs_token = True

    def __init__(self, egress: WayOut, clock: Clock, *, deadline: float = 30.0) -> None:
        self.deadline = deadline
        self._egress = egress
        self._clock = clock

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:  # noqa: ARG002 - the token names the mailbox
        """Make one call and classify its answer."""
        mime = outgoing.mime
        if len(mime) > self.size_limit:
            return refused("message_too_large", f"Gmail takes up to {self.size_limit} bytes.")
        if not is_writable(access_token):
            return malformed_token()
        base_url = (registration.api_base_url or _BASE_URL).rstrip("/")
        if len(mime) < _JSON_LIMIT:
            url = f"{base_url}/gmail/v1/users/me/messages/send"
            media_type = "application/json"
            body = b'{"raw":"' + binascii.b2a_base64(mime, newline=False).translate(_URL_SAFE) + b'"}'
        else:
            url = f"{base_url}/upload/gmail/v1/users/me/messages/send?uploadType=media"
            media_type, body = "message/rfc822", mime
        headers = {"Authorization": f"Bearer {access_token}", "Content-Type": media_type}
        answer = call(
            self._egress, "POST", url, headers=headers, body=body, registration=registration, deadline=self.deadline
        )
        return answer if isinstance(answer, Outcome) else self._classified(answer, access_token)

    def verify(self, *, account: Account, registration: Registration, access_token: str) -> bool | None:
        """Ask whose mailbox it is (`users.getProfile`); None if the token may only send, or if no answer came."""
        if not is_writable(access_token):
            return False
        url = f"{(registration.api_base_url or _BASE_URL).rstrip('/')}/gmail/v1/users/me/profile"
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = call(
            self._egress, "GET", url, headers=headers, body=None, registration=registration, deadline=self.deadline
        )
        if isinstance(answer, Outcome):
            return None
        if answer.status == 401:  # noqa: PLR2004 - HTTP
            return False
        body = answer.json()
        address = body.get("emailAddress") if answer.status == _OK and isinstance(body, dict) else None
        return address.lower() == account.address.lower() if isinstance(address, str) else None

    def look_up(
        self,
        message_id: str,  # noqa: ARG002 - no scope of ours reads mail yet
        *,
        account: Account,  # noqa: ARG002
        registration: Registration,  # noqa: ARG002
        access_token: str,  # noqa: ARG002
    ) -> bool | None:
        """Say that it cannot be told."""
        return None

    def greet(self, registration: Registration) -> Greeting:
        """Look whether the API answers."""
        url = (registration.api_base_url or _BASE_URL).rstrip("/") + "/gmail/v1/users/me/profile"
        return greet(self._egress, url, registration=registration, deadline=self.deadline)

    def close(self) -> None:
        """Do nothing: the connections are the egress's."""

    def _classified(self, answer: Answer, token: str) -> Outcome:
        body = answer.json() if answer.status == _OK else None
        message_id = body.get("id") if isinstance(body, dict) else None
        if isinstance(message_id, str) and message_id:
            return Outcome(verdict=Verdict.ACCEPTED, provider_id=message_id)
        return judged(answer, "gmail", secret=token, now=self._clock())
