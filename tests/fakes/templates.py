"""The templates table, in memory."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING

from mailbearer.errors import Conflict, Fault, InvalidInput, NotFound
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from mailbearer.template import Template, TemplateVersion


class FakeTemplateStore:
    """Templates and their versions."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.templates: dict[str, Template] = {}
        self.kept: dict[tuple[str, int], TemplateVersion] = {}
        self._lock = threading.Lock()

    def create(self, template: Template) -> Template:
        with self.faults.around("create"), self._lock:
            return self.templates.setdefault(template.name, template)

    def get(self, name: str) -> Template | None:
        with self.faults.around("get"), self._lock:
            return self.templates.get(name)

    def replace(self, new: Template, *, expected: Template) -> Template:
        with self.faults.around("replace"), self._lock:
            stands = self.templates.get(new.name)
            if stands is None:
                raise NotFound("There is no such template.")
            if stands.revision == expected.revision:
                self.templates[new.name] = new
            return self.templates[new.name]

    def delete(self, template: Template) -> None:
        with self.faults.around("delete"), self._lock:
            stands = self.templates.get(template.name)
            if stands is not None and stands.revision != template.revision:
                raise Conflict("The template was changed meanwhile. Read it again before deleting it.")
            self.templates.pop(template.name, None)
            for key, version in list(self.kept.items()):
                if key[0] == template.name and version.created_at <= template.updated_at:
                    del self.kept[key]

    def listing(self, *, limit: int, cursor: str) -> tuple[list[Template], str]:
        after = _read_cursor(cursor, 1)[0] if cursor else ""
        with self.faults.around("listing"), self._lock:
            found = [template for name, template in sorted(self.templates.items()) if name > after]
        return found[:limit], _write_cursor(found[limit - 1].name) if len(found) > limit else ""

    def add_version(self, version: TemplateVersion, *, since: float) -> TemplateVersion:
        with self.faults.around("add_version"), self._lock:
            key = (version.template, version.version)
            if key not in self.kept or self.kept[key].created_at < since:
                self.kept[key] = version
            return self.kept[key]

    def version(self, name: str, version: int) -> TemplateVersion | None:
        with self.faults.around("version"), self._lock:
            return self.kept.get((name, version))

    def versions(self, name: str, *, limit: int, cursor: str) -> tuple[list[TemplateVersion], str]:
        before = 0
        if cursor:
            owner, last = _read_cursor(cursor, 2)
            if owner != name or not last.isdigit():
                raise _bad_cursor()
            before = int(last)
        with self.faults.around("versions"), self._lock:
            numbers = sorted((number for owner, number in self.kept if owner == name), reverse=True)
            found = [self.kept[name, number] for number in numbers if not before or number < before]
        return found[:limit], _write_cursor(name, str(found[limit - 1].version)) if len(found) > limit else ""


def _write_cursor(*parts: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _read_cursor(cursor: str, length: int) -> list[str]:
    try:
        parts = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except ValueError as error:
        raise _bad_cursor() from error
    if not isinstance(parts, list) or len(parts) != length or not all(isinstance(part, str) for part in parts):
        raise _bad_cursor()
    return parts


def _bad_cursor() -> InvalidInput:
    return InvalidInput((Fault("/cursor", "invalid_cursor", "Use next_cursor of the same list as it was given."),))
