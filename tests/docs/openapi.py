"""The OpenAPI document as tests look at it: its operations, and schemas that are complete in themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker

from mailbearer.api.description import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

METHODS = ("get", "post", "put", "patch", "delete")
_MEMBERS = frozenset({"allOf", "anyOf", "oneOf"})
_BY_NAME = frozenset({"properties", "patternProperties"})
_CHECKED = FormatChecker(["date-time"])


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One method on one path, and what the document says of it, without references."""

    method: str
    path: str
    said: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def scope(self) -> str:
        """Give the scope that the key needs, empty if no key is needed."""
        return "".join(scope for needed in self.said["security"] for scope in needed["key"])

    @property
    def answers(self) -> Mapping[str, Any]:
        """Give what is said of each status."""
        answers: Mapping[str, Any] = self.said["responses"]
        return answers

    @property
    def request(self) -> Mapping[str, Any] | None:
        """Give what is said of the body, None if there is none."""
        return self.said["requestBody"]["content"]["application/json"] if "requestBody" in self.said else None

    @property
    def examples(self) -> Mapping[str, Any]:
        """Give the bodies that are shown, by name."""
        shown = (self.request or {}).get("examples", {})
        return {name: example["value"] for name, example in shown.items()}

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request is for this operation."""
        pattern = re.sub(r"\{\w+\}", "[^/]+", self.path)
        return method == self.method and re.fullmatch(pattern, path) is not None


@cache
def operations() -> tuple[Operation, ...]:
    """Give every operation; a path without parameters stands before one that has some."""
    return tuple(
        Operation(method.upper(), path, expanded(said))
        for path, item in sorted(described()["paths"].items(), key=lambda entry: entry[0].count("{"))
        for method, said in item.items()
        if method in METHODS
    )


def operation_of(method: str, path: str) -> Operation | None:
    """Find the operation that a request is for."""
    return next((each for each in operations() if each.matches(method, path)), None)


def expanded(said: Any) -> Any:
    """Put what references lead to into their places; no schema of the document holds itself."""
    if isinstance(said, list):
        return [expanded(each) for each in said]
    if not isinstance(said, dict):
        return said
    if isinstance(said.get("$ref"), str):
        target: Any = described()
        for name in said["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return expanded(target)
    return {name: expanded(each) for name, each in said.items()}


def strict(schema: Any, *, whole: bool = True) -> Any:
    """Forbid fields that the schema does not name, where it describes a `whole` object and says nothing itself.

    The document leaves answers open, since fields may be added; what answers hold today is all named in it.
    """
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    for name, said in schema.items():
        if name in _MEMBERS:
            closed[name] = [strict(each, whole=name != "allOf") for each in said]
        elif name in _BY_NAME:
            closed[name] = {field: strict(each) for field, each in said.items()}
        elif name in {"items", "additionalProperties"}:
            closed[name] = strict(said)
    if whole and closed.keys() & {"properties", "allOf"} and "additionalProperties" not in closed:
        closed["unevaluatedProperties"] = False
    return closed


def validator(schema: Any) -> Draft202012Validator:
    """Give what checks values against a schema, date and time included."""
    return Draft202012Validator(schema, format_checker=_CHECKED)


def wrong(against: Draft202012Validator, value: object) -> list[str]:
    """Say where a value is not what a schema says."""
    errors: Iterator[Any] = against.iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in errors]
