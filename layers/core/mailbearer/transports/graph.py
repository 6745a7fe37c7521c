"""Mail through Microsoft Graph: `sendMail` with MIME content or JSON, and drafts for what is larger."""

from __future__ import annotations

import binascii
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from mailbearer.carriage import (
    GRAPH_CALL_LIMIT,
    GRAPH_LIMIT,
    GraphForm,
    graph_form,
    may_search_graph,
    size_of,
    unfit,
)
from mailbearer.errors import InvalidInput
from mailbearer.message import Outcome, Verdict
from mailbearer.transports.http_call import Answer, Errand, WayOut, allowed_seconds, greet, judged, unaddressable
from mailbearer.transports.outcomes import is_writable, malformed_token, refused

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.message import Message, Outgoing
    from mailbearer.ports import Clock
    from mailbearer.ports.mail import Composer, Greeting
    from mailbearer.registration import Registration

_BASE_URL = "https://graph.microsoft.com"
_OK = 200
_ACCEPTED = 202
_MIME = "text/plain"
_JSON = "application/json"
_LONGEST_ID = 900


class GraphTransport:
    """Sends with one POST, or from a draft; Graph reads the recipients from the header and removes Bcc itself."""

    per_mailbox = 4
    size_limit = GRAPH_LIMIT
    names_recipients_in_headers = True
    keeps_connections = False
    needs_token = True

    def __init__(self, egress: WayOut, clock: Clock, compose: Composer, *, deadline: float = 30.0) -> None:
        self.deadline = deadline
        self._egress = egress
        self._clock = clock
        self._compose = compose

    def deadline_for(self, size: int) -> float:
        """Give the longest that a call with a message of `size` bytes can take, in seconds."""
        return allowed_seconds(self.deadline, size)

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:
        """Make one call, or those that a draft takes, and classify the answer.

        The bytes alone serve for what one call as MIME carries; everything else is written from the message.
        """
        message = outgoing.message
        size = len(outgoing.mime) or (size_of(message) if message is not None else 0)
        form = graph_form(message, account, size) if message is not None else GraphForm(json=False, draft=False)
        problem = _problem(outgoing, form, size, account, registration)
        if problem is not None:
            return problem
        if not is_writable(access_token):
            return malformed_token()
        errand = self._errand(registration, access_token, size, outgoing.correlation)
        user_url = _user_url(account, registration)
        if message is not None and form.draft:
            return self._send_draft(errand, user_url, message, form)
        if message is not None and form.json:
            from mailbearer.transports.graph_json import message_resource, written  # noqa: PLC0415 - few need it

            body, media_type = written({"message": message_resource(message, attachments=True)}), _JSON
        else:
            body, media_type = binascii.b2a_base64(outgoing.mime, newline=False), _MIME
        answer = errand.ask("POST", f"{user_url}/sendMail", media_type=media_type, body=body)
        return answer if isinstance(answer, Outcome) else self._classified(answer, access_token)

    def verify(self, *, account: Account, registration: Registration, access_token: str) -> bool | None:
        """Ask whose token it is; None if it may not read that, or if no answer came."""
        if not is_writable(access_token):
            return False
        if registration.flow == "client_credentials":
            # An application may read of many a mailbox in the directory that Exchange does not let it send from.
            return None
        url = f"{_user_url(account, registration)}?$select=mail,userPrincipalName,proxyAddresses"
        answer = self._errand(registration, access_token).ask("GET", url)
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
        self, message_id: str, *, account: Account, registration: Registration, access_token: str
    ) -> bool | None:
        """Search all folders for a Message-ID that is on no draft; None if no scope lets it be read, or no answer."""
        readable = message_id.isascii() and message_id.isprintable() and 0 < len(message_id) <= _LONGEST_ID
        if not (may_search_graph(account, registration) and is_writable(access_token) and readable):
            return None
        # An apostrophe ends a string of OData unless there are two of them.
        literal = quote(message_id.replace("'", "''"), safe="")
        query = f"$filter=internetMessageId%20eq%20'{literal}'&$select=isDraft&$top=10"
        answer = self._errand(registration, access_token).ask(
            "GET", f"{_user_url(account, registration)}/messages?{query}"
        )
        if isinstance(answer, Outcome) or answer.status != _OK:
            return None
        body = answer.json()
        found = body.get("value") if isinstance(body, dict) else None
        if not isinstance(found, list):
            return None
        return any(isinstance(item, dict) and item.get("isDraft") is False for item in found)

    def greet(self, registration: Registration) -> Greeting:
        """Look whether the API answers."""
        url = (registration.api_base_url or _BASE_URL).rstrip("/") + "/v1.0/me"
        return greet(self._egress, url, registration=registration, deadline=self.deadline)

    def close(self) -> None:
        """Do nothing: the connections are the egress's."""

    def _send_draft(self, errand: Errand, user_url: str, message: Message, form: GraphForm) -> Outcome:
        from mailbearer.transports.graph_draft import DraftRoad  # noqa: PLC0415 - few messages are so large
        from mailbearer.transports.graph_json import message_resource, written  # noqa: PLC0415 - as above

        if form.json:
            draft, media_type = written(message_resource(message, attachments=False)), _JSON
        else:
            try:
                bare = self._compose(replace(message, attachments=()), bcc_header=True)
            except InvalidInput as error:
                return refused("message_rejected", error.detail)
            draft, media_type = binascii.b2a_base64(bare, newline=False), _MIME
        road = DraftRoad(
            errand=replace(errand, end=errand.end - self.deadline / 10),
            tidying=errand,
            user_url=user_url,
            classify=lambda answer: self._classified(answer, errand.token),
        )
        return road.send(message, draft, media_type)

    def _errand(self, registration: Registration, token: str, size: int = 0, correlation: str = "") -> Errand:
        end = time.monotonic() + self.deadline_for(size)
        # Microsoft keeps it with its own request-id, and support finds a call by either.
        marks = (("client-request-id", client_request_id(correlation)),) if correlation else ()
        return Errand(egress=self._egress, registration=registration, token=token, end=end, marks=marks)

    def _classified(self, answer: Answer, token: str) -> Outcome:
        if answer.status == _ACCEPTED:
            # Retry-After may come with it and must not be obeyed by sending again.
            return Outcome(verdict=Verdict.ACCEPTED, provider_id=answer.headers.get("request-id", ""))
        return judged(answer, "graph", secret=token, now=self._clock())


