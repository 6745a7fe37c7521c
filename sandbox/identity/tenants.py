"""The three tenants as data: what each provider does differently."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

GMAIL_SEND = "https://www.googleapis.com/auth/gmail.send"
GMAIL_METADATA = "https://www.googleapis.com/auth/gmail.metadata"
GMAIL_MODIFY = "https://www.googleapis.com/auth/gmail.modify"
GMAIL_READONLY = "https://www.googleapis.com/auth/gmail.readonly"
GOOGLE_MAIL = "https://mail.google.com/"
GRAPH = "https://graph.microsoft.com/"
OUTLOOK_SMTP = "https://outlook.office.com/SMTP.Send"
SMTP_SEND_AS_APP = "SMTP.SendAsApp"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class RefreshTokenRule(enum.StrEnum):
    """What a client must ask for to be given a refresh token."""

    ACCESS_TYPE_OFFLINE = "access_type_offline"
    """Google: `access_type=offline`, and `prompt=consent` or the first consent of this mailbox to this client."""
    OFFLINE_ACCESS = "offline_access"
    """Microsoft: the scope `offline_access`."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One tenant's changeable behaviour; life times are in seconds."""

    access_token_ttl: int = 3600
    refresh_token_ttl: int | None = None
    """None: refresh tokens do not expire."""
    refresh_token_expires_in: int | None = None
    """Every new grant ends after so long, and the first token answer says so (Google in Testing: 604799)."""
    live_refresh_tokens: int | None = None
    """Beyond so many of one mailbox and client, the oldest dies silently."""
    access_tokens_per_window: tuple[int, int] | None = None
    """(count, seconds): so many access tokens of one grant, then none for the rest of the window (Zoho: 10, 600)."""
    device_code_ttl: int = 900
    device_interval: int = 5
    """Seconds between two polls of a device; each `slow_down` adds 5 for that device."""
    secret_delay: int = 0
    """Seconds until a secret that Graph's `addPassword` made is good (Entra ID's replication)."""
    refresh_token_rule: RefreshTokenRule = RefreshTokenRule.ALWAYS
    rotate_refresh_tokens: bool = True
    rotated_tokens_stay_valid: bool = False
    """True: the old refresh token goes on working after a new one was given (Microsoft)."""
    revoke_family_on_reuse: bool = True
    expires_in_style: str = "number"
    """`number`, `string` or `missing`."""
    iss_in_callback: bool = True
    create_hinted_mailbox: bool = True
    """True: the sign-in page offers to make the mailbox that `login_hint` names, if there is none yet."""
    request_limit: int = 5_000_000
    """Largest JSON or MIME request of the mail API, in bytes."""
    upload_limit: int = 35_000_000
    """Largest Gmail upload, in bytes."""

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """Return a copy with the named settings replaced.

        Raises ValueError on an unknown name or a value of another kind.
        """
        known = {item.name for item in fields(self)}
        if unknown := sorted(set(changes) - known):
            raise ValueError(f"unknown setting: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        values = dict(changes)
        for name, value in changes.items():
            before = getattr(self, name)
            if name == "refresh_token_rule":
                values[name] = RefreshTokenRule(value)
            elif name in {"refresh_token_ttl", "refresh_token_expires_in", "live_refresh_tokens"}:
                if value is not None and type(value) is not int:
                    raise ValueError(f"{name} is a whole number, or null")
            elif name == "access_tokens_per_window":
                values[name] = _count_and_seconds(value)
            elif type(value) is not type(before):
                raise ValueError(f"{name} must be a {type(before).__name__}")
        if values.get("expires_in_style", "number") not in {"number", "string", "missing"}:
            raise ValueError("expires_in_style is one of number, string, missing")
        return replace(self, **values)

    def as_json(self) -> dict[str, Any]:
        """Return every setting by name."""
        return asdict(self)


def _count_and_seconds(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, (list, tuple)) and [type(item) for item in value] == [int, int] and min(value) > 0:
        return (value[0], value[1])
    raise ValueError("access_tokens_per_window is [count, seconds], both above 0, or null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One authorization server and the mail host beside it."""

    name: str
    title: str
    """What the sign-in page calls it."""
    not_really: str
    """Whom it imitates; the page says that it is not them."""
    url: str
    smtp_scopes: tuple[str, ...]
    """Any of these opens SMTP; the first is named in a refusal."""
    grant_types: tuple[str, ...]
    publishes_revocation: bool = True
    publishes_introspection: bool = True
    device_scopes: frozenset[str] | None = None
    """The only scopes a device may ask for; None: any."""
    default_app_roles: tuple[str, ...] = ()
    """What a client may do as an application unless it was registered otherwise."""
    scopes: tuple[str, ...] = ()
    """Scopes named in the discovery document; others are accepted too."""
    defaults: Settings = field(default_factory=Settings)
    api_base_url: str | None = None

    @property
    def issuer(self) -> str:
        """Return the issuer identifier, which is also the prefix of every endpoint."""
        return self.url

    @property
    def authorize_url(self) -> str:
        """Return the authorization endpoint, which shows the sign-in page."""
        return f"{self.url}/authorize"

    @property
    def token_url(self) -> str:
        """Return the token endpoint."""
        return f"{self.url}/token"

    @property
    def revoke_url(self) -> str:
        """Return the revocation endpoint."""
        return f"{self.url}/revoke"

    @property
    def userinfo_url(self) -> str:
        """Return the userinfo endpoint."""
        return f"{self.url}/userinfo"

    @property
    def introspection_url(self) -> str:
        """Return the introspection endpoint."""
        return f"{self.url}/introspect"

    @property
    def device_authorization_url(self) -> str:
        """Return the device authorization endpoint (RFC 8628)."""
        return f"{self.url}/device_authorization"

    @property
    def tokeninfo_url(self) -> str | None:
        """Return Google's tokeninfo, which it has instead of RFC 7662; None elsewhere."""
        return f"{self.url}/tokeninfo" if self.name == "google" else None

    def as_json(self) -> dict[str, str | None]:
        """Return the addresses that a client of this tenant is configured with."""
        return {
            "issuer": self.issuer,
            "authorize_url": self.authorize_url,
            "token_url": self.token_url,
            "revoke_url": self.revoke_url,
            "userinfo_url": self.userinfo_url,
            "introspection_url": self.introspection_url,
            "device_authorization_url": self.device_authorization_url,
            "tokeninfo_url": self.tokeninfo_url,
            "api_base_url": self.api_base_url,
        }


def tenants_at(url: str) -> dict[str, Tenant]:
    """Return the three tenants of a world served at `url` (no slash at the end)."""
    google = Tenant(
        name="google",
        title="Sandbox for Google",
        not_really="Google",
        url=f"{url}/google",
        api_base_url=f"{url}/google",
        smtp_scopes=(GOOGLE_MAIL,),
        grant_types=("authorization_code", "refresh_token", DEVICE_CODE, JWT_BEARER),
        device_scopes=frozenset({"openid", "email", "profile"}),
        publishes_introspection=False,
        scopes=("openid", "email", "profile", GMAIL_SEND, GOOGLE_MAIL),
        defaults=Settings(
            refresh_token_rule=RefreshTokenRule.ACCESS_TYPE_OFFLINE,
            rotate_refresh_tokens=False,
            revoke_family_on_reuse=False,
        ),
    )
    microsoft = Tenant(
        name="microsoft",
        title="Sandbox for Microsoft",
        not_really="Microsoft",
        url=f"{url}/microsoft",
        api_base_url=f"{url}/microsoft",
        smtp_scopes=(OUTLOOK_SMTP, SMTP_SEND_AS_APP),
        grant_types=("authorization_code", "refresh_token", "client_credentials", DEVICE_CODE),
        default_app_roles=("Mail.Send", "User.Read.All", SMTP_SEND_AS_APP),
        publishes_revocation=False,
        publishes_introspection=False,
        scopes=("openid", "email", "profile", "offline_access", "User.Read", "Mail.Send", OUTLOOK_SMTP),
        defaults=Settings(
            refresh_token_rule=RefreshTokenRule.OFFLINE_ACCESS,
            refresh_token_ttl=90 * 86_400,
            rotated_tokens_stay_valid=True,
            revoke_family_on_reuse=False,
            request_limit=4 * 1024 * 1024,
        ),
    )
    oidc = Tenant(
        name="oidc",
        title="Sandbox identity provider",
        not_really="a real identity provider",
        url=f"{url}/oidc",
        smtp_scopes=("smtp",),
        grant_types=("authorization_code", "refresh_token", "client_credentials", DEVICE_CODE),
        scopes=("openid", "email", "profile", "offline_access", "smtp"),
    )
    return {tenant.name: tenant for tenant in (google, microsoft, oidc)}
