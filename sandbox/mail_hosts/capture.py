"""Where captured mail is kept: in memory, bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.identity.records import Token

MOST_MAILS = 5_000
MOST_BYTES = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One message as a mail host accepted it."""

    via: str
    """`gmail`, `graph` or `smtp`."""
    token: Token
    mailbox: str
    mail_from: str
    rcpt_to: tuple[str, ...]
    source: bytes = field(repr=False)
    """The message as it would be delivered: without Bcc."""
    provider_id: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    """How it was submitted, for the eye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedMail:
    """A submission that was kept."""

    id: int
    received_at: float
    """Epoch seconds."""
    submission: Submission
    headers: dict[str, str]
    """The headers a list shows, decoded, by lower-case name."""

    def as_json(self) -> dict[str, Any]:
        """Return everything but the source."""
        sent = self.submission
        return {
            "id": self.id,
            "received_at": self.received_at,
            "via": sent.via,
            "tenant": sent.token.grant.tenant,
            "client_id": sent.token.grant.client_id,
            "grant": sent.token.grant.id,
            "mailbox": sent.mailbox,
            "envelope": {"mail_from": sent.mail_from, "rcpt_to": list(sent.rcpt_to)},
            "provider_id": sent.provider_id,
            "size": len(sent.source),
            "headers": self.headers,
            "details": dict(sent.details),
        }


class MailStore:
    """The newest mails; safe to use from several threads."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        read_headers: Callable[[bytes], dict[str, str]],
        most_mails: int = MOST_MAILS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._clock = clock
        self._read_headers = read_headers
        self._most_mails = most_mails
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._mails: OrderedDict[int, CapturedMail] = OrderedDict()
        self._bytes = 0
        self._accepted = 0
        self._last_id = 0

    def add(self, submission: Submission) -> CapturedMail:
        """Keep a message, letting the oldest go if there are too many."""
        headers = self._read_headers(submission.source)
        with self._lock:
            self._last_id += 1
            self._accepted += 1
            mail = CapturedMail(id=self._last_id, received_at=self._clock(), submission=submission, headers=headers)
            self._mails[mail.id] = mail
            self._bytes += len(submission.source)
            while len(self._mails) > self._most_mails or (self._bytes > self._most_bytes and len(self._mails) > 1):
                _, gone = self._mails.popitem(last=False)
                self._bytes -= len(gone.submission.source)
            return mail

    def get(self, mail_id: int) -> CapturedMail | None:
        """Return the mail, or None if it never was or is no longer kept."""
        with self._lock:
            return self._mails.get(mail_id)

    def sent_as(self, message_id: str, *, via: str, mailbox: str) -> list[CapturedMail]:
        """Return the kept mails of a mailbox with this Message-ID, with or without its angle brackets."""
        wanted = message_id.strip("<>")
        with self._lock:
            mails = list(self._mails.values())
        return [
            mail
            for mail in mails
            if mail.submission.via == via
            and mail.submission.mailbox.casefold() == mailbox.casefold()
            and mail.headers.get("message-id", "").strip("<> ") == wanted
        ]

    def newest(self, limit: int | None = None) -> list[CapturedMail]:
        """Return the kept mails, newest first."""
        with self._lock:
            mails = list(reversed(self._mails.values()))
        return mails if limit is None else mails[:limit]

    def counts(self) -> dict[str, int]:
        """Return how many were accepted since the last clearing, and how many are still kept."""
        with self._lock:
            return {
                "accepted": self._accepted,
                "kept": len(self._mails),
                "kept_bytes": self._bytes,
                "last_id": self._last_id,
            }

    def clear(self) -> None:
        """Forget every mail and count from nought; ids are never used twice."""
        with self._lock:
            self._mails.clear()
            self._bytes = 0
            self._accepted = 0
