"""What is ordered: messages of every kind, and the calls by which they come. The same seed gives the same plan."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from soak.mailboxes import FLOODED, MAILBOXES, SANDBOX, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

TEMPLATE = "soak"
SUPPRESSED, REFUSED = "gone@customer.example", "nobody@customer.example"
REFUSED_IN_SANDBOX, SLOW = "bounce@sandbox", "slow+2@sandbox"
BATCH, MERGE = 20, 25
RAW = "From: {}\r\nTo: carla@customer.example\r\nSubject: Raw\r\n\r\nIt is on its way.\r\n"
"""A raw message, which the door writes with the mailbox's address in it and in base64."""
_BIG = 900_000
_FLOOD_BEGINS, _FLOOD_ENDS = 0.15, 0.35
_LATER = (10, 60)


class Fate(StrEnum):
    """What has to become of a message if nothing comes in between."""

    SENT = "sent"
    SUPPRESSED = "suppressed"
    REFUSED = "refused"
    CANCELED = "canceled"
    TURNED_AWAY = "turned away"


class Form(StrEnum):
    """How messages come: the first three over HTTP, the others over the queue."""

    SINGLE = "one request"
    BATCH = "batch"
    MERGE = "merge"
    BARE = "bare body"
    SNS = "SNS"
    EVENT = "EventBridge"
    POINTER = "pointer"

    @property
    def over_http(self) -> bool:
        """Tell which door it is."""
        return self in {Form.SINGLE, Form.BATCH, Form.MERGE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One message; `serial` travels in its metadata, so that its record is known. `body` lacks account and key."""

    serial: str
    mailbox: Mailbox
    kind: str
    fate: Fate
    body: Mapping[str, Any] = field(repr=False)
    key: str = ""
    send_in: float = 0

    @property
    def resends(self) -> bool:
        """Tell whether it is sent again when an answer was lost."""
        return self.body.get("on_unknown") == "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, or one body on the queue. `again` repeats it, on purpose; `spoilt` repeats its key, not its body."""

    form: Form
    orders: tuple[Order, ...]
    key: str = ""
    again: bool = False
    spoilt: bool = False
    place: float
    """Where in the load it stands, 0 to 1."""


def plan(count: int, seed: int) -> list[Call]:
    """Plan `count` messages, in the order in which they are called for."""
    planner = _Planner(random.Random(seed), count)  # noqa: S311 - a load, no secret
    calls = []
    while planner.made < count:
        calls.append(planner.call())
    return sorted(calls, key=lambda call: call.place)


_FORMS: dict[Form, float] = {
    Form.SINGLE: 30,
    Form.BATCH: 25 / BATCH,
    Form.MERGE: 15 / MERGE,
    Form.BARE: 20,
    Form.SNS: 4.5,
    Form.EVENT: 4.5,
    Form.POINTER: 1,
}
_REPEATED, _SPOILT, _UNKEYED = 0.06, 0.02, 0.2
_RESEND = 0.25


class _Planner:
    """Makes calls, one after the other."""

    def __init__(self, chance: random.Random, count: int) -> None:
        self.made = 0
        self._chance = chance
        self._count = count
        self._kinds: dict[str, tuple[float, Callable[[Mailbox], tuple[Fate, dict[str, Any]]]]] = {
            "small": (48, self._small),
            "HTML and attachment": (12, self._attached),
            "raw": (7, self._raw),
            "template": (9, self._template),
            "through the bucket": (1, self._big),
            "for later": (4, self._small),
            "for later, canceled": (2, self._canceled),
            "to a suppressed address": (2.5, self._suppressed),
            "one of two suppressed": (2.5, self._partly_suppressed),
            "that takes the host a while": (4, self._slow),
            "to an address the host refuses": (2.5, self._refused),
            "one of two refused": (2.5, self._partly_refused),
            "faulty": (3, self._faulty),
        }

    def call(self) -> Call:
        """Make the next call."""
        form = self._chosen(_FORMS)
        size = min({Form.BATCH: BATCH, Form.MERGE: MERGE}.get(form, 1), self._count - self.made)
        if form is Form.MERGE:
            mailbox = self._mailbox()
            orders = tuple(self._merged(mailbox) for _ in range(size))
        else:
            orders = tuple(self._order(form) for _ in range(size))
        roll = self._chance.random()
        single = form in {Form.SINGLE, Form.BARE} and orders[0].fate is Fate.SENT
        key = orders[0].key if form is not Form.BATCH else ""
        place = self._chance.random()
        if all(order.mailbox.name == FLOODED for order in orders):
            place = _FLOOD_BEGINS + place * (_FLOOD_ENDS - _FLOOD_BEGINS)
        return Call(
            form=form,
            orders=orders,
            key=key,
            again=bool(key) and (single or form is Form.MERGE) and roll < _REPEATED,
            spoilt=bool(key) and single and _REPEATED <= roll < _REPEATED + _SPOILT,
            place=place,
        )

    def _order(self, form: Form) -> Order:
        mailbox = self._mailbox()
        kinds = {name: weight for name, (weight, _) in self._kinds.items() if _possible(name, form, mailbox)}
        kind = self._chosen(kinds)
        fate, body = self._kinds[kind][1](mailbox)
        if mailbox.troubled and self._chance.random() < _RESEND:
            body["on_unknown"] = "resend"
        serial = self._serial()
        unkeyed = form is not Form.BATCH and kind == "small" and self._chance.random() < _UNKEYED
        return Order(
            serial=serial,
            mailbox=mailbox,
            kind=kind,
            fate=fate,
            body=body | {"metadata": {"order": serial}},
            key="" if unkeyed else f"key-{serial}",
            send_in=self._chance.uniform(*_LATER) if kind.startswith("for later") else 0,
        )

    def _merged(self, mailbox: Mailbox) -> Order:
        serial = self._serial()
        suppressed = self._chance.random() < 0.04  # noqa: PLR2004 - some
        recipient = {
            "to": SUPPRESSED if suppressed else f"{serial}@customer.example",
            "variables": {"name": serial},
            "metadata": {"order": serial},
        }
        return Order(
            serial=serial,
            mailbox=mailbox,
            kind="merge",
            fate=Fate.SUPPRESSED if suppressed else Fate.SENT,
            body=recipient,
            key=f"key-{serial}",
        )

    def _serial(self) -> str:
        self.made += 1
        return f"soak-{self.made:06}"

    def _mailbox(self) -> Mailbox:
        return self._chosen({mailbox: mailbox.share for mailbox in MAILBOXES})

    def _chosen(self, weights: Mapping[T, float]) -> T:
        return self._chance.choices(list(weights), list(weights.values()))[0]

    # --- kinds ------------------------------------------------------------------------------------------------------

    def _small(self, _: Mailbox) -> tuple[Fate, dict[str, Any]]:
        return Fate.SENT, {"to": "carla@customer.example", "subject": "Small", "text": "It is on its way."}

    def _attached(self, _: Mailbox) -> tuple[Fate, dict[str, Any]]:
        content = base64.b64encode(self._chance.randbytes(self._chance.randint(100, 30_000))).decode()
        body = {
            "to": ["Carla <carla@customer.example>", "chris@customer.example"],
            "bcc": "archive@acme.example",
            "subject": "Größer",
            "html": "<p>It is <b>on its way</b>.</p>",
            "attachments": [{"filename": "order.bin", "content": content}],
        }
        return Fate.SENT, body

    def _raw(self, _: Mailbox) -> tuple[Fate, dict[str, Any]]:
        return Fate.SENT, {"to": "carla@customer.example", "raw": RAW}

    def _template(self, _: Mailbox) -> tuple[Fate, dict[str, Any]]:
        template = {"name": TEMPLATE, "variables": {"name": "Carla"}}
        return Fate.SENT, {"to": "carla@customer.example", "template": template}

    def _big(self, _: Mailbox) -> tuple[Fate, dict[str, Any]]:
        content = base64.b64encode(self._chance.randbytes(_BIG)).decode()
        attachments = [{"filename": "big.bin", "content": content}]
        return Fate.SENT, {"to": "carla@customer.example", "text": "Big.", "attachments": attachments}

    def _canceled(self, mailbox: Mailbox) -> tuple[Fate, dict[str, Any]]:
        return Fate.CANCELED, self._small(mailbox)[1]

    def _slow(self, mailbox: Mailbox) -> tuple[Fate, dict[str, Any]]:
        return Fate.SENT, self._small(mailbox)[1] | {"to": SLOW}

    def _suppressed(self, mailbox: Mailbox) -> tuple[Fate, dict[str, Any]]:
        return Fate.SUPPRESSED, self._small(mailbox)[1] | {"to": SUPPRESSED}

    def _partly_suppressed(self, mailbox: Mailbox) -> tuple[Fate, dict[str, Any]]:
        return Fate.SENT, self._small(mailbox)[1] | {"cc": SUPPRESSED}

    def _refused(self, mailbox: Mailbox) -> tuple[Fate, dict[str, Any]]:
        return Fate.REFUSED, self._small(mailbox)[1] | {"to": _refused_at(mailbox)}

    def _partly_refused(self, mailbox: Mailbox) -> tuple[Fate, dict[str, Any]]:
        return Fate.SENT, self._small(mailbox)[1] | {"cc": _refused_at(mailbox)}

    def _faulty(self, mailbox: Mailbox) -> tuple[Fate, dict[str, Any]]:
        return Fate.TURNED_AWAY, self._small(mailbox)[1] | {"to": "no address"}


def spoilt(order: Order) -> Order:
    """Give the order with its key and another body."""
    return Order(
        serial=order.serial,
        mailbox=order.mailbox,
        kind=order.kind,
        fate=Fate.TURNED_AWAY,
        body={**order.body, "tags": ["another"]},
        key=order.key,
    )


def malformed(text: str, order: Order) -> str:
    """Give a body that nobody can read, of an order that is faulty: every other one is cut off."""
    return json.dumps(order.body)[:-1] if int(order.serial[-1]) % 2 else text


def _refused_at(mailbox: Mailbox) -> str:
    return REFUSED_IN_SANDBOX if mailbox.provider == SANDBOX else REFUSED


def _possible(kind: str, form: Form, mailbox: Mailbox) -> bool:
    """Tell what can come in which form: a body on the queue has no answer by whose id it could be canceled."""
    if kind == "through the bucket":
        return form in {Form.SINGLE, Form.POINTER}
    if kind.startswith("for later"):
        return form is Form.SINGLE or (form is Form.BARE and kind == "for later")
    if kind == "that takes the host a while":
        return mailbox.provider == SANDBOX
    if kind in {"to an address the host refuses", "one of two refused"}:
        return mailbox.refuses_recipients and not mailbox.troubled
    return True
