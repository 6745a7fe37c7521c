"""The deployed functions' own handlers, each invocation in a process of its own."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.errors import Unavailable
from proofs.ground import Clock
from proofs.processes import fork, told
from proofs.strikes import Strike, StruckCalls
from proofs.struck_egress import StruckEgress
from sandbox.local import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proofs.ground import Ground
    from proofs.processes import Say

API, ACCOUNTS, WORKER, NOTIFIER = "messages_api", "accounts_api", "delivery_worker", "notifier"
FOLDERS = (API, ACCOUNTS, WORKER, NOTIFIER)
TIME_OUT = 120.0
"""Seconds that a worker has, as in template.yaml."""

_SERVICES = ("dynamodb", "sqs", "s3", "secretsmanager", "logs", "events", "scheduler")
_SECONDS = 60.0
DUE = "due"
"""The attribute in which a queued body says when it is to come (epoch seconds): time is ours here, not the queue's."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One invocation: its calls, none if it was killed, and what the handler gave, None if it came to nothing."""

    calls: tuple[str, ...]
    answer: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Context:
    """What Lambda tells a handler of its invocation."""

    function_name: str
    aws_request_id: str = "proof"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:proof"

    def get_remaining_time_in_millis(self) -> int:
        """Give what is left of the invocation's time."""
        return int(TIME_OUT * 1000)


class Functions:
    """Invokes handlers; what they queue goes to queues of our own, which no deployed worker looks at."""

    def __init__(self, ground: Ground, *, queue_url: str, dead_letter_queue_url: str) -> None:
        """Make what every invocation begins with, so that a fork has it at once; no client is connected."""
        self.queue_url = queue_url
        self._clients = ground.clients()
        self._clock = Clock()
        self._calls = StruckCalls(ground.settings)
        self._calls.watch([self._clients.made(service) for service in _SERVICES])
        _let_bodies_say_when_they_are_due(self._clients.made("sqs"), queue_url, self._clock)
        self._environments: dict[str, dict[str, str]] = {}
        functions = ground.world.engine.client("lambda")
        for folder in FOLDERS:
            name = ground.world.stack.outputs[FUNCTIONS[folder]]
            said = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            ours = {"QUEUE_URL": queue_url, "DEAD_LETTER_QUEUE_URL": dead_letter_queue_url}
            ours |= {f"NOTIFICATION_{name}": url for name, url in ours.items()}
            self._environments[folder] = said | ours | {"AWS_LAMBDA_FUNCTION_NAME": name}
            importlib.import_module(f"functions.{folder}.app")

    def invoke(self, folder: str, event: Mapping[str, Any], *, ahead: float, strike: Strike | None = None) -> Ran:
        """Let a process handle an event `ahead` seconds from now, and see what it does or where it dies."""

        def work(say: Say) -> None:
            gc.disable()
            _speak_to_nobody()
            os.environ.update(self._environments[folder])
            self._calls.strike = strike
            self._clock.ahead = ahead
            loaded = set(sys.modules)
            app = importlib.import_module(f"functions.{folder}.app")
            # The handler's own wiring, before anything is made of it.
            wiring = app.wiring()
            wiring.clients, wiring.clock = self._clients, self._clock
            wiring.egress = StruckEgress(self._calls, local=wiring.settings.local)
            try:
                answer = app.lambda_handler(event, _Context(folder))
            except Unavailable:
                # To Lambda that is a failed invocation: all of the batch stays on the queue.
                answer = None
            say([self._calls.seen, answer, sorted(sys.modules.keys() - loaded)])

        said = [each for _, each in told([fork(work)], seconds=_SECONDS)]
        if not said:
            return Ran((), None)
        ((seen, answer, loaded),) = said
        for module in loaded:
            # The next process need not load it again.
            with suppress(ImportError):
                importlib.import_module(module)
        return Ran(tuple(seen), answer)


def _speak_to_nobody() -> None:
    """Let what a function logs go nowhere, as it goes to CloudWatch elsewhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)


def _let_bodies_say_when_they_are_due(client: Any, queue_url: str, clock: Clock) -> None:
    def due(params: dict[str, Any], **_: Any) -> None:
        if params["QueueUrl"] == queue_url:
            moment = clock() + params.pop("DelaySeconds", 0)
            params["MessageAttributes"] = {DUE: {"DataType": "Number", "StringValue": repr(moment)}}

    client.meta.events.register("provide-client-params.sqs.SendMessage", due)
