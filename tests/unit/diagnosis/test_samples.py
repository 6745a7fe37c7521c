"""Every answer seen in the wild, as it came and in the forms in which it may come next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.diagnosis import explain
from tests.unit.diagnosis.rows import ROWS, Row
from tests.unit.diagnosis.samples import CODES, IDS, SAMPLES, evidence

if TYPE_CHECKING:
    from collections.abc import Callable

every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
every_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


@every_sample
def test_a_sample_leads_to_its_code_and_to_who_acts_and_whether_to_retry(sample: dict[str, Any]) -> None:
    found, expected = explain(evidence(sample)), sample["expected"]
    assert (found.code, found.who, found.retry) == (CODES[sample["id"]], expected["who"], expected["retry"])
    assert (found.kind == "unknown_outcome") is (expected["kind"] == "unknown_outcome")
    assert (found.provider, found.surface) == (sample["provider"], sample["surface"])


@every_row
def test_every_row_of_what_is_known_of_the_providers_is_a_row_of_the_table(row: Row) -> None:
    found = explain(row.evidence)
    assert (found.code, found.who, found.retry, found.kind) == (row.code, row.who, row.retry, row.kind)


def differing(**changed: Callable[[dict[str, Any]], Any]) -> list[str]:
    """Give the samples that mean something else once fields of theirs are changed; one is passed over at None."""
    found = []
    for sample in SAMPLES:
        fields = {name: change(sample) for name, change in changed.items()}
        if None not in fields.values():
            said, expected = explain(evidence(sample, **fields)), sample["expected"]
            if (said.code, said.who, said.retry) != (CODES[sample["id"]], expected["who"], expected["retry"]):
                found.append(sample["id"])
    return found


@pytest.mark.parametrize("left_out", [("provider",), ("surface",), ("provider", "surface")], ids=" and ".join)
def test_what_is_left_out_is_guessed(left_out: tuple[str, ...]) -> None:
    assert differing(**dict.fromkeys(left_out, lambda _: "")) == []


def as_json(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], str | None]:
    def changed(sample: dict[str, Any]) -> str | None:
        if not sample["body"].startswith("{"):
            return None
        return json.dumps(change(json.loads(sample["body"])), indent=4).replace("\n", "\r\n")

    return changed


def reversed_fields(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reversed_fields(item) for name, item in reversed(value.items())}
    return [reversed_fields(item) for item in value] if isinstance(value, list) else value


def other_case(body: Any) -> Any:
    error = body.get("error")
    if isinstance(error, str):
        body["error"] = error.swapcase()
    elif isinstance(error, dict) and isinstance(error.get("code"), str):
        error["code"] = error["code"].lower()
    return body


@pytest.mark.parametrize("change", [reversed_fields, other_case])
def test_the_order_and_the_case_of_json_change_nothing(change: Callable[[Any], Any]) -> None:
    assert differing(body=as_json(change)) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\n\r\n"])
def test_the_line_ends_of_a_reply_change_nothing(end: str) -> None:
    assert (
        differing(smtp=lambda sample: end.join((*sample["smtp"].split("\r\n"), "")) if sample["smtp"] else None) == []
    )


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_the_case_of_a_replys_text_changes_nothing(change: Callable[[str], str]) -> None:
    def changed(sample: dict[str, Any]) -> str | None:
        # The base64 of a challenge has its case for a reason.
        return change(sample["smtp"]) if sample["smtp"] and not sample["smtp"].startswith("334") else None

    assert differing(smtp=changed) == []


def test_a_reply_given_as_the_body_is_a_reply() -> None:
    assert differing(body=lambda sample: sample["smtp"], smtp=lambda _: "", surface=lambda _: "") == []


def test_the_name_of_a_header_has_no_case() -> None:
    assert differing(headers=lambda sample: {name.title(): value for name, value in sample["headers"].items()}) == []


@pytest.mark.parametrize(
    "host", ["login.microsoftonline.us", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn"]
)
def test_the_cloud_changes_nothing(host: str) -> None:
    assert differing(body=lambda sample: sample["body"].replace("login.microsoftonline.com", host)) == []


def test_microsofts_codes_speak_for_themselves_whatever_the_provider_is_called() -> None:
    assert differing(provider=lambda sample: "oidc" if sample["provider"] == "microsoft" else None) == []


def test_the_samples_are_all_here() -> None:
    assert len(SAMPLES) == len(CODES) == 145
