"""What is done to one call of a process: the process dies at it, nothing takes it, or its answer is lost."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from proofs.calls import aws_call
from proofs.processes import die

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailbearer.config import Settings

_TRIES = 3
"""How often the SDK tries a call in all, as `mailbearer.aws.clients` sets it."""


class How(StrEnum):
    """What is done to a call."""

    BEFORE = "killed before"
    AFTER = "killed after"
    REFUSED = "refused"
    """No connection, on any try: certainly not done."""
    LOST_ONCE = "answer lost once"
    """Done, its answer cut off; what the SDK does then goes through. A provider is never asked twice, a read may be."""
    LOST = "answer lost"
    """Done, and done again by each try of the SDK's, every answer cut off."""


_READS = re.compile(r"(DynamoDB|Secrets Manager|S3) (Get|BatchGet|Head|Query)")


def ways(call: str) -> tuple[How, ...]:
    """Give what there is to be done to a call of this name: a read that is made twice is no matter."""
    return tuple(how for how in How if how is not How.LOST_ONCE or not _READS.match(call))


@dataclass(frozen=True, slots=True)
class Strike:
    """What is done, and to which call (from 0)."""

    call: int
    how: How


@dataclass(slots=True)
class StruckCalls:
    """The calls of one process in their order, one of which is struck."""

    settings: Settings
    strike: Strike | None = None
    seen: list[str] = field(default_factory=list)
    _aws: _AwsCall | None = None

    def leaves(self, name: str) -> How | None:
        """Note a call that is about to leave, and tell what is done to it."""
        self.seen.append(name)
        struck = self.strike is not None and self.strike.call == len(self.seen) - 1
        how = self.strike.how if self.strike is not None and struck else None
        if how is How.BEFORE:
            die()
        return how

    def watch(self, clients: Iterable[Any]) -> None:
        """See what these AWS clients send from now on. Only in a process of its own."""
        for client in clients:
            events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
            events.register("before-call", self._begins)
            events.register("before-send", self._leaves)
            events.register("response-received", self._answered)
            # Before the SDK's own, whose pauses would only take time.
            events.register_first(f"needs-retry.{service}", self._again)

    def _begins(self, params: Any, event_name: str, **_: Any) -> None:
        body = params.get("body")
        name = aws_call(self.settings, event_name, body if isinstance(body, bytes | str) else None)
        if name.startswith("S3 "):
            name += f" ({params['url_path'].rpartition('/')[0].rpartition('/')[2]})"
        self._aws = _AwsCall(self.leaves(name))

    def _leaves(self, request: Any, **_: Any) -> None:
        if self._aws is not None:
            self._aws.leaves(request)

    def _answered(self, **_: Any) -> None:
        if self._aws is not None and self._aws.how is How.AFTER:
            die()

    def _again(self, attempts: int, **_: Any) -> int | None:
        return 0 if self._aws is not None and self._aws.cut and attempts < _TRIES else None


@dataclass(slots=True)
class _AwsCall:
    """One call of the SDK's, which may try several times; `cut` says whether this try's answer did not come."""

    how: How | None
    tries: int = 0
    cut: bool = False

    def leaves(self, request: Any) -> None:
        """Strike a try, or let it pass."""
        self.tries += 1
        self.cut = self.how in {How.REFUSED, How.LOST} or (self.how is How.LOST_ONCE and self.tries == 1)
        if not self.cut:
            return
        if self.how is How.REFUSED:
            raise EndpointConnectionError(endpoint_url=request.url)
        URLLib3Session().send(request)
        raise ReadTimeoutError(endpoint_url=request.url)
