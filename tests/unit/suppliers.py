"""What submission asks of templates and uploads, in memory and without the weight of the real ones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailbearer.addresses import escape_pointer
from mailbearer.errors import Fault
from mailbearer.submission import QUEUE_CALLER
from mailbearer.template import Rendered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.message import Message
    from mailbearer.upload import Upload

_VARIABLE = re.compile(r"\{\{ *(\w+) *\}\}")


@dataclass
class SimpleTemplates:
    """Templates that know `{{ name }}` and nothing else, by name; `renders` counts what was filled in."""

    stored: dict[str, tuple[str, str | None, str | None]] = field(default_factory=dict)
    renders: int = 0

    def render(self, reference: object, pointer: str, faults: list[Fault]) -> Rendered | None:
        if not isinstance(reference, dict):
            faults.append(Fault(pointer, "not_an_object", "A template is an object."))
            return None
        if reference.get("name") not in self.stored:
            faults.append(Fault(f"{pointer}/name", "unknown_template", "There is no such template."))
            return None
        return self.fill(*self.stored[reference["name"]], reference.get("variables") or {}, pointer, faults)

    def fill(  # noqa: PLR0917 - as the port has it
        self,
        subject: str,
        text: str | None,
        html: str | None,
        variables: Mapping[str, Any],
        pointer: str,
        faults: list[Fault],
    ) -> Rendered | None:
        self.renders += 1
        parts = (subject, text, html)
        wanted = {name for part in parts for name in _VARIABLE.findall(part or "")}
        missing = sorted(wanted - variables.keys())
        faults.extend(
            Fault(f"{pointer}/variables/{escape_pointer(name)}", "variable_missing", "Give it.") for name in missing
        )
        if "{%" in "".join(part or "" for part in parts):
            faults.append(Fault(f"{pointer}/text", "template_invalid", "Line 1."))
            return None
        if missing:
            return None
        filled = [
            None if part is None else _VARIABLE.sub(lambda match: str(variables[match[1]]), part) for part in parts
        ]
        return Rendered(subject=filled[0] or "", text=filled[1], html=filled[2])


@dataclass
class SimpleUploads:
    """Uploads by id; `kept` names those that have to last, `asked` counts the looks."""

    stored: dict[str, Upload] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    asked: int = 0

    def check(self, upload_id: str, caller: str, pointer: str, faults: list[Fault]) -> Upload | None:
        self.asked += 1
        upload = self.stored.get(upload_id)
        if upload is None or caller not in {upload.caller, QUEUE_CALLER}:
            faults.append(Fault(pointer, "unknown_upload", "There is no such upload."))
            return None
        return upload

    def keep(self, message: Message) -> None:
        self.kept += [part.upload_id for part in message.attachments if part.upload_id]
