"""The published schemas of events; `python -m tests.docs.event_schemas` writes them from `mailbearer.happenings`."""

from __future__ import annotations

import json
import re
from typing import Any

from mailbearer.happenings import EVENTS, schema_name, schema_of
from tests.docs.pages import ROOT

FILE = ROOT / "docs" / "reference" / "events.schema.json"
OPENAPI = ROOT / "layers" / "core" / "mailbearer" / "api" / "openapi.json"
_ID = "https://raw.githubusercontent.com/mailbearer/mailbearer/main/docs/reference/events.schema.json"
_INDENT = " " * 6


def event_schema() -> dict[str, Any]:
    """Give the schema of an event as EventBridge delivers it: the type says which detail it has."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID,
        "title": "An event of Mailbearer",
        "description": "As a rule of EventBridge delivers it.",
        "type": "object",
        "required": ["source", "detail-type", "detail"],
        "properties": {"source": {"const": "mailbearer"}, "detail-type": {"enum": list(EVENTS)}},
        "allOf": [
            {
                "if": {"properties": {"detail-type": {"const": kind}}},
                "then": {"properties": {"detail": {"$ref": f"#/$defs/{schema_name(kind)}"}}},
            }
            for kind in EVENTS
        ],
        "$defs": {schema_name(kind): schema_of(kind) for kind in EVENTS},
    }


def written() -> str:
    """Give the file as it has to be."""
    return json.dumps(event_schema(), indent=2, ensure_ascii=False) + "\n"


def described(text: str) -> str:
    """Give the API's description with the details' schemas among its components, each written anew or added."""
    for kind in EVENTS:
        name, block = schema_name(kind), _component(kind)
        found = re.search(rf'^{_INDENT}"{name}": \{{\n.*?^{_INDENT}\}}', text, re.MULTILINE | re.DOTALL)
        if found:
            text = text[: found.start()] + block + text[found.end() :]
        else:
            text = text.replace(f'{_INDENT}"Fault": {{\n', f'{block},\n{_INDENT}"Fault": {{\n', 1)
    return text


def _component(kind: str) -> str:
    """Write a schema with a line for each property, as the document is written."""
    schema = schema_of(kind)
    head = {name: said for name, said in schema.items() if name != "properties"}
    lines = [f"{_INDENT}  {json.dumps(name)}: {json.dumps(said)}," for name, said in head.items()]
    fields = [f"{_INDENT}    {json.dumps(name)}: {json.dumps(said)}" for name, said in schema["properties"].items()]
    return "\n".join(
        [
            f'{_INDENT}"{schema_name(kind)}": {{',
            *lines,
            f'{_INDENT}  "properties": {{',
            ",\n".join(fields),
            f"{_INDENT}  }}",
            f"{_INDENT}}}",
        ]
    )


if __name__ == "__main__":
    FILE.write_text(written())
    OPENAPI.write_text(described(OPENAPI.read_text()))
