"""Uploads over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.http import Request, Response, Route
from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from mailbearer.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Uploads:
    """The route of uploads; what is put goes to S3 and not through here."""

    wiring: Wiring

    def routes(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (Route("POST", "/v1/uploads", "messages:send", self.begin),)

    def begin(self, request: Request) -> Response:
        """Give a URL to which one file can be put."""
        begun = self.wiring.uploading.begin(request.json(), request.known_caller)
        resource = {
            "upload_id": begun.upload.id,
            "url": begun.url,
            "headers": dict(begun.headers),
            "expires_at": rfc3339(begun.expires_at),
        }
        return Response(201, resource)
