"""A stage's side in AWS: what its CloudFormation stack made, and the adapters onto that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from cli.refusal import Refused
from cli.stage import LocalStack, Stage
from mailbearer.aws.clients import Clients
from mailbearer.config import Settings
from mailbearer.errors import Unavailable
from mailbearer.ports import Clock, RandomBytes
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    import boto3

_SIGN_IN = "Sign in as for the AWS CLI (aws sso login, AWS_PROFILE, ...); `aws sts get-caller-identity` must work."
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_STALE_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)
_DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


class Cloud:
    """Reaches what one stage has in AWS, with the operator's own credentials."""

    def __init__(
        self,
        stage: Stage,
        clock: Clock,
        random_bytes: RandomBytes,
        make_session: Callable[[LocalStack | None], boto3.Session],
    ) -> None:
        self._stage = stage
        self._make_session = make_session
        self._clock = clock
        self._random_bytes = random_bytes

    @cached_property
    def clients(self) -> Clients:
        """Give the clients of AWS's services."""
        local = self._stage.local
        return Clients(lambda: self._session, endpoint_url=local.endpoint_url if local else None)

    @cached_property
    def _session(self) -> boto3.Session:
        return self._make_session(self._stage.local)

    @cached_property
    def wiring(self) -> Wiring:
        """Give the stage's tables, secrets and audit trail, joined as its functions join them."""
        local = self._stage.local
        settings = Settings(
            stage=self._stage.name,
            local=local is not None,
            messages_table=self.output("MessagesTableName"),
            accounts_table=self.output("AccountsTableName"),
            keys_table=self.output("KeysTableName"),
            registrations_table=self.output("RegistrationsTableName"),
            content_bucket=self.output("ContentBucketName"),
            secrets_prefix=self.output("SecretsPrefix"),
            kms_key_id=self.outputs.get("KmsKeyId", ""),
            audit_log_group=self.output("AuditLogGroup"),
            api_url=local.api_url if local else self.output("ApiUrl"),
            ledgers_table=self.outputs.get("LedgersTableName", ""),
            consents_table=self.outputs.get("ConsentsTableName", ""),
            event_bus=self.outputs.get("EventBusName", ""),
            incidents_table=self.outputs.get("IncidentsTableName", ""),
            archive_bucket=self.outputs.get("ArchiveBucketName", ""),
            signing_key_arn=self.outputs.get("SigningKeyArn", ""),
            queue_url=self.outputs.get("QueueUrl", ""),
            dead_letter_queue_url=self.outputs.get("DeadLetterQueueUrl", ""),
            rotation_queue_url=self.outputs.get("RotationQueueUrl", ""),
            notification_queue_url=self.outputs.get("NotificationQueueUrl", ""),
            notification_dead_letter_queue_url=self.outputs.get("NotificationDeadLetterQueueUrl", ""),
            function="operator",
        )
        return Wiring(settings, clients=self.clients, clock=self._clock, random_bytes=self._random_bytes)

    @cached_property
    def actor(self) -> str:
        """Give the name under which AWS knows the operator, for the audit log."""
        return str(self.clients.client("sts").get_caller_identity()["Arn"])

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Give the outputs of the stage's stack."""
        try:
            answer = self.clients.client("cloudformation").describe_stacks(StackName=self._stage.stack)
        except ClientError as error:
            if _code(error) != "ValidationError":
                raise
            raise Refused(
                f"There is no stack {self._stage.stack} in {self._session.region_name}.",
                remedy="Name another stage (--stage) or Region (AWS_REGION), or deploy it: sam deploy --guided",
            ) from error
        return {item["OutputKey"]: item["OutputValue"] for item in answer["Stacks"][0].get("Outputs", [])}

    def output(self, name: str) -> str:
        """Give one output of the stack. Raises `Refused` if it has none of this name."""
        value = self.outputs.get(name)
        if value is None:
            raise Refused(
                f"The stack {self._stage.stack} has no output {name}.",
                remedy="It is not deployed wholly, or by another version of Mailbearer: deploy it again.",
            )
        return value


def aws_session(local: LocalStack | None) -> boto3.Session:
    """Make a session with the operator's own credentials and Region, or with those of a local stack."""
    import boto3  # noqa: PLC0415 - half a second that `--help` and the API's commands do not need
    import botocore.session  # noqa: PLC0415 - as above

    if local is None:
        return boto3.Session()
    # The operator's AWS profile and proxy are for the way out, not for the loopback.
    base = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    base.set_default_client_config(Config(proxies={}))
    return boto3.Session(local.access_key_id, local.secret_access_key, region_name=local.region, botocore_session=base)


@contextmanager
def refusals_of_aws() -> Iterator[None]:
    """Make a refusal out of what AWS or the way to it can be expected to say."""
    try:
        yield
    except Unavailable as error:
        cause = error.__cause__
        if not isinstance(cause, (BotoCoreError, ClientError)):
            raise
        raise _refusal(cause) from error
    except (BotoCoreError, ClientError) as error:
        raise _refusal(error) from error


def _refusal(error: BotoCoreError | ClientError) -> Refused:
    if isinstance(error, ClientError):
        return _answered(error)
    if isinstance(error, _NO_CREDENTIALS):
        return Refused("There are no usable AWS credentials.", remedy=_SIGN_IN)
    if isinstance(error, NoRegionError):
        return Refused("No AWS Region is set.", remedy="Set AWS_REGION, or a region in the AWS profile.")
    if isinstance(error, (NoConnectionError, HTTPClientError)):
        return Refused(f"AWS could not be reached: {error}", remedy="The same command again is safe.")
    return Refused(f"The AWS client refuses: {error}", remedy="Check the AWS profile and environment.")


def _answered(error: ClientError) -> Refused:
    code, operation = _code(error), error.operation_name
    if code in _STALE_CODES:
        return Refused(f"AWS does not take these credentials [{code}].", remedy=_SIGN_IN)
    if code in _DENIED_CODES:
        return Refused(
            f"These AWS credentials may not call {operation} [{code}].",
            remedy="Use a role that may administer the stack.",
        )
    message = str(error.response.get("Error", {}).get("Message", ""))
    return Refused(f"AWS refused {operation}: {message} [{code}]", remedy="The same command again is safe.")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
