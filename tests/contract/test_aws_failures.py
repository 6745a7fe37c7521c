"""What AWS refuses reaches the caller as one of our own errors, and mistakes of ours stay mistakes."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from mailbearer.aws.accounts import DynamoDBAccountStore
from mailbearer.aws.clients import Clients
from mailbearer.aws.messages import DynamoDBMessageStore
from mailbearer.aws.queue import SQSMessageQueue
from mailbearer.errors import Unavailable
from tests.contract.nouns import record

if TYPE_CHECKING:
    from tests.contract.conftest import World


pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "code",
    [
        "AccessDeniedException",
        "ExpiredTokenException",
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "ResourceNotFoundException",
        "ThrottlingException",
    ],
)
def test_trouble_that_passes_or_is_mended_outside_is_unavailable_and_names_call_and_code(
    world: World, code: str
) -> None:
    with Stubber(world.clients.dynamodb) as stub:
        stub.add_client_error("get_item", code, "secret words")
        with pytest.raises(Unavailable) as caught:
            DynamoDBAccountStore(world.clients.dynamodb, "accounts").get("acc_1")
    assert caught.value.detail == f"dynamodb:GetItem failed: {code}."


def test_a_mistake_of_ours_stays_a_mistake(world: World) -> None:
    with Stubber(world.clients.dynamodb) as stub:
        stub.add_client_error("get_item", "ValidationException")
        with pytest.raises(ClientError):
            DynamoDBAccountStore(world.clients.dynamodb, "accounts").get("acc_1")


def test_a_service_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    clients = Clients(lambda: boto3.Session("testing", "testing", region_name="eu-central-1"), endpoint_url=address)
    with pytest.raises(Unavailable, match=r"sqs:SendMessage failed: EndpointConnectionError\."):
        SQSMessageQueue(clients.sqs, f"{address}/1/queue", f"{address}/1/dead").send("{}", group="acc_1")


def test_records_that_stay_unread_are_unavailable_after_a_few_tries(world: World) -> None:
    pauses: list[float] = []
    store = DynamoDBMessageStore(world.clients.dynamodb, "messages", sleep=pauses.append)
    left = {"messages": {"Keys": [{"id": {"S": record().id}}]}}
    with Stubber(world.clients.dynamodb) as stub:
        for _ in range(5):
            stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left})
        with pytest.raises(Unavailable):
            store.get_many([record().id])
    assert len(pauses) == 5


def test_clients_are_made_once_with_bounded_times_and_tries(world: World) -> None:
    clients = world.clients
    assert clients.made("dynamodb") is clients.made("dynamodb")
    for client, read in ((clients.dynamodb, 5), (clients.secretsmanager, 5), (clients.sqs, 10), (clients.s3, 10)):
        config: Any = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (2, read)
        assert config.retries["total_max_attempts"] == 3
        assert config.tcp_keepalive


def test_a_client_that_is_not_used_is_not_made() -> None:
    sessions: list[None] = []

    def session() -> Any:
        sessions.append(None)
        return boto3.Session(region_name="us-east-1")

    clients = Clients(session)
    dynamodb = clients.dynamodb
    assert sessions == []
    assert dynamodb.meta.service_model.service_name == "dynamodb"
    assert sessions == [None]


def test_importing_the_adapters_imports_no_boto3() -> None:
    modules = (
        "accounts audit_log audit_spool clients consents content event_bus failures items keys messages queue "
        "registrations credentials tokens secret_values"
    )
    program = (
        f"import importlib, sys; [importlib.import_module('mailbearer.aws.' + m) for m in {modules.split()!r}]; "
        "sys.exit(' '.join({'boto3', 'botocore', 's3transfer', 'urllib3'} & sys.modules.keys()) or 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
