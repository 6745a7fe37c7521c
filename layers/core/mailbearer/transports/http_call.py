"""One HTTP call to a provider's mail API, and what can be said of it without knowing the provider."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from mailbearer.errors import UnsafeEndpoint
from mailbearer.message import Outcome, Remedy
from mailbearer.transports.outcomes import explained, refused, remedy_of, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.message import Outgoing
    from mailbearer.ports.mail import Greeting
    from mailbearer.registration import Registration

_BYTES_OF_GRACE = 60_000_000
_MOST_GRACE = 3.0


class WayOut(Protocol):
    """The guarded way out, as far as HTTP needs it."""

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> tuple[int, Mapping[str, str], bytes, bool]:
        """Make one call within `deadline` seconds: status, header (names in lower case), body, and whether it is whole.

        The status is 0 if the request has left and no answer came. Raises `UnsafeEndpoint`, and `OSError` only if the
        request has certainly not left whole.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer whose head came whole; `body` is empty if its own did not."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Give the body as JSON, or None if it is none."""
        import json  # noqa: PLC0415 - an accepted message at Graph needs none

        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """The calls that one message or question takes, all before `end` (monotonic seconds), with one token.

    `marks` are header fields that every call with the token has.
    """

    egress: WayOut
    registration: Registration
    token: str = field(repr=False)
    end: float
    marks: tuple[tuple[str, str], ...] = ()

    def ask(self, method: str, url: str, *, media_type: str = "", body: bytes | None = None) -> Answer | Outcome:
        """Make one call with the token; an outcome comes back instead of an answer if there is none."""
        headers = {"Authorization": f"Bearer {self.token}", **dict(self.marks)}
        if media_type:
            headers["Content-Type"] = media_type
        return self.ask_without_token(method, url, headers=headers, body=body)

    def ask_without_token(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> Answer | Outcome:
        """Make one call without the token, as `ask` does."""
        left = self.end - time.monotonic()
        if left <= 0:
            return refused("connect_timeout", "The request could not be sent in time.")
        return call(self.egress, method, url, headers=headers, body=body, registration=self.registration, deadline=left)


def allowed_seconds(usual: float, size: int) -> float:
    """Give the longest that a message of `size` bytes may take: up to three times the usual, for 120 MB and more."""
    return usual * min(_MOST_GRACE, 1 + size / _BYTES_OF_GRACE)


def unaddressable(outgoing: Outgoing) -> Outcome | None:
    """Refuse addresses that the mail APIs do not carry (RFC 6531); the door refuses these first."""
    if all(map(str.isascii, (outgoing.mail_from, *outgoing.rcpt_to))):
        return None
    return refused("smtputf8_needed", "An address has letters beyond ASCII before the @.")


def call(
    egress: WayOut,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    registration: Registration,
    deadline: float,
) -> Answer | Outcome:
    """Make one call of at most `deadline` seconds; an outcome comes back instead of an answer if there is none."""
    try:
        status, fields, content, _ = egress.exchange(
            method, url, headers=headers, body=body, ca_pem=registration.ca_pem, deadline=deadline
        )
    except UnsafeEndpoint as error:
        return refused("unsafe_endpoint", error.detail)
    except OSError as error:
        return _not_sent(error)
    if status == 0:
        return unknown("answer_lost", "The request had left, and no answer came.")
    return Answer(status=status, headers=fields, body=content)


def greet(egress: WayOut, url: str, *, registration: Registration, deadline: float) -> Greeting:
    """Look whether an API answers; what it answers to a stranger does not matter."""
    from mailbearer.ports.mail import Greeting  # noqa: PLC0415 - no mail needs it

    answer = call(egress, "GET", url, headers={}, body=None, registration=registration, deadline=deadline)
    if isinstance(answer, Outcome):
        return Greeting(reached=False, code=answer.code, detail=answer.detail)
    return Greeting(reached=True)


def _not_sent(error: OSError) -> Outcome:
    if isinstance(error, ssl.SSLCertVerificationError):
        return refused("tls_not_trusted", "The server's certificate could not be verified.")
    if isinstance(error, ssl.SSLError):
        return refused("tls_failed", "No TLS connection could be made.")
    if isinstance(error, TimeoutError):
        return refused("connect_timeout", "The request could not be sent in time.")
    return refused("connect_failed", "The request could not be sent.")


# RFC 9110 and RFC 6585 define these as refusals; 3xx other than 307 and 308 may follow an accepted request.
_REFUSALS = frozenset({307, 308, *range(400, 429), 429, 431, 451})


def judged(answer: Answer, surface: str, *, secret: str, now: float) -> Outcome:
    """Judge an answer that is no yes: whether it is a no by its status alone, what it means by the diagnosis."""
    from mailbearer.diagnosis import Evidence  # noqa: PLC0415 - an accepted message needs none of it

    evidence = Evidence(
        surface=surface,
        http_status=answer.status,
        headers=answer.headers,
        body=answer.body.decode("utf-8", "replace"),
        secrets=frozenset({secret}),
    )
    code, detail = explained(evidence, secret=secret)
    if answer.status not in _REFUSALS:
        return unknown(code, detail)
    outcome = refused(code, detail)
    if code == "unknown_refusal":
        from mailbearer.diagnosis.mail_side import refused_by_status  # noqa: PLC0415 - as above

        outcome = replace(outcome, remedy=remedy_of(refused_by_status(answer.status)))
    if outcome.remedy not in {Remedy.RETRY, Remedy.HOLD}:
        return outcome
    from mailbearer.transports.retry_after import asked_pause  # noqa: PLC0415 - as above

    return replace(outcome, retry_after=asked_pause(answer.headers.get("retry-after", ""), evidence.body, now))
