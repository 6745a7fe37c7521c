"""The dead-letter queue as its operator sees it: letters, and what becomes of one when it is brought back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mailbearer.envelope import Drain, Dropped, Job, Pointer, read_body, write_redriven
from mailbearer.errors import MalformedBody
from mailbearer.ids import derived_id
from mailbearer.submission import QUEUE_CALLER

_AT_ONCE = 10
_HIDDEN = 300  # seconds for which a letter is ours; whoever ends before gives them back, whoever is killed does not
_WAIT = 1  # seconds; waiting asks all of SQS's servers, so that an empty answer means an empty queue
_BODY_LIMIT = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message on the dead-letter queue.

    `id` is SQS's, which a message keeps when SQS moves it there. `at` is epoch seconds, `received` how often it was
    taken up. `source` is `refused` (it cannot be read), `schedule` (it could not be brought) or `worker` (SQS moved it
    here). `key` is the idempotency key that was kept with it; `record` is the id of the record that its refusal has.
    """

    id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)
    group: str
    at: float
    received: int
    source: str
    code: str
    detail: str
    problem: Mapping[str, Any] | None = None
    key: str = ""
    record: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a letter is: `body` is what goes back to the queue, empty if it cannot, for the reason in `why`.

    `identity` is the same for each copy of one message; `message` is our id for it and `account` its mailbox, as far as
    the letter tells.
    """

    identity: str
    message: str = ""
    account: str = ""
    body: str = field(default="", repr=False)
    why: str = ""


class DeadLetterQueue:
    """Reads letters without removing them, and takes off those that are back on the message queue."""

    def __init__(self, client: Any, *, queue_url: str, dead_letter_queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url
        self._url = dead_letter_queue_url
        self._held: dict[str, str] = {}

    def letters(self) -> Iterator[Letter]:
        """Give each letter that lies there once, as it is asked for; they are hidden from others until `close`."""
        while True:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_AT_ONCE,
                VisibilityTimeout=_HIDDEN,
                WaitTimeSeconds=_WAIT,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            letters = [_letter(message) for message in answer.get("Messages", [])]
            fresh = [letter for letter in letters if letter.id not in self._held]
            self._held |= {letter.id: letter.receipt for letter in letters}
            yield from fresh
            if not letters:
                return

    def send(self, letter: Letter, body: str) -> None:
        """Put a letter's body back on the message queue, with the group that it had."""
        group = {"MessageGroupId": letter.group} if letter.group else {}
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=body, **group)

    def remove(self, letter: Letter) -> None:
        """Take a letter off the dead-letter queue."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)
        self._held[letter.id] = ""

    def close(self) -> None:
        """Let everybody see again what was read and not removed."""
        receipts = [receipt for receipt in self._held.values() if receipt]
        for start in range(0, len(receipts), _AT_ONCE):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for number, receipt in enumerate(receipts[start : start + _AT_ONCE])
            ]
            self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)


def read(letter: Letter) -> Reading:
    """Tell what a letter is and what would go back to the queue: what has been sent is not sent again by it.

    A message that came straight to the queue was known by the SQS message id if it had no key of its own, and SQS gives
    a new one to what is sent again; so the key goes with it. Jobs of ours say themselves which message they are for.
    """
    text = _scheduled(letter) if letter.source == "schedule" else letter.body
    try:
        known = read_body(text, letter.id)
    except MalformedBody as error:
        return Reading(identity=letter.key or letter.id, message=letter.record, why=error.detail)
    if isinstance(known, Job):
        return Reading(identity=known.id, message=known.id, account=known.account, body=text)
    if isinstance(known, Drain):
        return Reading(identity=f"drain {known.account}", account=known.account, body=text)
    key = letter.key or known.key
    named = known.body.get("account") if isinstance(known, Dropped) else ""
    reading = Reading(
        identity=key,
        message=letter.record or derived_id("msg_", QUEUE_CALLER, key),
        account=named if isinstance(named, str) else "",
    )
    body = _with_key(text, key)
    if len(body.encode(errors="surrogatepass")) > _BODY_LIMIT:
        return replace(reading, why="With its key it is larger than SQS takes; send it through the content bucket.")
    return replace(reading, body=body)


def _with_key(text: str, key: str) -> str:
    """Give a body that has this key under whatever id SQS gives it: as it is, if it has one of its own."""
    if _key_of(text) == key:
        return text
    # A wrapping without an id of its own has the SQS message id for one, so that is what has to be kept.
    return next(
        body
        for body in (write_redriven(text, key), write_redriven(text, f"sqs:{key.partition(':')[2]}"))
        if _key_of(body) == key
    )


def _key_of(body: str) -> str:
    known = read_body(body, "another id")
    return known.key if isinstance(known, Dropped | Pointer) else ""


def _letter(message: Mapping[str, Any]) -> Letter:
    """Read a message as SQS gives it."""
    system = message.get("Attributes", {})
    kept = {name: str(value.get("StringValue", "")) for name, value in message.get("MessageAttributes", {}).items()}
    problem = _problem(kept.get("problem", ""))
    source, code = "worker", "worker_lost"
    detail = "The worker ended without an answer each time that it took it; its log says why."
    if problem or "refused_message_id" in kept:
        source, code, detail = "refused", str(problem.get("code", "")), str(problem.get("detail", ""))
    elif "SCHEDULE_ARN" in kept:
        source, code, detail = "schedule", kept.get("ERROR_CODE", ""), kept.get("ERROR_MESSAGE", "")
    return Letter(
        id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        group=system.get("MessageGroupId", ""),
        at=int(system.get("SentTimestamp", 0)) / 1000,
        received=int(system.get("ApproximateReceiveCount", 0)),
        source=source,
        code=code,
        detail=detail,
        problem=problem or None,
        key=kept.get("idempotency_key", ""),
        record=kept.get("refused_message_id", ""),
    )


def _problem(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _scheduled(letter: Letter) -> str:
    """Give what a schedule was to bring: Scheduler keeps the request that it could not make."""
    try:
        request = json.loads(letter.body)
    except ValueError:
        return letter.body
    body = request.get("MessageBody") if isinstance(request, dict) else None
    return body if isinstance(body, str) else letter.body
