"""The variables of one rendering: JSON values, bounded, each list and object knowing where it stands."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mailbearer.addresses import escape_pointer
from mailbearer.errors import Fault

if TYPE_CHECKING:
    from mailbearer.rendering.limits import Limits

POINTER = "/variables"

MAX_NUMBER = 2**63
"""Whole numbers are smaller: a larger one could be squared until nothing else runs."""

UNSAFE = re.compile("[\x00\ud800-\udfff]")
"""What may stand in no part of a message: NUL and lone surrogates."""


class Object(dict[str, Any]):
    """A JSON object, and the pointer to it."""

    __slots__ = ("pointer",)
    pointer: str


class Array(list[Any]):
    """A JSON array, and the pointer to it."""

    __slots__ = ("pointer",)
    pointer: str


class Reader:
    """Copies variables, adding to `faults` what cannot be used; null stands for a field that was left out."""

    def __init__(self, limits: Limits, faults: list[Fault]) -> None:
        self._limits = limits
        self._faults = faults
        self._nodes = 0
        self._characters = 0

    def read(self, variables: Mapping[str, object]) -> Object:
        """Read all variables."""
        read = self._object(variables, POINTER, 0)
        if self._nodes > self._limits.nodes or self._characters > self._limits.characters:
            most = f"{self._limits.nodes} values and {self._limits.characters} characters"
            detail = f"The variables have at most {most} in all."
            self._faults.append(Fault(POINTER, "invalid_variable", detail))
        return read

    def _value(self, value: object, pointer: str, depth: int) -> object:
        self._nodes += 1
        if isinstance(value, (Mapping, list)):
            if depth >= self._limits.variables_depth:
                self._refuse(pointer, f"Variables nest at most {self._limits.variables_depth} deep.")
                return None
            if isinstance(value, list):
                return self._array(value, pointer, depth + 1)
            return self._object(value, pointer, depth + 1)
        # The very types: a subclass may answer for itself in any way (markupsafe.Markup is a str that is not escaped).
        if type(value) is str:
            self._text(value, pointer)
        elif type(value) is int or type(value) is float:
            if not (math.isfinite(value) if type(value) is float else abs(value) < MAX_NUMBER):
                self._refuse(pointer, "Numbers are finite and smaller than 2^63; send a larger one as a string.")
        elif value is not None and type(value) is not bool:
            self._refuse(pointer, "A variable is a JSON value.")
        return value

    def _object(self, value: Mapping[Any, object], pointer: str, depth: int) -> Object:
        read = Object()
        read.pointer = pointer
        for name, item in value.items():
            if self._over():
                break
            if type(name) is not str:
                self._refuse(pointer, "The names of variables are strings.")
                continue
            where = f"{pointer}/{escape_pointer(name)}"
            self._text(name, pointer)
            if item is not None:
                read[name] = self._value(item, where, depth)
        return read

    def _array(self, value: list[object], pointer: str, depth: int) -> Array:
        read = Array()
        read.pointer = pointer
        for index, item in enumerate(value):
            if self._over():
                break
            read.append(self._value(item, f"{pointer}/{index}", depth))
        return read

    def _text(self, value: str, pointer: str) -> None:
        self._characters += len(value)
        if UNSAFE.search(value):
            self._faults.append(
                Fault(pointer, "unsafe_character", "NUL and lone surrogates may not stand in a variable.")
            )

    def _refuse(self, pointer: str, detail: str) -> None:
        self._faults.append(Fault(pointer, "invalid_variable", detail))

    def _over(self) -> bool:
        return self._nodes > self._limits.nodes or self._characters > self._limits.characters
