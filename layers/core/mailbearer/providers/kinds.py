from __future__ import annotations

from types import MappingProxyType

from mailbearer.providers.google import GOOGLE
from mailbearer.providers.microsoft import MICROSOFT
from mailbearer.providers.oidc import OIDC

DEFINITIONS = MappingProxyType({definition.kind: definition for definition in (GOOGLE, MICROSOFT, OIDC)})
"""Every kind of provider by its name."""
