"""Saying who may use the API: the verbs, joined."""

from __future__ import annotations

from mailbearer.wiring.adapters import Adapters


class Guarding(Adapters):
    """What is joined here is made when it is first asked for."""
