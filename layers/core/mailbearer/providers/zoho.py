"""Zoho Mail, at the data centre where the mailbox lives."""

from __future__ import annotations

from mailbearer.definition import Cloud, Definition, ProbeBy, RefreshTokens
from mailbearer.registration import Endpoints, Flow, SmtpServer


def _endpoints(domain: str) -> Endpoints:
    base = f"https://accounts.{domain}/oauth/v2"
    return Endpoints(authorize_url=f"{base}/auth", token_url=f"{base}/token", revoke_url=f"{base}/token/revoke")


def _smtp(domain: str) -> SmtpServer:
    return SmtpServer(host=f"smtp.{domain}", port=465, security="tls")


def _data_centre(title: str, domain: str, location: str) -> Cloud:
    return Cloud(
        title=title,
        endpoints=_endpoints(domain),
        smtp=_smtp(domain),
        api_base_urls={"zoho": f"https://mail.{domain}"},
        location=location,
    )


ZOHO = Definition(
    kind="zoho",
    title="Zoho Mail",
    endpoints=_endpoints("zoho.com"),
    scopes={"smtp": ("ZohoMail.messages.CREATE",)},
    flows={
        Flow.AUTHORIZATION_CODE: (
            "A person owns the mailbox and consents once. Zoho's device flow has request types of its own in place of "
            "RFC 8628's, so it is not offered."
        ),
    },
    default_transport="smtp",
    token_auth_method="client_secret_post",  # noqa: S106 - the name of a method, not a secret
    usual_cloud="com",
    location="us",
    clouds={
        "eu": _data_centre("Europe", "zoho.eu", "eu"),
        "in": _data_centre("India", "zoho.in", "in"),
        "com.au": _data_centre("Australia", "zoho.com.au", "au"),
        "com.cn": _data_centre("China", "zoho.com.cn", "cn"),
        "jp": _data_centre("Japan", "zoho.jp", "jp"),
        "ca": _data_centre("Canada", "zohocloud.ca", "ca"),
        "sa": _data_centre("Saudi Arabia", "zoho.sa", "sa"),
        "uk": _data_centre("United Kingdom", "zoho.uk", "uk"),
    },
    # Without `offline` there is no refresh token; without `consent` it comes only the first time.
    authorize_params=(("access_type", "offline"), ("prompt", "consent")),
    smtp=_smtp("zoho.com"),
    # Their Mail API is no transport of ours yet.
    api_base_urls={"zoho": "https://mail.zoho.com"},
    identity_claims=("email",),
    refresh_tokens=RefreshTokens.KEPT,
    live_refresh_tokens=20,
    token_calls=(10, 600),
    refresh_note=(
        "Does not end by itself; the 21st of a user deletes the oldest. Beyond ten access tokens in ten minutes the "
        "refresh token is blocked for the rest of that time."
    ),
    probes=(ProbeBy.MAIL,),
    revoke_by_hand=(
        "The owner removes the application at https://accounts.zoho.com, or there at the data centre's own address,"
        " under Sessions > Connected Apps."
    ),
    limits=(
        ("live_access_tokens", 10),
        ("refresh_tokens_per_minute", 5),
        ("message_bytes", 53_477_376),
    ),
    cautions={
        "smtp": "Not verified: no Zoho SMTP server was seen to take OAuth2, and the one looked at (2018) offered "
        "passwords only. Zoho's Mail API is no transport of Mailbearer yet. Try one mailbox before you count on it."
    },
    unverified=(
        "idle_life",
        "limits.live_access_tokens",
        "limits.message_bytes",
        "location",
        "refresh_tokens",
        "scopes.smtp",
        "smtp",
    ),
    setup_guide="docs/providers/zoho.md",
    provider_guide="https://www.zoho.com/accounts/protocol/oauth.html",
)
