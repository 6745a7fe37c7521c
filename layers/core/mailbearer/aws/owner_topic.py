"""The SNS topic of those who look after mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.aws.failures import calling

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_MOST_OF_SUBJECT = 99
"""SNS takes fewer than 100 characters, in ASCII and without line breaks."""


class SNSOwnerTopic:
    """Texts for people, whom the topic's subscriptions name."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def publish(self, subject: str, text: str) -> None:
        """Publish a text for people. Raises `Unavailable`."""
        line = " ".join(subject.split()).encode("ascii", "replace").decode()[:_MOST_OF_SUBJECT]
        with calling("sns:Publish"):
            self._client.publish(TopicArn=self._topic_arn, Subject=line, Message=text)
