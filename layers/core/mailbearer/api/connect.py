"""The pages by which the owner of a mailbox connects it, and how a mailbox comes to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer import pages
from mailbearer.errors import Conflict, ConsentRefused, Unavailable
from mailbearer.http import Request, Response, Route
from mailbearer.observability import logger
from mailbearer.registration import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.connecting.granting import Connected
    from mailbearer.registration import Registration
    from mailbearer.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Connect:
    """The routes that a browser opens: they need no key, the ticket and the OAuth state are what is checked."""

    wiring: Wiring

    def routes(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (
            Route("GET", "/connect/{ticket}", "", self.connect),
            Route("GET", "/oauth/callback", "", self.callback),
        )

    def connect(self, request: Request) -> Response:
        """Show the owner of a mailbox what is asked, or the code to type, until the mailbox is connected.

        The link of an invitation leads to a consent that begins with its opening.
        """

        def show() -> str | Response:
            from mailbearer.connecting.device import DevicePage  # noqa: PLC0415 - most requests are not of a device's page

            ticket = request.params["ticket"]
            try:
                found = self.wiring.tickets.find(ticket)
            except ConsentRefused:
                account = self.wiring.invitations.opened(ticket)
                link = begin(self.wiring, account, self.wiring.tickets.registration_of(account), actor="owner")
                return Response(303, "", pages.page_headers() | {"location": link})
            if found.device is None:
                page = self.wiring.consent.page(ticket, found)
                return pages.consent_page(page.account, page.registration, page.authorization_url)
            seen = self.wiring.device.look(found, ticket)
            if isinstance(seen, DevicePage):
                return pages.device_page(seen.account, seen.registration, seen.device, again_in=seen.again_in)
            return self._connected_page(seen)

        return _page(show, "We could not look just now. Open this link again in a minute.")

    def callback(self, request: Request) -> Response:
        """Take the provider's answer; mail that was held for the mailbox goes out."""
        return _page(
            lambda: self._connected_page(self.wiring.consent.finish(request.query)),
            "We could not finish this just now. Ask for a new link in a few minutes.",
        )

    def _connected_page(self, connected: Connected) -> str:
        drain(self.wiring, connected.account)
        return pages.connected_page(connected.account, connected.missing, connected.excessive)


def begin(
    wiring: Wiring,
    account: Account,
    registration: Registration,
    actor: str,
    *,
    announce: Callable[[], None] | None = None,
) -> str:
    """Give the link by which the owner of a mailbox consents, in the registration's own way.

    `announce` is called last before anything is stored, if nothing refused the link.
    """
    flow = registration.flow
    if flow.unattended:
        raise Conflict(
            f"{registration.name} works without anybody's consent ({flow}), so there is no link. "
            f"To connect {account.address} again, add it again: POST /v1/accounts."
        )
    way = wiring.device if flow is Flow.DEVICE_CODE else wiring.consent
    return way.begin(account, actor=actor, announce=announce)


def drain(wiring: Wiring, account: Account) -> None:
    """Send on its way what was held for a mailbox."""
    try:
        wiring.resubmission.drain(account)
    except Unavailable as error:
        # The mailbox is connected all the same, and the schedule sees that its mail is not forgotten.
        logger().error("held mail not drained", extra={"account": account.id, "reason": error.detail})


def _page(show: Callable[[], str | Response], if_unavailable: str) -> Response:
    """Answer a browser: with a page, also where it comes to nothing."""
    try:
        status, shown = 200, show()
        if isinstance(shown, Response):
            return shown
        text = shown
    except ConsentRefused as error:
        status, text = error.status, pages.refused_page(error.detail)
    except Conflict as error:
        status, text = 409, pages.refused_page(error.detail)
    except Unavailable as error:
        logger().error("consent not finished", extra={"reason": error.detail})
        status, text = 503, pages.refused_page(if_unavailable)
    return Response(status, text, pages.page_headers())
