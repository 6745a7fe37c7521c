"""Filling templates in for messages."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.errors import Fault, InvalidInput
from mailbearer.template import Rendered, Template, TemplateVersion
from mailbearer.templating.reading import REFERENCE_FIELDS, check_fields, is_name, read_variables, read_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.ports import Clock
    from mailbearer.ports.mail import TemplateEngine
    from mailbearer.ports.stores import TemplateStore

REMEMBERED = 5.0
"""Seconds for which a process remembers which version is published: so late may publishing take effect."""

_KEPT_VERSIONS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFilling:
    """Fill stored templates in, and those that a merge brings; safe for several threads.

    A batch of one template costs two reads: the template and its version are remembered.
    """

    store: TemplateStore
    engine: TemplateEngine
    clock: Clock
    # By name: when it was read, and what it was.
    _heads: dict[str, tuple[float, Template]] = field(default_factory=dict, init=False, repr=False, compare=False)
    # Versions never change; but their numbers begin anew when a name is given to another template.
    _versions: OrderedDict[tuple[str, float, int], TemplateVersion] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def render(self, reference: object, pointer: str, faults: list[Fault]) -> Rendered | None:
        """Fill in a stored template, `{"name", "version"?, "variables"?}`; None if it adds a fault."""
        if not isinstance(reference, dict):
            detail = "template is an object with name, version and variables."
            faults.append(Fault(pointer, "not_an_object", detail))
            return None
        found: list[Fault] = []
        check_fields(reference, REFERENCE_FIELDS, pointer, found)
        wanted = read_version(reference.get("version"), f"{pointer}/version", found)
        variables = read_variables(reference.get("variables"), f"{pointer}/variables", found)
        version = self._sendable(reference.get("name"), wanted, pointer, found)
        if found or version is None:
            faults.extend(found)
            return None
        return self._rendered(version, variables, pointer, faults)

    def fill(  # noqa: PLR0917 - what a template consists of
        self,
        subject: str,
        text: str | None,
        html: str | None,
        variables: Mapping[str, object],
        pointer: str,
        faults: list[Fault],
    ) -> Rendered | None:
        """Fill in what a merge brings as its own template; None if it adds a fault."""
        version = TemplateVersion(template="", version=0, subject=subject, text=text, html=html, created_at=0)
        return self._rendered(version, variables, pointer, faults)

    def _rendered(
        self, version: TemplateVersion, variables: Mapping[str, object], pointer: str, faults: list[Fault]
    ) -> Rendered | None:
        try:
            return self.engine.render(version, variables)
        except InvalidInput as error:
            faults.extend(Fault(f"{pointer}{fault.pointer}", fault.code, fault.detail) for fault in error.faults)
        return None

    def _sendable(self, name: object, wanted: int, pointer: str, faults: list[Fault]) -> TemplateVersion | None:
        """Give the version that a message names, or the published one; None if it adds a fault."""
        head = self._remembered(name, wanted) if isinstance(name, str) and is_name(name) else None
        if head is None or not head.latest:
            faults.append(Fault(f"{pointer}/name", "unknown_template", "There is no such template: GET /v1/templates."))
            return None
        if not wanted and not head.published:
            detail = f"No version of {head.name} is published: POST /v1/templates/{head.name}/publish, or name one."
            faults.append(Fault(f"{pointer}/name", "template_unpublished", detail))
            return None
        number = wanted or head.published
        version = self._remembered_version(head, number) if number <= head.latest else None
        if version is None:
            detail = f"The template {head.name} has no version {number}; its newest is {head.latest}."
            faults.append(Fault(f"{pointer}/version", "unknown_version", detail))
        return version

    def _remembered(self, name: str, wanted: int) -> Template | None:
        """Give a template as it was a few seconds ago, or as it is now if it could not be sent then."""
        now = self.clock()
        at, head = self._heads.get(name, (now, None))
        if head is not None and 0 <= now - at < REMEMBERED and (wanted or head.published) and wanted <= head.latest:
            return head
        head = self.store.get(name)
        if head is not None:
            self._heads[name] = (now, head)
        return head

    def _remembered_version(self, head: Template, number: int) -> TemplateVersion | None:
        key = (head.name, head.created_at, number)
        with self._lock:
            if key in self._versions:
                self._versions.move_to_end(key)
                return self._versions[key]
        version = self.store.version(head.name, number)
        if version is not None:
            with self._lock:
                self._versions[key] = version
                while len(self._versions) > _KEPT_VERSIONS:
                    self._versions.popitem(last=False)
        return version
