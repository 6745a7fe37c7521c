"""A person at the sign-in and device pages, for scripts: fetch the page, read its form, send it back."""

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
        answer = self._session.post(
            urljoin(page.url, form.action),
            data=_filled(form, mailbox=mailbox, allow=allow, untick=untick),
            allow_redirects=False,
            timeout=TIMEOUT,
        )
        if not answer.is_redirect:
            raise ValueError(f"the sign-in page did not send us back: HTTP {answer.status_code}")
        return Callback(answer.headers["Location"])

    def verify_device(
        self,
        verification_uri: str,
        user_code: str | None = None,
        *,
        mailbox: str | None = None,
        allow: bool = True,
        untick: Sequence[str] = (),
    ) -> None:
        """Type the device's code, choose, and allow or deny; raise ValueError where a page refuses.

        `user_code` is left out where the address holds it (`verification_uri_complete`).
        """
        page = self._session.get(verification_uri, timeout=TIMEOUT)
        form = read_form(page.text)
        if page.ok and form is not None and user_code is not None:
            page = self._session.get(urljoin(page.url, form.action), params={"user_code": user_code}, timeout=TIMEOUT)
            form = read_form(page.text)
        if not page.ok or form is None or "mailbox" not in dict(form.fields):
            raise ValueError(f"no form to decide about the device: HTTP {page.status_code}")
        answer = self._session.post(
            urljoin(page.url, form.action),
            data=_filled(form, mailbox=mailbox, allow=allow, untick=untick),
            timeout=TIMEOUT,
        )
        if not answer.ok:
            raise ValueError(f"the decision about the device was not taken: HTTP {answer.status_code}")


@dataclass(slots=True)
class Form:
    """A form's address and what a browser would send by default, buttons left out."""

    action: str
    fields: list[tuple[str, str]]


def _filled(form: Form, *, mailbox: str | None, allow: bool, untick: Sequence[str]) -> list[tuple[str, str]]:
    fields = [
        (name, mailbox if name == "mailbox" and mailbox is not None else value)
        for name, value in form.fields
        if not (name == "granted_scope" and value in untick)
    ]
    return [*fields, ("decision", "allow" if allow else "deny")]


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
