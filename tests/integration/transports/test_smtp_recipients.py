"""Each recipient is taken or refused for itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.message import Remedy, Verdict
from tests.integration.transports.peers import cut
from tests.integration.transports.smtp_posts import MAIL, PIPELINING, refused_with

if TYPE_CHECKING:
    from tests.integration.transports.peers import Action, SmtpPlan
    from tests.integration.transports.smtp_posts import Post

TAKEN, UNKNOWN_HERE, LATER = b"250 2.1.5 OK\r\n", b"550 5.1.1 unknown\r\n", b"451 4.7.500 later\r\n"
FULL = b"452 4.5.3 too many\r\n"


@PIPELINING
@pytest.mark.parametrize(
    ("reply", "code", "again"),
    [
        (UNKNOWN_HERE, "recipient_rejected", False),
        (b"550 5.2.2 mailbox full\r\n", "recipient_rejected", False),
        (b"450 4.2.0 greylisted\r\n", "deferred", True),
        (LATER, "throttled", True),
        (FULL, "too_many_recipients", True),
        # The mailbox's own limit, which is not about this recipient.
        (b"550 5.4.5 Daily user sending limit exceeded\r\n", "daily_limit", True),
    ],
)
def test_the_others_get_the_message_and_the_refused_one_is_named(
    post: Post, plan: SmtpPlan, *, extensions: list[str], reply: bytes, code: str, again: bool
) -> None:
    plan.extensions = extensions
    refused_with(plan, "RCPT", TAKEN, reply)
    outcome = post.send()
    assert (outcome.verdict, outcome.code) == (Verdict.ACCEPTED, "")
    assert [(who.recipient, who.code, who.again) for who in outcome.refused] == [("eve@example.org", code, again)]
    assert outcome.refused[0].detail.startswith(reply[:3].decode())
    assert [captured.content for captured in post.peer.captured] == [MAIL.mime]
    assert post.send().refused == ()
    assert post.peer.connections == 1


@PIPELINING
@pytest.mark.parametrize(
    ("replies", "code", "remedy", "again"),
    [
        ((UNKNOWN_HERE, UNKNOWN_HERE), "recipient_rejected", Remedy.NONE, [False, False]),
        ((LATER, LATER), "throttled", Remedy.RETRY, [True, True]),
        ((UNKNOWN_HERE, b"450 4.2.0 greylisted\r\n"), "deferred", Remedy.RETRY, [False, True]),
        ((FULL, FULL), "too_many_recipients", Remedy.RETRY, [True, True]),
        ((LATER, b"550 5.4.5 limit\r\n"), "daily_limit", Remedy.HOLD, [True, True]),
    ],
)
@pytest.mark.parametrize("data", [b"554 5.5.1 no valid recipients\r\n", b"354 go ahead all the same\r\n"])
def test_where_nobody_is_taken_nothing_is_sent_and_what_may_still_help_decides(
    post: Post,
    plan: SmtpPlan,
    *,
    extensions: list[str],
    replies: tuple[bytes, ...],
    code: str,
    remedy: Remedy,
    again: list[bool],
    data: bytes,
) -> None:
    plan.extensions = extensions
    refused_with(plan, "RCPT", *replies)
    if extensions:
        refused_with(plan, "DATA", data)
        refused_with(plan, "DOT", *([b"554 5.5.1 no valid recipients\r\n"] if data.startswith(b"354") else []))
    outcome = post.send()
    plan.actions["RCPT"].clear()
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, code, remedy)
    assert [(who.recipient, who.again) for who in outcome.refused] == list(zip(MAIL.rcpt_to, again, strict=True))
    assert all(recipient in outcome.detail for recipient in MAIL.rcpt_to)
    assert post.peer.captured == []
    # The connection serves on, and the next message gets to all of them.
    assert post.send().verdict is Verdict.ACCEPTED
    assert [captured.rcpt_to for captured in post.peer.captured] == [list(MAIL.rcpt_to)]
    assert post.peer.connections == 1
    assert ("RSET" in post.peer.commands) == (not extensions or data.startswith(b"554"))


def test_a_server_that_takes_the_lone_dot_of_a_message_for_nobody_has_taken_no_message(
    post: Post, plan: SmtpPlan
) -> None:
    refused_with(plan, "RCPT", UNKNOWN_HERE, UNKNOWN_HERE)
    outcome = post.send()
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "recipient_rejected")
    assert [captured.content for captured in post.peer.captured] == [b""]


@pytest.mark.parametrize("reply", [b"421 4.7.0 bye\r\n", cut], ids=["421", "cut"])
def test_a_server_that_leaves_at_the_lone_dot_changes_nothing(post: Post, plan: SmtpPlan, reply: Action) -> None:
    refused_with(plan, "RCPT", UNKNOWN_HERE, UNKNOWN_HERE)
    refused_with(plan, "DOT", reply)
    assert (post.send().code, post.peer.captured) == ("recipient_rejected", [])
    assert post.send().verdict is Verdict.ACCEPTED
    assert post.peer.connections == 2


def test_no_content_and_no_dot_follow_a_refused_sender_even_where_recipients_were_taken(
    post: Post, plan: SmtpPlan
) -> None:
    refused_with(plan, "MAIL", b"550 5.7.60 not as this sender\r\n")
    outcome = post.send()
    assert (outcome.verdict, outcome.code, outcome.refused) == (Verdict.NOT_ACCEPTED, "send_as_denied", ())
    assert post.send().verdict is Verdict.ACCEPTED
    assert (post.peer.connections, len(post.peer.captured)) == (2, 1)


def test_without_pipelining_a_refused_sender_ends_the_asking(post: Post, plan: SmtpPlan) -> None:
    plan.extensions = []
    refused_with(plan, "MAIL", b"550 5.7.60 not as this sender\r\n")
    post.send()
    assert [command.split(" ")[0] for command in post.peer.commands[-2:]] == ["MAIL", "RSET"]


@PIPELINING
def test_a_server_that_takes_no_more_recipients_is_not_asked_for_all_the_rest(
    post: Post, plan: SmtpPlan, extensions: list[str]
) -> None:
    plan.extensions = extensions
    recipients = tuple(f"user{number}@example.net" for number in range(400))
    refused_with(plan, "RCPT", *[TAKEN] * 100, *[FULL] * 300)
    outcome = post.send(replace(MAIL, rcpt_to=recipients))
    assert outcome.verdict is Verdict.ACCEPTED
    assert [who.recipient for who in outcome.refused] == list(recipients[100:])
    assert {(who.code, who.again) for who in outcome.refused} == {("too_many_recipients", True)}
    asked = sum(command.startswith("RCPT") for command in post.peer.commands)
    assert asked <= (150 if extensions else 101)


@PIPELINING
def test_refusals_among_hundreds_are_named_and_the_rest_is_taken(
    post: Post, plan: SmtpPlan, extensions: list[str]
) -> None:
    plan.extensions = extensions
    recipients = tuple(f"user{number}@example.net" for number in range(120))
    refused_with(plan, "RCPT", *[UNKNOWN_HERE if number % 7 == 3 else TAKEN for number in range(120)])
    outcome = post.send(replace(MAIL, rcpt_to=recipients))
    assert outcome.verdict is Verdict.ACCEPTED
    assert [who.recipient for who in outcome.refused] == list(recipients[3::7])
    assert len(post.peer.captured) == 1


@PIPELINING
def test_content_refused_after_a_recipient_was_still_names_that_recipient(
    post: Post, plan: SmtpPlan, extensions: list[str]
) -> None:
    plan.extensions = extensions
    refused_with(plan, "RCPT", UNKNOWN_HERE, TAKEN)
    refused_with(plan, "DOT", b"451 4.3.0 later\r\n")
    outcome = post.send()
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, "deferred", Remedy.RETRY)
    assert [who.recipient for who in outcome.refused] == ["bob@example.net"]
    refused_with(plan, "RCPT", UNKNOWN_HERE, TAKEN)
    refused_with(plan, "DATA", b"451 4.3.0 later\r\n")
    outcome = post.send()
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, "deferred", Remedy.RETRY)
    assert [who.recipient for who in outcome.refused] == ["bob@example.net"]


def test_an_answer_that_was_lost_is_unknown_for_those_that_were_taken_only(post: Post, plan: SmtpPlan) -> None:
    refused_with(plan, "RCPT", UNKNOWN_HERE, TAKEN)
    refused_with(plan, "DOT", cut)
    outcome = post.send()
    assert (outcome.verdict, [who.recipient for who in outcome.refused]) == (Verdict.UNKNOWN, ["bob@example.net"])


@PIPELINING
def test_a_server_that_hangs_up_for_too_many_errors_has_named_those_it_refused(
    post: Post, plan: SmtpPlan, extensions: list[str]
) -> None:
    plan.extensions = extensions
    refused_with(plan, "RCPT", UNKNOWN_HERE, b"421 4.7.0 Error: too many errors\r\n")
    outcome = post.send()
    assert (outcome.verdict, outcome.code, outcome.remedy) == (
        Verdict.NOT_ACCEPTED,
        "service_unavailable",
        Remedy.RETRY,
    )
    assert [(who.recipient, who.again) for who in outcome.refused] == [
        ("bob@example.net", False),
        ("eve@example.org", True),
    ]
