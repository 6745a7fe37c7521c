"""The audit log refuses every event for a while, under load: none is lost, and a verification finds nothing."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.auditing.evidence import Gathering
from mailbearer.auditing.signatures import checker
from mailbearer.auditing.verification import judge
from mailbearer.message import Status
from proofs.crowd import post
from sandbox.local import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proofs.ground import Ground

MESSAGES = 60
AT_ONCE = 6
ACTIONS = ("message.accepted", "message.sent")
"""What has to be in the log of each message, once."""

_MAIL_SECONDS, _LOOK_AGAIN = 90.0, 0.5
_RUNS = 5
_ROLES = ("MessagesApiRole", "DeliveryWorkerRole")
_POLICY = "proof-refuses-the-audit-log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """What came of a log that refused everything.

    `meanwhile` are the messages' events that were in the log while it did, `kept` the lots in the spool then; `whole`
    are the messages of which each event is there once afterwards. `good` is the verdict of a verification.
    """

    messages: int
    sent: int
    meanwhile: int
    kept: int
    whole: int
    left: int
    good: bool

    @property
    def holds(self) -> bool:
        """Tell whether all was sent, nothing was lost or told twice, and the log proves itself."""
        return (
            self.sent == self.whole == self.messages
            and not self.meanwhile
            and self.kept > 0
            and not self.left
            and self.good
        )

    def as_json(self) -> dict[str, Any]:
        """Give it for a file."""
        return asdict(self) | {"holds": self.holds}


def prove(ground: Ground, number: int = MESSAGES) -> Iterator[Unwritten]:
    """Let the log refuse what the API and the workers write while they accept and send so many messages."""
    account = ground.connect("kept", ends_in=7200)
    with _refusing(ground):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            accepted = set(pool.map(lambda count: post(ground, account, count), range(number)))
        sent = _sent(ground, accepted)
        meanwhile = sum(event["subject"] in accepted for _, event in ground.audit())
        kept = _waiting(ground)
    _let_the_schedule_write(ground)
    told = Counter((event["subject"], event["action"]) for _, event in ground.audit() if event["subject"] in accepted)
    yield Unwritten(
        messages=number,
        sent=sent,
        meanwhile=meanwhile,
        kept=kept,
        whole=sum(all(told[message, action] == 1 for action in ACTIONS) for message in accepted),
        left=_waiting(ground),
        good=_verified(ground),
    )


@contextmanager
def _refusing(ground: Ground) -> Iterator[None]:
    """Deny some functions the audit log, as an operator's mistake would."""
    engine = ground.world.engine
    iam, group = engine.client("iam"), ground.settings.audit_log_group
    roles = [
        engine.client("cloudformation").describe_stack_resource(
            StackName=ground.world.stack.name, LogicalResourceId=role
        )["StackResourceDetail"]["PhysicalResourceId"]
        for role in _ROLES
    ]
    denied = {
        "Effect": "Deny",
        "Action": ["logs:PutLogEvents", "logs:CreateLogStream"],
        "Resource": f"arn:aws:logs:*:*:log-group:{group}:*",
    }
    for role in roles:
        policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
        iam.put_role_policy(RoleName=role, PolicyName=_POLICY, PolicyDocument=policy)
    try:
        yield
    finally:
        for role in roles:
            iam.delete_role_policy(RoleName=role, PolicyName=_POLICY)


def _sent(ground: Ground, messages: set[str]) -> int:
    """Wait until these messages are sent, and nobody has one in hand any more; gives how many are."""
    give_up = time.monotonic() + _MAIL_SECONDS
    while True:
        records = [ground.stores.messages.get(message) for message in messages]
        sent = sum(record is not None and record.status is Status.SENT for record in records)
        if (sent == len(messages) and not _in_hand(ground)) or time.monotonic() > give_up:
            return sent
        time.sleep(_LOOK_AGAIN)


def _in_hand(ground: Ground) -> int:
    name = "ApproximateNumberOfMessagesNotVisible"
    asked = ground.world.engine.client("sqs").get_queue_attributes(
        QueueUrl=ground.settings.queue_url, AttributeNames=[name]
    )
    return int(asked["Attributes"][name])


def _waiting(ground: Ground) -> int:
    return len(ground.stores.audit_spool.waiting(1000))


def _let_the_schedule_write(ground: Ground) -> None:
    name = ground.world.stack.outputs[FUNCTIONS["token_rotator"]]
    for _ in range(_RUNS):
        if not _waiting(ground):
            return
        ground.world.engine.client("lambda").invoke(FunctionName=name, Payload=b"{}")


def _verified(ground: Ground) -> bool:
    wiring, settings = ground.wiring(), ground.settings
    gathering = Gathering(
        reader=wiring.audit_reader, archive=wiring.archive, stage=settings.stage, log_group=settings.audit_log_group
    )
    evidence = gathering.gather(since=0, until=int(time.time() * 1000))
    return judge(evidence, checker(wiring.signer.public_key())).good
