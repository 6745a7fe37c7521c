from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from mailbearer.providers.fastmail import FASTMAIL
from mailbearer.providers.google import GOOGLE
from mailbearer.providers.microsoft import MICROSOFT
from mailbearer.providers.oidc import OIDC
from mailbearer.providers.sandbox import SANDBOX
from mailbearer.providers.yahoo import YAHOO
from mailbearer.providers.zoho import ZOHO

if TYPE_CHECKING:
    from mailbearer.definition import Definition

DEFINITIONS = MappingProxyType(
    {definition.kind: definition for definition in (GOOGLE, MICROSOFT, YAHOO, ZOHO, FASTMAIL, OIDC)}
)
"""Every kind of provider that can be registered, by its name."""


def definition_of(kind: str) -> Definition:
    """Give the definition of a kind; of one that is not known any more the generic kind's."""
    return SANDBOX if kind == SANDBOX.kind else DEFINITIONS.get(kind, OIDC)
