"""Both doors, as an application uses them: it repeats under its key what was not answered."""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests

from soak.orders import SUPPRESSED, TEMPLATE, Call, Fate, Form, Order, malformed, spoilt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proofs.ground import Ground
    from soak.mailboxes import Opened

SECONDS = 60.0
TRIES, PAUSE = 12, 1.0
TOPIC, RULE, SOURCE = "soak", "soak", "soak"
_MERGED = {"subject": "Order of {{ name }}", "text": "Dear {{ name }}, it is on its way."}


class DoorError(Exception):
    """The stack did not do what is needed before the load can begin."""


class Answer(StrEnum):
    """What the door said to an order."""

    ACCEPTED = "accepted"
    TURNED_AWAY = "turned away"
    DROPPED = "dropped"
    NONE = "no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How an order was answered.

    `repeated` counts answers to repetitions on purpose, `wrong` says what of all this was otherwise than specified.
    """

    order: Order
    form: Form
    answer: Answer
    id: str = ""
    code: str = ""
    repeated: int = 0
    conflicts: int = 0
    canceled: bool = False
    wrong: tuple[str, ...] = ()

    def but(self, wrong: str) -> Receipt:
        """Give it with something that was wrong."""
        return replace(self, wrong=(*self.wrong, f"{self.order.serial}: {wrong}"))


@dataclass(frozen=True, slots=True)
class Said:
    """An answer over HTTP; status 0 = none."""

    status: int
    body: Mapping[str, Any]
    replayed: bool = False


class Http:
    """The HTTP API, for several threads."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key
        self._own = threading.local()
        self._lock = threading.Lock()
        self.unanswered = 0

    def done(self, method: str, path: str, body: object) -> dict[str, Any]:
        """Ask for something that has to be done. Raises DoorError."""
        said = self.ask(method, path, body)
        if not HTTPStatus.OK <= said.status < HTTPStatus.MULTIPLE_CHOICES:
            raise DoorError(f"{method} {path} was answered {said.status}: {said.body}")
        return dict(said.body)

    def ask(self, method: str, path: str, body: object, *, key: str = "", tries: int = TRIES) -> Said:
        """Ask, and again as long as there is no answer, at most `tries` times."""
        said = Said(0, {})
        for number in range(tries):
            if number:
                time.sleep(PAUSE)
            said = self._once(method, path, body, {"Idempotency-Key": key} if key else {})
            if 0 < said.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                break
            with self._lock:
                self.unanswered += 1
        return said

    def _once(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Said:
        try:
            answer = self._session().request(method, f"{self._url}{path}", json=body, headers=headers, timeout=SECONDS)
            said = answer.json() if answer.content else {}
        except (requests.RequestException, ValueError):
            return Said(0, {})
        return Said(answer.status_code, said, answer.headers.get("Idempotent-Replayed") == "true")

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self._key}"
            self._own.session = session
        return session


