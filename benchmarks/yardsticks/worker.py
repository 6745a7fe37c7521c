"""A queue function as Powertools' documentation writes it: Logger, Metrics, batch, two clients, Authlib, Requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import requests
from authlib.integrations.requests_client import OAuth2Session
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

logger = Logger()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS)
secretsmanager = boto3.client("secretsmanager")
dynamodb = boto3.client("dynamodb")
http = requests.Session()
oauth = OAuth2Session("client")


def deliver(record: SQSRecord) -> str:
    """Deliver."""
    return record.body


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process the batch."""
    return dict(process_partial_response(event=event, record_handler=deliver, processor=processor, context=context))
