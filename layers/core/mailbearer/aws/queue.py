"""The message queue and its dead-letter queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient

_BODY_LIMIT = 1_048_576  # bytes of body and attributes together
_PROBLEM_LIMIT = 8_192
_KEY_LIMIT = 256
_ROOM_FOR_NAMES = 512  # names and types of the attributes, the id and the key


class SQSMessageQueue:
    """A standard queue as a fair queue: the message group is the account, so no mailbox holds up the others."""

    def __init__(self, client: SQSClient, queue_url: str, dead_letter_queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url
        self._dead_letter_queue_url = dead_letter_queue_url

    def send(self, body: str, *, group: str, delay: int = 0) -> None:
        """Queue a body for `group` (an account) after `delay` seconds (0-900). Raises `Unavailable`."""
        with calling("sqs:SendMessage"):
            self._client.send_message(
                QueueUrl=self._queue_url, MessageBody=body, MessageGroupId=group, DelaySeconds=delay
            )

    def refuse(self, body: str, *, problem: Mapping[str, object], message_id: str, key: str) -> None:
        """Keep a body that can never be sent on the dead-letter queue, with its problem. Raises `Unavailable`."""
        attributes: dict[str, Any] = {}
        if text := _fitting(problem, _BODY_LIMIT - _ROOM_FOR_NAMES - len(body.encode())):
            attributes["problem"] = {"DataType": "String", "StringValue": text}
            if message_id:
                attributes["refused_message_id"] = {"DataType": "String", "StringValue": message_id}
            if key and len(key) <= _KEY_LIMIT and key.isascii() and key.isprintable():
                attributes["idempotency_key"] = {"DataType": "String", "StringValue": key}
        with calling("sqs:SendMessage"):
            self._client.send_message(
                QueueUrl=self._dead_letter_queue_url, MessageBody=body, MessageAttributes=attributes
            )


def _fitting(problem: Mapping[str, object], room: int) -> str:
    """Write as much of a problem document as fits beside the body; empty if nothing does.

    A body at the limit of SQS is kept bare rather than not at all; the audit event names what was wrong with it.
    """
    errors = problem.get("errors")
    faults = list(errors) if isinstance(errors, list | tuple) else []
    limit = min(room, _PROBLEM_LIMIT)
    whole = {name: value for name, value in problem.items() if name != "errors"}
    while faults:
        # ASCII, because SQS refuses some control characters and lone surrogates in an attribute.
        if len(text := json.dumps(whole | {"errors": faults})) <= limit:
            return text
        faults = faults[: len(faults) // 2]
    text = json.dumps(whole)
    return text if len(text) <= limit else ""
