from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.diagnosis import by_code
from mailbearer.errors import Unavailable
from mailbearer.message import Outcome, Outgoing, Remedy, Verdict
from mailbearer.registration import SANDBOX
from mailbearer.transports.outcomes import remedy_of
from mailbearer.transports.sandbox import SandboxTransport
from tests.fakes import FakeCaptureStore, FakeClock

if TYPE_CHECKING:
    from mailbearer.capture import Capture

ANN = Account(
    id="acc_1",
    provider="sandbox",
    address="ann@x.example",
    transport="sandbox",
    state=AccountState.ACTIVE,
    created_at=1,
    updated_at=1,
)
MIME = (
    b"From: ann@x.example\r\nSubject: a\r\n folded: one\r\nMessage-ID:\r\n <1@x.example>\r\n"
    b"\r\nMessage-ID: <not me>\r\n"
)
BOB = "bob@y.example"


class Sandbox:
    def __init__(self) -> None:
        self.clock = FakeClock(1000.0)
        self.captures = FakeCaptureStore()
        self.slept: list[float] = []
        self.transport = SandboxTransport(self.captures, self.clock, self.slept.append)

    def send(self, *recipients: str, mime: bytes = MIME) -> Outcome:
        outgoing = Outgoing(mail_from="ann@x.example", rcpt_to=recipients, mime=mime)
        return self.transport.send(outgoing, account=ANN, registration=SANDBOX, access_token="")

    def look_up(self, message_id: str = "<1@x.example>") -> bool | None:
        return self.transport.look_up(message_id, account=ANN, registration=SANDBOX, access_token="")

    @property
    def captured(self) -> list[Capture]:
        return self.captures.listing("acc_1", limit=10)


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def test_a_message_is_captured_with_its_envelope_and_its_bytes(sandbox: Sandbox) -> None:
    outcome = sandbox.send(BOB, "hidden@z.example")
    assert outcome == Outcome(verdict=Verdict.ACCEPTED, provider_id="captured/acc_1/1@x.example")
    (capture,) = sandbox.captured
    assert (capture.mail_from, capture.rcpt_to) == ("ann@x.example", (BOB, "hidden@z.example"))
    assert (capture.message_id, capture.at, capture.size) == ("<1@x.example>", 1000.0, len(MIME))
    assert capture.headers == (
        ("From", "ann@x.example"),
        ("Subject", "a folded: one"),
        ("Message-ID", "<1@x.example>"),
    )
    assert sandbox.captures.read("acc_1", "<1@x.example>") == MIME


def test_a_message_without_an_id_is_captured_under_one_made_of_its_bytes(sandbox: Sandbox) -> None:
    sandbox.send(BOB, mime=b"Subject: one\r\n\r\n")
    sandbox.send(BOB, mime=b"Subject: two\r\n\r\n")
    assert len({capture.message_id for capture in sandbox.captured}) == 2


def test_recipients_that_bounce_are_refused_and_the_others_have_the_message(sandbox: Sandbox) -> None:
    outcome = sandbox.send("bounce@sandbox", BOB, "Bounce+2@sandbox")
    assert outcome.verdict is Verdict.ACCEPTED
    assert [(one.recipient, one.code, one.again) for one in outcome.refused] == [
        ("bounce@sandbox", "recipient_rejected", False),
        ("Bounce+2@sandbox", "recipient_rejected", False),
    ]
    assert sandbox.captured[0].rcpt_to == (BOB,)
    assert sandbox.captured[0].refused == ("bounce@sandbox", "Bounce+2@sandbox")


def test_a_message_all_of_whose_recipients_bounce_is_refused(sandbox: Sandbox) -> None:
    outcome = sandbox.send("bounce@sandbox", "bounce+2@sandbox")
    assert (outcome.verdict, outcome.code, outcome.remedy) == (
        Verdict.NOT_ACCEPTED,
        "recipient_rejected",
        Remedy.NONE,
    )
    assert len(outcome.refused) == 2
    assert sandbox.captured == []


