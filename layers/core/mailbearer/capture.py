"""A message that the sandbox transport took instead of sending it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """The envelope and header of a captured message.

    `message_id` is the RFC 5322 one, `at` is epoch seconds, `size` counts the bytes of the MIME. `rcpt_to` are the
    recipients that took it, `refused` those that played a refusal. `headers` are as written, without folding.
    """

    account: str
    message_id: str
    at: float
    mail_from: str
    rcpt_to: tuple[str, ...]
    refused: tuple[str, ...] = ()
    size: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
