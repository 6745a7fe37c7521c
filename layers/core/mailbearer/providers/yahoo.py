"""Yahoo Mail, and AOL Mail in a namespace of its own."""

from __future__ import annotations

from mailbearer.definition import Cloud, Definition, ProbeBy, RefreshTokens
from mailbearer.registration import Endpoints, Flow, SmtpServer


def _endpoints(host: str) -> Endpoints:
    base = f"https://{host}/oauth2"
    return Endpoints(
        authorize_url=f"{base}/request_auth",
        token_url=f"{base}/get_token",
        revoke_url=f"{base}/revoke",
        introspection_url=f"{base}/introspect",
    )


YAHOO = Definition(
    kind="yahoo",
    title="Yahoo Mail, AOL Mail",
    endpoints=_endpoints("api.login.yahoo.com"),
    scopes={"smtp": ("mail-w",)},
    flows={Flow.AUTHORIZATION_CODE: "A person owns the mailbox and consents once; no other flow is known for mail."},
    default_transport="smtp",
    token_auth_method="client_secret_basic",  # noqa: S106 - the name of a method, not a secret
    usual_cloud="yahoo",
    clouds={
        "aol": Cloud(
            title="AOL Mail",
            endpoints=_endpoints("api.login.aol.com"),
            smtp=SmtpServer(host="smtp.aol.com", port=465, security="tls"),
            unverified=("endpoints.revoke_url",),
        ),
    },
    smtp=SmtpServer(host="smtp.mail.yahoo.com", port=465, security="tls"),
    identity_claims=("email",),
    refresh_tokens=RefreshTokens.ROTATED,
    refresh_note=(
        "Reported to live long, to end when a new one is given and when the password changes; so it is treated as "
        "rotating, with the whole grant lost on reuse."
    ),
    # The scope `mail-w` says nothing of who somebody is, so the mail server alone can tell.
    probes=(ProbeBy.MAIL,),
    revoke_by_hand="The owner removes the application in the account's security settings.",
    limits=(("messages_per_day", 500), ("message_bytes", 41_697_280)),
    cautions={
        "smtp": "Yahoo gives the scope mail-w only to clients that it has approved (its Mail API access form) and that "
        "have signed a commercial agreement; a new client is refused with invalid_scope until then."
    },
    unverified=(
        "endpoints.introspection_url",
        "idle_life",
        "limits.messages_per_day",
        "live_refresh_tokens",
        "refresh_tokens",
    ),
    setup_guide="docs/providers/yahoo.md",
    provider_guide="https://senders.yahooinc.com/developer/developer-access-mail-form",
)
