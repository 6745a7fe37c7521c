from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Operator, ScriptedApi

PATH = "/v1/templates"
HELLO = {"subject": "Hello {{ name }}", "text": "Dear {{ name }},\n\nbye\n", "html": None}


def stored(
    name: str, *, latest: int = 1, published: int | None = None, older: Any = None, **content: Any
) -> dict[str, Any]:
    """Give a template as the API shows it."""
    newest = {"template": name, "version": latest} | HELLO | content
    return {
        "name": name,
        "description": None,
        "latest_version": latest,
        "published_version": published,
        "updated_at": "2026-09-21T14:13:20.000Z",
        "latest": newest,
        "published": newest if published == latest else older,
    }


def serve(api: ScriptedApi, *templates: dict[str, Any]) -> None:
    plain = [{key: value for key, value in each.items() if key not in {"latest", "published"}} for each in templates]
    api.answer("GET", PATH, 200, {"data": plain, "next_cursor": None})
    for each in templates:
        api.answer("GET", f"{PATH}/{each['name']}", 200, each)


def folder(directory: Path, name: str, **content: str | None) -> Path:
    path = directory / name
    path.mkdir(parents=True)
    for part, text in ({**HELLO, "subject": "Hello {{ name }}\n"} | content).items():
        if text is not None:
            (path / {"subject": "subject.txt", "text": "text.txt", "html": "html.html"}[part]).write_bytes(
                text.encode()
            )
    return path


def puts(api: ScriptedApi) -> list[tuple[str, Any]]:
    return [(request.path, request.body) for request in api.requests if request.method == "PUT"]


def test_pushes_what_is_new_and_changed_and_leaves_what_is_the_same(
    local: Operator, api: ScriptedApi, tmp_path: Path
) -> None:
    serve(api, stored("changed", latest=4, published=2, text="another"), stored("same", published=1))
    for name in ("changed", "new", "same"):
        folder(tmp_path / "mails", name)
    api.answer("PUT", f"{PATH}/changed", 200, stored("changed", latest=5, published=2))
    api.answer("PUT", f"{PATH}/new", 201, stored("new"))
    rows = local.json("templates", "push", str(tmp_path / "mails"))
    assert [(row["name"], row["change"], row["latest_version"], row["published_version"]) for row in rows] == [
        ("changed", "changed", 5, 2),
        ("new", "new", 1, None),
        ("same", "same", 1, 1),
    ]
    given = {name: text for name, text in HELLO.items() if text is not None} | {"publish": False}
    assert puts(api) == [(f"{PATH}/changed", given), (f"{PATH}/new", given)]


def test_the_table_shows_what_changed(local: Operator, api: ScriptedApi, tmp_path: Path) -> None:
    serve(api, stored("same", published=1))
    folder(tmp_path, "same")
    result = local("templates", "push", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["name", "change", "latest_version", "published_version"],
        ["same", "same", "1", "1"],
    ]


def test_publishes_what_was_pushed_before_too(local: Operator, api: ScriptedApi, tmp_path: Path) -> None:
    serve(api, stored("waiting", latest=2, published=1), stored("out", published=1))
    folder(tmp_path, "waiting")
    folder(tmp_path, "out")
    api.answer("PUT", f"{PATH}/waiting", 200, stored("waiting", latest=2, published=2))
    rows = local.json("templates", "push", str(tmp_path), "--publish")
    assert [(row["name"], row["change"]) for row in rows] == [("out", "same"), ("waiting", "published")]
    ((path, body),) = puts(api)
    assert (path, body["publish"]) == (f"{PATH}/waiting", True)


def test_a_dry_run_says_what_would_change_and_changes_nothing(
    local: Operator, api: ScriptedApi, tmp_path: Path
) -> None:
    serve(api, stored("changed", text="another"))
    folder(tmp_path, "changed")
    folder(tmp_path, "new")
    rows = local.json("templates", "push", str(tmp_path), "--dry-run")
    assert [row["change"] for row in rows] == ["changed", "new"]
    assert puts(api) == []


