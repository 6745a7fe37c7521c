"""Reading what the API says of templates, with all its faults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.addresses import escape_pointer, unsafe_in_header
from mailbearer.errors import Fault, InvalidInput
from mailbearer.template import TemplateVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DRAFT_FIELDS = frozenset({"description", "subject", "text", "html", "publish"})
REFERENCE_FIELDS = frozenset({"name", "version", "variables"})
MAX_DESCRIPTION = 500
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LAST_VERSION = 10**9  # more than anybody drafts


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants a template to be; a `description` of None leaves it as it is."""

    content: TemplateVersion
    description: str | None
    publish: bool


def is_name(text: str) -> bool:
    """Tell whether a template can have this name."""
    return _NAME.fullmatch(text) is not None


def read_draft(fields: Mapping[str, Any], known: frozenset[str], faults: list[Fault]) -> Draft:
    """Read what a template is to be; of no use if it adds a fault."""
    check_fields(fields, known, "", faults)
    description, publish = fields.get("description"), fields.get("publish")
    if description is not None and (
        not isinstance(description, str) or len(description) > MAX_DESCRIPTION or unsafe_in_header(description)
    ):
        detail = f"description is one line of at most {MAX_DESCRIPTION} characters."
        faults.append(Fault("/description", "invalid_description", detail))
    if publish is not None and not isinstance(publish, bool):
        faults.append(Fault("/publish", "not_a_boolean", "publish is true or false."))
    subject, text, html = (_read_part(fields, part, faults) for part in ("subject", "text", "html"))
    if fields.get("subject") is None:
        faults.append(Fault("/subject", "required", "A template has a subject; it may be empty."))
    if fields.get("text") is None and fields.get("html") is None:
        faults.append(Fault("", "content_missing", "Give text, html or both."))
    content = TemplateVersion(template="", version=0, subject=subject or "", text=text, html=html, created_at=0)
    return Draft(content, description, publish is True)


def read_object(body: object) -> Mapping[str, Any]:
    """Read a body that has to be an object. Raises `InvalidInput`."""
    if not isinstance(body, dict):
        raise InvalidInput((Fault("", "not_an_object", "The body has to be a JSON object."),))
    return body


def check_fields(fields: Mapping[str, Any], known: Iterable[str], pointer: str, faults: list[Fault]) -> None:
    """Add a fault for every field that there is none of."""
    detail = f"There is no such field; there are {', '.join(sorted(known))}."
    faults.extend(
        Fault(f"{pointer}/{escape_pointer(name)}", "unknown_field", detail) for name in fields if name not in known
    )


def read_name(value: object, pointer: str, faults: list[Fault]) -> str:
    """Read a template's name."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    detail = "A name has 1 to 64 small letters, digits, dots, dashes and underscores, a letter or digit first."
    faults.append(Fault(pointer, "invalid_template_name", detail))
    return ""


def read_version(value: object, pointer: str, faults: list[Fault]) -> int:
    """Read a version's number, 0 if none is named."""
    if value is None:
        return 0
    if type(value) is int and 0 < value < _LAST_VERSION:
        return value
    faults.append(Fault(pointer, "unknown_version", "A version is a number from 1 on."))
    return 0


def read_variables(value: object, pointer: str, faults: list[Fault]) -> Mapping[str, object]:
    """Read the object of variables."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    faults.append(Fault(pointer, "not_an_object", "variables is an object of JSON values by name."))
    return {}


def _read_part(fields: Mapping[str, Any], part: str, faults: list[Fault]) -> str | None:
    value = fields.get(part)
    if value is None or isinstance(value, str):
        return value
    faults.append(Fault(f"/{part}", "not_a_string", f"{part} has to be a string."))
    return None
