"""What a template and one rendering of it may cost, and the count of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of a template's source, of its variables and of one rendering."""

    source: int = 256 * 1024
    """UTF-8 octets of subject, text and html together, so that a version fits into one DynamoDB item (400 KB)."""

    tokens: int = 10_000
    """Tokens of one part: parsing and compiling cannot be interrupted."""

    depth: int = 60
    """How deep expressions and blocks may nest in each other."""

    blocks: int = 12
    """How deep blocks may nest; Python itself takes 20 loops in each other."""

    variables_depth: int = 20
    """How deep lists and objects may nest in the variables."""

    nodes: int = 50_000
    """Values in the variables, or in a list that a template makes."""

    characters: int = 1_000_000
    """Characters in all strings of the variables, or in one that a template makes."""

    steps: int = 100_000
    """Turns of all loops together."""

    seconds: float = 2.0
    """Wall-clock time of one rendering of all three parts."""

    output: int = 2 * 1024 * 1024
    """UTF-8 octets that one part may become."""


LIMITS = Limits()


class LimitExceeded(Exception):
    """A rendering reached a bound and was stopped; the text says which."""


class Budget:
    """What one rendering may still use."""

    def __init__(self, limits: Limits, timer: Callable[[], float]) -> None:
        self.limits = limits
        self._timer = timer
        self._end = timer() + limits.seconds
        self._steps = limits.steps

    def check_time(self) -> None:
        """Raise `LimitExceeded` when time is up."""
        if self._timer() > self._end:
            raise LimitExceeded(f"Rendering took longer than {self.limits.seconds:g} s.")

    def step(self) -> None:
        """Count one turn of a loop."""
        self._steps -= 1
        if self._steps < 0:
            raise LimitExceeded(f"The loops took more than {self.limits.steps} turns in all.")
        self.check_time()

    def check_length(self, characters: int) -> None:
        """Refuse a string before it is made."""
        if characters > self.limits.characters:
            raise LimitExceeded(f"A text became longer than {self.limits.characters} characters.")

    def weigh(self, value: object) -> None:
        """Count what hangs below a list or an object, each time it hangs there; stops at the bound."""
        nodes, characters, waiting = 0, 0, [value]
        while waiting:
            one = waiting.pop()
            nodes += 1
            if isinstance(one, str):
                characters += len(one)
            elif isinstance(one, dict):
                waiting += [*one.keys(), *one.values()]
            elif isinstance(one, (list, tuple)):
                waiting += one
            if nodes + len(waiting) > self.limits.nodes:
                raise LimitExceeded(f"A list or object has more than {self.limits.nodes} values.")
            self.check_length(characters)
