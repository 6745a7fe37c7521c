"""The page that shows the OpenAPI document and tries it: one file that asks for nothing but the document.

Swagger UI (Apache-2.0) comes with Powertools, which the layer brings anyway.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

from mailbearer.pages import page_headers

_ASSETS = ("event_handler", "openapi", "swagger_ui")
_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mailbearer API</title><link rel="icon" href="data:,"><style>$style</style></head>
<body><div id="swagger-ui"></div><script>$script</script></body></html>
"""
)
_START = """
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  filter: true,
  validatorUrl: null,
});
"""


@dataclass(frozen=True, slots=True)
class DocsPage:
    """The page, compressed, and its header fields."""

    content: bytes
    headers: dict[str, str]


@cache
def written() -> DocsPage:
    """Write the page; its policy lets its one script and its one style sheet run, by hash, and nothing else."""
    assets = files("aws_lambda_powertools").joinpath(*_ASSETS)
    script = (assets / "swagger-ui-bundle.min.js").read_text("utf-8") + _START
    style = (assets / "swagger-ui.min.css").read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    content = gzip.compress(_PAGE.substitute(style=style, script=script).encode(), mtime=0)
    return DocsPage(content, page_headers() | {"content-encoding": "gzip", "content-security-policy": policy})


def _hash(text: str) -> str:
    """Name an inline text by its hash (CSP level 3)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
