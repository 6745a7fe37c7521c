"""What an event's detail has to look like."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator

from mailbearer.happenings import schema_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@cache
def _validator(kind: str) -> Draft202012Validator:
    # Whoever hears an event has to bear fields that are new; we have to publish those that are said.
    schema = schema_of(kind) | {"additionalProperties": False}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def facts(published: Iterable[tuple[str, Mapping[str, object]]]) -> list[tuple[str, dict[str, object]]]:
    """Give what was told without the ids and times that every event has."""
    own = {"id", "at"}
    return [(kind, {name: said for name, said in detail.items() if name not in own}) for kind, detail in published]


def check_detail(kind: str, detail: Mapping[str, object]) -> None:
    """Hold a detail, as it is published, against the schema of its type. Raises `KeyError` for an unknown type."""
    _validator(kind).validate(json.loads(json.dumps(dict(detail))))
