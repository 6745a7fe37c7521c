from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Operator, ScriptedApi

PATH = "/v1/suppressions"
STANDS: dict[str, Any] = {
    "address": "carla@customer.example",
    "account": None,
    "reason": "bounced",
    "created_at": "2026-09-21T14:13:20.000Z",
    "created_by": "key_1",
}
NONE = {"status": 422, "problem": {"errors": [{"code": "invalid_address", "detail": "'x' is not an address."}]}}


def test_lists_one_list(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", PATH, 200, {"data": [STANDS], "next_cursor": None})
    result = local("suppressions", "list", "--account", "ann@tenant.example")
    assert "carla@customer.example" in result.stdout
    assert api.requests[0].path == f"{PATH}?account=ann%40tenant.example&limit=100"


def test_an_empty_list_is_said_to_be_empty(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", PATH, 200, {"data": [], "next_cursor": None})
    assert "No suppressions" in local("suppressions", "list").stdout


def test_adds_one(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", PATH, 201, STANDS)
    assert local.json("suppressions", "add", "carla@customer.example", "--reason", "bounced") == STANDS
    assert api.requests[0].body == {"address": "carla@customer.example", "reason": "bounced"}
    assert "bounced" in local("suppressions", "add", "carla@customer.example").stdout


def test_removes_one_as_one_segment_of_the_path(local: Operator, api: ScriptedApi) -> None:
    api.answer("DELETE", f"{PATH}/a%252Fb%2Bc%40customer.example", 204, b"")
    result = local("suppressions", "remove", "a/b+c@customer.example", "--account", "acc_1")
    assert result.exit_code == 0, result.output
    assert api.requests[0].path == f"{PATH}/a%252Fb%2Bc%40customer.example?account=acc_1"
    assert local.json("suppressions", "remove", "a/b+c@customer.example") == {"removed": "a/b+c@customer.example"}


def test_removing_what_is_not_there_is_refused(local: Operator, api: ScriptedApi) -> None:
    result = local("suppressions", "remove", "a@b.example")
    assert (result.exit_code, len(api.requests)) == (1, 1)
    assert "[not_found, 404]" in result.stderr


def test_imports_a_file_lot_by_lot(local: Operator, api: ScriptedApi, tmp_path: Path) -> None:
    lines = [f"{number}@customer.example" for number in range(501)]
    file = tmp_path / "list.txt"
    file.write_text("\ufeff# bounced in May\n\n" + "\r\n".join(lines), encoding="utf-8")
    api.answer("POST", PATH, 200, {"results": [{"status": 201}] * 499 + [{"status": 200}]})
    api.answer("POST", PATH, 200, {"results": [NONE]})
    result = local("suppressions", "import", str(file), "--account", "acc_1", "--reason", "May", "--json")
    assert result.exit_code == 1
    sent = [each for request in api.requests for each in request.body["suppressions"]]
    assert sent == [{"address": line, "account": "acc_1", "reason": "May"} for line in lines]
    assert [len(request.body["suppressions"]) for request in api.requests] == [500, 1]
    said = local("suppressions", "import", "-", stdin="x\n")
    assert said.exit_code == 1
    assert "0 added, 0 were there already, 1 refused." in said.stdout
    assert "line 1: 'x' is not an address. [invalid_address]" in said.stdout


def test_an_import_says_what_became_of_how_many(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", PATH, 200, {"results": [{"status": 201}, {"status": 200}]})
    said = local.json("suppressions", "import", "-", stdin="a@b.example\nc@d.example\n")
    assert said == {"added": 1, "stood": 1, "refused": []}


def test_an_answer_that_leaves_out_some_is_refused(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", PATH, 200, {"results": []})
    assert "did not say" in local("suppressions", "import", "-", stdin="a@b.example\n").stderr


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_refused(local: Operator, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "list.txt"
    if content:
        file.write_bytes(content)
    result = local("suppressions", "import", str(file))
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
