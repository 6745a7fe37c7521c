"""Practices 1 and 11: what OAuth2 means here is explained, and a mailbox's owner reads in plain words what is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mailbearer.account import AccountState
from mailbearer.practices.picture import mailboxes, plural
from mailbearer.practices.practice import failed, passed, some, warned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.practices.picture import Picture
    from mailbearer.practices.practice import Seen

EXPLANATION = "docs/explanation/oauth2.md"
"""The page that the live description has to name."""

NO_TICKET = "/connect/practices-look-at-this-page"
"""A consent link that nobody was given."""

_OK = 200
_DEPLOY = "Deploy this version again: sam build && sam deploy."
_REACH = "Open the address in a browser; see the errors of the messages_api function, the domain and the API's stage."
_OWED = 2 * 3600.0  # seconds after which an owner should have been told
_HEADERS = {
    "cache-control": ("no-store",),
    "content-security-policy": ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"),
    "referrer-policy": ("no-referrer",),
    "x-content-type-options": ("nosniff",),
}


def described(picture: Picture) -> Iterator[Seen]:
    """Read the API's own description: it names the page that explains, and speaks of mailboxes in its words."""
    page = picture.sources.pages.get("/openapi.json")
    if page.status != _OK:
        yield failed(f"GET /openapi.json answers HTTP {page.status}.", _REACH)
        return
    try:
        document = json.loads(page.text)
    except ValueError:
        document = {}
    if EXPLANATION not in json.dumps(document.get("info", {})):
        yield failed(f"The live description does not name {EXPLANATION}.", _DEPLOY)
        return
    unsaid = [state for state in AccountState if f'"{state}"' not in page.text]
    if unsaid:
        yield failed(f"The live description does not know the words {some(unsaid)}.", _DEPLOY)
        return
    yield passed(f"GET /openapi.json names {EXPLANATION} and has the words for all {len(AccountState)} states.")


def shown(picture: Picture) -> Iterator[Seen]:
    """Open the page that shows the description."""
    page = picture.sources.pages.get("/docs")
    if page.status == _OK and page.headers.get("content-type", "").startswith("text/html"):
        yield passed("GET /docs answers the page that shows it.")
    else:
        yield failed(f"GET /docs answers HTTP {page.status}, and no page.", _REACH)


def guided(picture: Picture) -> Iterator[Seen]:
    """See that each registration's kind is one that has a guide of its own."""
    registered = picture.registered
    lost = [each.name for each in registered if picture.sources.definitions(each.kind).kind != each.kind]
    if lost:
        yield failed(
            f"This version knows no provider of the kind of {some(lost)}.",
            "Deploy a version that does, or add the registration anew: mailbearer providers add NAME --kind KIND",
        )
        return
    guides = sorted({picture.sources.definitions(each.kind).setup_guide for each in registered})
    yield passed(
        f"{plural(len(registered), 'registration')} at providers; the guides: {some(guides) or 'none needed'}."
    )


def worded(picture: Picture) -> Iterator[Seen]:
    """Open a consent link that nobody was given: a page for people has to answer, and nothing may frame or keep it."""
    page = picture.sources.pages.get(NO_TICKET)
    if page.status not in {400, 404, 410} or not page.headers.get("content-type", "").startswith("text/html"):
        yield failed(
            f"A consent link that is not good answers HTTP {page.status}, and no page for people.",
            "See the errors of the accounts_api function, and whether PublicUrl leads to this API.",
        )
        return
    lax = [name for name, parts in _HEADERS.items() if not all(part in page.headers.get(name, "") for part in parts)]
    if lax:
        yield failed(
            f"The consent page comes without a strict {some(lax, 4)}.",
            "Something between browser and API changes header fields, or another version is deployed: deploy it again.",
        )
        return
    if "<h1>" not in page.text or "new link" not in page.text:
        yield failed("The consent page does not say what to do next.", _DEPLOY)
        return
    yield passed(f"The consent page answers (HTTP {page.status}), says what to do next, and has strict headers.")


def told(picture: Picture) -> Iterator[Seen]:
    """See that owners who are needed have been told."""
    waiting = [one for one in picture.accounts if one.state is AccountState.CONSENT_REQUIRED]
    untold = [one.address for one in waiting if one.notice_at and one.notice_at < picture.now - _OWED]
    if untold:
        yield failed(
            f"{plural(len(untold), 'owner')} not told for hours that the mailbox needs them: {some(untold)}.",
            "See the alarms of token-rotator and notifier; give the link yourself: mailbearer accounts consent ID",
        )
    elif waiting:
        yield warned(
            f"{mailboxes(len(waiting))} of {len(picture.accounts)} wait for their owners, who "
            f"have been told: {some([one.address for one in waiting])}.",
            "Ask them; mailbearer accounts consent ID makes a new link.",
        )
    else:
        yield passed(f"No owner is needed, of {picture.all_accounts}.")
