"""The JSON Schema of a queue message; `python -m tests.docs.queue_schema` writes it from the OpenAPI document."""

from __future__ import annotations

import copy
import json
from typing import Any

from mailbearer.api.description import described
from tests.docs.pages import ROOT

FILE = ROOT / "docs" / "reference" / "message.schema.json"
_ID = "https://raw.githubusercontent.com/mailbearer/mailbearer/main/docs/reference/message.schema.json"
_HERE, _THERE = "#/$defs/", "#/components/schemas/"


def queue_schema() -> dict[str, Any]:
    """Take the message out of the document, with all that it refers to; here it always has to name its account."""
    message = copy.deepcopy(described()["components"]["schemas"]["Message"])
    account = message["properties"]["account"]
    account |= {"type": "string", "minLength": 1, "description": "The mailbox to send through: account id or address."}
    key = message["properties"]["idempotency_key"]
    key["description"] = (
        "A message is sent once for its key. Without one the id of the event or of the SQS message serves."
    )
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID,
        "title": "A message for Mailbearer's queue",
        "description": "The body of an SQS message, or what SNS or EventBridge wraps.",
        "type": "object",
        "required": ["account"],
    }
    definitions: dict[str, Any] = {}
    _collect(message, definitions)
    return {**head, **{name: said for name, said in message.items() if name not in head}, "$defs": definitions}


def written() -> str:
    """Give the file as it has to be."""
    return json.dumps(queue_schema(), indent=2, ensure_ascii=False) + "\n"


def _collect(said: Any, definitions: dict[str, Any]) -> None:
    """Turn references to the document's schemas into ones to definitions, and bring those."""
    if isinstance(said, list):
        for each in said:
            _collect(each, definitions)
    if not isinstance(said, dict):
        return
    if str(said.get("$ref", "")).startswith(_THERE):
        name = said["$ref"].removeprefix(_THERE)
        said["$ref"] = _HERE + name
        if name not in definitions:
            definitions[name] = copy.deepcopy(described()["components"]["schemas"][name])
            _collect(definitions[name], definitions)
    for each in said.values():
        _collect(each, definitions)


if __name__ == "__main__":
    FILE.write_text(written())
