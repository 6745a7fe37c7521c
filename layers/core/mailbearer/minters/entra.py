"""Client secrets of an Entra application, made and removed by the application itself over Microsoft Graph.

Graph lets an application do this to itself if it has the role Application.ReadWrite.OwnedBy and owns itself.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from mailbearer.credential import Credential
from mailbearer.errors import RotationRefused, Unavailable
from mailbearer.ports.vaults import ListedCredential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from mailbearer.definition import Definitions
    from mailbearer.registration import Registration

    OwnToken: TypeAlias = Callable[[Registration, tuple[str, ...]], str]
    """Gets an access token of these scopes for the registration itself; raises the `TokenError` family."""

DEADLINE = 15.0
"""Longest that one call takes, in seconds."""

_GRAPH = "graph"
_HEX_DIGITS = 40
_BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_NO_SUCH = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})
_REMEDY = (
    "In Entra, give the application the permission Application.ReadWrite.OwnedBy of Microsoft Graph (application), "
    "consent as an administrator, and make its service principal an owner of the application."
)


class WayOut(Protocol):
    """The guarded way out, as far as HTTP needs it."""

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> tuple[int, Mapping[str, str], bytes, bool]:
        """Make one call within `deadline` seconds: status, header (names in lower case), body, and whether it is whole.

        The status is 0 if the request has left and no answer came. Raises `UnsafeEndpoint` and `OSError`.
        """


class EntraMinter:
    """Implements `ports.CredentialMinter`."""

    def __init__(self, egress: WayOut, definitions: Definitions, own_token: OwnToken) -> None:
        self._egress = egress
        self._definitions = definitions
        self._own_token = own_token

    def listing(self, registration: Registration) -> tuple[ListedCredential, ...]:
        """List the client secrets and certificates of the application."""
        answer = self._call("GET", registration, "?$select=passwordCredentials,keyCredentials")
        body = _expect(answer, HTTPStatus.OK)
        return tuple(
            ListedCredential(
                id=str(entry.get("keyId") or ""),
                label=str(entry.get("displayName") or ""),
                hint=str(entry.get("hint") or ""),
                thumbprint=_thumbprint(entry.get("customKeyIdentifier")) if name == "keyCredentials" else "",
                created_at=_seconds(entry.get("startDateTime")),
                expires_at=_seconds(entry.get("endDateTime")),
            )
            for name in ("passwordCredentials", "keyCredentials")
            for entry in body.get(name) or ()
        )

    def mint(self, registration: Registration, *, label: str, expires_at: float) -> Credential:
        """Add a client secret; Graph tells it this once."""
        wanted = {"displayName": label, "endDateTime": _moment(expires_at)}
        answer = self._call("POST", registration, "/addPassword", {"passwordCredential": wanted})
        body = _expect(answer, HTTPStatus.OK)
        secret, key_id = body.get("secretText"), body.get("keyId")
        if not (isinstance(secret, str) and secret and isinstance(key_id, str) and key_id):
            raise Unavailable("Graph added a client secret, but its answer does not hold it.")
        return Credential(
            id=key_id,
            client_secret=secret,
            created_at=_seconds(body.get("startDateTime")),
            expires_at=_seconds(body.get("endDateTime")),
        )

    def remove(self, registration: Registration, credential_id: str) -> None:
        """Remove a client secret; no error if there is none of this id."""
        answer = self._call("POST", registration, "/removePassword", {"keyId": credential_id})
        # Graph's code for an id that it does not know has varied, so what it lists decides.
        if answer.status in _NO_SUCH and all(listed.id != credential_id for listed in self.listing(registration)):
            return
        _expect(answer, HTTPStatus.NO_CONTENT)

    def _call(self, method: str, registration: Registration, path: str, body: dict[str, Any] | None = None) -> _Answer:
        definition = self._definitions(registration.kind).at(registration.cloud)
        tenant = urlsplit(registration.endpoints.token_url).path.split("/")[1]
        if tenant in definition.shared_tenants:
            raise RotationRefused(
                f"The registration {registration.name} names no tenant, so the application cannot speak for itself. "
                "Add the registration with --tenant."
            )
        graph = definition.api_base_urls[_GRAPH]
        base_url = (registration.api_base_url or graph).rstrip("/")
        token = self._own_token(registration, (f"{graph}/.default",))
        try:
            status, _, content, whole = self._egress.exchange(
                method,
                f"{base_url}/v1.0/applications(appId='{quote(registration.client_id, safe='')}'){path}",
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                body=json.dumps(body).encode() if body is not None else None,
                ca_pem=registration.ca_pem,
                deadline=DEADLINE,
            )
        except OSError as error:
            raise Unavailable(f"Graph cannot be reached ({type(error).__name__}).") from error
        if not whole:
            raise Unavailable("Graph's answer was lost.")
        return _Answer(status, content)


class _Answer(NamedTuple):
    status: int
    content: bytes


def _expect(answer: _Answer, status: HTTPStatus) -> dict[str, Any]:
    """Give the body of an answer that has to be of this status, empty if it has none."""
    body = _json(answer.content)
    if answer.status == status:
        return body
    error = body.get("error")
    code = str(error.get("code", "")) if isinstance(error, dict) else ""
    said = f"Graph says {code or 'no'} (HTTP {answer.status})"
    if answer.status in _BUSY or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"{said}.")
    raise RotationRefused(f"{said}. {_REMEDY}")


def _json(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _thumbprint(identifier: object) -> str:
    """Read a certificate's SHA-1 thumbprint: the portal writes it in hex digits, Graph's own tools in base64."""
    text = str(identifier or "")
    try:
        return (bytes.fromhex(text) if len(text) == _HEX_DIGITS else base64.b64decode(text, validate=True)).hex()
    except ValueError:
        return ""


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(moment: object) -> float:
    try:
        # Graph writes seven digits behind the point, which Python takes since 3.11.
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return 0
