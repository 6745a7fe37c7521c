"""Reading what an issuer publishes about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from mailbearer.errors import Fault, InvalidInput, Unavailable, UnsafeEndpoint
from mailbearer.oauth.requesting import DEADLINE, HEADERS, limits
from mailbearer.oauth_answers import discovery

if TYPE_CHECKING:
    from mailbearer.registration import Discovery


def discover(issuer: str, session: requests.Session) -> Discovery:
    """Read what an issuer publishes: OpenID Connect Discovery 1.0 first, then RFC 8414.

    Raises `InvalidInput` if it publishes nothing or calls itself otherwise, and `Unavailable` if it cannot be reached.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    locations = (
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/oauth-authorization-server{path}",
    )
    for location in locations:
        url = parts._replace(path=location, query="", fragment="").geturl()
        try:
            response = session.get(url, headers=HEADERS, **limits(DEADLINE))
        except UnsafeEndpoint as error:
            raise InvalidInput((Fault("/issuer", error.code, f"issuer: {error.detail}"),)) from error
        except requests.RequestException as error:
            raise Unavailable(f"The issuer {issuer} cannot be reached ({type(error).__name__}).") from error
        if found := discovery(response.status_code, response.content, issuer):
            return found
    detail = f"issuer: {issuer} publishes no discovery document; give the endpoints one by one."
    raise InvalidInput((Fault("/issuer", "not_discoverable", detail),))
