"""The books at the end: the records, the dead letters, and the mail that the hosts really took."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from cli.dead_letters import DeadLetterQueue, Letter
from mailbearer.aws.messages import from_item
from sandbox.control.client import Control
from soak.mailboxes import MAILBOXES, SANDBOX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.message import MessageRecord
    from proofs.ground import Ground
    from soak.mailboxes import Opened

_LOOK_EVERY = 1.0
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that a host took, at `at` (epoch seconds)."""

    message_id: str
    mailbox: str
    at: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What lies on the message queue: to be taken, in somebody's hands, and held back for later."""

    visible: int
    in_hand: int
    delayed: int


class Postbag:
    """Collects what the mail hosts take, in a thread of its own, since they keep the newest only."""

    def __init__(self, ground: Ground, mailboxes: Mapping[str, Opened]) -> None:
        self.mails: list[Mail] = []
        self._control = Control(ground.world.sandbox["url"])
        self._names = {opened.address: name for name, opened in mailboxes.items()}
        self._last = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="postbag", daemon=True)
        self._thread.start()

    def close(self) -> list[Mail]:
        """End it; gives all mails."""
        self._ended.set()
        self._thread.join()
        self._collect()
        self._control.close()
        return self.mails

    def _work(self) -> None:
        while not self._ended.wait(_LOOK_EVERY):
            try:
                self._collect()
            except requests.RequestException:
                continue  # a busy host is asked again

    def _collect(self) -> None:
        for mail in self._control.mail(after=self._last, limit=_MOST):
            self._last = max(self._last, mail["id"])
            name = self._names.get(mail["mailbox"], "")
            self.mails.append(Mail(bare(mail["headers"].get("message-id", "")), name, mail["received_at"]))


class Books:
    """Reads a stack's books."""

    def __init__(self, ground: Ground, mailboxes: Mapping[str, Opened]) -> None:
        self._ground, self._mailboxes = ground, mailboxes
        self._dynamodb, self._sqs = (ground.world.engine.client(service) for service in ("dynamodb", "sqs"))

    def records(self) -> list[MessageRecord]:
        """Read every record."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._ground.settings.messages_table, ConsistentRead=True
        )
        return [from_item(item) for page in pages for item in page["Items"]]

    def letters(self) -> list[Letter]:
        """Read every dead letter."""
        outputs = self._ground.world.stack.outputs
        queue = DeadLetterQueue(
            self._sqs, queue_url=outputs["QueueUrl"], dead_letter_queue_url=outputs["DeadLetterQueueUrl"]
        )
        try:
            return list(queue.letters())
        finally:
            queue.close()

    def captured(self) -> list[Mail]:
        """Read what the sandbox transport took."""
        names = [mailbox.name for mailbox in MAILBOXES if mailbox.provider == SANDBOX]
        return [
            Mail(bare(capture.message_id), name, capture.at)
            for name in names
            for capture in self._ground.stores.captures.listing(self._mailboxes[name].id, limit=_MOST)
        ]

    def backlog(self) -> Backlog:
        """Count what lies on the message queue."""
        kinds = ("", "NotVisible", "Delayed")
        found = self._sqs.get_queue_attributes(
            QueueUrl=self._ground.world.stack.outputs["QueueUrl"],
            AttributeNames=[f"ApproximateNumberOfMessages{kind}" for kind in kinds],
        )["Attributes"]
        return Backlog(*(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds))


def bare(message_id: str) -> str:
    """Give a Message-ID without its angle brackets."""
    return message_id.strip("<> ")
