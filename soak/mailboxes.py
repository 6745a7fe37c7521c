"""The mailboxes of the load, and what is special about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proofs.ground import Ground
    from soak.doors import Http

TOKEN_LIFE = 3600.0
PER_MINUTE = 60
AMPLE = {"per_minute": 100_000, "per_day": 1_000_000, "recipients_per_day": 1_000_000}
"""Limits that nobody reaches: a provider's own would make the load take days."""
SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mailbox; `provider` is one of `proofs.ground.PROVIDERS` or the built-in sandbox, `share` a weight.

    Of a `troubled` one the provider throttles, breaks down and loses answers; a `quiet` one gets little and is to
    notice nothing of the others.
    """

    name: str
    provider: str
    share: float
    per_minute: int = 0
    troubled: bool = False
    quiet: bool = False

    @property
    def endpoint(self) -> str:
        """Give the sandbox's endpoint at which its faults are played."""
        return {"kept": "gmail", "renewed": "graph", "rotated": "smtp"}.get(self.provider, "")

    @property
    def refuses_recipients(self) -> bool:
        """Tell whether its host says of each recipient at once whether it takes him."""
        return self.provider in {"rotated", SANDBOX}


FLOODED, PAUSED, LIMITED = "flooded", "paused", "limited"
MAILBOXES = (
    Mailbox(name=FLOODED, provider="kept", share=36),
    Mailbox(name="busy Graph", provider="renewed", share=8),
    Mailbox(name="busy SMTP", provider="rotated", share=12),
    Mailbox(name="sandbox", provider=SANDBOX, share=10),
    Mailbox(name="troubled Gmail", provider="kept", share=6, troubled=True),
    Mailbox(name="troubled Graph", provider="renewed", share=4, troubled=True),
    Mailbox(name="troubled SMTP", provider="rotated", share=6, troubled=True),
    Mailbox(name=PAUSED, provider="kept", share=6),
    Mailbox(name=LIMITED, provider="rotated", share=1.5, per_minute=PER_MINUTE),
    Mailbox(name="quiet Gmail", provider="kept", share=3.5, quiet=True),
    Mailbox(name="quiet Graph", provider="renewed", share=3.5, quiet=True),
    Mailbox(name="quiet SMTP", provider="rotated", share=3.5, quiet=True),
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox's account: its id in Mailbearer and its address at its host."""

    id: str
    address: str


def open_all(ground: Ground, http: Http) -> dict[str, Opened]:
    """Connect every mailbox and give it its limits; by name."""
    opened = {}
    for mailbox in MAILBOXES:
        if mailbox.provider == SANDBOX:
            body = {"provider": SANDBOX, "address": "soak@acme.example"}
            account = http.done("POST", "/v1/accounts", body)
            opened[mailbox.name] = Opened(account["id"], account["address"])
        else:
            connected = ground.connect(mailbox.provider, ends_in=TOKEN_LIFE)
            opened[mailbox.name] = Opened(connected.id, connected.address)
        limits = AMPLE | ({"per_minute": mailbox.per_minute} if mailbox.per_minute else {})
        http.done("PATCH", f"/v1/accounts/{opened[mailbox.name].id}", {"limits": limits})
    return opened
