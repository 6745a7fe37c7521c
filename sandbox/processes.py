"""Child processes that are certain to end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

STOP_SECONDS = 10.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals by which somebody asks us to end."""


@contextmanager
def child(
    arguments: Sequence[str], *, directory: Path, log_file: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process whose output goes to a file; at the end it and whatever it started are ended.

    It leads a session of its own: Ctrl-C reaches us alone, and we end things in order.
    """
    started: list[subprocess.Popen[bytes]] = []
    try:
        with log_file.open("wb") as log, _signals_held_back():
            started.append(
                subprocess.Popen(
                    arguments,
                    cwd=directory,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        yield started[0]
    finally:
        for process in started:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session: it is asked first, and what is left of its session is killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing is left


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold a request to end back until a process that is being started is known: before, nobody could end it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda got, _frame: held.append(got)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for got in held[:1]:
            signal.raise_signal(got)
