"""The API's own description: the OpenAPI document and the page to try it, both without a key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailbearer.http import Request, Response, Route

if TYPE_CHECKING:
    from collections.abc import Callable

_CACHE = {"cache-control": "public, max-age=300"}


@dataclass(frozen=True, slots=True)
class Description:
    """The routes that tell what the API is; `api_url` is asked when a request is there."""

    api_url: Callable[[], str]

    def routes(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (Route("GET", "/openapi.json", "", self.show), Route("GET", "/docs", "", self.try_out))

    def show(self, request: Request) -> Response:
        """Give the OpenAPI document, with the address at which this API is reached."""
        del request
        return Response(200, described() | {"servers": [{"url": self.api_url()}]}, _CACHE)

    def try_out(self, request: Request) -> Response:
        """Give the page that shows the document and tries it."""
        del request
        from mailbearer.api import docs_page  # noqa: PLC0415 - a page for people, seldom asked for

        page = docs_page.written()
        return Response(200, page.content, page.headers | _CACHE)


@cache
def described() -> dict[str, Any]:
    """Read the document as it is kept beside this module."""
    document: dict[str, Any] = json.loads(Path(__file__).with_name("openapi.json").read_text("utf-8"))
    return document
