"""The commands as they are offered: their help, their shared options, and the reference page."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from typer.testing import CliRunner, Result

from cli.cloud import aws_session
from cli.main import app
from cli.surroundings import Surroundings
from mailbearer.diagnosis.catalogue import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.diagnosis import Diagnosis

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
ROOT: Any = typer.main.get_command(app)


def commands(group: Any = ROOT, *path: str) -> Iterator[tuple[str, Any]]:
    """Give every command that does something, by its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands())
SECTION = re.compile(r"^### `mailbearer ([a-z ]+)`\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = dict(SECTION.findall(REFERENCE.read_text(encoding="utf-8")))


def run(*words: str) -> Result:
    surroundings = Surroundings(
        environ={},
        directory=Path("/nonexistent"),
        user=0,
        interactive=False,
        clock=float,
        sleep=time.sleep,
        random_bytes=bytes,
        open_browser=bool,
        aws_session=aws_session,
    )
    return CliRunner().invoke(app, list(words), obj=surroundings, prog_name="mailbearer")


def options(command: Any) -> set[str]:
    named = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return {option for option in named if option.startswith("-")} - {"--help"}


def test_the_commands_are_these() -> None:
    assert set(COMMANDS) == {
        *("providers credentials list", "providers credentials add"),
        *("providers credentials remove", "providers credentials rotate"),
        *("providers add", "providers list", "providers verify", "accounts add", "accounts list", "accounts show"),
        *("accounts consent", "accounts import", "accounts revoke"),
        *("accounts rotate", "accounts validate", "accounts pause", "accounts resume"),
        "accounts update",
        *("suppressions list", "suppressions add", "suppressions remove", "suppressions import"),
        *("captured list", "captured show", "dlq list", "dlq redrive"),
        *("templates list", "templates preview", "templates pull", "templates push"),
        *(
            "send",
            "messages cancel",
            "messages reschedule",
            "messages retry",
            "messages show",
            "messages list",
            "keys create",
            "keys list",
            "keys show",
            "keys disable",
            "keys enable",
            "keys rotate",
            "keys delete",
            *("audit tail", "audit search", "audit export", "audit verify"),
            *("incident declare", "incident list", "incident show", "incident report"),
            *("incident resolve", "incident drill"),
            *("webhooks create", "webhooks list", "webhooks show", "webhooks update", "webhooks rotate"),
            *("webhooks test", "webhooks replay", "webhooks delete"),
            "explain",
            "doctor",
            "practices",
        ),
    }


@pytest.mark.parametrize("words", ["", *sorted({path.split()[0] for path in COMMANDS} | set(COMMANDS))])
def test_every_help_renders(words: str) -> None:
    result = run(*words.split(), "--help")
    assert result.exit_code == 0, result.output
    assert f"Usage: mailbearer {words}".strip() in result.stdout


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_and_argument_says_what_it_is(path: str) -> None:
    assert COMMANDS[path].help
    assert all(parameter.help for parameter in COMMANDS[path].params)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_gives_json_and_takes_a_stage_if_it_needs_one(path: str) -> None:
    needed = {"--json"} if path == "explain" else {"--stage", "--json"}
    assert needed <= options(COMMANDS[path])


def test_no_option_takes_a_secret_on_the_command_line() -> None:
    for path, command in COMMANDS.items():
        for parameter in command.params:
            if re.search("secret|api_key", parameter.name) and parameter.name not in {"secret_expires", "secret_id"}:
                assert parameter.is_flag, f"{path} {parameter.name}"


def test_the_reference_has_a_section_for_each_command() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS)
def test_the_reference_names_exactly_the_options_there_are(path: str) -> None:
    shared = {"--stage", "--json", "--api-key-stdin", "--yes", "-y"}
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", SECTIONS[path]))
    assert named - shared == options(COMMANDS[path]) - shared


@pytest.mark.parametrize(
    "words", [("nonsense",), ("accounts", "nonsense"), ("send", "--nonsense"), ("accounts", "show")]
)
def test_a_command_that_is_not_there_exits_2(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize("row", rows().values(), ids=rows())
def test_every_command_that_a_remedy_names_is_there(row: Diagnosis) -> None:
    for words, rest in re.findall(r"`mailbearer ([a-z]+(?: [a-z]+){1,2})([^`]*)`", row.remedy):
        assert words in COMMANDS
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= options(COMMANDS[words]) | {"--open"}
