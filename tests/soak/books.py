"""Orders, receipts and records for tests of the balance sheet."""

from __future__ import annotations

from typing import Any

from cli.dead_letters import Letter
from mailbearer.message import Attempt, MessageRecord, Status, Verdict
from soak.books import Mail
from soak.doors import Answer, Receipt
from soak.mailboxes import MAILBOXES, Mailbox
from soak.orders import Fate, Form, Order

AT = 1_800_000_000.0
SERIAL = "soak-000001"


def mailbox(name: str = "flooded") -> Mailbox:
    return next(each for each in MAILBOXES if each.name == name)


def order(serial: str = SERIAL, **fields: Any) -> Order:
    usual: dict[str, Any] = {"mailbox": mailbox(), "kind": "small", "fate": Fate.SENT, "body": {}, "key": "key"}
    return Order(serial=serial, **usual | fields)


def receipt(of: Order | None = None, **fields: Any) -> Receipt:
    usual: dict[str, Any] = {"form": Form.SINGLE, "answer": Answer.ACCEPTED, "id": "msg_1"}
    return Receipt(order=of or order(), **usual | fields)


def record(serial: str = SERIAL, status: Status = Status.SENT, **fields: Any) -> MessageRecord:
    usual: dict[str, Any] = {
        "id": "msg_1",
        "account": "acc_1",
        "caller": "key_1",
        "message_id": "<1@acme.example>",
        "request_hash": "",
        "created_at": AT,
        "updated_at": AT,
        "sent_at": AT + 2 if status is Status.SENT else 0,
        "metadata": (("order", serial),) if serial else (),
    }
    return MessageRecord(status=status, **usual | fields)


def mail(message_id: str = "1@acme.example", at: float = AT + 2, box: str = "flooded") -> Mail:
    return Mail(message_id, box, at)


def letter(body: str = SERIAL, **fields: Any) -> Letter:
    usual: dict[str, Any] = {
        "id": "sqs",
        "receipt": "",
        "group": "",
        "at": AT,
        "received": 1,
        "source": "refused",
        "code": "invalid_request",
        "detail": "",
        "record": "msg_refused",
    }
    return Letter(body=body, **usual | fields)


LOST = Attempt(at=AT, outcome=Verdict.UNKNOWN, code="answer_lost")