class Doors:
    """Makes the calls of the load."""

    def __init__(self, ground: Ground, http: Http, mailboxes: Mapping[str, Opened]) -> None:
        """Open the way over SNS and EventBridge."""
        self._http, self._mailboxes = http, mailboxes
        engine, outputs = ground.world.engine, ground.world.stack.outputs
        self._sqs, self._sns, self._events, self._s3 = (
            engine.client(service) for service in ("sqs", "sns", "events", "s3")
        )
        self._queue, self._bucket = outputs["QueueUrl"], outputs["ContentBucketName"]
        self._topic = self._sns.create_topic(Name=TOPIC)["TopicArn"]
        self._sns.subscribe(TopicArn=self._topic, Protocol="sqs", Endpoint=outputs["QueueArn"])
        self._events.put_rule(Name=RULE, EventPattern=json.dumps({"source": [SOURCE]}))
        self._events.put_targets(Rule=RULE, Targets=[{"Id": "mailbearer", "Arn": outputs["QueueArn"]}])

    def make(self, call: Call) -> list[Receipt]:
        """Make a call; gives a receipt for each of its orders."""
        match call.form:
            case Form.SINGLE:
                return [self._single(call, call.orders[0])]
            case Form.BATCH:
                body = {"messages": [self._message(order, keyed=True) for order in call.orders]}
                return self._results(call, "/v1/messages/batch", body)
            case Form.MERGE:
                return self._merge(call)
            case _:
                return [self._drop(call, call.orders[0])]

    # --- HTTP -------------------------------------------------------------------------------------------------------

    def _single(self, call: Call, order: Order) -> Receipt:
        body = self._message(order)
        # Without a key nobody can tell whether the first request was taken.
        said = self._http.ask("POST", "/v1/messages", body, key=order.key, tries=TRIES if order.key else 1)
        receipt = _receipt(order, call.form, said.status, said.body)
        if receipt.answer is not Answer.ACCEPTED:
            return receipt
        if call.again:
            said = self._http.ask("POST", "/v1/messages", body, key=order.key)
            same = said.status == HTTPStatus.ACCEPTED and said.replayed and said.body.get("id") == receipt.id
            receipt = replace(receipt, repeated=1)
            receipt = receipt if same else receipt.but(f"its repetition was answered {said.status}, not replayed")
        if call.spoilt:
            said = self._http.ask("POST", "/v1/messages", self._message(spoilt(order)), key=order.key)
            conflicts = said.status == HTTPStatus.CONFLICT and said.body.get("code") == "idempotency_conflict"
            receipt = replace(receipt, conflicts=1)
            receipt = receipt if conflicts else receipt.but(f"its key with another body was answered {said.status}")
        if order.fate is Fate.CANCELED:
            said = self._http.ask("POST", f"/v1/messages/{receipt.id}/cancel", {})
            receipt = replace(receipt, canceled=said.status == HTTPStatus.OK)
        return receipt

    def _merge(self, call: Call) -> list[Receipt]:
        account = self._mailboxes[call.orders[0].mailbox.name].id
        body = {"message": {"account": account, **_MERGED}, "recipients": [order.body for order in call.orders]}
        receipts = self._results(call, "/v1/messages/merge", body)
        if not call.again:
            return receipts
        second = self._results(call, "/v1/messages/merge", body)
        return [
            replace(first, repeated=1) if first.id == again.id else first.but("the merge's repetition has another id")
            for first, again in zip(receipts, second, strict=True)
        ]

    def _results(self, call: Call, path: str, body: object) -> list[Receipt]:
        """Ask for several messages at once, and again as long as one of them has no answer."""
        receipts: list[Receipt] = []
        for _ in range(TRIES):
            said = self._http.ask("POST", path, body, key=call.key)
            results = said.body.get("results", []) if said.status == HTTPStatus.OK else []
            if len(results) != len(call.orders):
                return [_receipt(order, call.form, said.status, said.body) for order in call.orders]
            receipts = [
                _receipt(order, call.form, result["status"], result.get("message") or result.get("problem") or {})
                for order, result in zip(call.orders, results, strict=True)
            ]
            if all(receipt.answer is not Answer.NONE for receipt in receipts):
                break
        return receipts

    def _message(self, order: Order, *, keyed: bool = False) -> dict[str, Any]:
        body = {**order.body, "account": self._mailboxes[order.mailbox.name].id}
        if "raw" in body:
            written = order.body["raw"].format(self._mailboxes[order.mailbox.name].address)
            body["raw"] = base64.b64encode(written.encode()).decode()
        if order.send_in:
            body["send_at"] = (datetime.now(UTC) + timedelta(seconds=order.send_in)).isoformat(timespec="milliseconds")
        return body | ({"idempotency_key": order.key} if keyed and order.key else {})

    # --- the queue --------------------------------------------------------------------------------------------------

    def _drop(self, call: Call, order: Order) -> Receipt:
        text = json.dumps(self._message(order, keyed=True))
        if order.fate is Fate.TURNED_AWAY and call.form in {Form.BARE, Form.SNS}:
            text = malformed(text, order)
        self._send(call.form, text, order)
        if call.again:
            self._send(call.form, text, order)
        if call.spoilt:
            self._send(call.form, json.dumps(self._message(spoilt(order), keyed=True)), order)
        return Receipt(
            order=order,
            form=call.form,
            answer=Answer.DROPPED,
            repeated=int(call.again),
            conflicts=int(call.spoilt),
        )

    def _send(self, form: Form, text: str, order: Order) -> None:
        if form is Form.SNS:
            self._sns.publish(TopicArn=self._topic, Message=text)
        elif form is Form.EVENT:
            entry = {"Source": SOURCE, "DetailType": "mail", "Detail": text}
            if self._events.put_events(Entries=[entry])["FailedEntryCount"]:
                raise DoorError(f"EventBridge did not take {order.serial}.")
        elif form is Form.POINTER:
            place = {"s3BucketName": self._bucket, "s3Key": f"inbox/{order.serial}"}
            self._s3.put_object(Bucket=self._bucket, Key=place["s3Key"], Body=text.encode())
            pointer = ["software.amazon.payloadoffloading.PayloadS3Pointer", place]
            self._sqs.send_message(QueueUrl=self._queue, MessageBody=json.dumps(pointer))
        else:
            self._sqs.send_message(QueueUrl=self._queue, MessageBody=text)


def prepare(http: Http) -> None:
    """Store what the orders name: a template and a suppressed address."""
    http.done("PUT", f"/v1/templates/{TEMPLATE}", {"subject": "Dear {{ name }}", "text": "Dear {{ name }}, hello."})
    http.done("POST", f"/v1/templates/{TEMPLATE}/publish", {})
    http.done("POST", "/v1/suppressions", {"address": SUPPRESSED, "reason": "soak"})


def _receipt(order: Order, form: Form, status: int, body: Mapping[str, Any]) -> Receipt:
    if status == HTTPStatus.ACCEPTED:
        return Receipt(order=order, form=form, answer=Answer.ACCEPTED, id=str(body["id"]))
    if 0 < status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Receipt(order=order, form=form, answer=Answer.TURNED_AWAY, code=str(body.get("code", status)))
    return Receipt(order=order, form=form, answer=Answer.NONE)
