"""The audit log group from the reader's side."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mailbearer.audit import AuditLine
from mailbearer.aws.failures import calling, code
from mailbearer.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_logs import CloudWatchLogsClient

# CloudWatch allows an account and Region five FilterLogEvents a second, whoever asks; the SDK's own tries come on top.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 0.0)
_LIMIT = 10_000  # lines in one answer
_THROTTLED = "ThrottlingException"
_WRONG = "InvalidParameterException"


class CloudWatchAuditReader:
    """Reads all streams of the group, sorted by the time under which CloudWatch has filed them.

    A page holds up to 1 MB. A cursor is CloudWatch's own token: good for a day, and for the same times only.
    """

    def __init__(
        self, client: CloudWatchLogsClient, group: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._group = group
        self._sleep = sleep

    def lines(self, *, since: int, until: int) -> Iterator[AuditLine]:
        """Give the lines filed from `since` until before `until` (epoch milliseconds), of all streams, by time.

        They are read as they are asked for. Lines of one time come in no particular order. Raises `Unavailable`.
        """
        cursor, passed = "", 0
        while True:
            found, cursor = self.page(since=since, until=until, cursor=cursor)
            yield from found[passed:]
            passed = 0
            if cursor:
                continue
            # The local engine gives no token; CloudWatch never stops at its limit without one.
            if len(found) < _LIMIT or found[-1].timestamp == since:
                return
            since = found[-1].timestamp
            passed = sum(line.timestamp == since for line in found)

    def page(self, *, since: int, until: int, cursor: str) -> tuple[list[AuditLine], str]:
        """Give some of those lines, and where to go on, empty at their end. Raises `Unavailable`, `InvalidInput`.

        A page may be empty and yet not the last. The same cursor gives the same page.
        """
        if since >= until:
            return [], ""
        answer = self._ask(since, until, cursor)
        found = [
            AuditLine(entry["logStreamName"], entry["timestamp"], entry["message"])
            for entry in answer.get("events", [])
        ]
        return found, answer.get("nextToken", "")

    def _ask(self, since: int, until: int, cursor: str) -> Any:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded with the client long before

        more: dict[str, Any] = {"nextToken": cursor} if cursor else {}
        with calling("logs:FilterLogEvents"):
            for pause in _PAUSES:
                try:
                    # To CloudWatch the end belongs to the range.
                    return self._client.filter_log_events(
                        logGroupName=self._group, startTime=since, endTime=until - 1, interleaved=True, **more
                    )
                except ClientError as error:
                    if cursor and code(error) == _WRONG:
                        detail = "Use next_cursor as it was given, within a day."
                        raise InvalidInput((Fault("/cursor", "invalid_cursor", detail),)) from error
                    if code(error) != _THROTTLED or not pause:
                        raise
                    self._sleep(pause)
        raise AssertionError  # the last pause is 0: it either answered or raised