@pytest.mark.parametrize(
    ("recipient", "code", "remedy"),
    [
        ("reject@sandbox", "message_rejected", Remedy.NONE),
        ("hold@sandbox", "sending_blocked", Remedy.HOLD),
        ("quota@sandbox", "daily_limit", Remedy.HOLD),
        ("throttle@sandbox", "throttled", Remedy.RETRY),
    ],
)
def test_a_refusal_of_the_whole_message_is_one_that_a_provider_gives(
    sandbox: Sandbox, recipient: str, code: str, remedy: Remedy
) -> None:
    outcome = sandbox.send(BOB, recipient)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, code, remedy)
    assert (by_code(code).code, remedy_of(by_code(code))) == (code, remedy)
    assert sandbox.captured == []


def test_a_throttle_with_a_number_ends_after_so_many_tries_of_the_same_message(sandbox: Sandbox) -> None:
    tries = [sandbox.send("throttle+2@sandbox") for _ in range(3)]
    assert [(one.code, one.retry_after) for one in tries] == [("throttled", 2.0), ("throttled", 2.0), ("", None)]
    other = MIME.replace(b"<1@", b"<2@")
    assert sandbox.send("throttle+2@sandbox", mime=other).code == "throttled"


def test_a_throttle_without_a_number_never_ends(sandbox: Sandbox) -> None:
    assert {sandbox.send("throttle@sandbox").code for _ in range(30)} == {"throttled"}


def test_an_unknown_message_was_captured_and_a_lost_one_was_not(sandbox: Sandbox) -> None:
    assert sandbox.send("lost@sandbox").verdict is Verdict.UNKNOWN
    assert sandbox.look_up() is False
    assert sandbox.send("unknown@sandbox").verdict is Verdict.UNKNOWN
    assert sandbox.look_up() is True


@pytest.mark.parametrize(
    ("recipient", "seconds"),
    [
        ("slow@sandbox", 5),
        ("slow+3@sandbox", 3),
        ("slow+999@sandbox", 20),
        ("slow+9999@sandbox", 5),
        ("slow+x@sandbox", 5),
    ],
)
def test_a_slow_message_takes_as_long_as_it_says_within_the_deadline(
    sandbox: Sandbox, recipient: str, seconds: float
) -> None:
    assert sandbox.send(recipient).verdict is Verdict.ACCEPTED
    assert sandbox.slept == [seconds]
    assert seconds < sandbox.transport.deadline


def test_names_play_at_the_domain_sandbox_alone(sandbox: Sandbox) -> None:
    outcome = sandbox.send("bounce@sandbox.example", "reject@y.example", "anybody@sandbox")
    assert (outcome.verdict, outcome.refused) == (Verdict.ACCEPTED, ())


def test_a_bucket_that_does_not_answer_refuses_for_now_and_cannot_tell(sandbox: Sandbox) -> None:
    sandbox.captures.faults.before("put", Unavailable("down"))
    sandbox.captures.faults.before("find", Unavailable("down"))
    sandbox.captures.faults.before("count_try", Unavailable("down"))
    assert (sandbox.send(BOB).remedy, sandbox.send("throttle+1@sandbox").remedy) == (Remedy.RETRY, Remedy.RETRY)
    assert sandbox.look_up() is None


def test_another_accounts_capture_is_not_found(sandbox: Sandbox) -> None:
    sandbox.send(BOB)
    other = replace(ANN, id="acc_2")
    assert not sandbox.transport.look_up("<1@x.example>", account=other, registration=SANDBOX, access_token="")


def test_the_sandbox_needs_no_token_and_always_answers(sandbox: Sandbox) -> None:
    assert not sandbox.transport.needs_token
    assert sandbox.transport.greet(SANDBOX).reached
    assert sandbox.transport.verify(account=ANN, registration=SANDBOX, access_token="")
