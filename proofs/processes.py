"""Forked processes that tell their parent what they saw, line by line, until they end or are killed.

A fork of a warm parent costs a hundredth of a new interpreter, so two hundred of them fit on two cores.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Say: TypeAlias = "Callable[[Any], None]"
"""Tell the parent something that JSON can hold."""

_CHUNK = 65_536


class ProcessError(Exception):
    """A process failed, or did not end in time."""


@dataclass(frozen=True, slots=True)
class Process:
    """A child and the pipe on which it speaks."""

    pid: int
    pipe: int


def fork(work: Callable[[Say], None]) -> Process:
    """Start a child that does `work` and ends; nothing of the parent's is cleaned up in it."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _live(work, writer)
    os.close(writer)
    return Process(pid, reader)


@contextmanager
def gate() -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Give a gate for children forked within: the first function waits in a child, the second opens it for all."""
    reader, writer = os.pipe()
    is_open = False

    def wait() -> None:
        # The parent's end has to be the only one, or its closing would not be seen.
        os.close(writer)
        os.read(reader, 1)

    def let_in() -> None:
        nonlocal is_open
        is_open = True
        os.close(writer)

    try:
        yield wait, let_in
    finally:
        os.close(reader)
        if not is_open:
            os.close(writer)


def told(processes: Sequence[Process], *, seconds: float) -> Iterator[tuple[Process, Any]]:
    """Give what the processes say as they say it, until each of them has ended.

    Raises `ProcessError` if one fails, or lives after so many seconds; none of them outlives this.
    """
    deadline = time.monotonic() + seconds
    partial = dict.fromkeys((each.pipe for each in processes), b"")
    living = {each.pid for each in processes}
    try:
        with selectors.DefaultSelector() as selector:
            for each in processes:
                selector.register(each.pipe, selectors.EVENT_READ, each)
            while selector.get_map():
                ready = selector.select(max(deadline - time.monotonic(), 0))
                if not ready:
                    raise ProcessError(f"{len(living)} processes have not ended within {seconds:.0f} s")
                for key, _ in ready:
                    process: Process = key.data
                    if chunk := os.read(process.pipe, _CHUNK):
                        *lines, partial[process.pipe] = (partial[process.pipe] + chunk).split(b"\n")
                        yield from ((process, json.loads(line)) for line in lines)
                        continue
                    selector.unregister(process.pipe)
                    _, status = os.waitpid(process.pid, 0)
                    living.discard(process.pid)
                    if status and os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
                        raise ProcessError(f"process {process.pid} failed; it says above why")
    finally:
        for pid in living:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for each in processes:
            os.close(each.pipe)


def end(process: Process) -> None:
    """End a child that would go on for ever."""
    os.kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)
    os.close(process.pipe)


def die() -> None:
    """End this process as the kernel's out-of-memory killer does: nothing is flushed, nobody is told."""
    os.kill(os.getpid(), signal.SIGKILL)


def _live(work: Callable[[Say], None], writer: int) -> NoReturn:
    def say(what: Any) -> None:
        line = json.dumps(what).encode() + b"\n"
        while line:
            line = line[os.write(writer, line) :]

    status = 1
    try:
        work(say)
        status = 0
    except BaseException:  # noqa: BLE001 - the edge of a process: whatever it was, the parent must not run here too
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)