def client_request_id(correlation: str) -> str:
    """Give the GUID that stands for one of our ids at Graph, which takes nothing else there."""
    from uuid import NAMESPACE_OID, uuid5  # noqa: PLC0415 - only who sends through Graph needs it

    return str(uuid5(NAMESPACE_OID, correlation))


def _problem(
    outgoing: Outgoing, form: GraphForm, size: int, account: Account, registration: Registration
) -> Outcome | None:
    """Say what keeps a message from being said to Graph; the door refuses all of this first, as far as it can know."""
    message = outgoing.message
    if size > GRAPH_LIMIT or (message is None and size > GRAPH_CALL_LIMIT):
        return refused("message_too_large", f"Graph takes up to {GRAPH_LIMIT if message else GRAPH_CALL_LIMIT} bytes.")
    if (problem := unaddressable(outgoing)) is not None or message is None or not (form.json or form.draft):
        return problem
    faults = unfit(message, account, registration, size=size)
    too_large = " ".join(fault.detail for fault in faults if fault.code == "message_too_large")
    if too_large:
        return refused("message_too_large", too_large)
    return refused("not_expressible", " ".join(fault.detail for fault in faults)) if faults else None


def _user_url(account: Account, registration: Registration) -> str:
    base_url = (registration.api_base_url or _BASE_URL).rstrip("/")
    # An application's own token has no "me".
    if registration.flow == "client_credentials":
        return f"{base_url}/v1.0/users/{quote(account.address, safe='@')}"
    return f"{base_url}/v1.0/me"
