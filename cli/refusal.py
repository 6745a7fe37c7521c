"""The one way in which a command says no."""

from __future__ import annotations

from mailbearer.errors import Fault


class Refused(Exception):
    """A command could not do what was asked: one sentence, every fault, and what to do about it.

    `exit_code` is 1, or 2 if the command was not written as it has to be.
    """

    def __init__(self, sentence: str, *, remedy: str = "", faults: tuple[Fault, ...] = (), exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy
        self.faults = faults
        self.exit_code = exit_code
