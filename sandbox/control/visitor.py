"""A person at the sign-in page, for scripts: fetch the page, read its form, send it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

TIMEOUT = 10.0
"""Seconds for one page."""


@dataclass(frozen=True, slots=True)
class Callback:
    """Where the authorization server sent the browser."""

    url: str = field(repr=False)

    @property
    def parameters(self) -> dict[str, str]:
        """Return the query's parameters."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}


class Visitor:
    """Walks pages with plain forms; follows no redirect by itself."""

    def __init__(self) -> None:
        self._session = requests.Session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def consent(
        self, authorize_url: str, *, mailbox: str | None = None, allow: bool = True, untick: Sequence[str] = ()
    ) -> Callback:
        """Answer the sign-in page; raise ValueError if it is not shown or its answer is no redirect."""
        page = self._session.get(authorize_url, allow_redirects=False, timeout=TIMEOUT)
        if page.is_redirect:
            return Callback(page.headers["Location"])
        form = read_form(page.text)
        if not page.ok or form is None:
            raise ValueError(f"no sign-in form: HTTP {page.status_code}")
        fields = [
            (name, mailbox if name == "mailbox" and mailbox is not None else value)
            for name, value in form.fields
            if not (name == "granted_scope" and value in untick)
        ]
        answer = self._session.post(
            urljoin(page.url, form.action),
            data=[*fields, ("decision", "allow" if allow else "deny")],
            allow_redirects=False,
            timeout=TIMEOUT,
        )
        if not answer.is_redirect:
            raise ValueError(f"the sign-in page did not send us back: HTTP {answer.status_code}")
        return Callback(answer.headers["Location"])


@dataclass(slots=True)
class Form:
    """A form's address and what a browser would send by default, buttons left out."""

    action: str
    fields: list[tuple[str, str]]


def read_form(html: str) -> Form | None:
    """Return the page's first form, or None."""
    reader = _FormReader()
    reader.feed(html)
    return reader.form


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self._select: str | None = None
        self._options: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None:
            self.form = Form(given.get("action", ""), [])
        elif self.form is None:
            return
        elif tag == "input" and "name" in given and (given.get("type") != "checkbox" or "checked" in given):
            self.form.fields.append((given["name"], given.get("value", "on")))
        elif tag == "select":
            self._select, self._options = given.get("name"), []
        elif tag == "option":
            self._options.append((given.get("value", ""), "selected" in given))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select is not None and self._options and self.form is not None:
            chosen = next((value for value, selected in self._options if selected), self._options[0][0])
            self.form.fields.append((self._select, chosen))
            self._select = None