def test_every_fault_of_every_template_is_told_with_file_and_line_before_anything_is_pushed(
    local: Operator, api: ScriptedApi, tmp_path: Path
) -> None:
    folder(tmp_path, "good")
    bad = folder(tmp_path, "bad", subject="{{ f() }}", html="one\n\n{% include 'x' %}\n{{ x|nope }}")
    worse = folder(tmp_path, "worse", text="{% if %}")
    result = local("templates", "push", str(tmp_path))
    assert result.exit_code == 1
    for where in (f"{bad}/subject.txt:1", f"{bad}/html.html:3", f"{bad}/html.html:4", f"{worse}/text.txt:1"):
        assert f"{where}: " in result.stderr
    assert "nothing was changed" in result.stderr
    assert api.requests == []


def test_what_cannot_be_read_is_told_for_all_files_at_once(local: Operator, tmp_path: Path) -> None:
    (folder(tmp_path, "a", text=None) / "subject.txt").write_bytes(b"\xff")
    folder(tmp_path, "b", subject=None)
    folder(tmp_path, "Not A Name")
    (folder(tmp_path, "c") / "text.txt").write_bytes(b"x" * 2_000_000)
    result = local("templates", "push", str(tmp_path))
    assert result.exit_code == 1
    for words in ("a/subject.txt: It cannot be read", "/a: Give text.txt", "b/subject.txt: A template has", "256 KiB"):
        assert words in result.stderr
    assert "Not A Name: A template's name" in result.stderr


@pytest.mark.parametrize(
    ("make", "words"), [("none", "no directory"), ("empty", "no template"), ("one", "one template")]
)
def test_a_directory_that_holds_no_templates_is_refused(local: Operator, tmp_path: Path, make: str, words: str) -> None:
    directory = tmp_path / "mails"
    if make == "empty":
        directory.mkdir()
    elif make == "one":
        folder(tmp_path, "mails")
    result = local("templates", "push", str(directory))
    assert result.exit_code == 1
    assert words in result.stderr


def test_what_the_api_refuses_is_told_with_its_file_and_the_others_are_pushed(
    local: Operator, api: ScriptedApi, tmp_path: Path
) -> None:
    serve(api)
    bad = folder(tmp_path, "a")
    folder(tmp_path, "b")
    fault = {"pointer": "/text", "code": "template_limit", "detail": "Line 2: Too deep."}
    problem = {"code": "invalid_request", "title": "The request is not valid", "errors": [fault]}
    api.answer("PUT", f"{PATH}/a", 422, problem)
    api.answer("PUT", f"{PATH}/b", 201, stored("b"))
    result = local("templates", "push", str(tmp_path))
    assert result.exit_code == 1
    assert f"{bad}/text.txt:2: Too deep. [template_limit]" in result.stderr
    assert len(puts(api)) == 2
    assert "new" in result.stdout


def test_pulls_every_template_into_its_folder_and_pushing_that_changes_nothing(
    local: Operator, api: ScriptedApi, tmp_path: Path
) -> None:
    serve(api, stored("one", html="<p>ä</p>\r\n"), stored("two", text=None, html="x", subject=""))
    rows = local.json("templates", "pull", str(tmp_path / "mails"))
    assert [(row["name"], row["change"]) for row in rows] == [("one", "written"), ("two", "written")]
    one, two = tmp_path / "mails" / "one", tmp_path / "mails" / "two"
    assert (one / "subject.txt").read_bytes() == b"Hello {{ name }}\n"
    assert (one / "text.txt").read_bytes() == b"Dear {{ name }},\n\nbye\n"
    assert (one / "html.html").read_bytes() == "<p>ä</p>\r\n".encode()
    assert sorted(path.name for path in two.iterdir()) == ["html.html", "subject.txt"]
    pushed = local.json("templates", "push", str(tmp_path / "mails"))
    assert [row["change"] for row in pushed] == ["same", "same"]
    again = local.json("templates", "pull", str(tmp_path / "mails"))
    assert [row["change"] for row in again] == ["same", "same"]


