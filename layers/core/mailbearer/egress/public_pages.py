"""The stack's own API, asked over the guarded way out as anybody asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.errors import Unavailable, UnsafeEndpoint
from mailbearer.ports.stack import PublicPage

if TYPE_CHECKING:
    from mailbearer.egress import Egress

_SECONDS = 15.0


class ApiPages:
    """GETs below one address, each within 15 s; an answer above a megabyte does not count, and nothing is unpacked."""

    def __init__(self, egress: Egress, api_url: str) -> None:
        self._egress = egress
        self._api_url = api_url.rstrip("/")

    def get(self, path: str) -> PublicPage:
        """Ask for a path, following nothing. Raises `Unavailable` if no whole answer comes in time."""
        url = f"{self._api_url}{path}"
        try:
            answer = self._egress.exchange(
                "GET", url, headers={"Accept": "*/*"}, body=None, ca_pem="", deadline=_SECONDS
            )
        except (OSError, UnsafeEndpoint) as error:
            raise Unavailable(f"{url} does not answer: {error}.") from error
        if not answer.whole:
            raise Unavailable(f"{url} gives no whole answer within {_SECONDS:.0f} s.")
        return PublicPage(status=answer.status, headers=answer.headers, text=answer.body.decode(errors="replace"))
