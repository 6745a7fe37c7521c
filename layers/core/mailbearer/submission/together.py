"""Doing many of the same thing at once, each with its own result in its own place."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mailbearer.errors import MailbearerError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from concurrent.futures import Executor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Together:
    """Runs tasks on a process's threads; `threads` makes them when they are first needed."""

    threads: Callable[[], Executor]

    def each(self, tasks: Sequence[tuple[Hashable, Callable[[], T]]]) -> list[T | MailbearerError]:
        """Run every task and give what each gave or raised, in their order.

        Tasks with the same mark run one after the other, in their order; all others at once. What is none of our errors
        is raised once all have ended.
        """
        turns: dict[Hashable, list[int]] = defaultdict(list)
        for index, (mark, _) in enumerate(tasks):
            turns[mark].append(index)
        results: dict[int, T | MailbearerError] = {}

        def run(indexes: list[int]) -> None:
            for index in indexes:
                try:
                    results[index] = tasks[index][1]()
                except MailbearerError as error:
                    results[index] = error

        under_way = [self.threads().submit(run, indexes) for indexes in turns.values()]
        errors = [future.exception() for future in under_way]
        for error in errors:
            if error is not None:
                raise error
        return [results[index] for index in range(len(tasks))]
