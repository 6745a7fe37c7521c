"""Mail through Microsoft Graph (`sendMail` with MIME content)."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING
from urllib.parse import quote

from mailbearer.message import Outcome, Verdict
from mailbearer.transports.http_call import Answer, WayOut, call, greet, judged
from mailbearer.transports.outcomes import is_writable, malformed_token, refused

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.message import Outgoing
    from mailbearer.ports import Clock
    from mailbearer.ports.mail import Greeting
    from mailbearer.registration import Registration

_BASE_URL = "https://graph.microsoft.com"
_OK = 200
_ACCEPTED = 202


class GraphTransport:
    """Sends with one POST; Graph reads the recipients from the header and removes Bcc itself."""

    per_mailbox = 4
    # Larger MIME messages have been answered with a 200 that meant nothing (providers' limit is 3 MB in base64).
    size_limit = 2_200_000
    names_recipients_in_headers = True
    needs_token = True

    def __init__(self, egress: WayOut, clock: Clock, *, deadline: float = 30.0) -> None:
        self.deadline = deadline
        self._egress = egress
        self._clock = clock

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:
        """Make one call and classify its answer."""
        if len(outgoing.mime) > self.size_limit:
            return refused("message_too_large", f"Graph takes up to {self.size_limit} bytes.")
        if not is_writable(access_token):
            return malformed_token()
        answer = call(
            self._egress,
            "POST",
            f"{_user_url(account, registration)}/sendMail",
            headers=_headers(access_token) | {"Content-Type": "text/plain"},
            body=binascii.b2a_base64(outgoing.mime, newline=False),
            registration=registration,
            deadline=self.deadline,
        )
        return answer if isinstance(answer, Outcome) else self._classified(answer, access_token)

    def verify(self, *, account: Account, registration: Registration, access_token: str) -> bool | None:
        """Ask whose token it is; None if it may not read that, or if no answer came."""
        if not is_writable(access_token):
            return False
        if registration.flow == "client_credentials":
            # An application may read of many a mailbox in the directory that Exchange does not let it send from.
            return None
        answer = call(
            self._egress,
            "GET",
            f"{_user_url(account, registration)}?$select=mail,userPrincipalName,proxyAddresses",
            headers=_headers(access_token),
            body=None,
            registration=registration,
            deadline=self.deadline,
        )
        if isinstance(answer, Outcome):
            return None
        if answer.status == 401:  # noqa: PLR2004 - HTTP
            return False
        body = answer.json()
        if answer.status != _OK or not isinstance(body, dict):
            return None
        names = [body.get("mail"), body.get("userPrincipalName")]
        aliases = body.get("proxyAddresses")
        names += aliases if isinstance(aliases, list) else []
        return account.address.lower() in [str(name).lower().removeprefix("smtp:") for name in names]

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
        url = (registration.api_base_url or _BASE_URL).rstrip("/") + "/v1.0/me"
        return greet(self._egress, url, registration=registration, deadline=self.deadline)

    def close(self) -> None:
        """Do nothing: the connections are the egress's."""

    def _classified(self, answer: Answer, token: str) -> Outcome:
        if answer.status == _ACCEPTED:
            # Retry-After may come with it and must not be obeyed by sending again.
            return Outcome(verdict=Verdict.ACCEPTED, provider_id=answer.headers.get("request-id", ""))
        return judged(answer, "graph", secret=token, now=self._clock())


def _user_url(account: Account, registration: Registration) -> str:
    base_url = (registration.api_base_url or _BASE_URL).rstrip("/")
    # An application's own token has no "me".
    if registration.flow == "client_credentials":
        return f"{base_url}/v1.0/users/{quote(account.address, safe='@')}"
    return f"{base_url}/v1.0/me"


def _headers(access_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}"}
