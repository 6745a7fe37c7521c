"""Microsoft: Entra ID with Exchange Online, and Outlook.com; each national cloud has its own of everything."""

from __future__ import annotations

from mailbearer.definition import Cloud, Definition, ProbeBy, RefreshTokens
from mailbearer.registration import Endpoints, Flow, SmtpServer

_IDENTITY = ("openid", "email", "offline_access")
_GRAPHS = (
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
)
_PUBLIC_CLIENT = ("Entra admin center > App registrations > {client_id} > Authentication: allow public client flows.",)
_SERVICE_PRINCIPAL = (
    "Connect-ExchangeOnline -Organization {tenant}",
    # The object id of the app registration is another one, and Exchange takes it without a word.
    "New-ServicePrincipal -AppId {client_id} -ObjectId OBJECT_ID   # the Object ID under Enterprise applications",
)


def _endpoints(login: str, graph: str) -> Endpoints:
    """Give a cloud's endpoints; there is no endpoint for revocation or introspection in any."""
    base = f"https://{login}/{{tenant}}/oauth2/v2.0"
    return Endpoints(
        authorize_url=f"{base}/authorize",
        token_url=f"{base}/token",
        device_authorization_url=f"{base}/devicecode",
        userinfo_url=f"https://{graph}/oidc/userinfo",
        issuer=f"https://{login}/{{tenant}}/v2.0",
    )


def _cloud(title: str, *, login: str, graph: str, outlook: str, smtp: str, unverified: tuple[str, ...]) -> Cloud:
    # Without a host a scope means worldwide Graph, so the other clouds name theirs.
    return Cloud(
        title=title,
        endpoints=_endpoints(login, graph),
        smtp=SmtpServer(host=smtp, port=587, security="starttls"),
        api_base_urls={"graph": f"https://{graph}"},
        scopes={
            "graph": (*_IDENTITY, f"https://{graph}/Mail.Send"),
            "smtp": (*_IDENTITY, f"https://{outlook}/SMTP.Send"),
        },
        app_scopes={"graph": (f"https://{graph}/.default",), "smtp": (f"https://{outlook}/.default",)},
        unverified=unverified,
    )


