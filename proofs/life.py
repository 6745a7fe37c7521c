"""One message's life from its acceptance to its end, one of whose calls is struck."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailbearer.ids import derived_id
from mailbearer.submission import QUEUE_CALLER
from proofs.functions import ACCOUNTS, API, WORKER
from proofs.processes import ProcessError
from proofs.strikes import Strike

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.account import Account
    from proofs.arrivals import Arrivals
    from proofs.functions import Functions, Ran
    from proofs.ground import Clock

CALLER = "key_proof"

_REQUESTS, _COPIES = 4, 20
_COME_AGAIN = 5.0
_HORIZON = 2 * 86_400.0
_NOT_DONE = 500
_SCOPES = "messages:send messages:read accounts:read accounts:write"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a life, and the number and function of the process that made it (from 0)."""

    process: int
    function: str
    name: str

    @property
    def label(self) -> str:
        """Give it as the tables show it."""
        return f"{self.process + 1} {self.function}: {self.name}"


@dataclass(slots=True, kw_only=True)
class Life:
    """Does what callers, SQS, Lambda and Scheduler do for one message, and strikes one call on the way.

    Its calls are numbered through, over all processes. `upload_id` and `fault` are what was prepared for it: an upload,
    and what its provider will do otherwise than usual.
    """

    functions: Functions
    arrivals: Arrivals
    clock: Clock
    account: Account
    key: str
    strike: Strike | None = None
    calls: list[Call] = field(default_factory=list)
    message_id: str = ""
    recipient: str = ""
    upload_id: str = ""
    fault: int = 0
    struck: bool = False
    _processes: int = 0

    def body(self, **fields: Any) -> dict[str, Any]:
        """Write the message, to a recipient whom no other life has."""
        self.recipient = f"{self.key}@customer.example"
        plain = {"account": self.account.id, "to": self.recipient, "subject": "A proof", "text": "Hello."}
        return plain | fields

    def post(self, **fields: Any) -> None:
        """Post the message, and again with the same key until it is accepted, as a caller does."""
        self.message_id = derived_id("msg_", CALLER, self.key)
        self._ask(API, "POST", "/v1/messages", self.body(**fields), {"idempotency-key": self.key})

    def drop(self, **fields: Any) -> None:
        """Put the message straight on the queue."""
        self.message_id = derived_id("msg_", QUEUE_CALLER, self.key)
        self.arrivals.put(json.dumps(self.body(**fields) | {"idempotency_key": self.key}))

    def resume(self) -> None:
        """Let the paused mailbox send again."""
        self._ask(ACCOUNTS, "POST", f"/v1/accounts/{self.account.id}/resume", {}, {})

    def work(self) -> None:
        """Let workers come and go until nothing is left on the queue."""
        for _ in range(_COPIES):
            copy = self.arrivals.next(self.message_id, horizon=_HORIZON)
            if copy is None:
                return
            answer = self._run(WORKER, copy.event()).answer
            if answer is None or answer["batchItemFailures"]:
                self.arrivals.again(copy)
        raise ProcessError(f"still busy after {_COPIES} copies, struck at {self.strike}")

    def _ask(self, function: str, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        event = {
            "version": "2.0",
            "routeKey": f"{method} {path}",
            "rawPath": path,
            "headers": {"content-type": "application/json", **headers},
            "requestContext": {
                "http": {"method": method, "path": path},
                "stage": "$default",
                "requestId": "proof",
                "authorizer": {"lambda": {"key_id": CALLER, "scopes": _SCOPES, "accounts": ""}},
            },
            "body": json.dumps(body),
            "isBase64Encoded": False,
        }
        answer = None
        for _ in range(_REQUESTS):
            answer = self._run(function, event).answer
            if answer is not None and answer["statusCode"] < _NOT_DONE:
                if answer["statusCode"] >= 400:  # noqa: PLR2004 - HTTP
                    raise ProcessError(f"{method} {path}: {answer['body']}")
                return
            self.clock.advance(_COME_AGAIN)
        raise ProcessError(f"{method} {path} came to nothing in {_REQUESTS} tries: {answer}")

    def _run(self, function: str, event: Mapping[str, Any]) -> Ran:
        """Let the next process handle an event; the strike falls in the process that comes to its call."""
        mine = None
        if self.strike is not None and not self.struck:
            mine = Strike(self.strike.call - len(self.calls), self.strike.how)
        ran = self.functions.invoke(function, event, ahead=self.clock.ahead, strike=mine)
        self.calls += [Call(self._processes, function, name) for name in ran.calls]
        self._processes += 1
        self.struck = self.struck or (mine is not None and (ran.answer is None or len(ran.calls) > mine.call))
        return ran
