"""Logs and metrics at the edge: Powertools, with a net under the logs that catches secrets."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from mailbearer.metering import metered

if TYPE_CHECKING:
    from mailbearer.trail import Noted

# What a token of ours or of a provider looks like when somebody puts it into a message by mistake. It is the second
# net: the first is that secrets never print (`repr=False`) and are never logged. Words such as "Bearer authentication"
# or "status code: 550" have to stay readable, so what may be a word needs a digit or more length than words have.
_NAME = "access_token|refresh_token|client_secret|code_verifier|client_assertion|id_token"
_SECRET = re.compile(
    r"(mb_key_[0-9A-Z]{26}_)[\w-]+"
    r"|(\bwhsec_)[A-Za-z0-9+/]{16,}=*"
    r"|(\b(?:Bearer|Basic)\s+)(?=[\w.~+/=:-]*[0-9]|[\w.~+/=:-]{24})[\w.~+/=:-]{8,}"
    r"|(\bauth=Bearer )[^\x01\s]+"
    r"|(\b(?:XOAUTH2|OAUTHBEARER)\s+)[A-Za-z0-9+/=]{16,}"
    rf"|((?:{_NAME})[\\]?[\"']?\s*[=:]\s*[\\]?[\"']?)[^\s\"'&,}}\\]+"
    r"|((?<![A-Za-z0-9_-])(?:code|state)[\\]?[\"']?\s*[=:]\s*[\\]?[\"']?)"
    r"(?=[^\s\"'&,}\\]*[0-9]|[^\s\"'&,}\\]{40})[^\s\"'&,}\\]{16,}"
    r"|(/connect/)[\w-]+"
    r"|(\beyJ)[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|(\bya29\.)[\w.-]+",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({})))


class SecretFilter(logging.Filter):
    """Blacken what looks like a secret in a log record: its text, its extra fields and its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; nothing is dropped."""
        if isinstance(record.msg, dict):
            record.msg = _blacken_within(record.msg)
        else:
            text = record.getMessage()
            blackened = blacken(text)
            if blackened != text:
                record.msg, record.args = blackened, ()
        for name in vars(record).keys() - _OF_EVERY_RECORD:
            setattr(record, name, _blacken_within(getattr(record, name), name))
        if record.exc_info and (error := record.exc_info[1]) is not None:
            text = logging.Formatter().formatException(record.exc_info)
            blackened = blacken(text)
            if blackened != text:
                # Powertools writes the error itself, whatever `exc_text` says, unless a field of this name is there.
                vars(record).update(exception=blackened, exception_name=type(error).__name__)
                record.exc_info, record.exc_text = None, blackened
        return True


def blacken(text: str) -> str:
    """Replace what looks like a secret by `[secret]`."""
    return _SECRET.sub(lambda match: f"{next(filter(None, match.groups()), '')}[secret]", text)


def _blacken_within(value: object, name: str = "") -> object:
    """Blacken strings in what a log call was given, and whatever has the name of a secret."""
    if isinstance(value, str):
        return "[secret]" if value and _SECRET_NAME.fullmatch(name) else blacken(value)
    if isinstance(value, Mapping):
        return {key: _blacken_within(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_blacken_within(item, name) for item in value]
    return value


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


def level(**levels: int) -> None:
    """Write numbers of which the least or the last counts, not the sum, as one EMF document; 0 is one of them."""
    for name, value in levels.items():
        metrics().add_metric(name=name, unit=MetricUnit.NoUnit, value=value)
    metrics().flush_metrics()


def count_noted(noted: Mapping[Noted, int]) -> None:
    """Write what the audit trail noted as counts by outcome, provider and reason, one EMF document each."""
    for metric, number in metered(noted).items():
        with single_metric(name=metric.name, unit=MetricUnit.Count, value=number) as single:
            for name, value in metric.dimensions:
                single.add_dimension(name=name, value=value)
