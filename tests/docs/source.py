"""What the source says: the codes it gives out, the audit actions it writes, the metrics it counts."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DEPLOYED = (ROOT / "layers" / "core" / "mailbearer", ROOT / "functions")
SOURCES = (*DEPLOYED, ROOT / "cli")
_CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_ACTION = re.compile(r"[a-z]+\.[a-z_]+")
# Where a call takes a code: its place among the positional arguments.
_PLACES = {
    "Fault": 1,
    "Failed": 0,
    "Held": 1,
    "_fault": 0,
    "_say": 0,
    "add": 1,
}
_KEYWORDS = frozenset({"code", "reason"})
# The two f-strings among the codes and actions, and what they may become.
_STATES = ("paused", "consent_required", "pending_consent")
_ENDS = ("failed", "unknown", "held")
_OPEN = {
    "account_": tuple(f"account_{state}" for state in _STATES),
    "message.": tuple(f"message.{end}" for end in _ENDS),
}


@cache
def codes() -> dict[str, set[str]]:
    """Give every stable code, with the files (relative to the checkout) that give it out."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in _trees(SOURCES):
        if path.parent.name in {"diagnosis", "transports"}:
            continue  # a table with a page of its own, and who names its rows
        for node in ast.walk(tree):
            for text in _codes_in(node):
                if _CODE.fullmatch(text):
                    found[text].add(str(path.relative_to(ROOT)))
    return dict(found)


@cache
def actions() -> set[str]:
    """Give the action of every audit event."""
    return {
        text
        for _, tree in _trees(SOURCES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) in {"note", "_note", "intend", "_intend"} and node.args
        for text in _texts(node.args[0])
        if _ACTION.fullmatch(text)
    }


@cache
def metrics() -> set[str]:
    """Give the name of every metric."""
    return set(dimensions())


@cache
def dimensions() -> dict[str, set[str]]:
    """Give every metric with the names of its dimensions but `service`, which all have."""
    found: dict[str, set[str]] = {}
    calls = [node for _, tree in _trees(DEPLOYED) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        if _name(call.func) in {"count", "level"} and isinstance(call.func, ast.Name):
            found |= {keyword.arg: set() for keyword in call.keywords if keyword.arg}
        elif _name(call.func) == "Metric":
            (name,) = _texts(call.args[0])
            pairs = call.args[1].elts if len(call.args) > 1 and isinstance(call.args[1], ast.Tuple) else []
            found[name] = {text for pair in pairs if isinstance(pair, ast.Tuple) for text in _texts(pair.elts[0])}
    return found


@cache
def facts() -> set[str]:
    """Give the name of every fact that an audit event may carry."""
    return {
        keyword.arg
        for _, tree in _trees(SOURCES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) in {"note", "_note", "intend", "about"}
        for keyword in node.keywords
        if keyword.arg and keyword.arg not in {"actor", "reason"}
    }


@cache
def bus_events() -> set[str]:
    """Give the type of every event that is told of something else than a message."""
    published = {
        text
        for _, tree in _trees(SOURCES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) in {"publish", "insist", "tell", "_tell"} and node.args
        for text in _texts(node.args[0])
    }
    return {text for text in published if _ACTION.fullmatch(text)}


def _codes_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        for statement in node.body:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
            if isinstance(statement, ast.Assign | ast.AnnAssign) and _name(target) == "code" and statement.value:
                yield from _texts(statement.value)
    elif isinstance(node, ast.Call):
        place = _PLACES.get(_name(node.func))
        if place is not None and len(node.args) > place:
            yield from _texts(node.args[place])
        for keyword in node.keywords:
            if keyword.arg in _KEYWORDS:
                yield from _texts(keyword.value)
    elif isinstance(node, ast.Assign) and _name(node.targets[0]) in _KEYWORDS:
        yield from _texts(node.value)


def _texts(node: ast.AST) -> Iterator[str]:
    """Give the strings that an expression may become."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _texts(value)
    elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        yield from _OPEN.get(str(node.values[0].value), ())


def _name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@cache
def _trees(places: tuple[Path, ...]) -> tuple[tuple[Path, ast.Module], ...]:
    paths = (path for place in places for path in sorted(place.rglob("*.py")))
    return tuple((path, ast.parse(path.read_text())) for path in paths)
