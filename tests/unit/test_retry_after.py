"""Every form in which a provider says when to come again."""

from __future__ import annotations

import json
import time

import pytest

from mailbearer.transports.retry_after import LONGEST, asked_pause

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
AT_GMAIL = "User-rate limit exceeded.  Retry after {}"


def http_date(moment: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(moment))


def body(moment: str) -> str:
    return json.dumps({"error": {"code": 429, "message": AT_GMAIL.format(moment)}})


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        (" 1.5 ", 1.5),
        ("0", 0),
        ("-5", 0),
        ("999999999", LONGEST),
        ("1e400", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("12 seconds", None),
        (http_date(NOW + 100), 100),
        (http_date(NOW - 100), 0),
        (http_date(NOW + 10 * LONGEST), LONGEST),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60),
        ("Tue, 14 Nov 2023 22:14:20 +0000", 60),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60),
        ("Tue, 99 Nov 2023 22:14:20 GMT", None),
        ("Tue, 14 Nov 99999 22:14:20 GMT", None),
    ],
)
def test_the_header_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert asked_pause(header, "", NOW) == seconds


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2023-11-14T22:23:20.000Z", 600),
        ("2023-11-14T22:23:20Z", 600),
        ("2023-11-14T23:23:20+01:00", 600),
        ("2023-11-14T22:00:00.123456789Z", 0),
        ("2023-12-14T22:13:20Z", LONGEST),
        ("2023-13-14T22:13:20Z", None),
        ("tomorrow", None),
    ],
)
def test_gmail_says_the_moment_in_its_text(moment: str, seconds: float | None) -> None:
    assert asked_pause("", body(moment), NOW) == seconds


def test_of_two_the_later_counts() -> None:
    assert asked_pause("1", body("2023-11-14T22:23:20.000Z"), NOW) == 600
    assert asked_pause("900", body("2023-11-14T22:23:20.000Z"), NOW) == 900
