"""What we do not own, behind its ports: cached, lazy factories from settings."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment above the class
import os
import threading
import time
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.aws.accounts import DynamoDBAccountStore
from mailbearer.aws.audit_log import CloudWatchAuditLog
from mailbearer.aws.clients import Clients
from mailbearer.aws.content import S3ContentStore
from mailbearer.aws.event_bus import EventBridgeBus
from mailbearer.aws.messages import DynamoDBMessageStore
from mailbearer.aws.queue import SQSMessageQueue
from mailbearer.aws.registrations import DynamoDBRegistrationStore
from mailbearer.aws.tokens import SecretsManagerTokenVault
from mailbearer.built_in_registrations import BuiltInRegistrations
from mailbearer.news import MessageNews
from mailbearer.trail import BufferedTrail

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.aws.archive import S3Archive
    from mailbearer.aws.audit_reader import CloudWatchAuditReader
    from mailbearer.aws.audit_spool import S3AuditSpool
    from mailbearer.aws.captures import S3CaptureStore
    from mailbearer.aws.consents import DynamoDBConsentStore
    from mailbearer.aws.credentials import SecretsManagerCredentialVault
    from mailbearer.aws.incidents import DynamoDBIncidentStore
    from mailbearer.aws.keys import DynamoDBKeyStore
    from mailbearer.aws.ledgers import DynamoDBLedgerStore
    from mailbearer.aws.notification_queue import SQSNotificationQueue
    from mailbearer.aws.pointed import S3PointedContent
    from mailbearer.aws.rotation_queue import SQSRotationQueue
    from mailbearer.aws.schedules import EventBridgeSchedules
    from mailbearer.aws.signer import KmsSigner
    from mailbearer.aws.suppressions import DynamoDBSuppressionStore
    from mailbearer.aws.templates import DynamoDBTemplateStore
    from mailbearer.aws.uploads import S3UploadStore
    from mailbearer.aws.webhook_secrets import SecretsManagerWebhookVault
    from mailbearer.aws.webhooks import DynamoDBWebhookStore
    from mailbearer.config import Settings
    from mailbearer.egress import Egress
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.mail import Transport
    from mailbearer.ports.provider import AuthorizationServer
    from mailbearer.rendering.engine import JinjaEngine

# Imports inside the factories are there because a function pays only for what it uses: authlib alone costs as much as
# all the rest together, and a worker whose tokens are fresh never needs it.


class Adapters:
    """The adapters, made when they are first asked for and kept for the process's warm life."""

    def __init__(
        self,
        settings: Settings,
        *,
        clients: Clients | None = None,
        clock: Clock = time.time,
        random_bytes: RandomBytes = os.urandom,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.random_bytes = random_bytes
        self._sleep = sleep
        self.clients = clients or Clients()
        self._lock = threading.Lock()
        self._server: AuthorizationServer | None = None
        self._transports: dict[str, Transport] = {}

    @cached_property
    def messages(self) -> DynamoDBMessageStore:
        """Give the message records."""
        return DynamoDBMessageStore(self.clients.dynamodb, self.settings.messages_table)

    @cached_property
    def accounts(self) -> DynamoDBAccountStore:
        """Give the accounts."""
        return DynamoDBAccountStore(self.clients.dynamodb, self.settings.accounts_table)

    @cached_property
    def consents(self) -> DynamoDBConsentStore:
        """Give the consents under way."""
        from mailbearer.aws.consents import DynamoDBConsentStore

        return DynamoDBConsentStore(self.clients.dynamodb, self.settings.consents_table)

    @cached_property
    def registrations(self) -> BuiltInRegistrations:
        """Give the registrations, those that are built in among them."""
        store = DynamoDBRegistrationStore(self.clients.dynamodb, self.settings.registrations_table)
        return BuiltInRegistrations(store)

    @cached_property
    def keys(self) -> DynamoDBKeyStore:
        """Give the API keys."""
        from mailbearer.aws.keys import DynamoDBKeyStore

        return DynamoDBKeyStore(self.clients.dynamodb, self.settings.keys_table)

    @cached_property
    def incident_store(self) -> DynamoDBIncidentStore:
        """Give the incidents."""
        from mailbearer.aws.incidents import DynamoDBIncidentStore

        return DynamoDBIncidentStore(self.clients.dynamodb, self.settings.incidents_table)

    @cached_property
    def vault(self) -> SecretsManagerTokenVault:
        """Give the vault of the mailboxes' tokens."""
        settings = self.settings
        return SecretsManagerTokenVault(
            self.clients.secretsmanager, settings.secrets_prefix, kms_key_id=settings.kms_key_id
        )

    @cached_property
    def credentials(self) -> SecretsManagerCredentialVault:
        """Give the vault of the registrations' credentials."""
        from mailbearer.aws.credentials import SecretsManagerCredentialVault

        settings = self.settings
        return SecretsManagerCredentialVault(
            self.clients.secretsmanager, settings.secrets_prefix, kms_key_id=settings.kms_key_id
        )

    @cached_property
    def queue(self) -> SQSMessageQueue:
        """Give the message queue."""
        return SQSMessageQueue(self.clients.sqs, self.settings.queue_url, self.settings.dead_letter_queue_url)

    @cached_property
    def rotation_queue(self) -> SQSRotationQueue:
        """Give the queue of accounts that are due."""
        from mailbearer.aws.rotation_queue import SQSRotationQueue

        return SQSRotationQueue(self.clients.sqs, self.settings.rotation_queue_url)

    @cached_property
    def schedules(self) -> EventBridgeSchedules:
        """Give what brings bodies onto the message queue later."""
        from mailbearer.aws.schedules import EventBridgeSchedules

        settings = self.settings
        return EventBridgeSchedules(
            self.clients.scheduler,
            self.clock,
            group=settings.schedule_group,
            role_arn=settings.schedule_role_arn,
            queue_arn=settings.queue_arn,
            dead_letter_queue_arn=settings.dead_letter_queue_arn,
        )

    @cached_property
    def captures(self) -> S3CaptureStore:
        """Give what the sandbox transport took."""
        from mailbearer.aws.captures import S3CaptureStore

        return S3CaptureStore(self.clients.s3, self.settings.content_bucket)

    @cached_property
    def upload_store(self) -> S3UploadStore:
        """Give the uploads in the content bucket."""
        from mailbearer.aws.uploads import S3UploadStore

        return S3UploadStore(self.clients.s3, self.settings.content_bucket)

    @cached_property
    def suppression_store(self) -> DynamoDBSuppressionStore:
        """Give the suppressions."""
        from mailbearer.aws.suppressions import DynamoDBSuppressionStore

        return DynamoDBSuppressionStore(self.clients.dynamodb, self.settings.suppressions_table)

    @cached_property
    def template_store(self) -> DynamoDBTemplateStore:
        """Give the templates."""
        from mailbearer.aws.templates import DynamoDBTemplateStore

        return DynamoDBTemplateStore(self.clients.dynamodb, self.settings.templates_table)

    @cached_property
    def template_engine(self) -> JinjaEngine:
        """Give what fills templates in."""
        from mailbearer.rendering.engine import JinjaEngine

        return JinjaEngine(time.monotonic)

    @cached_property
    def ledgers(self) -> DynamoDBLedgerStore:
        """Give the mailboxes' ledgers."""
        from mailbearer.aws.ledgers import DynamoDBLedgerStore

        return DynamoDBLedgerStore(self.clients.dynamodb, self.settings.ledgers_table)

    @cached_property
    def content(self) -> S3ContentStore:
        """Give the content bucket."""
        return S3ContentStore(self.clients.s3, self.settings.content_bucket)

    @cached_property
    def pointed(self) -> S3PointedContent:
        """Give the bodies that senders put into the bucket for the queue."""
        from mailbearer.aws.pointed import S3PointedContent

        return S3PointedContent(self.clients.s3, self.settings.content_bucket)

    @cached_property
    def events(self) -> EventBridgeBus:
        """Give the event bus."""
        return EventBridgeBus(self.clients.events, self.settings.event_bus)

    @cached_property
    def message_news(self) -> MessageNews:
        """Give what happened to messages and has yet to be told."""
        return MessageNews(self.events, self.trail, routine=self.settings.message_events == "all")

    @cached_property
    def webhooks(self) -> DynamoDBWebhookStore:
        """Give the webhooks."""
        from mailbearer.aws.webhooks import DynamoDBWebhookStore

        return DynamoDBWebhookStore(self.clients.dynamodb, self.settings.webhooks_table)

    @cached_property
    def webhook_secrets(self) -> SecretsManagerWebhookVault:
        """Give the vault of the webhooks' signing secrets."""
        from mailbearer.aws.webhook_secrets import SecretsManagerWebhookVault

        settings = self.settings
        return SecretsManagerWebhookVault(
            self.clients.secretsmanager, settings.secrets_prefix, kms_key_id=settings.kms_key_id
        )

    @cached_property
    def notification_queue(self) -> SQSNotificationQueue:
        """Give the notification queue."""
        from mailbearer.aws.notification_queue import SQSNotificationQueue

        settings = self.settings
        return SQSNotificationQueue(
            self.clients.sqs, settings.notification_queue_url, settings.notification_dead_letter_queue_url
        )

    @cached_property
    def audit_log(self) -> CloudWatchAuditLog:
        """Give this process's stream of the audit log."""
        return CloudWatchAuditLog(self.clients.logs, self.settings.audit_log_group, self._stream_name)

    @cached_property
    def audit_spool(self) -> S3AuditSpool:
        """Give the place where audit events wait while the log cannot be written."""
        from mailbearer.aws.audit_spool import S3AuditSpool

        return S3AuditSpool(self.clients.s3, self.settings.content_bucket)

    @cached_property
    def audit_reader(self) -> CloudWatchAuditReader:
        """Give the audit log from the reader's side."""
        from mailbearer.aws.audit_reader import CloudWatchAuditReader

        return CloudWatchAuditReader(self.clients.logs, self.settings.audit_log_group, sleep=self._sleep)

    @cached_property
    def archive(self) -> S3Archive:
        """Give the documents that nobody can change."""
        from mailbearer.aws.archive import S3Archive

        return S3Archive(self.clients.s3, self.settings.archive_bucket)

    @cached_property
    def signer(self) -> KmsSigner:
        """Give the key that signs digests."""
        from mailbearer.aws.signer import KmsSigner

        return KmsSigner(self.clients.kms, self.settings.signing_key_arn)

    @cached_property
    def trail(self) -> BufferedTrail:
        """Give the audit trail."""
        return BufferedTrail(
            self.audit_log, self.audit_spool, self.clock, self.random_bytes, actor=self.settings.function
        )

    @cached_property
    def egress(self) -> Egress:
        """Give the guarded way out."""
        from mailbearer.egress import Egress

        return Egress(local=self.settings.local)

    def server(self) -> AuthorizationServer:
        """Give the client of authorization servers."""
        with self._lock:
            if self._server is None:
                from mailbearer.oauth import AuthlibServer

                self._server = AuthlibServer(self.egress, self.clock, self.random_bytes)
            return self._server

    def transport(self, name: str) -> Transport:
        """Give the transport of this name."""
        with self._lock:
            if name not in self._transports:
                self._transports[name] = self._make_transport(name)
            return self._transports[name]

    def _make_transport(self, name: str) -> Transport:
        if name == "gmail":
            from mailbearer.transports.gmail import GmailTransport

            return GmailTransport(self.egress, self.clock)
        if name == "graph":
            from mailbearer.mime import compose
            from mailbearer.transports.graph import GraphTransport

            return GraphTransport(self.egress, self.clock, compose)
        if name == "smtp":
            from mailbearer.transports.smtp import SmtpTransport

            return SmtpTransport(self.egress, self.clock)
        if name == "sandbox":
            from mailbearer.transports.sandbox import SandboxTransport

            return SandboxTransport(self.captures, self.clock, self._sleep)
        msg = f"There is no transport {name!r}."
        raise LookupError(msg)

    def _stream_name(self) -> str:
        day = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y/%m/%d")
        return f"{self.settings.function}/{day}/{self.random_bytes(8).hex()}"
