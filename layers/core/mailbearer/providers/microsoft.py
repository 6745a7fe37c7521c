"""Microsoft: Entra ID with Exchange Online, and Outlook.com."""

from __future__ import annotations

from mailbearer.definition import Definition, RefreshTokens
from mailbearer.registration import Endpoints, Flow, SmtpServer

MICROSOFT = Definition(
    kind="microsoft",
    title="Microsoft (Microsoft 365, Outlook.com)",
    # No issuer: behind `common` each tenant has its own. No revocation and no introspection endpoint exists.
    endpoints=Endpoints(
        authorize_url="https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        token_url="https://login.microsoftonline.com/common/oauth2/v2.0/token",  # noqa: S106 - an address, not a secret
        userinfo_url="https://graph.microsoft.com/oidc/userinfo",
    ),
    scopes={
        "graph": ("openid", "email", "offline_access", "Mail.Send"),
        "smtp": ("openid", "email", "offline_access", "https://outlook.office.com/SMTP.Send"),
    },
    flows={
        Flow.AUTHORIZATION_CODE: (
            "A person owns the mailbox and consents once; an app-only grant could send as any mailbox."
        ),
    },
    default_transport="graph",
    token_auth_method="client_secret_post",  # noqa: S106 - the name of a method, not a secret
    authorize_params=(("prompt", "select_account"),),
    smtp=SmtpServer(host="smtp.office365.com", port=587, security="starttls"),
    api_base_urls={"graph": "https://graph.microsoft.com"},
    # Not `email`: a tenant's administrator can set that claim to any address.
    identity_claims=("preferred_username", "upn"),
    # Entra leaves it out of what it grants, and may give no next refresh token unless it is asked for.
    refresh_scopes=("offline_access",),
    proves_itself=True,
    refresh_tokens=RefreshTokens.RENEWED,
    refresh_note="Lives 90 days from its issue; each use gives a new one with another 90 days.",
    revocation_note="No revocation endpoint: the grant ends when the user or an administrator ends it in the portal.",
    limits=(
        ("recipients_per_day", 10_000),
        ("messages_per_minute", 30),
        ("smtp_connections", 3),
        ("graph_concurrency", 4),
        ("graph_requests_per_10_minutes", 10_000),
        ("message_bytes_mime", 2_200_000),
        ("message_bytes", 35_000_000),
    ),
    scope_names={
        "Mail.Send": tuple(
            f"https://{host}/Mail.Send"
            for host in ("graph.microsoft.com", "graph.microsoft.us", "microsoftgraph.chinacloudapi.cn")
        ),
    },
    setup_guide="https://learn.microsoft.com/entra/identity-platform/quickstart-register-app",
)
