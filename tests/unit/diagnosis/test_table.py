from __future__ import annotations

import re
import string
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.diagnosis import (
    Answer,
    Diagnosis,
    Fate,
    Who,
    api_codes,
    by_code,
    callback_codes,
    smtp_codes,
    token_codes,
)
from mailbearer.diagnosis.catalogue import PARTS, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

ROWS = list(rows().values())
every_row = pytest.mark.parametrize("row", ROWS, ids=[row.code for row in ROWS])


def test_no_two_rows_have_one_code() -> None:
    defined = {id(value): value for part in PARTS for value in vars(part).values() if isinstance(value, Diagnosis)}
    codes = [row.code for row in defined.values()]
    assert sorted(codes) == sorted(set(codes))


@every_row
def test_a_row_is_whole(row: Diagnosis) -> None:
    assert re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", row.code)
    assert row.cause.endswith(".")
    assert len(row.remedy) > 10
    places = {name for _, name, _, _ in string.Formatter().parse(row.remedy) if name is not None}
    assert places <= {"account", "registration", "client_id", "tenant"}
    assert not row.retry or row.pause > 0


@every_row
def test_only_a_row_about_the_grant_ends_one_and_then_somebody_has_to_act(row: Diagnosis) -> None:
    if row.fate is not Fate.ALIVE:
        assert row.answer is Answer.GRANT
        assert row.who is not Who.NOBODY
        assert not row.retry
    if row.answer is Answer.BUSY:
        assert (row.retry, row.who) == (True, Who.NOBODY)


def test_every_code_of_a_provider_leads_to_a_row_of_the_catalogue() -> None:
    tables: list[Mapping[Any, Diagnosis]] = [
        *(token_codes.WORDS, token_codes.SUBTYPES, token_codes.NUMBERS, callback_codes.WORDS),
        *(api_codes.GMAIL, api_codes.GRAPH, api_codes.STATUSES, smtp_codes.SUBJECTS),
        *(smtp_codes.IDENTIFIERS, smtp_codes.VERDICTS, smtp_codes.ENHANCED, smtp_codes.REPLIES, smtp_codes.EXACT),
    ]
    for table in tables:
        for found in table.values():
            assert rows()[found.code] is found


def test_keys_are_in_lower_case_for_they_are_compared_so() -> None:
    for table in (token_codes.WORDS, token_codes.SUBTYPES, api_codes.GMAIL, api_codes.GRAPH, smtp_codes.IDENTIFIERS):
        assert [key for key in table if key != key.lower()] == []


def test_a_code_that_is_not_in_the_table_gets_the_row_for_what_is_unknown() -> None:
    assert by_code("something_else").code == by_code("").code == "unknown_refusal"


def test_a_remedy_is_filled_with_what_is_known_and_names_the_rest() -> None:
    row = by_code("admin_consent_required")
    assert "contoso.com/adminconsent?client_id=CLIENT_ID" in row.remedy_for(tenant="contoso.com", account="")
    assert "accounts consent ann@example.com" in row.remedy_for(account="ann@example.com")
    assert "accounts consent ACCOUNT" in row.remedy_for()


def test_whoever_meets_no_refusal_loads_no_part_of_the_table() -> None:
    parts = ("table", "tokens", "mail_table", "smtp_table", "explaining", "body", "pasting", "callback_codes")
    loaded = "any(f'mailbearer.diagnosis.{part}' in sys.modules for part in parts)"
    script = f"import sys, mailbearer.diagnosis, mailbearer.oauth_answers; parts = {parts!r}; sys.exit({loaded})"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 0
