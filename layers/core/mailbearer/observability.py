"""Logs and metrics at the edge: Powertools, with a net under the logs that catches secrets."""

from __future__ import annotations

import logging
import re
from functools import cache

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

# What a token of ours or of a provider looks like when somebody puts it into a message by mistake. It is the second
# net: the first is that secrets never print (`repr=False`) and are never logged.
_SECRET = re.compile(
    r"(mb_key_[0-9A-Z]{26}_)[\w-]+"
    r"|(\bBearer\s+)[\w.~+/=-]{8,}"
    r"|((?:access_token|refresh_token|client_secret|code_verifier|client_assertion|id_token|code|state)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"
    r"|(\bauth=Bearer )[^\x01\s]+"
    r"|(/connect/)[\w-]+",
    re.IGNORECASE,
)


class SecretFilter(logging.Filter):
    """Blacken what looks like a secret in a log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's text; nothing is dropped."""
        text = record.getMessage()
        blackened = blacken(text)
        if blackened != text:
            record.msg, record.args = blackened, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = blacken(logging.Formatter().formatException(record.exc_info))
        return True


def blacken(text: str) -> str:
    """Replace what looks like a secret by `[secret]`."""
    return _SECRET.sub(lambda match: f"{next(filter(None, match.groups()), '')}[secret]", text)


@cache
def logger() -> Logger:
    """Give the function's structured logger; service and level come from the environment."""
    made = Logger()
    made.addFilter(SecretFilter())
    return made


@cache
def metrics() -> Metrics:
    """Give the function's metrics (EMF); namespace and service come from the environment."""
    return Metrics()


def count(**counts: int) -> None:
    """Write counts as one EMF document; what is 0 is left out, and nothing is written if all are."""
    present = {name: value for name, value in counts.items() if value}
    if not present:
        return
    for name, value in present.items():
        metrics().add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics().flush_metrics()
