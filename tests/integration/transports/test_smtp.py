from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.message import Outcome, Outgoing, Remedy, Verdict
from tests.integration.transports.peers import cut, silence
from tests.integration.transports.smtp_posts import MAIL, PIPELINING, TOKEN, refused_with

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.integration.transports.conftest import Clock
    from tests.integration.transports.peers import Action, SmtpPlan
    from tests.integration.transports.smtp_posts import Post

# --- the plain road -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["starttls", "tls"])
@PIPELINING
def test_the_server_gets_exactly_the_message_and_its_envelope(
    opened: Callable[..., object], plan: SmtpPlan, security: str, extensions: list[str]
) -> None:
    plan.extensions = extensions
    with opened(security) as post:  # type: ignore[attr-defined]
        outcome = post.send()
        assert outcome == Outcome(verdict=Verdict.ACCEPTED, detail="250 2.0.0: OK queued as 1")
        captured = post.peer.captured[0]
        assert (captured.mail_from, tuple(captured.rcpt_to), captured.content) == (
            MAIL.mail_from,
            MAIL.rcpt_to,
            MAIL.mime,
        )


def test_no_token_is_sent_before_tls(post: Post) -> None:
    post.send()
    commands = post.peer.commands
    assert [command.split(" ")[0] for command in commands[:4]] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


@pytest.mark.parametrize("mime", [b".\r\n", b"a\r\n.\r\nb\r\n", b"no end", b".", b"\r\n.\r\n.\r\n", b""])
def test_no_line_of_the_message_ends_it_early(post: Post, mime: bytes) -> None:
    post.send(replace(MAIL, mime=mime))
    assert post.peer.captured[0].content == (mime if mime.endswith(b"\r\n") else mime + b"\r\n")


def test_a_large_message_arrives_whole(post: Post) -> None:
    mime = b"X: y\r\n\r\n" + (b".line\r\n" * 300_000)
    assert post.send(replace(MAIL, mime=mime)).verdict is Verdict.ACCEPTED
    assert post.peer.captured[0].content == mime


@PIPELINING
def test_two_hundred_recipients_are_all_named(post: Post, plan: SmtpPlan, extensions: list[str]) -> None:
    plan.extensions = extensions
    recipients = tuple(f"user{number}@example.net" for number in range(200))
    assert post.send(replace(MAIL, rcpt_to=recipients)).verdict is Verdict.ACCEPTED
    assert tuple(post.peer.captured[0].rcpt_to) == recipients


def test_size_is_announced_and_obeyed(post: Post, plan: SmtpPlan) -> None:
    plan.extensions = ["SIZE 1000"]
    assert post.send().verdict is Verdict.ACCEPTED
    assert f"MAIL FROM:<ada@example.com> SIZE={len(MAIL.mime)}" in post.peer.commands
    outcome = post.send(replace(MAIL, mime=b"x" * 1001))
    assert (outcome.verdict, outcome.code, outcome.remedy) == (
        Verdict.NOT_ACCEPTED,
        "message_too_large",
        Remedy.NONE,
    )


def test_eight_bit_mail_needs_8bitmime(post: Post, plan: SmtpPlan) -> None:
    mail = replace(MAIL, mime="X: y\r\n\r\nä\r\n".encode())
    assert post.send(mail).verdict is Verdict.ACCEPTED
    assert any(command.endswith(" BODY=8BITMIME") for command in post.peer.commands)
    plan.extensions = []
    outcome = post.send(mail, token="another")
    assert (outcome.code, outcome.remedy) == ("needs_8bitmime", Remedy.NONE)


