"""No mail at all: the sandbox transport captures a message, and plays what its recipients at `sandbox` are named for.

What is played, by the local part before any `+`:

- `bounce`: this recipient is refused, the others have the message; with `+something` there are several of them
- `reject`: the message is refused
- `throttle`: too fast, always; `throttle+2`: the first two times
- `hold`: the mailbox is blocked;  `quota`: the mailbox has reached its daily limit
- `unknown`: captured, and the answer is lost;  `lost`: not captured, and nobody knows that
- `slow`: taken after 5 seconds; `slow+20`: after 20
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from mailbearer.capture import Capture
from mailbearer.errors import Unavailable
from mailbearer.message import Outcome, RefusedRecipient, Verdict
from mailbearer.ports.mail import Greeting
from mailbearer.transports.outcomes import refused, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailbearer.account import Account
    from mailbearer.message import Outgoing
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import CaptureStore
    from mailbearer.registration import Registration

_DOMAIN = "sandbox"
_SLOW, _SLOWEST = 5, 20
_RETRY_AFTER = 2.0
_NO_SUCH_USER = "550 5.1.1: no such user here"
# Refusals of the whole message, in the order in which they are looked for: the code of the diagnosis, and the words.
_REFUSALS = {
    "reject": ("message_rejected", "554 5.6.0: the sandbox rejects this message"),
    "hold": ("sending_blocked", "550 5.7.0: the sandbox holds this mailbox's mail"),
    "quota": ("daily_limit", "550 5.4.5: the sandbox's daily limit is reached"),
}
_FOLD = re.compile(r"\r\n(?=[ \t])")


class SandboxTransport:
    """Captures into the content bucket; nothing leaves the deployment."""

    per_mailbox = 10
    deadline = 40.0
    size_limit = 35_000_000
    names_recipients_in_headers = False
    keeps_connections = False
    needs_token = False

    def __init__(self, captures: CaptureStore, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._captures = captures
        self._clock = clock
        self._sleep = sleep

    def deadline_for(self, size: int) -> float:  # noqa: ARG002 - capturing takes no longer for a large one
        """Give the longest that a call with a message of `size` bytes can take, in seconds."""
        return self.deadline

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:  # noqa: ARG002 - the sandbox needs neither
        """Capture the message, or play what a recipient is named for."""
        headers = _headers(outgoing.mime)
        message_id = {name.lower(): value for name, value in headers}.get("message-id", "")
        message_id = message_id or f"<{hashlib.sha256(outgoing.mime).hexdigest()}@sandbox>"
        parts = _parts(outgoing.rcpt_to)
        bouncing = [recipient for recipient, (name, _) in parts.items() if name == "bounce"]
        playing = {name: number for name, number in parts.values() if name != "bounce"}
        capture = Capture(
            account=account.id,
            message_id=message_id,
            at=self._clock(),
            mail_from=outgoing.mail_from,
            rcpt_to=tuple(recipient for recipient in outgoing.rcpt_to if recipient not in bouncing),
            refused=tuple(bouncing),
            size=len(outgoing.mime),
            headers=headers,
        )
        try:
            return self._refusal(playing, capture) or self._taken(playing, capture, outgoing.mime)
        except Unavailable as error:
            # The same message again lies in the same place, so whether this one came to lie there is no matter.
            return refused("service_unavailable", error.detail)

    def verify(self, *, account: Account, registration: Registration, access_token: str) -> bool | None:  # noqa: ARG002 - there is no token
        """Say that nothing has to be opened."""
        return True

    def look_up(
        self,
        message_id: str,
        *,
        account: Account,
        registration: Registration,  # noqa: ARG002 - what was captured is ours
        access_token: str,  # noqa: ARG002 - as above
    ) -> bool | None:
        """Tell whether a message with this Message-ID was captured; None if the bucket does not answer."""
        try:
            return self._captures.find(account.id, message_id) is not None
        except Unavailable:
            return None

    def greet(self, registration: Registration) -> Greeting:  # noqa: ARG002 - there is but one sandbox
        """Say that there is nobody who could fail to answer."""
        return Greeting(reached=True)

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _refusal(self, playing: dict[str, int], capture: Capture) -> Outcome | None:
        """Give the refusal or the loss of the whole message that is played, if any."""
        for name, (code, detail) in _REFUSALS.items():
            if name in playing:
                return refused(code, detail)
        if "throttle" in playing:
            wanted = playing["throttle"]
            if not wanted or self._captures.count_try(capture.account, capture.message_id) <= wanted:
                return refused("throttled", "450 4.7.1: the sandbox is asked too fast", retry_after=_RETRY_AFTER)
        if "lost" in playing:
            return unknown("answer_lost", "The sandbox dropped the message and lost the answer.")
        if not capture.rcpt_to:
            every = tuple(_bounced(recipient) for recipient in capture.refused)
            return replace(refused("recipient_rejected", _NO_SUCH_USER), refused=every)
        return None

    def _taken(self, playing: dict[str, int], capture: Capture, mime: bytes) -> Outcome:
        if "slow" in playing:
            self._sleep(min(playing["slow"] or _SLOW, _SLOWEST))
        name = self._captures.put(capture, mime)
        if "unknown" in playing:
            return unknown("answer_lost", "The sandbox captured the message and lost the answer.")
        bounced = tuple(_bounced(recipient) for recipient in capture.refused)
        return Outcome(verdict=Verdict.ACCEPTED, provider_id=name, refused=bounced)


def _bounced(recipient: str) -> RefusedRecipient:
    return RefusedRecipient(recipient=recipient, code="recipient_rejected", detail=_NO_SUCH_USER)


def _parts(recipients: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Give what each recipient at `sandbox` plays, and its number; 0 = none given."""
    parts = {}
    for recipient in recipients:
        local, _, domain = recipient.rpartition("@")
        if domain.lower() == _DOMAIN:
            name, _, number = local.partition("+")
            parts[recipient] = (name.lower(), int(number) if number.isdecimal() and len(number) < 4 else 0)  # noqa: PLR2004 - as many tries as anybody wants
    return parts


def _headers(mime: bytes) -> tuple[tuple[str, str], ...]:
    """Read the header fields, each unfolded (RFC 5322 section 2.2.3)."""
    head = _FOLD.sub("", mime.partition(b"\r\n\r\n")[0].decode("utf-8", errors="replace"))
    fields = (line.partition(":") for line in head.split("\r\n"))
    return tuple((name, value.strip()) for name, colon, value in fields if colon)
