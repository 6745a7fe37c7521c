from __future__ import annotations

from mailbearer.registration import Endpoints, Flow, Registration


def registration_at(
    url: str, *, kind: str = "oidc", method: str = "client_secret_basic", ca_pem: str = ""
) -> Registration:
    """Make a registration with an authorization server at `url`."""
    return Registration(
        name="played",
        kind=kind,
        client_id="client-1",
        transport="smtp",
        flow=Flow.AUTHORIZATION_CODE,
        endpoints=Endpoints(
            authorize_url=f"{url}/authorize",
            token_url=f"{url}/token",
            revoke_url=f"{url}/revoke",
            userinfo_url=f"{url}/userinfo",
        ),
        scopes=("openid", "smtp"),
        authorize_params=(("prompt", "consent"),),
        token_auth_method=method,
        ca_pem=ca_pem,
    )
