"""The options of `mailbearer providers add`."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mailbearer.providers import DEFINITIONS
from mailbearer.registration import Flow

KINDS = ", ".join(DEFINITIONS)
_FLOWS = ", ".join(flow for flow in Flow if flow.has_token)
_CLOUDS = "; ".join(f"{kind}: {', '.join(found.cloud_names)}" for kind, found in DEFINITIONS.items() if found.clouds)
_PROOF, _SERVER, _MAIL = "What proves the application", "A server of your own", "Mail"

Kind: TypeAlias = Annotated[str, typer.Option(help=f"The kind of provider: {KINDS}.")]
FlowName: TypeAlias = Annotated[
    str,
    typer.Option("--flow", help=f"How to come by tokens: {_FLOWS}. (default: the kind's usual one)"),
]
CloudName: TypeAlias = Annotated[
    str,
    typer.Option("--cloud", metavar="NAME", help=f"National cloud or data centre. {_CLOUDS}. (default: the first)"),
]
Tenant: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="ID",
        help="Microsoft's tenant: its id or a domain of it, or common, organizations, consumers. (default: common)",
    ),
]
ClientId: TypeAlias = Annotated[str, typer.Option(metavar="ID", help="The client id that the provider shows.")]

ClientSecretStdin: TypeAlias = Annotated[
    bool,
    typer.Option("--client-secret-stdin", help="Read the client secret from standard input.", rich_help_panel=_PROOF),
]
SecretExpires: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="DATE", help="The day on which the secret or bare key expires: 2027-01-31.", rich_help_panel=_PROOF
    ),
]
SecretId: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="ID", help="The provider's own id of the secret or key (Entra's key id).", rich_help_panel=_PROOF
    ),
]
CertificateFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="PEM", help="A certificate in place of a secret.", rich_help_panel=_PROOF),
]
PrivateKeyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="PEM",
        help="Its private key (RSA, no passphrase). (default: the certificate's file)",
        rich_help_panel=_PROOF,
    ),
]
ServiceAccountFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="JSON", help="The key file of a Google service account.", rich_help_panel=_PROOF),
]
TokenAuthMethod: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help="client_secret_basic, client_secret_post, private_key_jwt or none (a public client). "
        "(default: what the server takes)",
        rich_help_panel=_PROOF,
    ),
]

Issuer: TypeAlias = Annotated[
    str, typer.Option(metavar="URL", help="The issuer; its endpoints are discovered.", rich_help_panel=_SERVER)
]
AuthorizeUrl: TypeAlias = Annotated[
    str, typer.Option(metavar="URL", help="The authorization endpoint.", rich_help_panel=_SERVER)
]
TokenUrl: TypeAlias = Annotated[str, typer.Option(metavar="URL", help="The token endpoint.", rich_help_panel=_SERVER)]
DeviceAuthorizationUrl: TypeAlias = Annotated[
    str, typer.Option(metavar="URL", help="The device authorization endpoint.", rich_help_panel=_SERVER)
]
RevokeUrl: TypeAlias = Annotated[
    str, typer.Option(metavar="URL", help="The revocation endpoint.", rich_help_panel=_SERVER)
]
UserinfoUrl: TypeAlias = Annotated[
    str, typer.Option(metavar="URL", help="The userinfo endpoint.", rich_help_panel=_SERVER)
]
IntrospectionUrl: TypeAlias = Annotated[
    str, typer.Option(metavar="URL", help="The introspection endpoint.", rich_help_panel=_SERVER)
]
TokeninfoUrl: TypeAlias = Annotated[
    str, typer.Option(metavar="URL", help="An endpoint like Google's tokeninfo.", rich_help_panel=_SERVER)
]
CaFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="PEM", help="Certificates to trust for this provider beside the system's.", rich_help_panel=_SERVER
    ),
]

Scope: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="A scope to ask for, in place of the kind's own. (default: the least that sends)", rich_help_panel=_MAIL
    ),
]
TransportName: TypeAlias = Annotated[
    str,
    typer.Option("--transport", help="gmail, graph or smtp. (default: the kind's own)", rich_help_panel=_MAIL),
]
SmtpHost: TypeAlias = Annotated[
    str, typer.Option(metavar="HOST", help="Where mail is submitted.", rich_help_panel=_MAIL)
]
SmtpPort: TypeAlias = Annotated[
    int, typer.Option(min=0, max=65535, help="Its port. (default: 587, or 465 for tls)", rich_help_panel=_MAIL)
]
SmtpSecurity: TypeAlias = Annotated[
    str, typer.Option(help="starttls or tls. (default: starttls, or tls on port 465)", rich_help_panel=_MAIL)
]
ApiBaseUrl: TypeAlias = Annotated[
    str, typer.Option(metavar="URL", help="Where the Gmail or Graph API is.", rich_help_panel=_MAIL)
]
