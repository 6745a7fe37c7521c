"""Tokens that an OpenID Connect issuer signed (JWT, RFC 7519 and RFC 9068), verified with the keys it publishes."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from mailbearer.errors import Unauthenticated, Unavailable, UnsafeEndpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc._rfc7515.model import JWSAlgModel
    from joserfc.jwk import Key

    from mailbearer.ports import Clock

MAX_TOKEN = 8192
"""The longest token that is read, in characters."""

LEEWAY = 60.0
"""Seconds by which the issuer's clock may be ahead of ours."""

KEYS_LIFE, KEYS_LONGEST = 3600.0, 86_400.0
"""Seconds after which the issuer is asked for its keys again, and for which they serve if it does not answer."""

ASK_EVERY, ASK_AGAIN = 300.0, 10.0
"""Seconds between two questions for keys, whoever wants another one; and between two while there are none at all."""

_DEADLINE = 3.0  # API Gateway waits 10 s for an authorizer, which may have to ask twice
_OK = 200
_MAX_KEYS = 100
_MIN_RSA_BITS = 2048
_MAX_SUBJECT = 255  # OpenID Connect Core section 2
_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
# Signatures alone: whoever accepts HS256 can be made to take a public key for a shared secret.
_KINDS = {"RS256": ("RSA", ""), "PS256": ("RSA", ""), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
_PUBLIC = ("kty", "n", "e", "crv", "x", "y")
_HEADERS = {"Accept": "application/json", "User-Agent": "mailbearer"}


class Egress(Protocol):
    """The guarded way out."""

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> tuple[int, Mapping[str, str], bytes, bool]:
        """Make one call within `deadline` seconds: status, header, body, and whether it is whole.

        Raises `UnsafeEndpoint` and `OSError`.
        """


class _Registry(JWSRegistry):
    """Joserfc's registry without its warning about the name EdDSA, under which issuers sign with Ed25519."""

    max_header_length = MAX_TOKEN

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in _KINDS:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


@dataclass(frozen=True, slots=True)
class _Published:
    """The issuer's keys (JWK), and when they were read (epoch seconds)."""

    keys: tuple[Mapping[str, Any], ...] = ()
    at: float = -math.inf


class OidcTokens:
    """Verifies tokens of one issuer for one audience; implements `ports.BearerTokens`. For one thread."""

    def __init__(self, egress: Egress, clock: Clock, *, issuer: str, audience: str) -> None:
        self._egress = egress
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._published = _Published()
        self._asked_at = -math.inf

    def claims(self, token: str) -> Mapping[str, Any]:
        """Verify a token and give its claims.

        Raises `Unauthenticated` with the reason, and `Unavailable` if the issuer's keys cannot be had.
        """
        header = _header(token)
        algorithm, kid = header.get("alg"), header.get("kid", "")
        if not isinstance(algorithm, str) or algorithm not in _KINDS:
            raise Unauthenticated(f"The token is signed by none of {', '.join(_KINDS)}.")
        if str(header.get("typ", "")).lower() not in _TYPES or "crit" in header or not isinstance(kid, str):
            raise Unauthenticated("The token's header is not that of an access token.")
        key = self._key(algorithm, kid)
        try:
            claims = jwt.decode(token, key, registry=_Registry(strict_check_header=False)).claims
        except (JoseError, ValueError, RecursionError) as error:
            raise Unauthenticated("The token's signature is wrong.") from error
        self._check(claims)
        return claims

    def _check(self, claims: Mapping[str, Any]) -> None:
        now = self._clock()
        subject, expires = claims.get("sub"), _moment(claims, "exp")
        audience = claims.get("aud")
        if claims.get("iss") != self._issuer:
            raise Unauthenticated("The token is another issuer's.")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise Unauthenticated("The token is for another audience.")
        if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT:
            raise Unauthenticated("The token has no subject.")
        if expires is None or now >= expires:
            raise Unauthenticated("The token has expired, or does not say when it does.")
        for name in ("nbf", "iat"):
            since = _moment(claims, name) if name in claims else 0.0
            if since is None or since > now + LEEWAY:
                raise Unauthenticated("The token is not valid yet.")

    # --- the issuer's keys --------------------------------------------------------------------------------------------

    def _key(self, algorithm: str, kid: str) -> Key:
        """Find the key that a token says it is signed with."""
        if self._clock() - self._published.at >= KEYS_LIFE:
            self._ask()
        if self._clock() - self._published.at >= KEYS_LONGEST:
            raise Unavailable("The issuer's keys cannot be had.")
        found = _matching(self._published.keys, algorithm, kid)
        if found is None and kid and self._ask():
            found = _matching(self._published.keys, algorithm, kid)
        if found is None:
            raise Unauthenticated("The token is signed with a key that the issuer does not publish.")
        return found

    def _ask(self) -> bool:
        """Read the issuer's keys, unless that was tried just now; tell whether they are fresh.

        Tokens with invented key ids must not make us a burden to the issuer.
        """
        now = self._clock()
        pause = ASK_EVERY if self._published.keys else ASK_AGAIN
        if 0 <= now - self._asked_at < pause:
            return False
        self._asked_at = now
        try:
            self._published = _Published(self._keys(), now)
        except Unavailable:
            # Those it published last serve for a while: `_key` says for how long.
            return False
        return True

    def _keys(self) -> tuple[Mapping[str, Any], ...]:
        """Read the issuer's keys by its discovery document (OpenID Connect Discovery 1.0)."""
        document = self._read(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        location = document.get("jwks_uri")
        if document.get("issuer") != self._issuer or not isinstance(location, str):
            raise Unavailable("The issuer's discovery document is another's, or names no keys.")
        keys = self._read(location).get("keys")
        if not isinstance(keys, list):
            raise Unavailable("The issuer publishes no keys.")
        return tuple(key for key in keys[:_MAX_KEYS] if isinstance(key, dict))

    def _read(self, url: str) -> Mapping[str, Any]:
        try:
            status, _, body, whole = self._egress.exchange(
                "GET", url, headers=_HEADERS, body=None, ca_pem="", deadline=_DEADLINE
            )
            document = json.loads(body) if whole and status == _OK else None
        except (OSError, UnsafeEndpoint, ValueError, RecursionError) as error:
            raise Unavailable(f"The issuer does not answer ({type(error).__name__}).") from error
        if not isinstance(document, dict):
            raise Unavailable("The issuer gives no document.")
        return document


def _header(token: str) -> Mapping[str, Any]:
    """Read a token's header, of which nothing is believed yet."""
    head, *rest = token.split(".")
    if len(token) <= MAX_TOKEN and len(rest) == 2 and token.isascii():  # noqa: PLR2004 - payload and signature
        try:
            header = json.loads(base64.b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True))
        except (ValueError, RecursionError):
            header = None
        if isinstance(header, dict):
            return header
    raise Unauthenticated("This is no signed token (JWS, RFC 7515), or one that is too long.")


def _matching(keys: tuple[Mapping[str, Any], ...], algorithm: str, kid: str) -> Key | None:
    """Give the one key that may have signed: that of the id, or without one the only key of the kind."""
    kind, curve = _KINDS[algorithm]
    fitting = [
        key
        for key in keys
        if key.get("kty") == kind
        and (not curve or key.get("crv") == curve)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (not kid or key.get("kid") == kid)
    ]
    return _imported(fitting[0]) if len(fitting) == 1 else None


def _imported(published: Mapping[str, Any]) -> Key | None:
    """Read a public key; None if it is none, or too weak."""
    public: Any = {name: published[name] for name in _PUBLIC if name in published}
    try:
        if public["kty"] == "RSA":
            # Joserfc takes a weak key, with a warning on standard error.
            if len(public["n"]) * 6 < _MIN_RSA_BITS:
                return None
            key = RSAKey.import_key(public)
            return key if key.public_key.key_size >= _MIN_RSA_BITS else None
        return ECKey.import_key(public) if public["kty"] == "EC" else OKPKey.import_key(public)
    except (JoseError, KeyError, TypeError, ValueError):
        return None


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    """Read a time (NumericDate, RFC 7519 section 2); None if it is none."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # A number of many digits is no float.
    return float(value) if abs(value) < 1 << 53 else None
