"""Settings of a function, read from its environment when it first runs; every problem is named at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = {
    "stage": "MAILBEARER_STAGE",
    "api_url": "API_URL",
    "jwt_issuer": "JWT_ISSUER",
    "jwt_audience": "JWT_AUDIENCE",
    "messages_table": "MESSAGES_TABLE",
    "accounts_table": "ACCOUNTS_TABLE",
    "consents_table": "CONSENTS_TABLE",
    "keys_table": "KEYS_TABLE",
    "registrations_table": "REGISTRATIONS_TABLE",
    "suppressions_table": "SUPPRESSIONS_TABLE",
    "ledgers_table": "LEDGERS_TABLE",
    "templates_table": "TEMPLATES_TABLE",
    "queue_url": "QUEUE_URL",
    "queue_arn": "QUEUE_ARN",
    "dead_letter_queue_url": "DEAD_LETTER_QUEUE_URL",
    "dead_letter_queue_arn": "DEAD_LETTER_QUEUE_ARN",
    "schedule_group": "SCHEDULE_GROUP",
    "schedule_role_arn": "SCHEDULE_ROLE_ARN",
    "rotation_queue_url": "ROTATION_QUEUE_URL",
    "content_bucket": "CONTENT_BUCKET",
    "secrets_prefix": "SECRETS_PREFIX",
    "audit_log_group": "AUDIT_LOG_GROUP",
    "event_bus": "EVENT_BUS",
    "owner_topic_arn": "OWNER_TOPIC_ARN",
    "webhooks_table": "WEBHOOKS_TABLE",
    "incidents_table": "INCIDENTS_TABLE",
    "notification_queue_url": "NOTIFICATION_QUEUE_URL",
    "notification_dead_letter_queue_url": "NOTIFICATION_DEAD_LETTER_QUEUE_URL",
    "archive_bucket": "ARCHIVE_BUCKET",
    "signing_key_arn": "SIGNING_KEY_ARN",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are; a name that a function does not need stays empty."""

    stage: str = ""
    local: bool = False
    api_url: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    messages_table: str = ""
    accounts_table: str = ""
    consents_table: str = ""
    keys_table: str = ""
    registrations_table: str = ""
    suppressions_table: str = ""
    ledgers_table: str = ""
    templates_table: str = ""
    queue_url: str = ""
    queue_arn: str = ""
    dead_letter_queue_url: str = ""
    dead_letter_queue_arn: str = ""
    schedule_group: str = ""
    schedule_role_arn: str = ""
    rotation_queue_url: str = ""
    content_bucket: str = ""
    secrets_prefix: str = ""
    kms_key_id: str = ""
    audit_log_group: str = ""
    event_bus: str = ""
    message_events: str = "exceptions"
    owner_topic_arn: str = ""
    webhooks_table: str = ""
    incidents_table: str = ""
    notification_queue_url: str = ""
    notification_dead_letter_queue_url: str = ""
    archive_bucket: str = ""
    signing_key_arn: str = ""
    function: str = "mailbearer"
    workers: int = 10


def read_settings(environment: Mapping[str, str], *needed: str) -> Settings:
    """Read the settings; raises `ConfigurationInvalid` naming every variable that is missing or wrong."""
    values = {name: environment.get(variable, "").strip() for name, variable in _NAMES.items()}
    problems = [f"{_NAMES[name]} is not set" for name in needed if not values[name]]
    local = environment.get("MAILBEARER_LOCAL", "false").strip().lower()
    if local not in {"true", "false"}:
        problems.append("MAILBEARER_LOCAL is neither true nor false")
    told = environment.get("MESSAGE_EVENTS", "exceptions").strip()
    if told not in {"exceptions", "all"}:
        problems.append("MESSAGE_EVENTS is neither exceptions nor all")
    if bool(values["jwt_issuer"]) != bool(values["jwt_audience"]):
        problems.append("JWT_ISSUER and JWT_AUDIENCE need each other")
    workers = environment.get("WORKERS", "10").strip()
    if not (workers.isascii() and workers.isdigit() and int(workers)):
        problems.append("WORKERS is no number from 1 on")
    if problems:
        raise ConfigurationInvalid("; ".join(problems) + ".")
    return Settings(
        local=local == "true",
        kms_key_id=environment.get("KMS_KEY_ID", "").strip(),
        function=environment.get("AWS_LAMBDA_FUNCTION_NAME", "mailbearer"),
        workers=int(workers),
        message_events=told,
        **{**values, "api_url": values["api_url"].rstrip("/")},
    )
