"""Templates over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.errors import NotFound
from mailbearer.http import Request, Response, Route
from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from mailbearer.template import Template, TemplateVersion
    from mailbearer.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Templates:
    """The routes below `/v1/templates`. Templates belong to no account, so every key with the scope reaches them."""

    wiring: Wiring

    def routes(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (
            Route("GET", "/v1/templates", "templates:read", self.list_templates),
            Route("POST", "/v1/templates", "templates:write", self.create),
            Route("GET", "/v1/templates/{name}", "templates:read", self.show),
            Route("PUT", "/v1/templates/{name}", "templates:write", self.draft),
            Route("DELETE", "/v1/templates/{name}", "templates:write", self.delete),
            Route("GET", "/v1/templates/{name}/versions", "templates:read", self.list_versions),
            Route("GET", "/v1/templates/{name}/versions/{version}", "templates:read", self.show_version),
            Route("POST", "/v1/templates/{name}/publish", "templates:write", self.publish),
            Route("POST", "/v1/templates/{name}/preview", "templates:read", self.preview),
        )

    def list_templates(self, request: Request) -> Response:
        """List the templates by name."""
        found, cursor = self.wiring.template_keeping.listing(
            limit=request.limit(), cursor=request.query.get("cursor", "")
        )
        return Response(200, {"data": [_template(each) for each in found], "next_cursor": cursor or None})

    def create(self, request: Request) -> Response:
        """Make a template with its first version."""
        drafted = self.wiring.template_keeping.create(request.json(), request.known_caller)
        return self._shown(201, drafted.template, drafted.version)

    def show(self, request: Request) -> Response:
        """Show a template with its newest version and the published one."""
        shown = self.wiring.template_keeping.show(request.params["name"])
        return self._shown(200, shown.template, shown.latest, shown.published)

    def draft(self, request: Request) -> Response:
        """Make a new version of a template, or the template if there is none."""
        name = request.params["name"]
        drafted = self.wiring.template_keeping.draft(name, request.json(), request.known_caller)
        if drafted.new or drafted.template.published in {0, drafted.version.version}:
            return self._shown(201 if drafted.new else 200, drafted.template, drafted.version)
        published = self.wiring.template_keeping.version(name, drafted.template.published)
        return self._shown(200, drafted.template, drafted.version, published)

    def delete(self, request: Request) -> Response:
        """Forget a template with all its versions."""
        self.wiring.template_keeping.delete(request.params["name"], request.known_caller)
        return Response(204)

    def list_versions(self, request: Request) -> Response:
        """List a template's versions, newest first, without what is in them."""
        template, found, cursor = self.wiring.template_keeping.versions(
            request.params["name"], limit=request.limit(), cursor=request.query.get("cursor", "")
        )
        data = [_version(template, version) for version in found]
        return Response(200, {"data": data, "next_cursor": cursor or None})

    def show_version(self, request: Request) -> Response:
        """Show one version with what is in it."""
        name, number = request.params["name"], request.params["version"]
        if not (number.isascii() and number.isdigit() and len(number) < 10):  # noqa: PLR2004 - more than anybody drafts
            raise NotFound("There is no such version.")
        version = self.wiring.template_keeping.version(name, int(number))
        template = self.wiring.template_keeping.show(name).template
        return Response(200, _version(template, version) | _content(version))

    def publish(self, request: Request) -> Response:
        """Make a version, the newest unless one is named, the one that is sent."""
        body = request.json() if request.body else {}
        return Response(
            200, _template(self.wiring.template_keeping.publish(request.params["name"], body, request.known_caller))
        )

    def preview(self, request: Request) -> Response:
        """Fill in a version, the newest unless one is named; nothing is sent."""
        version, rendered = self.wiring.template_keeping.preview(request.params["name"], request.json())
        return Response(
            200,
            {
                "template": version.template,
                "version": version.version,
                "subject": rendered.subject,
                "text": rendered.text,
                "html": rendered.html,
                "variables": list(version.variables),
            },
        )

    def _shown(
        self, status: int, template: Template, latest: TemplateVersion, published: TemplateVersion | None = None
    ) -> Response:
        if template.published == latest.version:
            published = latest
        body = _template(template)
        body["latest"] = _version(template, latest) | _content(latest)
        body["published"] = _version(template, published) | _content(published) if published else None
        headers = {"location": f"/v1/templates/{template.name}"} if status == 201 else {}  # noqa: PLR2004 - HTTP
        return Response(status, body, headers)


def _template(template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "description": template.description or None,
        "published_version": template.published or None,
        "latest_version": template.latest,
        "created_at": rfc3339(template.created_at),
        "updated_at": rfc3339(template.updated_at),
    }


def _version(template: Template, version: TemplateVersion) -> dict[str, Any]:
    return {
        "template": version.template,
        "version": version.version,
        "published": version.version == template.published,
        "variables": list(version.variables),
        "created_at": rfc3339(version.created_at),
        "created_by": version.created_by or None,
    }


def _content(version: TemplateVersion) -> dict[str, Any]:
    return {"subject": version.subject, "text": version.text, "html": version.html}
