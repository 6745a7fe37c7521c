"""An API function as Powertools' documentation writes it: resolver with validation, Metrics, Logger, two clients."""

from __future__ import annotations

from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

logger = Logger()
metrics = Metrics()
app = APIGatewayHttpResolver(enable_validation=True)
sqs = boto3.client("sqs")
dynamodb = boto3.client("dynamodb")


@app.post("/v1/messages")
def send() -> dict[str, str]:
    """Answer."""
    return {"status": "queued"}


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Resolve."""
    return app.resolve(event, context)
