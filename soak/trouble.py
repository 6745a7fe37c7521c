"""What goes wrong during the load: processes die, providers throttle, break down and lose answers, a mailbox pauses."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import requests

from sandbox.control.client import Control
from sandbox.local import FUNCTIONS
from soak.mailboxes import MAILBOXES, PAUSED
from soak.orders import REFUSED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proofs.ground import Ground
    from soak.doors import Http
    from soak.mailboxes import Opened

PROCESSES = Path("/proc")
KILLED = {"delivery_worker": 2, "messages_api": 1, "notifier": 1}
"""The functions whose processes are killed, with weights."""
EVERY = 8.0
"""Seconds between two kills, on average."""
TROUBLE_EVERY = 1.0
"""Seconds between two troubles of one mailbox, on average."""
VISIBILITY = 60
"""Seconds for which a worker's copies stay hidden: half of what the template allows, so that nobody waits for long.

A worker that takes longer is overtaken by the next, which is one trouble more.
"""
_SLOW = 2
Trouble: TypeAlias = tuple[str, dict[str, Any]]
_HTTP: tuple[Trouble, ...] = (
    ("throttle", {"retry_after": 1}),
    ("503", {}),
    ("status", {"status": 500}),
    ("answer_lost", {}),
    ("cut_before", {}),
    ("hang", {"seconds": _SLOW}),
    ("delay_then_answer", {"seconds": _SLOW}),
)
_SMTP: tuple[Trouble, ...] = (
    ("throttle", {}),
    ("reply", {"stage": "dot", "code": 451, "text": "4.3.0 try later"}),
    ("answer_lost", {}),
    ("cut_before", {}),
    ("hang", {"stage": "dot", "seconds": _SLOW}),
)


class TroubleError(Exception):
    """Nothing can be killed here."""


@dataclass(kw_only=True)
class Killer:
    """Kills processes of one stack's functions at random moments, in a thread of its own.

    `deaths` are the moments at which a worker was killed (epoch seconds).
    """

    scratch: Path
    functions: Mapping[str, str]
    chance: random.Random
    every: float
    killed: Counter[str] = field(default_factory=Counter)
    deaths: list[float] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. Raises TroubleError where processes cannot be found."""
        if not PROCESSES.is_dir():
            raise TroubleError(f"Processes are found in {PROCESSES}, which {sys.platform} does not have.")
        self._thread = threading.Thread(target=self._work, name="killer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._ended.wait(self.chance.expovariate(1 / self.every)):
            folder = self.chance.choices(list(KILLED), list(KILLED.values()))[0]
            pids = self.processes(folder)
            if pids and self._kill(self.chance.choice(pids)):
                self.killed[folder] += 1
                self.deaths += [time.time()] if folder == "delivery_worker" else []

    def processes(self, folder: str) -> list[int]:
        """Name the processes of a function: the engine starts each from a directory named for it."""
        begin = f"{self.scratch}/ministack-lambda-{self.functions[folder]}-"
        return sorted(
            int(process.name)
            for process in PROCESSES.iterdir()
            if process.name.isdecimal() and any(part.startswith(begin) for part in _arguments(process))
        )

    def _kill(self, pid: int) -> bool:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def killer(ground: Ground, seed: int, every: float) -> Killer:
    """Make the killer of this stack's workers, notifiers and API processes."""
    functions = {folder: ground.world.stack.outputs[FUNCTIONS[folder]] for folder in KILLED}
    scratch = ground.world.engine.directory / "scratch"
    return Killer(scratch=scratch, functions=functions, every=every, chance=random.Random(seed))  # noqa: S311 - no secret


def hide_for(ground: Ground, seconds: int) -> None:
    """Let what a worker or a notifier has in hand be taken up again after so many seconds."""
    sqs, outputs = ground.world.engine.client("sqs"), ground.world.stack.outputs
    for queue in ("QueueUrl", "NotificationQueueUrl"):
        sqs.set_queue_attributes(QueueUrl=outputs[queue], Attributes={"VisibilityTimeout": str(seconds)})


class Providers:
    """Plays the providers' troubles, in a thread of its own.

    Each troubled mailbox has one trouble at a time before it, and the next some calls later: troubles that lay in wait
    in a row would open its circuit, and each try of that would meet the next.
    """

    def __init__(self, ground: Ground, mailboxes: Mapping[str, Opened], seed: int) -> None:
        """Let the SMTP host refuse one recipient, for good."""
        self._control = Control(ground.world.sandbox["url"])
        self._mailboxes = mailboxes
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="providers", daemon=True)
        refused, text = {"recipient": REFUSED}, "5.1.1 User unknown"
        self._control.plan_fault("smtp", "reply", times=None, match=refused, stage="rcpt", code=550, text=text)

    def start(self) -> None:
        """Begin to trouble mailboxes."""
        self._thread.start()

    def stop(self) -> Counter[str]:
        """End it; gives how often which trouble was played."""
        self._ended.set()
        self._thread.join()
        played: Counter[str] = Counter()
        for fault in self._troubles():
            if fault["times"]:
                self._control.clear_faults(fault["id"])
            played[f"{fault['endpoint']} {fault['fault']}"] += fault["played"]
        self._control.close()
        return +played

    def _work(self) -> None:
        while not self._ended.wait(self._chance.uniform(0, 2 * TROUBLE_EVERY)):
            try:
                waiting = {fault["match"]["mailbox"] for fault in self._troubles() if fault["times"]}
                for mailbox in MAILBOXES:
                    address = self._mailboxes[mailbox.name].address
                    if mailbox.troubled and address not in waiting:
                        kind, params = self._chance.choice(_SMTP if mailbox.endpoint == "smtp" else _HTTP)
                        self._control.plan_fault(mailbox.endpoint, kind, match={"mailbox": address}, **params)
            except requests.RequestException:
                continue  # a busy host is asked again

    def _troubles(self) -> list[dict[str, Any]]:
        return [fault for fault in self._control.faults() if "mailbox" in fault["match"]]


class Pause:
    """Pauses a mailbox in the middle of the load, and resumes it."""

    def __init__(self, http: Http, mailboxes: Mapping[str, Opened]) -> None:
        self._http = http
        self._account = mailboxes[PAUSED].id
        self._steps = [(0.3, "pause"), (0.6, "resume")]

    def at(self, place: float) -> None:
        """Do what is due at this place of the load (0 to 1). Raises DoorError."""
        while self._steps and self._steps[0][0] <= place:
            self._http.done("POST", f"/v1/accounts/{self._account}/{self._steps.pop(0)[1]}", {})


def _arguments(process: Path) -> list[str]:
    """Give a process's arguments; none if it has ended, or is another user's."""
    try:
        return (process / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []
