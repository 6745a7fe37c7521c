"""One boto3 session, and one client of each service when it is first asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

_CONNECT_SECONDS = 2
_READ_SECONDS = 5
_READ_SECONDS_OF_BODIES = 10
_TRIES = 3
# What is told there is in the audit log already, and whoever tells it has something else to finish.
_HURRIED_SERVICES = frozenset({"events"})
_HURRIED_READ_SECONDS, _HURRIED_TRIES = 2, 2
_BODY_SERVICES = frozenset({"s3", "sqs"})


def default_session() -> boto3.Session:
    """Make a session from the environment, as boto3 does by itself (region, credentials, AWS_ENDPOINT_URL)."""
    import boto3  # noqa: PLC0415 - a quarter of a second that a cold start pays only if it needs AWS

    return boto3.Session()


class Clients:
    """Lazy clients with bounded time-outs and tries; safe for several threads.

    A client takes at most 3 tries of 2 s to connect and 5 s to read (10 s for S3 and SQS, which carry bodies); that of
    the event bus 2 tries of 2 s and 2 s, so that a bus that is down leaves a worker the time to acknowledge its mail.
    """

    def __init__(
        self, session: Callable[[], boto3.Session] = default_session, *, endpoint_url: str | None = None
    ) -> None:
        self._make_session = session
        self._endpoint_url = endpoint_url
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}
        # Making a client from a session is not thread-safe, using one is.
        self._lock = threading.Lock()

    @property
    def dynamodb(self) -> DynamoDBClient:
        """Give the DynamoDB client."""
        return cast("DynamoDBClient", self.client("dynamodb"))

    @property
    def events(self) -> EventBridgeClient:
        """Give the EventBridge client."""
        return cast("EventBridgeClient", self.client("events"))

    @property
    def kms(self) -> KMSClient:
        """Give the KMS client."""
        return cast("KMSClient", self.client("kms"))

    @property
    def logs(self) -> CloudWatchLogsClient:
        """Give the CloudWatch Logs client."""
        return cast("CloudWatchLogsClient", self.client("logs"))

    @property
    def s3(self) -> S3Client:
        """Give the S3 client."""
        return cast("S3Client", self.client("s3"))

    @property
    def scheduler(self) -> EventBridgeSchedulerClient:
        """Give the EventBridge Scheduler client."""
        return cast("EventBridgeSchedulerClient", self.client("scheduler"))

    @property
    def secretsmanager(self) -> SecretsManagerClient:
        """Give the Secrets Manager client."""
        return cast("SecretsManagerClient", self.client("secretsmanager"))

    @property
    def sns(self) -> SNSClient:
        """Give the SNS client."""
        return cast("SNSClient", self.client("sns"))

    @property
    def sqs(self) -> SQSClient:
        """Give the SQS client."""
        return cast("SQSClient", self.client("sqs"))

    def client(self, service: str) -> Any:
        """Give the client of any service, by boto3's name for it, as one that is made when it is first used.

        An adapter holds its client from the start; a road that never comes to S3 does not pay 40 ms for it.
        """
        return _Lazy(self, service)

    def made(self, service: str) -> Any:
        """Give the client of a service, made now if it was not before."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - as above

        if self._session is None:
            self._session = self._make_session()
        config = Config(
            signature_version="s3v4" if service == "s3" else None,
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_read_seconds(service),
            retries={
                "mode": "standard",
                "total_max_attempts": _HURRIED_TRIES if service in _HURRIED_SERVICES else _TRIES,
            },
            tcp_keepalive=True,
        )
        # The service is a word here, and the stubs have an overload for each.
        make: Callable[..., Any] = self._session.client
        client = make(service, config=config, endpoint_url=self._endpoint_url)
        client.meta.events.register_first("before-endpoint-resolution.s3", _in_its_region)
        return client


def _read_seconds(service: str) -> int:
    if service in _HURRIED_SERVICES:
        return _HURRIED_READ_SECONDS
    return _READ_SECONDS_OF_BODIES if service in _BODY_SERVICES else _READ_SECONDS


def _in_its_region(context: dict[str, Any], **_given: object) -> None:
    """Let a presigned URL name the host of the bucket's own Region.

    botocore would take the global one, which redirects (and that breaks the signature) or does not know the Region.
    """
    context["use_global_endpoint"] = False


class _Lazy:
    """Stands for a client until one of its attributes is asked for."""

    def __init__(self, clients: Clients, service: str) -> None:
        self._of = clients
        self._service = service

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of.made(self._service), name)
