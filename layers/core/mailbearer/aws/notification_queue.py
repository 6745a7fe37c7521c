"""The notification queue and its dead-letter queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.aws.failures import calling
from mailbearer.ports.channels import GivenUp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs import SQSClient

_AT_ONCE = 10
_LOOKED_AT_FOR = 120
_EMPTY = 3
"""SQS answers from some of its hosts, so one empty answer may mean nothing."""


class SQSNotificationQueue:
    """A standard queue as a fair queue: the message group is the webhook, so no slow one holds up the others."""

    def __init__(self, client: SQSClient, queue_url: str, dead_letter_queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url
        self._dead_letter_queue_url = dead_letter_queue_url

    def put(self, body: str, *, group: str, delay: int = 0) -> None:
        """Queue a body for `group` (a webhook) after `delay` seconds (0-900). Raises `Unavailable`."""
        with calling("sqs:SendMessage"):
            self._client.send_message(
                QueueUrl=self._queue_url, MessageBody=body, MessageGroupId=group, DelaySeconds=delay
            )

    def refuse(self, body: str, *, reason: str) -> None:
        """Keep a body that could not be delivered on the dead-letter queue. Raises `Unavailable`."""
        with calling("sqs:SendMessage"):
            self._client.send_message(
                QueueUrl=self._dead_letter_queue_url,
                MessageBody=body,
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
            )

    def given_up(self, most: int) -> Iterator[GivenUp]:
        """Take up to `most` bodies off the dead-letter queue to look at; read as they are asked for.

        What is not forgotten lies there again after two minutes. Raises `Unavailable`.
        """
        left, empty = most, 0
        while left > 0 and empty < _EMPTY:
            with calling("sqs:ReceiveMessage"):
                answer = self._client.receive_message(
                    QueueUrl=self._dead_letter_queue_url,
                    MaxNumberOfMessages=min(_AT_ONCE, left),
                    VisibilityTimeout=_LOOKED_AT_FOR,
                    WaitTimeSeconds=0,
                )
            found = answer.get("Messages", [])
            empty = 0 if found else empty + 1
            left -= len(found)
            for each in found:
                yield GivenUp(each["Body"], each["ReceiptHandle"])

    def forget(self, receipt: str) -> None:
        """Remove a body from the dead-letter queue; no error if it is gone. Raises `Unavailable`."""
        with calling("sqs:DeleteMessage"):
            self._client.delete_message(QueueUrl=self._dead_letter_queue_url, ReceiptHandle=receipt)
