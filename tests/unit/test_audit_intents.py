"""The table of intents and outcomes says what the source does."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mailbearer.auditing.intents import INTENDED, OUTCOMES
from tests.docs import source

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
NO_ACCOUNT = {"message.refused"}
"""Of a queue message that cannot be read nobody knows whose it is."""


@cache
def _calls() -> tuple[tuple[str, ast.Call], ...]:
    """Give every call by which an event is noted or intended, with the name of what is called."""
    return tuple((name, call) for name, call in _all_calls() if name in {"note", "_note", "intend", "_intend"})


def _all_calls() -> Iterator[tuple[str, ast.Call]]:
    for folder in ("layers/core/mailbearer", "functions", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name) and node.args:
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                    yield name, node


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def intended() -> set[str]:
    """Name every action that is intended somewhere."""
    found = set()
    for name, call in _calls():
        noted = name in {"note", "_note"} and any(_text(argument) == INTENDED for argument in call.args)
        if (name in {"intend", "_intend"} or noted) and "." in _text(call.args[0]):
            found.add(_text(call.args[0]))
    return found


def test_every_intent_of_the_source_has_its_outcomes() -> None:
    assert intended() == set(OUTCOMES)


def test_every_outcome_is_noted_somewhere() -> None:
    outcomes = {outcome for outcomes in OUTCOMES.values() for outcome in outcomes}
    assert outcomes <= source.actions()


def test_every_event_of_a_message_says_whose_it_is() -> None:
    silent = {
        _text(call.args[0])
        for name, call in _calls()
        if name == "note" and _text(call.args[0]).startswith("message.")
        # What is handed on as a whole (**facts) is looked at by the tests of what it belongs to.
        if not {"account", None} & {keyword.arg for keyword in call.keywords}
    }
    assert silent <= NO_ACCOUNT
