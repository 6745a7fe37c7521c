"""The templates table, in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mailbearer.errors import Conflict, NotFound
from tests.fakes.cursors import bad_cursor, read_cursor, write_cursor
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
        after = read_cursor(cursor, 1)[0] if cursor else ""
        with self.faults.around("listing"), self._lock:
            found = [template for name, template in sorted(self.templates.items()) if name > after]
        return found[:limit], write_cursor(found[limit - 1].name) if len(found) > limit else ""

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
            owner, last = read_cursor(cursor, 2)
            if owner != name or not last.isdigit():
                raise bad_cursor()
            before = int(last)
        with self.faults.around("versions"), self._lock:
            numbers = sorted((number for owner, number in self.kept if owner == name), reverse=True)
            found = [self.kept[name, number] for number in numbers if not before or number < before]
        return found[:limit], write_cursor(name, str(found[limit - 1].version)) if len(found) > limit else ""