MICROSOFT = Definition(
    kind="microsoft",
    title="Microsoft (Microsoft 365, Outlook.com)",
    endpoints=_endpoints("login.microsoftonline.com", "graph.microsoft.com"),
    scopes={
        "graph": (*_IDENTITY, "Mail.Send"),
        "smtp": (*_IDENTITY, "https://outlook.office.com/SMTP.Send"),
    },
    app_scopes={
        "graph": ("https://graph.microsoft.com/.default",),
        "smtp": ("https://outlook.office365.com/.default",),
    },
    flows={
        Flow.AUTHORIZATION_CODE: (
            "A person owns the mailbox and consents once; an app-only grant could send as any mailbox."
        ),
        Flow.DEVICE_CODE: (
            "A person owns the mailbox, but no browser of theirs reaches the redirect URI. Many tenants block this "
            "flow by Conditional Access, because it is phished for."
        ),
        Flow.CLIENT_CREDENTIALS: (
            "Unattended mailboxes of one tenant: nobody has to sign in and no grant can die; an administrator limits "
            "the mailboxes in Exchange."
        ),
    },
    default_transport="graph",
    token_auth_method="client_secret_post",  # noqa: S106 - the name of a method, not a secret
    # The device flow is for public clients, and such a one may not send a secret (AADSTS700025).
    auth_methods={Flow.DEVICE_CODE: "none"},
    usual_cloud="worldwide",
    clouds={
        "usgov": _cloud(
            "US Government (GCC High)",
            login="login.microsoftonline.us",
            graph="graph.microsoft.us",
            outlook="outlook.office365.us",
            smtp="smtp.office365.us",
            unverified=("scopes.smtp", "app_scopes.smtp"),
        ),
        "dod": _cloud(
            "US Government (DoD)",
            login="login.microsoftonline.us",
            graph="dod-graph.microsoft.us",
            outlook="outlook-dod.office365.us",
            smtp="outlook-dod.office365.us",
            unverified=("smtp", "scopes.smtp", "app_scopes.smtp"),
        ),
        "china": _cloud(
            "China (operated by 21Vianet)",
            login="login.partner.microsoftonline.cn",
            graph="microsoftgraph.chinacloudapi.cn",
            outlook="partner.outlook.cn",
            smtp="smtp.partner.outlook.cn",
            unverified=("scopes.smtp", "app_scopes.smtp"),
        ),
    },
    usual_tenant="common",
    shared_tenants=("common", "organizations", "consumers"),
    authorize_params=(("prompt", "select_account"),),
    smtp=SmtpServer(host="smtp.office365.com", port=587, security="starttls"),
    api_base_urls={"graph": "https://graph.microsoft.com"},
    # Not `email`: a tenant's administrator can set that claim to any address.
    identity_claims=("preferred_username", "upn"),
    # Entra leaves it out of what it grants, and may give no next refresh token unless it is asked for.
    refresh_scopes=("offline_access",),
    proves_itself=True,
    refresh_tokens=RefreshTokens.RENEWED,
    idle_life=7_776_000,
    refresh_note=(
        "Lives 90 days from its issue; each use gives a new one with another 90 days, and the old one stays good. Ends "
        "when a user or an administrator revokes it, and on an administrator's reset of the password."
    ),
    probes=(ProbeBy.USERINFO, ProbeBy.MAIL),
    revoke_by_hand=(
        "The owner ends it at https://myapps.microsoft.com (a personal account: https://account.live.com/consent/Manage),"
        " or an administrator in the Entra admin center under Enterprise applications > Permissions; an unattended one"
        " with Remove-ManagementRoleAssignment."
    ),
    limits=(
        ("recipients_per_day", 10_000),
        ("messages_per_minute", 30),
        ("concurrency_smtp", 3),
        ("concurrency_graph", 4),
        ("graph_requests_per_10_minutes", 10_000),
        ("graph_upload_bytes_per_5_minutes", 150_000_000),
        ("message_bytes_mime", 2_200_000),
        ("message_bytes", 35_000_000),
        ("message_bytes_draft", 150_000_000),
    ),
    scope_names={
        name: tuple(f"https://{graph}/{name}" for graph in _GRAPHS)
        # The last three only where the operator asks for them: to send large messages, and to look for sent ones.
        for name in ("Mail.Send", "Mail.ReadWrite", "Mail.Read", "Mail.ReadBasic")
    },
    admin_steps={
        (Flow.DEVICE_CODE, "graph"): _PUBLIC_CLIENT,
        (Flow.DEVICE_CODE, "smtp"): _PUBLIC_CLIENT,
        (Flow.CLIENT_CREDENTIALS, "graph"): (
            *_SERVICE_PRINCIPAL,
            "New-ManagementScope -Name Mailbearer -RecipientRestrictionFilter \"CustomAttribute1 -eq 'mailbearer'\"",
            "New-ManagementRoleAssignment -App OBJECT_ID -Role 'Application Mail.Send' -CustomResourceScope Mailbearer",
            "Set-Mailbox -Identity MAILBOX -CustomAttribute1 mailbearer   # each mailbox that may be sent from",
            "Test-ServicePrincipalAuthorization -Identity OBJECT_ID -Resource MAILBOX",
            "Do not grant the Graph application permission Mail.Send as well: it opens every mailbox of the tenant.",
        ),
        (Flow.CLIENT_CREDENTIALS, "smtp"): (
            "Entra admin center > App registrations > {client_id} > API permissions > Office 365 Exchange Online.",
            "Application permissions: add SMTP.SendAsApp and grant admin consent.",
            *_SERVICE_PRINCIPAL,
            "Add-MailboxPermission -Identity MAILBOX -User OBJECT_ID -AccessRights FullAccess   # each mailbox",
            "Set-CASMailbox -Identity MAILBOX -SmtpClientAuthenticationDisabled $false",
        ),
    },
    cautions={"smtp": "SMTP AUTH has to be switched on for the tenant or the mailbox, and security defaults block it."},
    unverified=("limits.concurrency_graph",),
    setup_guide="docs/providers/microsoft.md",
    provider_guide="https://learn.microsoft.com/entra/identity-platform/quickstart-register-app",
)
