"""Mail through the Gmail API (`users.messages.send`)."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

from mailbearer.message import Outcome, Remedy, Verdict
from mailbearer.transports.http_call import Answer, WayOut, by_status, call
from mailbearer.transports.outcomes import MALFORMED_TOKEN, is_writable, refused, unknown, words

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.message import Outgoing
    from mailbearer.ports import Clock
    from mailbearer.registration import Registration

_BASE_URL = "https://gmail.googleapis.com"
# Gmail takes requests of 5 MB with the message in base64; larger ones go through the upload endpoint.
_JSON_LIMIT = 3_500_000
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_OK = 200

# Reasons of Google's error model (error.errors[].reason, error.details[].reason); more exact than the status.
_REASONS = {
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": ("scope_missing", Remedy.HOLD),
    "SERVICE_DISABLED": ("api_disabled", Remedy.HOLD),
    "accessNotConfigured": ("api_disabled", Remedy.HOLD),
    "authError": ("token_rejected", Remedy.REFRESH),
    "dailyLimitExceeded": ("daily_limit", Remedy.HOLD),
    "domainPolicy": ("domain_policy", Remedy.HOLD),
    "failedPrecondition": ("mailbox_unavailable", Remedy.HOLD),
    "insufficientPermissions": ("scope_missing", Remedy.HOLD),
    "quotaExceeded": ("daily_limit", Remedy.HOLD),
    "rateLimitExceeded": ("throttled", Remedy.RETRY),
    "uploadTooLarge": ("message_too_large", Remedy.NONE),
    "userRateLimitExceeded": ("throttled", Remedy.RETRY),
}


class GmailTransport:
    """Sends with one POST; Gmail reads the recipients from the header and removes Bcc itself."""

    per_mailbox = 10
    size_limit = 35_000_000
    names_recipients_in_headers = True

    def __init__(self, egress: WayOut, clock: Clock, *, deadline: float = 30.0) -> None:
        self.deadline = deadline
        self._egress = egress
        self._clock = clock

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:  # noqa: ARG002 - the token names the mailbox
        """Make one call and classify its answer."""
        mime = outgoing.mime
        if len(mime) > self.size_limit:
            return refused("message_too_large", f"Gmail takes up to {self.size_limit} bytes.", Remedy.NONE)
        if not is_writable(access_token):
            return MALFORMED_TOKEN
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

    def close(self) -> None:
        """Do nothing: the connections are the egress's."""

    def _classified(self, answer: Answer, token: str) -> Outcome:
        body = answer.json()
        if answer.status == _OK:
            message_id = body.get("id") if isinstance(body, dict) else None
            if isinstance(message_id, str) and message_id:
                return Outcome(verdict=Verdict.ACCEPTED, provider_id=message_id)
            return unknown("answer_unreadable", "HTTP 200 without a message id.")
        reasons, text = _reasons(body)
        if 400 <= answer.status < 500:  # noqa: PLR2004 - HTTP
            for reason in reasons:
                if reason in _REASONS:
                    code, remedy = _REASONS[reason]
                    wait = answer.retry_after(self._clock()) if remedy is Remedy.RETRY else None
                    return refused(code, words(reason, text, secret=token), remedy, wait)
        return by_status(answer, next(iter(reasons), ""), text, secret=token, now=self._clock())


def _reasons(body: Any) -> tuple[list[str], str]:
    """Take the reasons out of Google's error model, the steadiest first, and the text."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return [], ""
    listed = [error.get(field) for field in ("details", "errors")]
    items = [item for items in listed if isinstance(items, list) for item in items if isinstance(item, dict)]
    reasons = [item["reason"] for item in items if isinstance(item.get("reason"), str)]
    return reasons, str(error.get("message", ""))
