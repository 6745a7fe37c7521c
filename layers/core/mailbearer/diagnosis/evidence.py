"""What is handed in to be explained, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An answer as it came: `http_status` is 0 where there is none, `smtp` one or more replies, joined by line ends.

    `provider` and `surface` (token, callback, gmail, graph, smtp, introspection) are guessed where they are empty.
    `stage` says how far an SMTP dialogue had come, where that is known: greeting, ehlo, starttls, auth, mail, rcpt,
    data, content. `secrets` are never shown, even if the answer quotes them.
    """

    provider: str = ""
    surface: str = ""
    http_status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)
    smtp: str = field(default="", repr=False)
    stage: str = ""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What an answer means: our `code`, why, who acts, how, and whether trying again by itself may help.

    `raw` is the provider's own code or codes, `said` its text cleaned of everything secret; `retry_after` (seconds) or
    `retry_at` (RFC 3339) are there where the provider stated them. `kind` is `unknown_outcome` where the mail may have
    gone out.
    """

    code: str
    cause: str
    retry: bool
    who: str
    remedy: str
    raw: str
    provider: str
    surface: str
    kind: str = ""
    said: str = ""
    retry_after: float | None = None
    retry_at: str = ""
