"""The mail side, and what writes and reads mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.account import Account
    from mailbearer.errors import Fault
    from mailbearer.message import Address, Message, Outcome, Outgoing
    from mailbearer.registration import Registration
    from mailbearer.template import Rendered, TemplateVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """Whether the mail side answers over verified TLS; `offers` are an SMTP server's keywords, `AUTH` with its values.

    `code` and `detail` say what went wrong, as those of an `Outcome` do.
    """

    reached: bool
    code: str = ""
    detail: str = ""
    offers: tuple[str, ...] = ()


class Transport(Protocol):
    """One way of carrying mail. An instance may be used by several threads."""

    per_mailbox: int
    """How many calls may run at once for one mailbox."""

    deadline: float
    """The longest that one call with a message of usual size can take, in seconds."""

    size_limit: int
    """The largest MIME message this transport carries, in bytes."""

    names_recipients_in_headers: bool
    """Whether the provider reads the recipients in the header, so that Bcc has to be there (it strips it)."""

    keeps_connections: bool
    """Whether a call leaves a connection open that the provider goes on counting."""

    needs_token: bool
    """Whether it wants an access token."""

    def deadline_for(self, size: int) -> float:
        """Give the longest that one call with a message of `size` bytes can take, in seconds."""

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:
        """Make one call and classify its answer; never raises for anything the provider does."""

    def verify(self, *, account: Account, registration: Registration, access_token: str) -> bool | None:
        """Prove that the token opens this very mailbox, sending nothing; None if this transport cannot tell."""

    def look_up(
        self, message_id: str, *, account: Account, registration: Registration, access_token: str
    ) -> bool | None:
        """Tell whether the mailbox holds a sent message with this Message-ID, sending nothing.

        None if the granted scopes (`account.scopes_granted`) do not let it read that, or if nobody answered. A False is
        no proof: what was just sent may not be found yet.
        """

    def greet(self, registration: Registration) -> Greeting:
        """Look whether the mail side answers, with no token and no mail."""

    def close(self) -> None:
        """Let go of kept connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHeaders:
    """What a raw message says of itself; `message_id` is empty if it says none. `faults` point at `/raw`."""

    sender: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    message_id: str = ""
    faults: tuple[Fault, ...] = ()


class TemplateEngine(Protocol):
    """Fills templates in; every call is bounded in size, depth and time."""

    def check(self, version: TemplateVersion) -> tuple[str, ...]:
        """Give the variables that a version cannot do without. Raises `InvalidInput` for what cannot be a template.

        Faults point at `/subject`, `/text` and `/html`.
        """

    def render(self, version: TemplateVersion, variables: Mapping[str, object]) -> Rendered:
        """Fill in a version.

        Raises `InvalidInput` with every variable that is missing (`/variables/<name>`), and for what breaks a bound.
        """


class RawReader(Protocol):
    """Reads the header of a raw RFC 5322 message."""

    def __call__(self, data: bytes, /) -> RawHeaders:
        """Give sender and recipients; never raises."""


class Composer(Protocol):
    """Writes a message as MIME."""

    def __call__(self, message: Message, *, bcc_header: bool) -> bytes:
        """Give the RFC 5322 bytes: CRLF, 7bit-clean, byte for byte the same each time."""