@pytest.mark.parametrize(
    ("mail", "code"),
    [
        (replace(MAIL, mime=b"a\nb\r\n"), "bare_line_end"),
        (replace(MAIL, mime=b"a\r\n.\n\r\n"), "bare_line_end"),
        (replace(MAIL, mime=b"a\rb\r\n"), "bare_line_end"),
        (replace(MAIL, mail_from="a@b>\r\nRCPT TO:<c@d"), "address_invalid"),
        (replace(MAIL, rcpt_to=("a@b\r\nDATA",)), "address_invalid"),
        (replace(MAIL, rcpt_to=("ä\u2028@b",)), "address_invalid"),
        (replace(MAIL, rcpt_to=("ä\x85@b",)), "address_invalid"),
        (replace(MAIL, rcpt_to=("ä@b", "ä> <c@d")), "address_invalid"),
        (replace(MAIL, rcpt_to=()), "address_invalid"),
        (replace(MAIL, mime=b"x" * 35_000_001), "message_too_large"),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_sent(post: Post, mail: Outgoing, code: str) -> None:
    outcome = post.send(mail)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, code, Remedy.NONE)
    assert post.peer.connections == 0


# --- signing in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ("LOGIN XOAUTH2 OAUTHBEARER", ("XOAUTH2", f"user=ada@example.com\x01auth=Bearer {TOKEN}\x01\x01")),
        (
            "OAUTHBEARER PLAIN",
            (
                "OAUTHBEARER",
                "n,a=ada@example.com,\x01host=127.0.0.1\x01port={port}\x01auth=Bearer " + TOKEN + "\x01\x01",
            ),
        ),
        ("xoauth2", ("XOAUTH2", f"user=ada@example.com\x01auth=Bearer {TOKEN}\x01\x01")),
    ],
)
def test_the_mechanism_is_one_that_is_offered(
    post: Post, plan: SmtpPlan, offered: str, expected: tuple[str, str]
) -> None:
    plan.mechanisms = offered
    assert post.send().verdict is Verdict.ACCEPTED
    _, mechanism, initial = next(command for command in post.peer.commands if command.startswith("AUTH")).split(" ")
    assert (mechanism, base64.b64decode(initial).decode()) == (
        expected[0],
        expected[1].replace("{port}", str(post.peer.port)),
    )


def test_commas_and_equals_signs_in_the_user_are_escaped_for_oauthbearer(post: Post, plan: SmtpPlan) -> None:
    plan.mechanisms = "OAUTHBEARER"
    post.send(account=replace(post.account, address="a=b,c@example.com"))
    initial = next(command for command in post.peer.commands if command.startswith("AUTH")).split(" ")[2]
    assert base64.b64decode(initial).startswith(b"n,a=a=3Db=2Cc@example.com,\x01")


@pytest.mark.parametrize(
    ("mechanism", "status", "acknowledgement", "code", "remedy"),
    [
        ("XOAUTH2", "400", "", "smtp_token_rejected", Remedy.REFRESH),
        ("XOAUTH2", "401", "", "smtp_token_rejected", Remedy.REFRESH),
        ("XOAUTH2", "403", "", "scope_missing", Remedy.HOLD),
        ("OAUTHBEARER", "invalid_token", "AQ==", "smtp_token_rejected", Remedy.REFRESH),
        ("OAUTHBEARER", "insufficient_scope", "AQ==", "scope_missing", Remedy.HOLD),
    ],
)
def test_the_failure_step_is_acknowledged_and_its_status_counts(
    post: Post, plan: SmtpPlan, *, mechanism: str, status: str, acknowledgement: str, code: str, remedy: Remedy
) -> None:
    plan.mechanisms = mechanism
    challenge = base64.b64encode(json.dumps({"status": status, "schemes": "Bearer", "scope": "mail"}).encode())
    refused_with(plan, "AUTH", b"334 " + challenge + b"\r\n")
    outcome = post.send()
    assert post.peer.commands[4] == acknowledgement
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, code, remedy)
    assert status in outcome.detail
    assert TOKEN not in outcome.detail


def test_a_server_that_greets_a_failed_sign_in_is_not_trusted(post: Post, plan: SmtpPlan) -> None:
    refused_with(plan, "AUTH", b"334 e30=\r\n")
    refused_with(plan, "RESPONSE", b"235 welcome all the same\r\n")
    assert (post.send().code, post.peer.captured) == ("unexpected_reply", [])


def test_a_mechanism_that_is_refused_gives_way_to_the_other(post: Post, plan: SmtpPlan) -> None:
    refused_with(plan, "AUTH", b"504 5.7.4 Unrecognized authentication type\r\n")
    assert post.send().verdict is Verdict.ACCEPTED
    assert [c.split(" ")[1] for c in post.peer.commands if c.startswith("AUTH")] == ["XOAUTH2", "OAUTHBEARER"]


