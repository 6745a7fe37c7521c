"""Waiting for something to happen in the stack, within a limit, with a sign of life."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cli.output import console, plain
from cli.refusal import Refused
from cli.surroundings import Surroundings

_PAUSE = 1.0  # seconds between two looks


def wait_for(
    look: Callable[[], dict[str, Any]],
    settled: Callable[[Mapping[str, Any]], bool],
    surroundings: Surroundings,
    *,
    limit: float,
) -> dict[str, Any]:
    """Look until `settled`, for at most `limit` seconds; give what was seen last. Raises `Refused` when time is up."""
    until = surroundings.clock() + limit
    err = console(err=True)
    with err.status("Waiting.") as progress:
        while True:
            seen = look()
            if settled(seen):
                return seen
            left = until - surroundings.clock()
            status = plain(seen.get("status", ""))
            if left <= 0:
                raise Refused(
                    f"{plain(seen.get('id', 'It'))} is still {status} after {limit:.0f} s.",
                    remedy="It goes on without this command; look again with `show`, or wait longer with --timeout.",
                )
            progress.update(f"{status}, waiting for at most {left:.0f} s more (Ctrl-C stops only the waiting).")
            surroundings.sleep(min(_PAUSE, left))
