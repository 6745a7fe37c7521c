"""One notice on its way to a webhook, struck at every call: whatever dies, the receiver hears it, under one id."""

from __future__ import annotations

import gc
import json
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailbearer.caller import Caller
from mailbearer.happenings import happened
from proofs.arrivals import Arrivals
from proofs.functions import NOTIFIER, Functions
from proofs.ground import Clock, Ground
from proofs.processes import ProcessError, end, fork, told
from proofs.strikes import Strike, ways

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proofs.processes import Say

SECONDS = 240.0
KIND = "message.sent"

_COPIES = 20
_HORIZON = 0.0
_NOTHING_SCHEDULED = "no-schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the receiver heard of one notice: how often, under how many ids; and how many bodies were given up."""

    times: int
    ids: int
    given_up: int

    @property
    def told(self) -> str:
        """Give it in a few words."""
        words = [f"heard {self.times}"]
        if self.ids != 1:
            words.append(f"{self.ids} ids")
        if self.given_up:
            words.append(f"{self.given_up} given up")
        return ", ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call on a notice's way, what was done to it, and what came of it."""

    number: int
    call: str
    how: str
    seen: Heard

    @property
    def holds(self) -> bool:
        """Tell whether it was heard at least once, always under the same id, and nothing was given up."""
        return self.seen.times > 0 and self.seen.ids == 1 and not self.seen.given_up

    def as_json(self) -> dict[str, Any]:
        """Give it for a file."""
        return asdict(self) | {"holds": self.holds}


def prove(ground: Ground) -> Iterator[Row]:
    """Strike a notice at every call of its way, and give a row for each as it is seen."""
    with tempfile.TemporaryDirectory(prefix="mailbearer-heard-") as scratch, _receiver(Path(scratch) / "heard") as url:

        def lane(say: Say) -> None:
            for row in _Lane(ground.forked(), url, Path(scratch) / "heard").rows():
                say(asdict(row))

        for _, row in told([fork(lane)], seconds=SECONDS):
            yield Row(**row | {"seen": Heard(**row["seen"])})


class _Lane:
    """Sends one notice after the other, over a queue of its own."""

    def __init__(self, ground: Ground, url: str, heard: Path) -> None:
        self._heard = heard
        engine = ground.world.engine
        sqs, scheduler = engine.client("sqs"), engine.client("scheduler")
        name = f"proofs-{os.getpid()}-notices"
        urls = [sqs.create_queue(QueueName=f"{name}-{kind}")["QueueUrl"] for kind in ("alive", "dead")]
        self._functions = Functions(ground, queue_url=urls[0], dead_letter_queue_url=urls[1])
        self._sqs, self._scheduler, self._urls = sqs, scheduler, urls
        self._schedule_group = ground.settings.schedule_group
        operator = Caller(key_id="key_proof", scopes=frozenset({"admin"}))
        # No other notice of this stack goes there: it hears of one mailbox, which there is not.
        account = ground.connect("kept", ends_in=SECONDS)
        self._account = account.id
        ground.stores.webhook_keeping.create({"url": url, "events": [KIND], "accounts": [account.id]}, operator)
        self._notices = 0
        gc.freeze()

    def rows(self) -> Iterator[Row]:
        """Strike every call; which there are is learnt from a notice that nobody disturbs."""
        undisturbed, seen = self._send(None)
        if seen != Heard(times=1, ids=1, given_up=0):
            raise ProcessError(f"an undisturbed notice was {seen.told}")
        for number, call in enumerate(undisturbed):
            for how in ways(call):
                yield Row(number=number, call=call, how=how, seen=self._send(Strike(number, how))[1])

    def _send(self, strike: Strike | None) -> tuple[list[str], Heard]:
        """Let an event come over the bus, and notifiers come and go until nothing is left of it on the queue."""
        self._notices += 1
        subject = f"msg_{os.getpid()}_{self._notices}"
        facts = {"account": self._account, "message": subject}
        detail = dict(happened(KIND, subject, "", time.time(), facts).detail)
        clock = Clock()
        arrivals = Arrivals(
            sqs=self._sqs,
            scheduler=self._scheduler,
            queue_url=self._urls[0],
            schedule_group=self._schedule_group,
            clock=clock,
        )
        arrivals.put(json.dumps({"source": "mailbearer", "detail-type": KIND, "detail": detail}))
        calls: list[str] = []
        for _ in range(_COPIES):
            copy = arrivals.next(_NOTHING_SCHEDULED, horizon=_HORIZON)
            if copy is None:
                break
            mine = Strike(strike.call - len(calls), strike.how) if strike is not None else None
            ran = self._functions.invoke(
                NOTIFIER, copy.event(), ahead=clock.ahead, strike=mine if mine and mine.call >= 0 else None
            )
            if mine is not None and not ran.calls:
                strike = None
            calls += ran.calls
            if ran.answer is None or ran.answer["batchItemFailures"]:
                arrivals.again(copy)
        heard = [each["id"] for each in map(json.loads, self._heard.read_text().splitlines()) if each["of"] == subject]
        given_up = arrivals.dead + self._refused()
        return calls, Heard(times=len(heard), ids=len(set(heard)), given_up=given_up)

    def _refused(self) -> int:
        answer = self._sqs.receive_message(QueueUrl=self._urls[1], MaxNumberOfMessages=10)
        return len(answer.get("Messages", []))


@contextmanager
def _receiver(heard: Path) -> Iterator[str]:
    """Run the endpoint of a webhook in a process of its own; what it takes becomes a line of a file."""
    heard.touch()
    server = HTTPServer(("127.0.0.1", 0), _handler(heard))
    process = fork(lambda _say: server.serve_forever())
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/proof"
    finally:
        end(process)
        server.server_close()


def _handler(heard: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with heard.open("a") as stream:
                stream.write(json.dumps({"id": self.headers["webhook-id"], "of": body["data"]["message"]}) + "\n")
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