def test_a_server_without_our_mechanisms_sees_no_token(post: Post, plan: SmtpPlan) -> None:
    plan.mechanisms = "PLAIN LOGIN"
    outcome = post.send()
    assert (outcome.code, outcome.remedy) == ("mechanism_not_offered", Remedy.HOLD)
    assert not any(command.startswith("AUTH") for command in post.peer.commands)


def test_an_echoed_token_does_not_reach_the_detail(post: Post, plan: SmtpPlan) -> None:
    refused_with(plan, "AUTH", f"535 5.7.8 bad token {TOKEN} for you\r\n".encode())
    assert post.send().detail == "535 5.7.8: bad token […] for you"


@pytest.mark.parametrize("token", ["", "a b", "a\r\nb", "a\x01b", "tökén"])
def test_a_token_that_could_break_out_of_its_line_is_not_used(post: Post, token: str) -> None:
    outcome = post.send(token=token)
    assert (outcome.code, outcome.remedy, post.peer.connections) == ("token_malformed", Remedy.REFRESH, 0)


def test_an_untrusted_certificate_sees_no_token(opened: Callable[..., object]) -> None:
    for security in ("starttls", "tls"):
        with opened(security, ca_pem="") as post:  # type: ignore[attr-defined]
            outcome = post.send()
            assert (outcome.code, outcome.remedy) == ("tls_not_trusted", Remedy.HOLD)
            assert not any(command.startswith("AUTH") for command in post.peer.commands)


def test_a_server_without_starttls_sees_no_token(post: Post, plan: SmtpPlan) -> None:
    plan.starttls = False
    outcome = post.send()
    assert (outcome.code, outcome.remedy) == ("tls_unavailable", Remedy.HOLD)
    assert not any(command.startswith("AUTH") for command in post.peer.commands)


def test_bytes_put_in_before_tls_end_the_dialogue(post: Post, plan: SmtpPlan) -> None:
    refused_with(plan, "STARTTLS", b"220 go ahead\r\n250 injected\r\n")
    assert post.send().code == "tls_injection"


def test_verifying_signs_in_and_sends_nothing(post: Post, plan: SmtpPlan) -> None:
    assert post.verify() is True
    assert post.peer.captured == []
    refused_with(plan, "AUTH", b"535 5.7.8 no\r\n")
    assert post.verify() is False
    refused_with(plan, "AUTH", b"454 4.7.0 later\r\n")
    assert post.verify() is None
    refused_with(plan, "GREETING", cut)
    assert post.verify() is None


# --- what may have left, and what has not ---------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("action", [cut, b"not SMTP at all\r\n", b"250-a\r\n251 b\r\n", b"x" * 5000])
def test_a_cut_before_the_content_is_certainly_not_accepted(
    post: Post, plan: SmtpPlan, verb: str, action: Action
) -> None:
    refused_with(plan, verb, action)
    outcome = post.send()
    assert (outcome.verdict, outcome.remedy) == (Verdict.NOT_ACCEPTED, Remedy.RETRY)
    assert outcome.code in {"connection_lost", "tls_failed"}
    assert post.peer.captured == []
    assert post.peer.connections == 1


@pytest.mark.parametrize(
    "action", [cut, b"not SMTP at all\r\n", b"354 what\r\n", b"251 perhaps\r\n", b"25"], ids=lambda a: str(a)[:20]
)
def test_a_lost_or_strange_reply_after_the_dot_is_unknown(post: Post, plan: SmtpPlan, action: Action) -> None:
    def reply(sock: socket.socket) -> None:
        if not isinstance(action, bytes):
            action(sock)
        else:
            sock.sendall(action)
        cut(sock)

    refused_with(plan, "DOT", reply)
    outcome = post.send()
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.code in {"answer_lost", "unexpected_answer"}
    assert post.peer.connections == 1


def test_a_server_that_hangs_up_amid_the_content_has_not_accepted(post: Post, plan: SmtpPlan) -> None:
    def hang_up(sock: socket.socket) -> None:
        sock.sendall(b"354 go ahead\r\n")
        sock.recv(1000)
        cut(sock)

    refused_with(plan, "DATA", hang_up)
    outcome = post.send(replace(MAIL, mime=b"x\r\n" * 4_000_000))
    assert (outcome.verdict, outcome.code, outcome.remedy) == (
        Verdict.NOT_ACCEPTED,
        "connection_lost",
        Remedy.RETRY,
    )


