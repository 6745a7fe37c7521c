"""The guarded way out for software that speaks Requests."""

from __future__ import annotations

import ssl
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.egress.web import Web

DEFAULT_DEADLINE = 15.0


class AnswerLost(requests.RequestException):
    """The request may have been acted upon, and its answer did not come whole; `status` is 0 if nothing of it came."""

    def __init__(self, text: str, *, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class GuardedAdapter(BaseAdapter):
    """Carries Requests' requests over checked addresses and verified TLS."""

    def __init__(self, web: Web, ca_pem: str) -> None:
        super().__init__()
        self._web = web
        self._ca_pem = ca_pem

    def send(  # noqa: PLR0917 - Requests' signature
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,  # noqa: ARG002, FBT001, FBT002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Make one call; `timeout` is the deadline in seconds for all of it, the whole answer included.

        Raises `requests.ConnectionError` (also `ConnectTimeout`, `SSLError`) if the request has certainly not left
        whole, `AnswerLost` once it may have, and `UnsafeEndpoint`. Certificates are always verified, no proxy is used.
        """
        body = request.body.encode() if isinstance(request.body, str) else request.body
        headers = dict(request.headers) | {"Accept-Encoding": "identity"}
        try:
            status, fields, content, whole = self._web.exchange(
                request.method or "GET",
                request.url or "",
                headers=headers,
                body=body,
                ca_pem=self._ca_pem,
                deadline=_seconds(timeout),
            )
        except ssl.SSLError as error:
            raise requests.exceptions.SSLError("no TLS connection could be made", request=request) from error
        except TimeoutError as error:
            raise requests.ConnectTimeout("the request could not be sent in time", request=request) from error
        except OSError as error:
            raise requests.ConnectionError("the request could not be sent", request=request) from error
        if not whole:
            raise AnswerLost("the answer did not come whole", status=status)
        response = requests.Response()
        response.status_code = status
        response.headers = CaseInsensitiveDict(fields)
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.url = request.url or ""
        response.request = request
        response._content = content  # noqa: SLF001 - as Requests' adapters for files and archives do
        return response

    def close(self) -> None:
        """Do nothing: the connections are the egress's."""


class GuardedSession(requests.Session):
    """Follows no redirect, keeps no cookie, reads no environment and has only the guarded way out."""

    def __init__(self, adapter: GuardedAdapter) -> None:
        super().__init__()
        self.trust_env = False
        # A cookie set for one mailbox would travel with the next one's token.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Give none: a redirect would take the token along."""
        return None


def _seconds(timeout: float | tuple[float, float | None] | None) -> float:
    if isinstance(timeout, tuple):
        return sum(part for part in timeout if part is not None) or DEFAULT_DEADLINE
    return DEFAULT_DEADLINE if timeout is None else timeout
