"""Fastmail: public clients, registered by hand."""

from __future__ import annotations

from mailbearer.definition import Definition, ProbeBy, RefreshTokens
from mailbearer.registration import Endpoints, Flow, SmtpServer

FASTMAIL = Definition(
    kind="fastmail",
    title="Fastmail",
    endpoints=Endpoints(
        authorize_url="https://api.fastmail.com/oauth/authorize",
        token_url="https://api.fastmail.com/oauth/refresh",  # noqa: S106 - an address, not a secret
    ),
    scopes={"smtp": ("https://www.fastmail.com/dev/protocol-smtp",)},
    flows={
        Flow.AUTHORIZATION_CODE: (
            "A person owns the mailbox and consents once; Fastmail registers public clients, so PKCE stands where a "
            "secret would."
        ),
    },
    default_transport="smtp",
    token_auth_method="none",  # noqa: S106 - the name of a method, not a secret
    smtp=SmtpServer(host="smtp.fastmail.com", port=465, security="tls"),
    identity_claims=("email",),
    refresh_tokens=RefreshTokens.ROTATED,
    refresh_note="Not known, so treated as rotating with the whole grant lost on reuse.",
    # The scope says nothing of who somebody is, so the mail server alone can tell.
    probes=(ProbeBy.MAIL,),
    revoke_by_hand=(
        "The owner removes the application in Fastmail under"
        " Settings > Privacy & Security > Connected apps & API tokens."
    ),
    unverified=("idle_life", "limits", "live_refresh_tokens", "refresh_tokens", "revoke_by_hand"),
    setup_guide="docs/providers/fastmail.md",
    provider_guide="https://www.fastmail.com/developer/oauth/",
)