def test_a_pull_writes_over_no_change_unless_forced(local: Operator, api: ScriptedApi, tmp_path: Path) -> None:
    serve(api, stored("one", latest=2, text="newest"), stored("two"))
    mine = folder(tmp_path, "one", text="mine", html="mine")
    result = local("templates", "pull", str(tmp_path))
    assert result.exit_code == 1
    assert str(mine) in result.stderr
    assert "--force" in result.stderr
    assert ((mine / "text.txt").read_text(), (tmp_path / "two").exists()) == ("mine", False)
    assert local("templates", "pull", str(tmp_path), "--force").exit_code == 0
    assert ((mine / "text.txt").read_text(), (mine / "html.html").exists()) == ("newest", False)


def test_a_pull_writes_over_what_is_as_it_was_published(local: Operator, api: ScriptedApi, tmp_path: Path) -> None:
    serve(api, stored("one", latest=2, published=1, text="newest", older=HELLO | {"version": 1}))
    path = folder(tmp_path, "one")
    assert local("templates", "pull", str(tmp_path)).exit_code == 0
    assert (path / "text.txt").read_text() == "newest"


def test_a_pull_makes_no_folder_of_a_name_that_is_none(local: Operator, api: ScriptedApi, tmp_path: Path) -> None:
    api.answer("GET", PATH, 200, {"data": [{"name": "../evil"}], "next_cursor": None})
    result = local("templates", "pull", str(tmp_path / "mails"))
    assert result.exit_code == 1
    assert not (tmp_path / "evil").exists()


def test_lists_the_templates(local: Operator, api: ScriptedApi) -> None:
    serve(api, stored("one", latest=3, published=2))
    result = local("templates", "list")
    assert result.stdout.splitlines()[1].split() == ["one", "3", "2", "2026-09-21T14:13:20.000Z"]


def test_no_templates_are_said_to_be_none(local: Operator, api: ScriptedApi) -> None:
    serve(api)
    assert "No templates" in local("templates", "list").stdout


def test_shows_a_preview_without_the_terminals_control_sequences(
    local: Operator, api: ScriptedApi, tmp_path: Path
) -> None:
    seen = {"version": 2, "subject": "Hi", "text": "a\n\x1b[2Jb", "html": None, "variables": ["name"]}
    api.answer("POST", f"{PATH}/one/preview", 200, seen)
    file = tmp_path / "variables.json"
    file.write_text('{"name": "Ann"}')
    result = local("templates", "preview", "one", "--variables", str(file), "--version", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["Subject: Hi", "", "--- text", "a", "\\x1b[2Jb"]
    assert api.requests[0].body == {"variables": {"name": "Ann"}, "version": 2}
    assert local.json("templates", "preview", "one", "--variables", "-", stdin='{"a": 1}') == seen
    assert api.requests[1].body == {"variables": {"a": 1}}


def test_a_preview_names_what_is_missing(local: Operator, api: ScriptedApi) -> None:
    fault = {"pointer": "/variables/name", "code": "variable_missing", "detail": "This variable is missing."}
    problem = {"code": "invalid_request", "title": "The request is not valid", "errors": [fault]}
    api.answer("POST", f"{PATH}/one/preview", 422, problem)
    result = local("templates", "preview", "one")
    assert result.exit_code == 1
    assert "/variables/name: This variable is missing. [variable_missing]" in result.stderr


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00", "[" * 100_000])
def test_variables_that_are_no_object_are_refused(local: Operator, api: ScriptedApi, text: str) -> None:
    result = local("templates", "preview", "one", "--variables", "-", stdin=text)
    assert result.exit_code == 1
    assert json.dumps({"name": "Ann"}) in result.stderr
    assert api.requests == []
