"""One call to a webhook, and what its answer means."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from mailbearer.errors import UnsafeEndpoint

SECONDS = 15.0
"""All of a call has to fit into this: look-up, connection, TLS, request and answer."""

LONGEST_PAUSE = 86_400.0
"""Seconds to which what a receiver asks for is clamped: no longer than our own longest pause."""

_SHOWN = 200
_GONE = 410
_ASK = frozenset({429, 503})

PauseOf: TypeAlias = Callable[[str, str, float], float | None]
"""Read Retry-After, or a body, at a time: the seconds to wait, None if it says none."""


class WayOut(Protocol):
    """The guarded way out, as far as webhooks need it."""

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> tuple[int, Mapping[str, str], bytes, bool]:
        """Make one call within `deadline` seconds: status, header (names in lower case), body, and whether it is whole.

        The status is 0 if the request has left and no answer came. No redirect is followed. Raises `UnsafeEndpoint`,
        and `OSError` only if the request has certainly not left whole.
        """


class Verdict(StrEnum):
    """What an answer means."""

    TAKEN = "taken"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A verdict, why (a stable code), when the receiver wants to be asked again (seconds), and what it said.

    `said` is short and without secrets: for people who look for the cause.
    """

    verdict: Verdict
    code: str
    pause: float = 0
    said: str = ""


def call(way_out: WayOut, url: str, headers: Mapping[str, str], body: bytes, *, pause_of: PauseOf, now: float) -> Reply:
    """Make one call: 2xx is taken, 410 says never again, anything else has failed for now."""
    try:
        status, fields, content, _ = way_out.exchange(
            "POST", url, headers=headers, body=body, ca_pem="", deadline=SECONDS
        )
    except UnsafeEndpoint:
        return _failed("unsafe_endpoint")
    except OSError as error:
        return _failed(_not_sent(error))
    if status == 0:
        return _failed("answer_lost")
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP
        return Reply(verdict=Verdict.TAKEN, code="")
    pause = (pause_of(fields.get("retry-after", ""), "", now) or 0) if status in _ASK else 0
    return Reply(
        verdict=Verdict.GONE if status == _GONE else Verdict.FAILED,
        code=f"http_{status}",
        pause=min(max(pause, 0.0), LONGEST_PAUSE),
        said=_cleaned(content),
    )


def _failed(code: str) -> Reply:
    return Reply(verdict=Verdict.FAILED, code=code)


def _not_sent(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls_not_trusted"
    if isinstance(error, ssl.SSLError):
        return "tls_failed"
    return "connect_timeout" if isinstance(error, TimeoutError) else "connect_failed"


def _cleaned(content: bytes) -> str:
    from mailbearer.diagnosis.cleaning import clean, secrets_in  # noqa: PLC0415 - what is taken needs none of it

    text = content[: 8 * _SHOWN].decode("utf-8", "replace")
    return clean(text, secrets_in(text))[:_SHOWN]
