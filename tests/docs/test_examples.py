"""Every example of the documentation does what the page says, or says why no test can run it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer.core
import typer.main

from cli.main import app
from mailbearer.envelope import Dropped, read_body
from mailbearer.wire import read_message
from tests.docs.pages import ROOT, Block, Page, blocks, pages
from tests.e2e.local_stack import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mailbearer.errors import Fault
    from tests.e2e.local_stack import LocalStack

LOCAL, FAILS = "local-stack", "local-stack, fails"
CONSENTS = "the reader consents as "
KNOWN = (LOCAL, FAILS, "make", "message", "queue")
SHELL_OR_PYTHON = [block for block in blocks() if block.language in {"bash", "sh", "shell", "console", "python"}]
SAMPLES = [block for block in blocks() if block.language == "json"]
WITH_EXAMPLES = [page for page in pages() if any(block.mark in {LOCAL, FAILS} for block in page.blocks())]
SCRIPT_SECONDS = 120
_SUBJECT = re.compile(r"""(?:"subject": |--subject )(?:"([^"]+)"|(\w+))""")
_COMMAND = re.compile(r"(?:^|[\s(|])(?:\.venv/bin/)?mailbearer +(?P<arguments>[^=].*)")


def test_the_documentation_has_examples_of_each_kind() -> None:
    assert len(WITH_EXAMPLES) >= 8
    assert {block.mark for block in blocks()} >= set(KNOWN)


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_fenced_block_names_its_language(block: Block) -> None:
    assert block.language in {"bash", "python", "json", "mermaid", "text"} or (not block.text and block.mark)


@pytest.mark.parametrize("block", SHELL_OR_PYTHON, ids=str)
def test_every_shell_or_python_example_is_run_or_says_why_not(block: Block) -> None:
    if block.mark.startswith("not-run"):
        assert len(block.mark.removeprefix("not-run:").split()) > 2, "give the reason"
    else:
        assert block.mark in KNOWN


@pytest.mark.parametrize("block", [block for block in blocks() if block.mark], ids=str)
def test_a_mark_stands_before_something_that_it_fits(block: Block) -> None:
    languages = {LOCAL: {"bash", "python"}, FAILS: {"bash"}, "make": {"bash"}, "message": {"json"}, "queue": {"json"}}
    alone = block.mark.startswith(CONSENTS)
    assert block.language in languages.get(block.mark, {""} if alone else {"bash", "python"})


@pytest.mark.parametrize("block", [block for block in blocks() if block.mark == "make"], ids=str)
def test_the_goals_of_make_exist(block: Block) -> None:
    goals = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in block.text.splitlines():
        name, *words = shlex.split(line)
        assert name == "make"
        assert {word for word in words if "=" not in word} <= goals


@pytest.mark.parametrize("block", [block for block in SHELL_OR_PYTHON if block.language == "python"], ids=str)
def test_a_python_example_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", SAMPLES, ids=str)
def test_a_json_sample_parses(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", [block for block in SAMPLES if block.mark in {"message", "queue"}], ids=str)
def test_a_sample_of_a_message_is_accepted_by_the_parser(block: Block) -> None:
    faults: list[Fault] = []
    body = json.loads(block.text)
    if block.mark == "queue":
        dropped = read_body(block.text, "sqs-message-id")
        assert isinstance(dropped, Dropped)
        body = dropped.body
    read_message(body, faults)
    assert faults == []


def commands(page: Page) -> Iterator[list[str]]:
    """Give the arguments of every `mailbearer` in a page's shell examples, fenced or indented."""
    indented = "\n".join(line.removeprefix("    ") for line in page.prose() if line.startswith("    "))
    for text in (indented, *(block.text for block in page.blocks() if block.language == "bash")):
        for line in text.replace("\\\n", " ").splitlines():
            if match := _COMMAND.search(line):
                words = shlex.shlex(match["arguments"], posix=True, punctuation_chars="|;&()<>")
                words.whitespace_split = True
                yield list(_up_to_the_end(words))


def _up_to_the_end(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        if set(word) <= set("|;&()<>"):
            return
        yield word


COMMANDS = [pytest.param(found, id=f"{page}: {' '.join(found)[:60]}") for page in pages() for found in commands(page)]


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_command_in_the_documentation_is_one_that_the_command_knows(arguments: list[str]) -> None:
    if "COMMAND" in arguments:
        return
    command = typer.main.get_command(app)
    context = command.make_context("mailbearer", list(arguments))
    while isinstance(command, typer.core.TyperGroup):
        words = [*context._protected_args, *context.args]  # noqa: SLF001 - as its own invoke does
        name, found, rest = command.resolve_command(context, words)
        assert found is not None
        context, command = found.make_context(name, rest, parent=context), found


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(SCRIPT_SECONDS + 120)
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=str)
def test_the_examples_of_a_page_work_on_the_local_stack(page: Page, local_stack: LocalStack, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAILBEARER_"))}
    environment |= {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{environment['PATH']}:{local_stack.root}/.venv/bin"}
    if shutil.which("curl") is None:
        stand_in = tmp_path / "curl"
        stand_in.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {ROOT / "tests/docs/curl.py"} "$@"\n')
        stand_in.chmod(0o700)
    done = subprocess.run(
        ["/bin/bash", "-c", script(page)],
        cwd=local_stack.root,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SCRIPT_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    wanted = subjects(page)
    until(f"mails about {wanted}", lambda: wanted <= captured(local_stack))


def test_the_stand_in_for_curl_knows_the_options_of_the_examples() -> None:
    text = "\n".join(block.text for block in SHELL_OR_PYTHON).replace("\\\n", " ")
    calls = re.findall(r"^curl .+", text, re.MULTILINE)
    assert len(calls) >= 4
    used = {option for call in calls for option in re.findall(r" (-[-\w]+)", call.partition(" | ")[0])}
    assert used <= {"--fail-with-body", "--header", "--data", "--silent", "--output", "--dump-header", "-"}


def captured(stack: LocalStack) -> set[str]:
    """Give the subjects of the captured mails."""
    return {mail["headers"].get("subject", "") for mail in stack.control.mail()}


def subjects(page: Page) -> set[str]:
    """Give the subjects of the mails that a page's examples send."""
    sending = (block.text for block in page.blocks() if block.mark == LOCAL and "dry_run" not in block.text)
    return {first or second for text in sending for first, second in _SUBJECT.findall(text)}


def script(page: Page) -> str:
    """Write one shell script of a page's examples, so that what one sets the next one has."""
    parts = ["set -euo pipefail"]
    for block in page.blocks():
        if block.mark not in {LOCAL, FAILS} and not block.mark.startswith(CONSENTS):
            continue
        parts.append(f"echo '== {block}'")
        if block.mark.startswith(CONSENTS):
            reader = shlex.join([sys.executable, "-m", "tests.docs.reader", block.mark.removeprefix(CONSENTS)])
            parts.append(f"PYTHONPATH={shlex.quote(str(ROOT))} {reader}")
        elif block.mark == FAILS:
            parts.append(f"if ( {block.text} ); then echo 'this should have failed'; exit 1; fi")
        elif block.language == "python":
            parts.append(f".venv/bin/python - <<'END_OF_EXAMPLE'\n{block.text}END_OF_EXAMPLE")
        else:
            parts.append(block.text)
    return "\n".join(parts)
