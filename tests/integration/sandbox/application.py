"""An OAuth client as a test needs one: registered, with a mailbox to ask for."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests
from joserfc import jwt
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from sandbox.control.key_pairs import KeyPair
    from sandbox.control.visitor import Callback
    from sandbox.identity.tenants import Tenant
    from sandbox.world import World

REDIRECT_URI = "http://127.0.0.1:9/oauth/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPES = {
    "google": "openid email https://www.googleapis.com/auth/gmail.send",
    "microsoft": "openid offline_access User.Read Mail.Send",
    "oidc": "openid email smtp",
}
RAW = b"From: ada@tenant.example\r\nTo: bob@example.com\r\nSubject: Hello\r\nMessage-ID: <1@app>\r\n\r\nHi Bob\r\n"


@dataclass(frozen=True, kw_only=True)
class Application:
    """A confidential client (or a public one, without a secret) and one mailbox."""

    world: World
    tenant: Tenant
    client_id: str = "app"
    client_secret: str | None = "app-secret"
    mailbox: str = "ada@tenant.example"

    def registered(self) -> Application:
        self.world.control.register_client(
            self.tenant.name,
            self.client_id,
            self.client_secret,
            redirect_uris=[REDIRECT_URI],
            public=self.client_secret is None,
        )
        self.world.control.add_mailbox(self.tenant.name, self.mailbox, name="Ada")
        return self

    def authorize_url(self, **changes: str | None) -> str:
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": SCOPES[self.tenant.name],
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "login_hint": self.mailbox,
        }
        if self.tenant.name == "google":
            asked |= {"access_type": "offline", "prompt": "consent"}
        asked |= changes
        return f"{self.tenant.authorize_url}?{urlencode({k: v for k, v in asked.items() if v is not None})}"

    def consent(self, **changes: str | None) -> Callback:
        return self.world.control.consent(self.authorize_url(**changes))

    def ask_token(self, grant_type: str, **data: str) -> requests.Response:
        form: dict[str, str] = {"grant_type": grant_type, **data}
        if self.client_secret is None:
            form["client_id"] = self.client_id
            return requests.post(self.tenant.token_url, data=form, timeout=5)
        return requests.post(self.tenant.token_url, data=form, auth=self.auth, timeout=5)

    @property
    def auth(self) -> tuple[str, str]:
        assert self.client_secret is not None
        return (self.client_id, self.client_secret)

    def redeem(self, code: str, *, verifier: str = VERIFIER, redirect_uri: str = REDIRECT_URI) -> requests.Response:
        return self.ask_token("authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier)

    def connect(self, **changes: str | None) -> dict[str, Any]:
        """Walk the whole flow and return the token answer."""
        response = self.redeem(self.consent(**changes).parameters["code"])
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def refresh(self, refresh_token: str, **more: str) -> requests.Response:
        return self.ask_token("refresh_token", refresh_token=refresh_token, **more)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def signed(keys: KeyPair, claims: dict[str, Any], *, alg: str = "RS256", **header: str) -> str:
    """Return a JWT; claims that are None are left out."""
    key = RSAKey.import_key(keys.private_key)
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": alg, **header}, given, key, algorithms=["RS256", "PS256", "RS512"])


def now() -> int:
    return int(time.time())
