"""Google: Gmail and Google Workspace."""

from __future__ import annotations

from mailbearer.definition import Definition, ProbeBy, RefreshTokens
from mailbearer.registration import Endpoints, Flow, SmtpServer

_SEND = "https://www.googleapis.com/auth/gmail.send"
_WHOLE_MAILBOX = "https://mail.google.com/"
_DELEGATION = (
    "Google Cloud console > APIs & Services > Library: enable the Gmail API in the service account's project.",
    "Google Admin console > Security > Access and data control > API controls > Manage domain-wide delegation.",
    "Add new: client ID {delegation_id}, OAuth scopes {scopes}",
)

GOOGLE = Definition(
    kind="google",
    title="Google (Gmail, Google Workspace)",
    endpoints=Endpoints(
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 - an address, not a secret
        revoke_url="https://oauth2.googleapis.com/revoke",
        userinfo_url="https://openidconnect.googleapis.com/v1/userinfo",
        tokeninfo_url="https://oauth2.googleapis.com/tokeninfo",
        issuer="https://accounts.google.com",
    ),
    scopes={
        # gmail.send is a sensitive scope; SMTP takes only the restricted one that opens the whole mailbox.
        "gmail": ("openid", "email", _SEND),
        "smtp": ("openid", "email", _WHOLE_MAILBOX),
    },
    app_scopes={"gmail": (_SEND,), "smtp": (_WHOLE_MAILBOX,)},
    flows={
        Flow.AUTHORIZATION_CODE: (
            "A person owns the mailbox and consents once; Google's device flow does not offer mail scopes."
        ),
        Flow.JWT_BEARER: (
            "Unattended mailboxes of a Workspace domain: a service account signs for each mailbox, as far as the "
            "domain's administrator delegates it. Google has no client credentials flow for mail."
        ),
    },
    default_transport="gmail",
    token_auth_method="client_secret_post",  # noqa: S106 - the name of a method, not a secret
    auth_methods={Flow.JWT_BEARER: "none"},
    # Without `offline` there is no refresh token; without `consent` Google gives it only the first time.
    authorize_params=(("access_type", "offline"), ("prompt", "consent")),
    smtp=SmtpServer(host="smtp.gmail.com", port=587, security="starttls"),
    api_base_urls={"gmail": "https://gmail.googleapis.com"},
    # Google does send `iss`, but its discovery document does not promise it; it is checked when it comes.
    issuer_in_callback=False,
    identity_claims=("email",),
    says_email_verified=True,
    refresh_tokens=RefreshTokens.KEPT,
    idle_life=15_552_000,
    live_refresh_tokens=100,
    refresh_note=(
        "Ends on revocation, after 6 months without use, on a password change (mail scopes), after 7 days while the "
        "app is in Testing, and, the oldest first, beyond 100 live tokens per account and client."
    ),
    probes=(ProbeBy.TOKENINFO, ProbeBy.USERINFO, ProbeBy.MAIL),
    revoke_by_hand=(
        "The owner removes the application at https://myaccount.google.com/connections; for a service account an"
        " administrator removes its domain-wide delegation."
    ),
    limits=(
        ("messages_per_day_personal", 500),
        ("messages_per_day_workspace", 2000),
        ("messages_per_day_workspace_trial", 500),
        ("messages_per_minute", 60),
        ("recipients_per_message_gmail", 500),
        ("recipients_per_message_smtp", 100),
        ("recipients_per_day_workspace_external", 3000),
        ("message_bytes_json", 3_500_000),
        ("message_bytes", 35_000_000),
    ),
    personal_domains=("gmail.com", "googlemail.com"),
    scope_names={
        "email": ("https://www.googleapis.com/auth/userinfo.email",),
        "profile": ("https://www.googleapis.com/auth/userinfo.profile",),
    },
    admin_steps={(Flow.JWT_BEARER, "gmail"): _DELEGATION, (Flow.JWT_BEARER, "smtp"): _DELEGATION},
    cautions={
        "smtp": "Google's SMTP takes no narrower scope than https://mail.google.com/, which opens the whole mailbox."
    },
    unverified=("refresh_tokens",),
    setup_guide="docs/providers/google.md",
    provider_guide="https://developers.google.com/identity/protocols/oauth2/web-server",
)
