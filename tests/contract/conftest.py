"""A small AWS, played by moto, that lasts for one module of tests; every test makes resources of its own in it."""

from __future__ import annotations

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from mailbearer.aws.clients import Clients
from tests.moto_kms import sign_digests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
_KEYS: dict[str, list[tuple[str, str]]] = {
    "messages": [("id", "S")],
    "accounts": [("id", "S")],
    "consents": [("state_hash", "S")],
    "keys": [("id", "S")],
    "registrations": [("name", "S")],
    "suppressions": [("account", "S"), ("address", "S")],
    "ledgers": [("account", "S")],
    "templates": [("name", "S"), ("version", "N")],
    "webhooks": [("id", "S")],
    "incidents": [("id", "S")],
}
_INDEXES: dict[str, dict[str, list[tuple[str, str]]]] = {
    "messages": {
        "by_account": [("account", "S"), ("created_at", "S")],
        "by_holder": [("held_for", "S"), ("created_at", "S")],
    },
    "accounts": {
        "by_address": [("address", "S"), ("id", "S")],
        "by_due": [("due_shard", "S"), ("due_at", "N")],
    },
    "templates": {"by_name": [("kind", "S"), ("name", "S")]},
}
_WHOLE = {"by_name"}


class World:
    """Makes tables, queues, buckets and log groups under fresh names."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self._numbers = itertools.count(1)

    def name(self, kind: str) -> str:
        """Give a name that no other test has."""
        return f"mailbearer-{kind}-{next(self._numbers)}"

    def table(self, kind: str) -> str:
        """Make a table as the stack has it."""
        name = self.name(kind)
        indexes: list[Any] = [
            {
                "IndexName": index,
                "KeySchema": _schema(keys),
                "Projection": {"ProjectionType": "ALL" if index in _WHOLE else "KEYS_ONLY"},
            }
            for index, keys in _INDEXES.get(kind, {}).items()
        ]
        attributes = dict(itertools.chain(_KEYS[kind], *_INDEXES.get(kind, {}).values()))
        more: dict[str, Any] = {"GlobalSecondaryIndexes": indexes} if indexes else {}
        self.clients.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=_schema(_KEYS[kind]),
            AttributeDefinitions=[
                {"AttributeName": attribute, "AttributeType": _type(letter)} for attribute, letter in attributes.items()
            ],
            **more,
        )
        return name

    def queue(self) -> str:
        """Make a standard queue and give its URL."""
        return self.clients.sqs.create_queue(QueueName=self.name("queue"))["QueueUrl"]

    def bucket(self) -> str:
        """Make a bucket."""
        name = self.name("bucket")
        self.clients.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        return name

    def log_group(self) -> str:
        """Make a log group."""
        name = self.name("audit")
        self.clients.logs.create_log_group(logGroupName=name)
        return name


def _schema(keys: list[tuple[str, str]]) -> list[Any]:
    return [{"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)]


def _type(letter: str) -> Any:
    return letter


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Give the small AWS."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        # moto checks a condition and writes in two steps that threads can come between; DynamoDB does it in one.
        one_at_a_time = threading.Lock()
        answer = BotocoreStubber.__call__

        def answer_alone(stubber: BotocoreStubber, *arguments: Any, **named: Any) -> Any:
            with one_at_a_time:
                return answer(stubber, *arguments, **named)

        patch.setattr(BotocoreStubber, "__call__", answer_alone)
        sign_digests(patch)
        with mock_aws():
            yield World(Clients(lambda: boto3.Session("testing", "testing", region_name="eu-central-1")))


@pytest.fixture
def at_once() -> Callable[[Callable[[int], T]], list[T]]:
    """Give what runs something in twenty threads that start together, and gives what came of each."""

    def run(work: Callable[[int], T]) -> list[T]:
        start = threading.Barrier(20)

        def wait_and_work(number: int) -> T:
            start.wait(timeout=10)
            return work(number)

        with ThreadPoolExecutor(20) as pool:
            return list(pool.map(wait_and_work, range(20)))

    return run
