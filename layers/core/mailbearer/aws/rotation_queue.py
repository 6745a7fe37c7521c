"""The queue of accounts that are due, behind the scheduled run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mailbearer.aws.failures import calling
from mailbearer.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient

    from mailbearer.ports.stores import Due


class SQSRotationQueue:
    """A FIFO queue with a message group for each account: no two consumers ever hold the same one.

    Deduplication within the group: account and due time name a message.
    """

    most = 10

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def put(self, due: Sequence[Due]) -> None:
        """Queue accounts, each by itself; the same account with the same time once in five minutes.

        Raises `Unavailable`: then some may be queued all the same.
        """
        with calling("sqs:SendMessageBatch"):
            answer = self._client.send_message_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {
                        "Id": str(number),
                        "MessageBody": json.dumps({"account": each.account_id}),
                        "MessageGroupId": each.account_id,
                        "MessageDeduplicationId": f"{each.account_id}:{each.at}",
                    }
                    for number, each in enumerate(due)
                ],
            )
        if failed := answer.get("Failed"):
            raise Unavailable(f"sqs:SendMessageBatch failed for {len(failed)} of {len(due)}: {failed[0]['Code']}.")
