"""Kinds of providers, each a file of data; a new one is a file and a word in `kinds.py`."""

from __future__ import annotations

from mailbearer.providers.kinds import DEFINITIONS, definition_of
from mailbearer.providers.registering import register

__all__ = ["DEFINITIONS", "definition_of", "register"]
