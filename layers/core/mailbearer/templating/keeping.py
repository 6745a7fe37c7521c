"""Keeping templates: drafts, versions, the published one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailbearer.errors import Conflict, Fault, InvalidInput, NotFound
from mailbearer.template import Rendered, Template, TemplateVersion
from mailbearer.templating.reading import (
    DRAFT_FIELDS,
    Draft,
    check_fields,
    is_name,
    read_draft,
    read_name,
    read_object,
    read_variables,
    read_version,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.caller import Caller
    from mailbearer.ports import Clock
    from mailbearer.ports.mail import TemplateEngine
    from mailbearer.ports.stores import TemplateStore
    from mailbearer.trail import Trail

_PREVIEW_FIELDS = frozenset({"version", "variables"})
_PUBLISH_FIELDS = frozenset({"version"})
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Shown:
    """A template as it stands, with its newest version and the published one, if any."""

    template: Template
    latest: TemplateVersion
    published: TemplateVersion | None


@dataclass(frozen=True, slots=True)
class Drafted:
    """A template as it stands, its newest version, and whether the template is new."""

    template: Template
    version: TemplateVersion
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateKeeping:
    """Make, publish, show and forget templates."""

    store: TemplateStore
    engine: TemplateEngine
    trail: Trail
    clock: Clock

    # --- keeping them -----------------------------------------------------------------------------------------------

    def create(self, body: object, caller: Caller) -> Drafted:
        """Make a template with its first version.

        Raises `InvalidInput` with all faults, `Conflict` if the name is taken.
        """
        fields, faults = read_object(body), list[Fault]()
        name = read_name(fields.get("name"), "/name", faults)
        draft = self._read(fields, DRAFT_FIELDS | {"name"}, caller, faults)
        standing = self.store.get(name)
        if standing is not None and standing.latest:
            raise Conflict(f"There is a template {name} already; PUT /v1/templates/{name} makes a new draft of it.")
        return self._put(name, draft, caller)

    def draft(self, name: str, body: object, caller: Caller) -> Drafted:
        """Make a new version of a template, or the template if there is none; the same content makes none.

        Raises `InvalidInput` with all faults, `Conflict` if others change it all the time.
        """
        faults: list[Fault] = []
        read_name(name, "/name", faults)
        return self._put(name, self._read(read_object(body), DRAFT_FIELDS, caller, faults), caller)

    def publish(self, name: str, body: object, caller: Caller) -> Template:
        """Make a version, the newest unless one is named, the one that is sent.

        Raises `InvalidInput`, `NotFound`, `Conflict`.
        """
        fields, faults = read_object(body), list[Fault]()
        check_fields(fields, _PUBLISH_FIELDS, "", faults)
        version = read_version(fields.get("version"), "/version", faults)
        if faults:
            raise InvalidInput(tuple(faults))
        for _ in range(_TRIES):
            head = self._head(name)
            self.version(name, version or head.latest)
            wanted = replace(head, published=version or head.latest)
            if wanted == head:
                return head
            if (changed := self._replace(wanted, head)) is not None:
                self._note_published(changed, caller)
                return changed
        raise _busy()

    def delete(self, name: str, caller: Caller) -> None:
        """Forget a template with all its versions. Raises `NotFound`, `Conflict`."""
        self.store.delete(self._head(name))
        self.trail.note("template.deleted", name, "deleted", actor=caller.key_id)

    # --- looking ----------------------------------------------------------------------------------------------------

    def show(self, name: str) -> Shown:
        """Give a template with its newest version and the published one. Raises `NotFound`."""
        head = self._head(name)
        latest = self.version(name, head.latest)
        published = latest if head.published == head.latest else None
        if published is None and head.published:
            published = self.version(name, head.published)
        return Shown(head, latest, published)

    def listing(self, *, limit: int, cursor: str) -> tuple[list[Template], str]:
        """List templates by name."""
        found, more = self.store.listing(limit=limit, cursor=cursor)
        return [head for head in found if head.latest], more

    def version(self, name: str, version: int) -> TemplateVersion:
        """Give one version. Raises `NotFound`."""
        head = self._head(name)
        found = self.store.version(name, version) if 0 < version <= head.latest else None
        if found is None:
            raise NotFound(f"The template {name} has no version {version}.")
        return found

    def versions(self, name: str, *, limit: int, cursor: str) -> tuple[Template, list[TemplateVersion], str]:
        """List a template's versions, newest first, after the template itself. Raises `NotFound`."""
        head = self._head(name)
        found, more = self.store.versions(name, limit=limit, cursor=cursor)
        # A number beyond is being drafted at this moment, or somebody died over it.
        return head, [version for version in found if version.version <= head.latest], more

    def preview(self, name: str, body: object) -> tuple[TemplateVersion, Rendered]:
        """Fill in a version, the newest unless one is named. Raises `InvalidInput` with all faults, `NotFound`."""
        fields, faults = read_object(body), list[Fault]()
        check_fields(fields, _PREVIEW_FIELDS, "", faults)
        wanted = read_version(fields.get("version"), "/version", faults)
        variables = read_variables(fields.get("variables"), "/variables", faults)
        if faults:
            raise InvalidInput(tuple(faults))
        version = self.version(name, wanted or self._head(name).latest)
        return version, self.engine.render(version, variables)

    # --- writing ----------------------------------------------------------------------------------------------------

    def _read(self, fields: Mapping[str, Any], known: frozenset[str], caller: Caller, faults: list[Fault]) -> Draft:
        """Read what a template is to be. Raises `InvalidInput` with these faults and those of the template itself."""
        draft = read_draft(fields, known, faults)
        content = replace(draft.content, created_at=self.clock(), created_by=caller.key_id)
        try:
            content = replace(content, variables=self.engine.check(content))
        except InvalidInput as error:
            faults.extend(error.faults)
        if faults:
            raise InvalidInput(tuple(faults))
        return replace(draft, content=content)

    def _put(self, name: str, draft: Draft, caller: Caller) -> Drafted:
        for _ in range(_TRIES):
            now = self.clock()
            head = self.store.get(name)
            if head is None:
                head = self.store.create(Template(name=name, created_at=now, updated_at=now))
            version = self._newest(head, draft) or self._add_version(head, draft)
            wanted = replace(
                head,
                latest=version.version,
                published=version.version if draft.publish else head.published,
                description=head.description if draft.description is None else draft.description,
            )
            if wanted == head:
                return Drafted(head, version, new=False)
            if (changed := self._replace(wanted, head)) is None:
                continue
            if wanted.published == head.published or wanted.latest != head.latest:
                facts = {"version": str(version.version)}
                self.trail.note("template.drafted", name, "drafted", actor=caller.key_id, **facts)
            if wanted.published != head.published:
                self._note_published(changed, caller)
            return Drafted(changed, version, new=not head.latest)
        raise _busy()

    def _newest(self, head: Template, draft: Draft) -> TemplateVersion | None:
        """Give the newest version if it is what is to be drafted."""
        newest = self.store.version(head.name, head.latest) if head.latest else None
        return newest if newest is not None and _same(newest, draft.content) else None

    def _add_version(self, head: Template, draft: Draft) -> TemplateVersion:
        """Put the version under the next number that is free, or that holds the same: its writer may have died."""
        for number in range(head.latest + 1, head.latest + 1 + _TRIES):
            # Never older than its template, whatever the clock says: an older one counts as not there.
            at = max(draft.content.created_at, head.created_at)
            wanted = replace(draft.content, template=head.name, version=number, created_at=at)
            stands = self.store.add_version(wanted, since=head.created_at)
            if _same(stands, wanted):
                return stands
        raise _busy()

    def _replace(self, wanted: Template, head: Template) -> Template | None:
        """Write the next revision; None if somebody came first or deleted it."""
        new = replace(wanted, updated_at=max(self.clock(), head.updated_at), revision=head.revision + 1)
        try:
            return new if self.store.replace(new, expected=head) == new else None
        except NotFound:
            return None

    def _head(self, name: str) -> Template:
        head = self.store.get(name) if is_name(name) else None
        if head is None or not head.latest:
            raise NotFound("There is no such template.")
        return head

    def _note_published(self, template: Template, caller: Caller) -> None:
        version = str(template.published)
        self.trail.note("template.published", template.name, "published", actor=caller.key_id, version=version)


def _same(one: TemplateVersion, other: TemplateVersion) -> bool:
    return (one.subject, one.text, one.html) == (other.subject, other.text, other.html)


def _busy() -> Conflict:
    return Conflict("Others change this template at the same time; try again.")
