"""What is left to do at the provider after a registration was added here, and what to know about it."""

from __future__ import annotations

from urllib.parse import urlsplit

from mailbearer.definition import Definition
from mailbearer.providers import DEFINITIONS
from mailbearer.registration import Registration

_PAGES = "https://github.com/mailbearer/mailbearer/blob/main/"


def steps(registration: Registration, *, client_number: str = "") -> list[str]:
    """Give what an administrator does at the provider, in order; what looks like a command is PowerShell's.

    `client_number` is the number by which Google's administrators know a service account.
    """
    definition = _own(registration)
    if definition is None:
        return []
    places = {
        "client_id": registration.client_id,
        "delegation_id": client_number or "(the service account's unique ID, a number)",
        "scopes": ",".join(registration.scopes),
        "tenant": registration.tenant,
    }
    todo = definition.admin_steps.get((registration.flow, registration.transport), ())
    return [step.format_map(places) for step in todo]


def warnings(registration: Registration) -> list[str]:
    """Give what to know before mail depends on the registration."""
    definition = _own(registration)
    if definition is None:
        return []
    transport = registration.transport
    scopes = "app_scopes" if registration.flow.unattended else "scopes"
    concerned = {f"{scopes}.{transport}", *(("smtp",) if transport == "smtp" else ())}
    doubtful = sorted(concerned & set(definition.unverified))
    caution = definition.cautions.get(transport, "")
    where = f" See {_PAGES}{definition.setup_guide}."
    return [
        *([caution] if caution else []),
        *([f"Not verified at the provider: {', '.join(doubtful)}.{where}"] if doubtful else []),
    ]


def pages(registration: Registration) -> tuple[str, str]:
    """Give the page to follow and the provider's own; empty for a kind that is not known any more."""
    definition = DEFINITIONS.get(registration.kind)
    return (_PAGES + definition.setup_guide, definition.provider_guide) if definition else ("", "")


def _own(registration: Registration) -> Definition | None:
    """Give the definition if the registration is at that provider itself, not at a server of somebody's own."""
    definition = DEFINITIONS.get(registration.kind)
    if definition is None or registration.cloud not in {"", *definition.cloud_names}:
        return None
    here = definition.at(registration.cloud)
    same = urlsplit(here.endpoints.token_url).netloc == urlsplit(registration.endpoints.token_url).netloc
    return here if same else None
