"""The mailbox and the message that are measured with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.ids import derived_id
from mailbearer.message import Address, Message
from mailbearer.registration import Endpoints, Flow, Registration
from mailbearer.token import TokenState

if TYPE_CHECKING:
    from mailbearer.registration import SmtpServer

# As long as Google's and, with some good will, Microsoft's.
ACCESS_TOKEN = "t" * 220
TOKEN_LIFE = 3600.0
_VERSION = "11111111-2222-5333-8444-555555555555"
_TEXT = "Your order has left our house and will be with you in two days.\r\n" * 6
_HTML = "<p>Your order has <b>left our house</b> and will be with you in two days.</p>\r\n" * 12


def registration(
    transport: str, *, api_base_url: str = "", smtp: SmtpServer | None = None, ca_pem: str = ""
) -> Registration:
    """Give a registration for this transport."""
    return Registration(
        name="bench",
        kind={"gmail": "google", "graph": "microsoft"}.get(transport, "oidc"),
        client_id="bench.apps.example.com",
        transport=transport,
        flow=Flow.AUTHORIZATION_CODE,
        endpoints=Endpoints(
            authorize_url="https://id.example.com/authorize",
            token_url="https://id.example.com/token",  # noqa: S106 - the address of an endpoint
        ),
        scopes=("mail.send",),
        api_base_url=api_base_url,
        smtp=smtp,
        ca_pem=ca_pem,
    )


def account(transport: str, number: int = 0) -> Account:
    """Give a connected mailbox whose token the schedule has just refreshed."""
    now = time.time()
    return Account(
        id=derived_id("acc_", str(number)),
        provider="bench",
        address=f"mailbox{number}@example.com",
        transport=transport,
        state=AccountState.ACTIVE,
        scopes_wanted=("mail.send",),
        scopes_granted=("mail.send",),
        created_at=now,
        updated_at=now,
        token=TokenState(
            fence=1,
            version=_VERSION,
            expires_at=now + TOKEN_LIFE,
            refreshed_at=now,
            due_at=now + TOKEN_LIFE - 900,
        ),
    )


def body(account_id: str, number: int = 0) -> dict[str, object]:
    """Give a usual small message as the API takes it: text and HTML, one recipient."""
    return {
        "account": account_id,
        "to": [{"email": f"reader{number}@example.org", "name": "A Reader"}],
        "subject": f"Order {number} is on its way",
        "text": _TEXT,
        "html": _HTML,
    }


def message() -> Message:
    """Give the same message as it lies before a transport."""
    return Message(
        account=account("gmail").id,
        sender=Address("mailbox0@example.com"),
        to=(Address("reader0@example.org", "A Reader"),),
        subject="Order 0 is on its way",
        text=_TEXT,
        html=_HTML,
        message_id="<01JD0000000000000000000000@example.com>",
        date=1_763_800_000,
    )
