"""What an authorization server's answers mean, read from status, header and body; nothing here touches the network."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from mailbearer.errors import (
    AuthorizationPending,
    ClientRefused,
    Fault,
    GrantRefused,
    InvalidInput,
    TokenAnswerInvalid,
    TokenAnswerLost,
    TokenEndpointBusy,
    TokenError,
    TokenRefused,
)
from mailbearer.ports.provider import DeviceAuthorization, TokenAnswer, TokenFacts
from mailbearer.registration import Discovery, Endpoints

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mailbearer.diagnosis.refusal import Refusal

DEFAULT_EXPIRY = 300.0
"""Assumed life of an access token, in seconds, when the server says none or an impossible one."""

_POLL_EVERY = 5.0  # RFC 8628 section 3.2: what holds where the server names no interval
_LONGEST_BODY = 64 * 1024
_LONGEST_EXPIRY = 366 * 86_400.0
_LONGEST_WAIT = 86_400.0
_DESCRIPTION = 200
_OK, _REDIRECT, _BAD = 200, 300, 400
_UNAUTHORIZED, _TIMEOUT, _TOO_MANY, _SERVER = 401, 408, 429, 500
_NOT_THERE = frozenset({404, 405, 410})

# RFC 6749 appendix A: tokens are printable ASCII. A blank or a line break in one would be a header of its own.
_TOKEN = re.compile(r"[\x21-\x7e]+")
_OPAQUE = re.compile(r"[A-Za-z0-9_~+=.%-]{24,}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer; header names are in lower case.

    `secrets` are what the request carried: an answer may echo them, an error never does.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    received_at: float


def token_answer(reply: Reply, *, with_claims: bool) -> TokenAnswer:
    """Check a token answer (RFC 6749 section 5.1) before anything of it is used. Raises the `TokenError` family.

    `with_claims` refuses a broken id token; without it such a one is left unread.
    """
    answer = _answer(reply)
    access_token = answer.get("access_token")
    if not isinstance(access_token, str) or not _TOKEN.fullmatch(access_token):
        raise TokenAnswerInvalid("The token answer holds no usable access_token.")
    # RFC 6749 asks for token_type, yet servers leave it out; a mail host takes no other kind than Bearer anyway.
    token_type = answer.get("token_type") or "Bearer"
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise TokenAnswerInvalid("The token answer holds a token_type other than Bearer.")
    refresh_token = answer.get("refresh_token") or ""
    if not isinstance(refresh_token, str) or (refresh_token and not _TOKEN.fullmatch(refresh_token)):
        raise TokenAnswerInvalid("The token answer holds an unusable refresh_token.")
    return TokenAnswer(
        access_token=access_token,
        expires_in=_expiry(answer.get("expires_in")),
        refresh_token=refresh_token,
        scope=_scope(answer.get("scope")),
        claims=_claims(answer.get("id_token"), refuse_broken=with_claims),
        grant_ends_in=_grant_life(answer),
    )


def device_authorization(reply: Reply) -> DeviceAuthorization:
    """Read a device authorization answer (RFC 8628 section 3.2). Raises the `TokenError` family."""
    answer = _answer(reply)
    # Google and old Microsoft endpoints say verification_url.
    uri = _text(answer, "verification_uri") or _text(answer, "verification_url")
    complete = _text(answer, "verification_uri_complete")
    device_code, user_code = _text(answer, "device_code"), _text(answer, "user_code")
    if not (device_code and user_code and _safe_page(uri)):
        raise TokenAnswerInvalid("The device authorization answer lacks device_code, user_code or verification_uri.")
    return DeviceAuthorization(
        device_code=device_code,
        user_code=user_code,
        verification_uri=uri,
        verification_uri_complete=complete if _safe_page(complete) else "",
        expires_in=_expiry(answer.get("expires_in")),
        interval=min(_seconds(answer.get("interval")) or _POLL_EVERY, 60.0),
    )


def introspection(reply: Reply) -> TokenFacts:
    """Read an introspection answer (RFC 7662 section 2.2). Raises the `TokenError` family."""
    answer = _answer(reply)
    return TokenFacts(active=answer.get("active") is True, scope=_scope(answer.get("scope")), claims=answer)


def tokeninfo(reply: Reply) -> TokenFacts:
    """Read an answer of Google's tokeninfo endpoint; it refuses a dead token with 400.

    Raises the `TokenError` family.
    """
    body = _json(reply.body)
    if reply.status == _BAD and body and body.get("error") in {"invalid_token", "invalid_request", "invalid_grant"}:
        return TokenFacts(active=False)
    answer = _answer(reply)
    return TokenFacts(active=True, scope=_scope(answer.get("scope")), claims=answer)


def id_token_claims(id_token: object) -> Mapping[str, object]:
    """Decode an id token that came straight from the token endpoint. Raises `TokenAnswerInvalid`.

    TLS to the token endpoint stands in for the signature (OpenID Connect Core section 3.1.3.7, point 6); issuer,
    audience, expiry and nonce are the caller's to check.
    """
    parts = id_token.split(".") if isinstance(id_token, str) else []
    try:
        _, payload, _ = parts
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise TokenAnswerInvalid("The token answer holds an id_token that cannot be read.") from error
    if not isinstance(claims, dict):
        raise TokenAnswerInvalid("The token answer holds an id_token without claims.")
    return claims


def revocation(reply: Reply) -> bool:
    """Tell whether the token is revoked (RFC 7009 section 2.2); False if the server cannot revoke this type of token.

    A token that the server no longer knows counts as revoked. Raises the `TokenError` family.
    """
    body = _json(reply.body)
    if _OK <= reply.status < _REDIRECT and not (body or {}).get("error"):
        return True
    from mailbearer.diagnosis.refusal import read_refusal  # noqa: PLC0415 - a yes needs none of it

    word = read_refusal(body or {}).word
    if reply.status < _SERVER and word in {"invalid_token", "invalid_grant"}:
        return True
    if reply.status < _SERVER and word == "unsupported_token_type":
        return False
    raise _error(reply, body)


def userinfo(reply: Reply) -> Mapping[str, object]:
    """Read the claims of a userinfo answer (OpenID Connect Core section 5.3.2). Raises the `TokenError` family."""
    if reply.status in {_UNAUTHORIZED, 403}:
        raise TokenRefused(f"The userinfo endpoint refuses the access token (HTTP {reply.status}).")
    return _answer(reply)


def discovery(status: int, body: bytes, issuer: str) -> Discovery | None:
    """Read a discovery document; None if there is none here. Raises `InvalidInput` if it is another issuer's."""
    document = _json(body)
    if status != _OK or document is None or "issuer" not in document:
        return None
    if document["issuer"] != issuer:
        # Anything but the very same string could be somebody else's document (RFC 8414 section 3.3).
        detail = f"issuer: the server calls itself {document['issuer']!r}; give exactly that if it is meant."
        raise InvalidInput((Fault("/issuer", "issuer_mismatch", detail[: 2 * _DESCRIPTION]),))
    methods = document.get("token_endpoint_auth_methods_supported")
    return Discovery(
        endpoints=Endpoints(
            authorize_url=_text(document, "authorization_endpoint"),
            token_url=_text(document, "token_endpoint"),
            revoke_url=_text(document, "revocation_endpoint"),
            userinfo_url=_text(document, "userinfo_endpoint"),
            introspection_url=_text(document, "introspection_endpoint"),
            device_authorization_url=_text(document, "device_authorization_endpoint"),
            issuer=issuer,
        ),
        # The default of both specifications where the document says nothing.
        token_auth_methods=tuple(map(str, methods)) if isinstance(methods, list) else ("client_secret_basic",),
        issuer_in_callback=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _claims(id_token: object, *, refuse_broken: bool) -> Mapping[str, object] | None:
    try:
        return id_token_claims(id_token) if id_token else None
    except TokenAnswerInvalid:
        if refuse_broken:
            raise
        return None


def _safe_page(url: str) -> bool:
    """Tell whether a person may be sent to a page: over TLS, or on this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in {"127.0.0.1", "localhost", "::1"})


def _answer(reply: Reply) -> dict[str, Any]:
    body = _json(reply.body)
    # Zoho says no with 200, so the status alone proves nothing.
    if body is None or not _OK <= reply.status < _REDIRECT or body.get("error"):
        raise _error(reply, body)
    return body


def _error(reply: Reply, body: dict[str, Any] | None) -> TokenError:
    from mailbearer.diagnosis.refusal import read_refusal  # noqa: PLC0415 - an answer that brings a token needs none of it

    refusal = read_refusal(body or {})
    detail = _scrubbed(f"{refusal.word or 'no error code'} (HTTP {reply.status})", refusal.description, reply.secrets)
    raw = _struck(refusal.raw, reply.secrets)
    if reply.status in {_TIMEOUT, _TOO_MANY} or reply.status >= _SERVER:
        finding = "provider_throttles" if reply.status == _TOO_MANY else "provider_busy"
        return TokenEndpointBusy(detail, retry_after=_retry_after(reply), finding=finding, raw=raw)
    return _refused(reply, refusal, detail, raw) if body is not None else _unreadable(reply)


def _refused(reply: Reply, refusal: Refusal, detail: str, raw: str) -> TokenError:
    if refusal.word in {"authorization_pending", "slow_down"}:
        return AuthorizationPending(detail, slow_down=refusal.word == "slow_down")
    from mailbearer.diagnosis import Answer, diagnose  # noqa: PLC0415 - as above
    from mailbearer.diagnosis.tokens import by_refusal  # noqa: PLC0415 - as above

    finding = by_refusal(refusal).code
    match diagnose(refusal.word, error_codes=refusal.numbers, subtype=refusal.subtype).answer:
        case Answer.BUSY:
            return TokenEndpointBusy(detail, retry_after=_retry_after(reply), finding=finding, raw=raw)
        case Answer.GRANT:
            subtype = refusal.subtype or ("" if refusal.word == "invalid_grant" else refusal.word)
            return GrantRefused(detail, error_codes=refusal.numbers, subtype=subtype, finding=finding, raw=raw)
        case Answer.CLIENT:
            return ClientRefused(detail, finding=finding, raw=raw)
        case _:
            return TokenError(detail, finding=finding, raw=raw)


def _unreadable(reply: Reply) -> TokenError:
    """Judge an answer that is no JSON object: mostly it is not the token endpoint that speaks."""
    status = f"HTTP {reply.status}"
    if _OK <= reply.status < _REDIRECT and reply.body.lstrip()[:1] in {b"", b"{"}:
        return TokenAnswerLost(f"The token answer breaks off or is too long ({status}).")
    if _REDIRECT <= reply.status < _BAD or reply.status in _NOT_THERE:
        return TokenError(f"The endpoint is not at this URL ({status}); redirects are not followed.")
    if reply.status == _UNAUTHORIZED:
        # RFC 6749 section 5.2 has this status for a client that is not taken, and for nothing else.
        return ClientRefused(f"The server refuses the client's credentials ({status}).")
    return TokenEndpointBusy(f"Something other than the endpoint answered ({status}).", retry_after=_retry_after(reply))


def _scrubbed(lead: str, said: str, secrets: Iterable[str]) -> str:
    """Write what a provider said without what was sent (plain or encoded) and without any long opaque run."""
    text = _struck(": ".join(filter(None, (lead, said))), secrets)
    text = _OPAQUE.sub(lambda run: run[0] if _UUID.fullmatch(run[0]) else "[…]", text)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[: len(lead) + _DESCRIPTION]


def _struck(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
            text = text.replace(form, "[…]")
    return text


def _expiry(value: object) -> float:
    return _seconds(value) or DEFAULT_EXPIRY


def _grant_life(answer: Mapping[str, Any]) -> float | None:
    """Read how long the grant still lives, in seconds: Google's name for it, then Keycloak's."""
    return _seconds(answer.get("refresh_token_expires_in")) or _seconds(answer.get("refresh_expires_in"))


def _seconds(value: object) -> float | None:
    """Read a number of seconds, also as text; None for what is none or impossible."""
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 < seconds <= _LONGEST_EXPIRY else None


def _scope(value: object) -> str | None:
    """Read a scope; a blank one says nothing, for no grant is for nothing (RFC 6749 section 3.3)."""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return value if isinstance(value, str) and value.strip() else None


def _retry_after(reply: Reply) -> float | None:
    """Read Retry-After (RFC 9110 section 10.2.3) in seconds from now, at most a day."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
        # A date without a zone is in UTC (RFC 9110 section 5.6.7), not in the zone of this machine.
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - reply.received_at
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _json(body: bytes) -> dict[str, Any] | None:
    if len(body) > _LONGEST_BODY:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
