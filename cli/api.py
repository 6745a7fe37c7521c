"""The HTTP API as the operator's command uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase

from cli.refusal import Refused
from mailbearer.errors import Fault

_TIMEOUT = (5.0, 35.0)  # seconds to connect and between bytes; the gateway itself gives up after 30
_PAGE = 100
_SAFE_AGAIN = "The same command again is safe."
_REMEDIES = {
    "unauthenticated": "Give a valid key in MAILBEARER_API_KEY or with --api-key-stdin;"
    " `mailbearer keys create NAME --scope ...` makes one.",
    "forbidden": "Use a key with the scope and the account that this needs; `mailbearer keys create` makes one.",
}


class Api:
    """Calls the API with one key; every answer that is no success becomes `Refused`."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        loopback = parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if parts.scheme != "https" and not loopback:
            raise Refused(
                f"The API address {url} is not https, and a key goes nowhere without TLS.",
                remedy="Correct the stack's PublicUrl.",
            )
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = _Bearer(key)
        # A proxy from the environment is for the way out, not for the loopback.
        self._session.trust_env = not loopback

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Read one resource."""
        return self._call("GET", path, query=query)

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        if_lost: str = "",
    ) -> dict[str, Any]:
        """Post JSON; `if_lost` says what to do if the answer never comes or is 'not now'."""
        return self._call("POST", path, body=body, headers=headers, if_lost=if_lost)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change one resource; the same change again is safe."""
        return self._call("PATCH", path, body=body, if_lost=_SAFE_AGAIN)

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Put JSON; the same again is safe."""
        return self._call("PUT", path, body=body, if_lost=_SAFE_AGAIN)

    def delete(self, path: str, query: Mapping[str, str] | None = None) -> None:
        """Remove one resource."""
        self._call("DELETE", path, query=query)

    def listing(self, path: str, query: Mapping[str, str], *, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Give the items of a list, page after page, up to `limit` of them."""
        cursor, left = "", limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            page = self.get(path, {**query, "limit": str(size)} | ({"cursor": cursor} if cursor else {}))
            items = page.get("data")
            if not isinstance(items, list):
                raise Refused(f"GET {path} did not answer with a list.", remedy="Check that the stack is Mailbearer's.")
            yield from items[:left]
            left = None if left is None else left - len(items)
            before, cursor = cursor, str(page.get("next_cursor") or "")
            if not cursor or cursor == before:
                return

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        if_lost: str = "",
    ) -> dict[str, Any]:
        again = if_lost or (_SAFE_AGAIN if method == "GET" else "")
        try:
            response = self._session.request(
                method,
                self._url + path,
                params=query,
                json=body,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise Refused(
                f"{self._url} has no certificate that this machine trusts.",
                remedy="Check the address, and REQUESTS_CA_BUNDLE if a company proxy stands in between.",
            ) from error
        except requests.exceptions.ConnectTimeout as error:
            raise Refused(f"{self._url} could not be reached in time.", remedy=again) from error
        except requests.exceptions.Timeout as error:
            raise Refused(f"{self._url} did not answer in time.", remedy=again) from error
        except requests.exceptions.RequestException as error:
            raise Refused(
                f"{self._url} could not be reached, or broke off before it answered.",
                remedy=again or "See whether the stack runs, and whether the request was carried out.",
            ) from error
        return _read(response, f"{method} {path}", again)


class _Bearer(AuthBase):
    """Sets the key itself, so that no .netrc entry takes its place."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def segment(value: str) -> str:
    """Write a value as one segment of a path."""
    return quote(value, safe="")


def _read(response: requests.Response, what: str, again: str) -> dict[str, Any]:
    if response.status_code == requests.codes.no_content:
        return {}
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.ok and not response.is_redirect and isinstance(body, dict):
        return body
    if isinstance(body, dict) and isinstance(body.get("code"), str):
        raise _refusal(body, response.status_code, again)
    sentence = f"{what} was answered {response.status_code} {response.reason}, which is no answer of Mailbearer."
    if response.status_code == requests.codes.request_entity_too_large:
        sentence = "The request is too large for the API, which takes about 4.5 MB of mail."
    raise Refused(sentence, remedy=again or "Check that the address is the API's and that the stack is whole.")


def _refusal(problem: Mapping[str, Any], status: int, again: str) -> Refused:
    """Make a refusal out of a problem document (RFC 9457)."""
    code = str(problem["code"])
    found = problem.get("errors")
    faults = tuple(
        Fault(str(item.get("pointer", "")), str(item.get("code", "")), str(item.get("detail", "")))
        for item in (found if isinstance(found, list) else [])
        if isinstance(item, dict)
    )
    title, detail = str(problem.get("title") or ""), str(problem.get("detail") or "")
    # The detail of invalid input repeats its faults, which are listed one by one below it.
    sentence = title if faults or not detail else detail
    later = status == requests.codes.too_many_requests or status >= requests.codes.server_error
    remedy = _REMEDIES.get(code, again if later else "")
    return Refused(f"{sentence.rstrip('.:')} [{code}, {status}].", remedy=remedy, faults=faults)