@pytest.mark.parametrize(
    ("verb", "reply", "code", "remedy"),
    [
        ("GREETING", b"554 5.3.2 no service\r\n", "service_refused", Remedy.RETRY),
        ("GREETING", b"421 4.3.2 Service not available\r\n", "service_unavailable", Remedy.RETRY),
        ("STARTTLS", b"454 4.3.0 TLS not available\r\n", "deferred", Remedy.RETRY),
        ("MAIL", b"550 5.7.60 SMTP; Client does not have permissions\r\n", "send_as_denied", Remedy.NONE),
        ("MAIL", b"451 4.3.0 later\r\n", "deferred", Remedy.RETRY),
        ("DATA", b"550 5.4.5 Daily user sending limit exceeded.\r\n", "daily_limit", Remedy.HOLD),
        ("DOT", b"550 5.7.1 spam\r\n", "content_refused", Remedy.NONE),
        ("DOT", b"421 4.3.0 Temporary System Problem.\r\n", "service_unavailable", Remedy.RETRY),
        ("DOT", b"552-5.3.4 Your message\r\n552 5.3.4 is too large\r\n", "message_too_large", Remedy.NONE),
    ],
)
@PIPELINING
def test_a_refusal_at_any_stage_is_certainly_not_accepted(
    post: Post, plan: SmtpPlan, *, extensions: list[str], verb: str, reply: bytes, code: str, remedy: Remedy
) -> None:
    plan.extensions = extensions
    refused_with(plan, verb, reply)
    if verb == "MAIL":
        refused_with(plan, "RCPT", b"503 5.5.1 MAIL first\r\n", b"503 5.5.1 MAIL first\r\n")
    if verb == "MAIL":
        refused_with(plan, "DATA", b"503 5.5.1 MAIL first\r\n")
    outcome = post.send()
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, code, remedy)
    assert post.peer.captured == []


@pytest.mark.parametrize("verb", ["GREETING", "AUTH", "MAIL", "DATA"])
def test_a_silent_server_is_left_when_the_deadline_comes(
    opened: Callable[..., object], plan: SmtpPlan, verb: str
) -> None:
    refused_with(plan, verb, silence)
    with opened(deadline=0.4) as post:  # type: ignore[attr-defined]
        began = time.monotonic()
        outcome = post.send()
        assert (outcome.verdict, outcome.remedy) == (Verdict.NOT_ACCEPTED, Remedy.RETRY)
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(("verb", "verdict"), [("AUTH", Verdict.NOT_ACCEPTED), ("DOT", Verdict.UNKNOWN)])
def test_a_trickling_server_cannot_hold_a_call_beyond_its_deadline(
    opened: Callable[..., object], plan: SmtpPlan, verb: str, verdict: Verdict
) -> None:
    def trickle(sock: socket.socket) -> None:
        for _ in range(100):
            sock.sendall(b"2")
            time.sleep(0.05)

    refused_with(plan, verb, trickle)
    with opened(deadline=0.6) as post:  # type: ignore[attr-defined]
        began = time.monotonic()
        assert post.send().verdict is verdict
        assert time.monotonic() - began < 1.5


# --- kept connections -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_messages_share_a_connection(opened: Callable[..., object], security: str) -> None:
    with opened(security) as post:  # type: ignore[attr-defined]
        assert [post.send().verdict for _ in range(4)] == [Verdict.ACCEPTED] * 4
        assert (post.peer.connections, len(post.peer.captured)) == (1, 4)


def test_a_new_token_gets_a_new_connection_and_ends_the_old_one(post: Post) -> None:
    post.send()
    post.send(token="fresh-token")
    assert post.peer.connections == 2
    post.send(token="fresh-token")
    assert post.peer.connections == 2
    assert post.peer.commands.count("QUIT") == 1


def test_mailboxes_never_share_a_connection(post: Post) -> None:
    post.send()
    post.send(account=replace(post.account, id="acc_2", address="bob@example.com"))
    post.send()
    assert post.peer.connections == 2


