"""Google: Gmail and Google Workspace."""

from __future__ import annotations

from mailbearer.definition import Definition, RefreshTokens
from mailbearer.registration import Endpoints, Flow, SmtpServer

GOOGLE = Definition(
    kind="google",
    title="Google (Gmail, Google Workspace)",
    endpoints=Endpoints(
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 - an address, not a secret
        revoke_url="https://oauth2.googleapis.com/revoke",
        userinfo_url="https://openidconnect.googleapis.com/v1/userinfo",
        issuer="https://accounts.google.com",
    ),
    scopes={
        # gmail.send is a sensitive scope; SMTP takes only the restricted one that opens the whole mailbox.
        "gmail": ("openid", "email", "https://www.googleapis.com/auth/gmail.send"),
        "smtp": ("openid", "email", "https://mail.google.com/"),
    },
    flows={
        Flow.AUTHORIZATION_CODE: (
            "A person owns the mailbox and consents once; Google's device flow does not offer mail scopes."
        ),
    },
    default_transport="gmail",
    token_auth_method="client_secret_post",  # noqa: S106 - the name of a method, not a secret
    # Without `offline` there is no refresh token; without `consent` Google gives it only the first time.
    authorize_params=(("access_type", "offline"), ("prompt", "consent")),
    smtp=SmtpServer(host="smtp.gmail.com", port=587, security="starttls"),
    api_base_urls={"gmail": "https://gmail.googleapis.com"},
    # Google does send `iss`, but its discovery document does not promise it; it is checked when it comes.
    issuer_in_callback=False,
    identity_claims=("email",),
    refresh_tokens=RefreshTokens.KEPT,
    live_refresh_tokens=100,
    refresh_note=(
        "Ends on revocation, after 6 months without use, on a password change (mail scopes), after 7 days while the "
        "app is in Testing, and, the oldest first, beyond 100 live tokens per account and client."
    ),
    revocation_note="Revoking either token ends the whole grant for the Google Cloud project.",
    limits=(
        ("messages_per_day_personal", 500),
        ("messages_per_day_workspace", 2000),
        ("recipients_per_message_api_external", 500),
        ("recipients_per_message_smtp", 100),
        ("messages_per_minute", 60),
        ("message_bytes_json", 3_500_000),
        ("message_bytes", 35_000_000),
    ),
    scope_names={
        "email": ("https://www.googleapis.com/auth/userinfo.email",),
        "profile": ("https://www.googleapis.com/auth/userinfo.profile",),
    },
    setup_guide="https://developers.google.com/identity/protocols/oauth2/web-server",
)
