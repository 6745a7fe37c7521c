"""An OpenID Connect issuer on loopback: what it publishes and signs, and how often it was asked."""

from __future__ import annotations

import base64
import json
import threading
import warnings
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from joserfc.jwk import Key

AUDIENCE = "https://mail.example/prod"
CONFIGURATION, JWKS = "/.well-known/openid-configuration", "/keys"
SECRET = OctKey.import_key({"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")})


@cache
def signing_key(kid: str, kind: str = "RSA", size: Any = 2048) -> Key:
    """Make a key once."""
    kinds: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    with warnings.catch_warnings():
        # Of weak keys and old names, which some tests are about.
        warnings.simplefilter("ignore", SecurityWarning)
        made: Key = kinds[kind].generate_key(size, {"kid": kid, "use": "sig"})
    return made


class Issuer(ThreadingHTTPServer):
    """Answers what stands in `documents` (a status, or JSON, or bytes); `asked` counts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked: list[str] = []
        self.documents: dict[str, Any] = {CONFIGURATION: {"issuer": self.url, "jwks_uri": self.url + JWKS}}
        self.publish(signing_key("one"))

    def publish(self, *keys: Key | dict[str, Any]) -> None:
        """Publish these keys and no others."""
        shown = [dict(key) if isinstance(key, dict) else dict(key.as_dict(private=False)) for key in keys]
        self.documents[JWKS] = {"keys": shown}

    def sign(self, claims: dict[str, Any], *, key: Key | None = None, alg: str = "RS256", header: Any = None) -> str:
        """Sign a token."""
        key = key or signing_key("one")
        head = {"alg": alg, "typ": "at+jwt", "kid": key.kid} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            lenient = JWSRegistry(algorithms=[alg], strict_check_header=False)
            return str(jwt.encode(head, claims, key, registry=lenient, default_type=None))

    def running(self) -> AbstractContextManager[Issuer]:
        """Serve until the context ends."""
        return _Running(self)


class _Running:
    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._thread = threading.Thread(target=issuer.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Issuer:
        self._thread.start()
        return self._issuer

    def __exit__(self, *_: object) -> None:
        self._issuer.shutdown()
        self._thread.join()
        self._issuer.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        found = self.server.documents.get(self.path, 404)
        body = found if isinstance(found, bytes) else b"" if isinstance(found, int) else json.dumps(found).encode()
        self.send_response(found if isinstance(found, int) else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass


def claims_of(issuer: Issuer, now: float, **changes: Any) -> dict[str, Any]:
    """Give the claims of a good token, with these changes; None leaves one out."""
    given = {"iss": issuer.url, "aud": AUDIENCE, "sub": "shop", "exp": int(now) + 300, "iat": int(now)} | changes
    return {name: value for name, value in given.items() if value is not None}


def unsigned(claims: dict[str, Any]) -> Iterator[str]:
    """Write a token of which nobody proves anything, in several spellings."""
    body = _base64(claims)
    for name in ("none", "None", "NONE", ""):
        yield f"{_base64({'alg': name, 'typ': 'at+jwt'})}.{body}."
    yield f"{_base64({'typ': 'at+jwt'})}.{body}."


def _base64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
