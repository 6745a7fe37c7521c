"""The built-in sandbox: no provider, no token, and mail that is captured instead of sent."""

from __future__ import annotations

from mailbearer.definition import Definition, RefreshTokens
from mailbearer.registration import SANDBOX as REGISTRATION
from mailbearer.registration import Flow

SANDBOX = Definition(
    kind=REGISTRATION.kind,
    title="The sandbox",
    endpoints=REGISTRATION.endpoints,
    scopes={REGISTRATION.transport: ()},
    app_scopes={REGISTRATION.transport: ()},
    flows={Flow.NONE: "Nothing is sent, so nobody has to allow it."},
    default_transport=REGISTRATION.transport,
    token_auth_method=REGISTRATION.token_auth_method,
    refresh_tokens=RefreshTokens.KEPT,
    refresh_note="There are none.",
    probes=(),
    revoke_by_hand="There is nothing to revoke at any provider.",
    setup_guide="docs/how-to/try-it-in-a-deployed-stack.md",
    provider_guide="",
)