def test_a_connection_that_was_idle_for_long_is_not_used_again(post: Post, clock: Clock) -> None:
    post.send()
    clock.ahead = 61
    post.send()
    assert (post.peer.connections, len(post.peer.captured)) == (2, 2)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    "action", [cut, b"421 4.4.2 idle too long\r\n", b"451 4.4.2 Timeout - closing connection.\r\n"]
)
@PIPELINING
def test_a_kept_connection_found_dead_costs_no_message_and_doubles_none(
    post: Post, plan: SmtpPlan, extensions: list[str], action: Action, verb: str
) -> None:
    plan.extensions = extensions
    post.send()
    refused_with(plan, verb, action)
    assert post.send().verdict is Verdict.ACCEPTED
    assert (post.peer.connections, len(post.peer.captured)) == (2, 2)


def test_a_kept_connection_that_fell_silent_leaves_the_time_for_a_fresh_one(
    opened: Callable[..., object], plan: SmtpPlan
) -> None:
    with opened(deadline=2.0) as post:  # type: ignore[attr-defined]
        post.send()
        refused_with(plan, "MAIL", silence)
        assert post.send().verdict is Verdict.ACCEPTED
        assert (post.peer.connections, len(post.peer.captured)) == (2, 2)


def test_a_dead_connection_is_replaced_once_only(post: Post, plan: SmtpPlan) -> None:
    post.send()
    refused_with(plan, "MAIL", cut, cut)
    outcome = post.send()
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "connection_lost")
    assert post.peer.connections == 2


def test_a_kept_connection_lost_after_the_dot_is_unknown_and_not_tried_again(post: Post, plan: SmtpPlan) -> None:
    post.send()
    refused_with(plan, "DOT", cut)
    assert post.send().verdict is Verdict.UNKNOWN
    assert post.peer.connections == 1


def test_a_farewell_between_messages_is_noticed_before_anything_is_sent(post: Post, plan: SmtpPlan) -> None:
    def accept_and_leave(sock: socket.socket) -> None:
        sock.sendall(b"250 2.0.0 OK\r\n")
        time.sleep(0.1)
        sock.sendall(b"421 4.4.2 bye\r\n")

    refused_with(plan, "DOT", accept_and_leave)
    post.send()
    time.sleep(0.3)
    assert post.send().verdict is Verdict.ACCEPTED
    assert post.peer.connections == 2


def test_a_server_that_closes_idle_connections_costs_no_message(post: Post, plan: SmtpPlan) -> None:
    def accept_and_close(sock: socket.socket) -> None:
        sock.sendall(b"250 2.0.0 OK\r\n")
        cut(sock)

    refused_with(plan, "DOT", accept_and_close)
    assert post.send().verdict is Verdict.ACCEPTED
    time.sleep(0.2)
    assert post.send().verdict is Verdict.ACCEPTED
    # It was seen before anything was said on it.
    assert (post.peer.connections, sum(command.startswith("MAIL") for command in post.peer.commands)) == (2, 2)


def test_a_token_that_changed_is_proved_before_a_message_goes_out_with_it(post: Post, plan: SmtpPlan) -> None:
    post.send()
    refused_with(plan, "AUTH", b"535 5.7.8 expired\r\n")
    assert post.send(token="expired").remedy is Remedy.REFRESH
    assert len(post.peer.captured) == 1
    assert post.send(token="fresh").verdict is Verdict.ACCEPTED
    assert [command.split(" ")[0] for command in post.peer.commands].count("AUTH") == 3


def test_threads_share_a_transport_and_each_message_goes_once(post: Post) -> None:
    def work(number: int) -> None:
        outcomes.extend(
            post.send(replace(MAIL, mime=f"X-Number: {number}.{count}\r\n\r\n".encode())) for count in range(5)
        )

    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED] * 30
    assert len({captured.content for captured in post.peer.captured}) == len(post.peer.captured) == 30


def test_kept_connections_have_a_bound(post: Post) -> None:
    for number in range(40):
        post.send(account=replace(post.account, id=f"acc_{number}"))
    deadline = time.monotonic() + 5
    while post.peer.commands.count("QUIT") < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert post.peer.commands.count("QUIT") == 8


def test_a_server_that_is_not_there_is_tried_again_later(post: Post) -> None:
    assert post.registration.smtp is not None
    nowhere = replace(post.registration, smtp=replace(post.registration.smtp, port=1))
    outcome = post.transport.send(MAIL, account=post.account, registration=nowhere, access_token=TOKEN)
    assert (outcome.code, outcome.remedy) == ("connect_failed", Remedy.RETRY)
