"""Any other authorization server: OpenID Connect, or plain OAuth 2.0 with its endpoints given."""

from __future__ import annotations

from mailbearer.definition import Definition, RefreshTokens
from mailbearer.registration import Endpoints, Flow

_IDENTITY = ("openid", "email", "offline_access")

OIDC = Definition(
    kind="oidc",
    title="Any OpenID Connect or OAuth 2.0 server",
    # Discovered (OpenID Connect Discovery, RFC 8414), or given one by one.
    endpoints=Endpoints(authorize_url="", token_url=""),
    # What a server calls its sending scope is its own affair: --scope says it.
    scopes={"smtp": _IDENTITY, "gmail": _IDENTITY, "graph": _IDENTITY},
    app_scopes={"smtp": (), "gmail": (), "graph": ()},
    flows={
        Flow.AUTHORIZATION_CODE: (
            "A person owns the mailbox and consents once; every OpenID Connect server offers this flow."
        ),
        Flow.DEVICE_CODE: "A person owns the mailbox, but no browser of theirs reaches the redirect URI (RFC 8628).",
        Flow.CLIENT_CREDENTIALS: (
            "Unattended mailboxes of a server of your own: the client speaks for itself, by a secret or a certificate."
        ),
        Flow.JWT_BEARER: (
            "Unattended mailboxes of a server that takes a signed assertion for each mailbox (RFC 7523 section 2.1)."
        ),
    },
    default_transport="smtp",
    # The one method that every server which hands out secrets has to take (RFC 6749 section 2.3.1).
    token_auth_method="client_secret_basic",  # noqa: S106 - the name of a method, not a secret
    auth_methods={Flow.JWT_BEARER: "none"},
    # A server must ignore offline_access unless consent is asked for (OpenID Connect Core section 11).
    authorize_params=(("prompt", "consent"),),
    refresh_tokens=RefreshTokens.ROTATED,
    refresh_note="Unknown, so treated as rotating with the whole grant lost on reuse.",
    revoke_by_hand="The server's administrator ends the owner's sessions and his consent to the application.",
    unverified=("idle_life", "limits", "live_refresh_tokens", "refresh_tokens"),
    setup_guide="docs/providers/oidc.md",
    provider_guide="https://openid.net/specs/openid-connect-discovery-1_0.html",
)
