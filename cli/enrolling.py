"""Keeping a registration with what proves it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cli.operation import Operation
from cli.refusal import Refused
from mailbearer.credential import Credential
from mailbearer.errors import Conflict, MailbearerError
from mailbearer.registration import Flow, Registration
from mailbearer.resources import registration_resource


def enrol(operation: Operation, wanted: Registration, credential: Credential) -> Registration:
    """Keep credential and registration, and say so in the audit log before and after.

    The credential goes first, so that a registration which can be seen is whole. What a crash leaves behind is a secret
    that the same command finds in its place, or an outcome missing after its intent. Raises `Refused` and `Conflict`.
    """
    wiring, actor = operation.cloud.wiring, operation.cloud.actor
    stands = wiring.registrations.get(wanted.name)
    if stands:
        wanted = _with_history(wanted, stands)
    if stands and stands != wanted:
        raise _taken(operation, stands, wanted)
    facts = {"kind": wanted.kind, "transport": wanted.transport, "flow": wanted.flow, "client_id": wanted.client_id}
    wiring.trail.intend("registration.create", wanted.name, actor=actor, **facts)
    try:
        wiring.credentials.create(wanted.name, credential)
        if not stands and not wiring.registrations.create(wanted):
            raise Conflict(f"Somebody else has just added {wanted.name}; see `mailbearer providers list`.")
    except MailbearerError as error:
        wiring.trail.note("registration.created", wanted.name, "failed", actor=actor, reason=error.code, **facts)
        wiring.trail.flush()
        raise
    outcome = "repeated" if stands else "created"
    wiring.trail.note("registration.created", wanted.name, outcome, actor=actor, **facts)
    wiring.trail.flush()
    return wanted


def resource(operation: Operation, registration: Registration) -> dict[str, Any]:
    """Write a registration as the API does, with what only its operator needs."""
    endpoints, by_browser = registration.endpoints, registration.flow is Flow.AUTHORIZATION_CODE
    return registration_resource(registration) | {
        "cloud": registration.cloud or None,
        "tenant": registration.tenant or None,
        "authorize_url": endpoints.authorize_url or None,
        "token_url": endpoints.token_url,
        "device_authorization_url": endpoints.device_authorization_url or None,
        "revoke_url": endpoints.revoke_url or None,
        "userinfo_url": endpoints.userinfo_url or None,
        "introspection_url": endpoints.introspection_url or None,
        "tokeninfo_url": endpoints.tokeninfo_url or None,
        "token_auth_method": registration.token_auth_method,
        "api_base_url": registration.api_base_url or None,
        "redirect_uri": f"{operation.api_url}/oauth/callback" if by_browser else None,
    }


def _with_history(wanted: Registration, stands: Registration) -> Registration:
    """Give the wanted registration what came to the standing one with time, which no operator says."""
    return replace(
        wanted,
        created_at=stands.created_at,
        warned=stands.warned,
        checked_at=stands.checked_at,
        revision=stands.revision,
    )


def _taken(operation: Operation, stands: Registration, wanted: Registration) -> Refused:
    there, here = resource(operation, stands), resource(operation, wanted)
    names = [name for name in there if there[name] != here[name]] or ["certificates"]
    return Refused(
        f"There is a registration {wanted.name} already, with other values in: {', '.join(names)}.",
        remedy="Choose another name, or give the values that it was added with.",
    )
