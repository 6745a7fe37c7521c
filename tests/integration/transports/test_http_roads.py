"""What holds for every transport over HTTP, played on Gmail's and Graph's."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.carriage import GRAPH_CALL_LIMIT
from mailbearer.message import Outcome, Outgoing, Remedy, Verdict
from mailbearer.mime import compose
from mailbearer.registration import Flow
from mailbearer.transports.gmail import GmailTransport
from mailbearer.transports.graph import GraphTransport
from tests.integration.transports.peers import HttpPeer, Peer, answer, cut, read_request, silence

if TYPE_CHECKING:
    import socket

    from mailbearer.account import Account
    from mailbearer.egress import Egress
    from mailbearer.registration import Registration
    from tests.integration.transports.conftest import Clock
    from tests.integration.transports.peers import Certificate

MAIL = Outgoing(
    mail_from="ada@example.com", rcpt_to=("bob@example.net",), mime=b"Subject: hi\r\n\r\n\xff\xfe>?\r\n" * 9
)
TOKEN = "ya29.secret-token"
GMAIL_YES = answer(200, b'{"id": "18c0", "threadId": "18c0", "labelIds": ["SENT"]}')
GRAPH_YES = answer(202, request_id="r-1")


@dataclass
class Road:
    """A transport with everything its calls need but the address."""

    transport: GmailTransport | GraphTransport
    account: Account
    registration: Registration
    yes: bytes

    def send(self, url: str, *, mail: Outgoing = MAIL, token: str = TOKEN, ca_pem: str = "") -> Outcome:
        registration = replace(self.registration, api_base_url=url, ca_pem=ca_pem)
        return self.transport.send(mail, account=self.account, registration=registration, access_token=token)


@pytest.fixture(params=["gmail", "graph"])
def road(
    request: pytest.FixtureRequest, egress: Egress, clock: Clock, account: Account, registration: Registration
) -> Road:
    if request.param == "gmail":
        return Road(GmailTransport(egress, clock, deadline=5), account, registration, GMAIL_YES)
    return Road(GraphTransport(egress, clock, compose, deadline=5), account, registration, GRAPH_YES)


@pytest.fixture
def gmail(egress: Egress, clock: Clock, account: Account, registration: Registration) -> Road:
    return Road(GmailTransport(egress, clock, deadline=5), account, registration, GMAIL_YES)


@pytest.fixture
def graph(egress: Egress, clock: Clock, account: Account, registration: Registration) -> Road:
    return Road(GraphTransport(egress, clock, compose, deadline=5), account, registration, GRAPH_YES)


# --- Gmail ----------------------------------------------------------------------------------------------------------


def test_gmail_gets_the_message_as_json(gmail: Road) -> None:
    with HttpPeer(GMAIL_YES) as peer:
        assert gmail.send(peer.url) == Outcome(verdict=Verdict.ACCEPTED, provider_id="18c0")
    (request,) = peer.requests
    assert request.line == "POST /gmail/v1/users/me/messages/send HTTP/1.1"
    assert (request.headers["authorization"], request.headers["content-type"]) == (
        f"Bearer {TOKEN}",
        "application/json",
    )
    assert base64.urlsafe_b64decode(json.loads(request.body)["raw"]) == MAIL.mime


def test_gmail_gets_a_large_message_through_the_upload_endpoint(gmail: Road) -> None:
    large = replace(MAIL, mime=b"x" * 3_500_000)
    with HttpPeer(GMAIL_YES) as peer:
        assert gmail.send(peer.url, mail=large).verdict is Verdict.ACCEPTED
    (request,) = peer.requests
    assert request.line == "POST /upload/gmail/v1/users/me/messages/send?uploadType=media HTTP/1.1"
    assert (request.headers["content-type"], request.body) == ("message/rfc822", large.mime)


GMAIL_READS = "https://www.googleapis.com/auth/gmail.readonly"


def looked_up(gmail: Road, url: str, message_id: str, *, scope: str = GMAIL_READS) -> bool | None:
    registration = replace(gmail.registration, api_base_url=url)
    account = replace(gmail.account, scopes_granted=(scope,))
    return gmail.transport.look_up(message_id, account=account, registration=registration, access_token=TOKEN)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(200, b'{"messages": [{"id": "18c0", "threadId": "18c0"}], "resultSizeEstimate": 1}'), True),
        (answer(200, b'{"resultSizeEstimate": 0}'), False),
        (answer(200, b'{"messages": []}'), False),
        (answer(200, b'{"messages": {}}'), None),
        (answer(200, b"[]"), None),
        (answer(200, b"x"), None),
        (answer(401, b"{}"), None),
        (answer(403, b"{}"), None),
        (answer(429, b"{}"), None),
        (answer(500), None),
    ],
)
def test_gmail_is_asked_for_a_message_id_among_the_sent(gmail: Road, reply: bytes, verdict: bool | None) -> None:
    with HttpPeer(reply) as peer:
        assert looked_up(gmail, peer.url, "<01h.x-1@mail.example.com>") is verdict
    (request,) = peer.requests
    assert request.line == (
        "GET /gmail/v1/users/me/messages?maxResults=1&q=rfc822msgid%3A01h.x-1%40mail.example.com%20in%3Asent HTTP/1.1"
    )
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "message_id", ["", "<>", "no-at", "<a b@c>", "<a@c> OR in:sent", "<{a}@c>", '<"a"@c>', "<a&b@c>", "<-a@c>", "<ä@c>"]
)
def test_an_id_that_could_say_something_else_to_gmail_is_not_asked_for(gmail: Road, message_id: str) -> None:
    with HttpPeer(answer(200, b"{}")) as peer:
        assert looked_up(gmail, peer.url, message_id) is None
    assert peer.connections == 0


def test_gmail_is_not_asked_without_a_scope_that_lets_it_be_searched_nor_when_it_is_not_there(gmail: Road) -> None:
    with HttpPeer(answer(200, b"{}")) as peer:
        for scope in ("https://www.googleapis.com/auth/gmail.send", "https://www.googleapis.com/auth/gmail.metadata"):
            assert looked_up(gmail, peer.url, "<a@c>", scope=scope) is None
    assert peer.connections == 0
    assert looked_up(gmail, "http://127.0.0.1:1", "<a@c>") is None


def test_gmail_says_in_its_text_when_to_come_again(gmail: Road) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 1000))
    text = f"User-rate limit exceeded.  Retry after {moment}"
    body = {"error": {"code": 429, "message": text, "errors": [{"reason": "rateLimitExceeded", "message": text}]}}
    with HttpPeer(answer(429, json.dumps(body).encode())) as peer:
        outcome = gmail.send(peer.url)
    assert (outcome.verdict, outcome.remedy) == (Verdict.NOT_ACCEPTED, Remedy.RETRY)
    assert outcome.retry_after is not None
    assert 990 < outcome.retry_after <= 1000


@pytest.mark.parametrize("address", ["jürgen@example.net"])
def test_gmail_refuses_addresses_beyond_ascii(gmail: Road, address: str) -> None:
    assert gmail.send("http://127.0.0.1:1", mail=replace(MAIL, rcpt_to=(address,))).code == "smtputf8_needed"
    assert gmail.send("http://127.0.0.1:1", mail=replace(MAIL, mail_from=address)).code == "smtputf8_needed"


DEEP = b"[" * 100_000


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", b'{"id": ""}', b'{"id": 7}', b"[]", b'"id"', b"\xff", DEEP])
def test_gmails_yes_without_an_id_is_unknown(gmail: Road, body: bytes) -> None:
    with HttpPeer(answer(200, body)) as peer:
        outcome = gmail.send(peer.url)
    assert (outcome.verdict, outcome.code) == (Verdict.UNKNOWN, "unexpected_answer")


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(200, b'{"emailAddress":"ANN@example.com"}'), True),
        (answer(200, b'{"emailAddress":"other@example.com"}'), False),
        (answer(200, b"[]"), None),
        (answer(401, b"{}"), False),
        (answer(403, b"{}"), None),
        (answer(404), None),
    ],
)
def test_gmail_says_whose_mailbox_it_is_where_the_token_may_read_that(
    gmail: Road, reply: bytes, verdict: bool | None
) -> None:
    with HttpPeer(reply) as peer:
        registration = replace(gmail.registration, api_base_url=peer.url)
        account = replace(gmail.account, address="ann@example.com")
        assert gmail.transport.verify(account=account, registration=registration, access_token=TOKEN) is verdict
    assert peer.requests[0].line == "GET /gmail/v1/users/me/profile HTTP/1.1"


# --- Graph ----------------------------------------------------------------------------------------------------------


def test_graph_gets_the_message_as_mime_in_base64(graph: Road) -> None:
    with HttpPeer(GRAPH_YES) as peer:
        assert graph.send(f"{peer.url}/") == Outcome(verdict=Verdict.ACCEPTED, provider_id="r-1")
    (request,) = peer.requests
    assert request.line == "POST /v1.0/me/sendMail HTTP/1.1"
    assert (request.headers["authorization"], request.headers["content-type"]) == (f"Bearer {TOKEN}", "text/plain")
    assert base64.b64decode(request.body, validate=True) == MAIL.mime


def test_graph_is_told_the_mailbox_when_the_token_is_the_applications(graph: Road) -> None:
    unattended = replace(graph, registration=replace(graph.registration, flow=Flow.CLIENT_CREDENTIALS))
    unattended.account = replace(graph.account, address="a/b?c@example.com")
    with HttpPeer(GRAPH_YES) as peer:
        unattended.send(peer.url)
    assert peer.requests[0].line == "POST /v1.0/users/a%2Fb%3Fc@example.com/sendMail HTTP/1.1"


@pytest.mark.parametrize("status", [200, 201, 204])
def test_graphs_other_yes_is_unknown(graph: Road, status: int) -> None:
    with HttpPeer(answer(status)) as peer:
        assert graph.send(peer.url).verdict is Verdict.UNKNOWN


def test_graphs_accepted_counts_although_it_asks_to_wait(graph: Road) -> None:
    with HttpPeer(answer(202, Retry_After="30")) as peer:
        assert graph.send(peer.url).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(200, b'{"mail": "ADA@example.com", "userPrincipalName": "x@y"}'), True),
        (answer(200, b'{"mail": null, "userPrincipalName": "ada@example.com"}'), True),
        (answer(200, b'{"mail": "x@y", "proxyAddresses": ["SMTP:x@y", "smtp:ada@example.com"]}'), True),
        (answer(200, b'{"mail": "eve@example.com"}'), False),
        (answer(401), False),
        (answer(403), None),
        (answer(500), None),
        (answer(200, b"[]"), None),
        (b"nonsense", None),
    ],
)
def test_graph_tells_whose_token_it_is(graph: Road, reply: bytes, verdict: bool | None) -> None:
    with HttpPeer(reply) as peer:
        registration = replace(graph.registration, api_base_url=peer.url)
        transport = GraphTransport(graph.transport._egress, time.time, compose, deadline=1)  # noqa: SLF001 - a shorter patience
        assert transport.verify(account=graph.account, registration=registration, access_token=TOKEN) is verdict
    assert peer.requests[0].line.startswith("GET /v1.0/me?$select=")


# --- certainly not --------------------------------------------------------------------------------------------------


def test_a_message_beyond_the_limit_is_not_sent(road: Road) -> None:
    with HttpPeer(road.yes) as peer:
        limit = GRAPH_CALL_LIMIT if isinstance(road.transport, GraphTransport) else road.transport.size_limit
        outcome = road.send(peer.url, mail=replace(MAIL, mime=b"x" * (limit + 1)))
    assert (outcome.verdict, outcome.code, outcome.remedy) == (
        Verdict.NOT_ACCEPTED,
        "message_too_large",
        Remedy.NONE,
    )
    assert peer.connections == 0


@pytest.mark.parametrize("token", ["", "a\r\nX-Evil: 1", "a b", "tökén"])
def test_a_token_that_could_break_out_of_its_header_is_not_used(road: Road, token: str) -> None:
    with HttpPeer(road.yes) as peer:
        assert road.send(peer.url, token=token).code == "token_malformed"
    assert peer.connections == 0


def test_an_echoed_token_does_not_reach_the_detail(road: Road) -> None:
    with HttpPeer(answer(400, json.dumps({"error": {"message": f"bad {TOKEN}\n" * 50}}).encode())) as peer:
        outcome = road.send(peer.url)
    assert TOKEN not in outcome.detail
    assert len(outcome.detail) < 230
    assert "\n" not in outcome.detail


def test_a_server_that_is_not_there_is_tried_again_later(road: Road) -> None:
    outcome = road.send("http://127.0.0.1:1")
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, "connect_failed", Remedy.RETRY)


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1", "http://example.com", "https://10.0.0.1", "nonsense", "http://[::1", "http://127.0.0.1/a b"],
)
def test_an_address_that_may_not_be_reached_is_not(road: Road, url: str) -> None:
    outcome = road.send(url)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, "unsafe_endpoint", Remedy.HOLD)


def test_an_untrusted_certificate_sees_no_token(road: Road, certificate: Certificate) -> None:
    with HttpPeer(road.yes, tls=certificate.context) as peer:
        outcome = road.send(peer.url)
        assert (outcome.verdict, outcome.code, outcome.remedy) == (
            Verdict.NOT_ACCEPTED,
            "tls_not_trusted",
            Remedy.HOLD,
        )
        assert peer.requests == []
        assert road.send(peer.url, ca_pem=certificate.ca_pem).verdict is Verdict.ACCEPTED


def test_a_peer_that_speaks_no_tls_is_tried_again_later(road: Road) -> None:
    with Peer(lambda sock: sock.sendall(answer(400))) as peer:
        outcome = road.send(f"https://127.0.0.1:{peer.port}")
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, "tls_failed", Remedy.RETRY)


def test_a_cut_before_the_whole_request_has_left_is_certainly_not_accepted(gmail: Road) -> None:
    def hang_up(sock: socket.socket) -> None:
        sock.recv(1000)

    # More than the buffers between two processes hold.
    large = replace(MAIL, mime=b"x" * 30_000_000)
    with Peer(hang_up) as peer:
        outcome = gmail.send(f"http://127.0.0.1:{peer.port}", mail=large)
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "connect_failed")


def test_a_peer_that_reads_nothing_is_left_when_the_deadline_comes(gmail: Road) -> None:
    gmail.transport.deadline = 0.3

    def idle(_: socket.socket) -> None:
        time.sleep(0.8)

    with Peer(idle) as peer:
        outcome = gmail.send(f"http://127.0.0.1:{peer.port}", mail=replace(MAIL, mime=b"x" * 30_000_000))
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "connect_timeout")


def test_an_early_refusal_counts_although_the_request_never_left_whole(gmail: Road) -> None:
    def refuse(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(answer(413))
        time.sleep(0.2)
        sock.setblocking(False)
        try:
            while sock.recv(1 << 20):
                pass
        except BlockingIOError:
            pass

    with Peer(refuse) as peer:
        outcome = gmail.send(f"http://127.0.0.1:{peer.port}", mail=replace(MAIL, mime=b"x" * 30_000_000))
    assert (outcome.verdict, outcome.remedy) in {
        (Verdict.NOT_ACCEPTED, Remedy.NONE),
        (Verdict.NOT_ACCEPTED, Remedy.RETRY),
    }


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (307, "redirected", Remedy.HOLD),
        (400, "message_rejected", Remedy.NONE),
        (401, "token_rejected", Remedy.REFRESH),
        (403, "mailbox_access_denied", Remedy.HOLD),
        (404, "mailbox_unavailable", Remedy.HOLD),
        (408, "throttled", Remedy.RETRY),
        (413, "request_too_large", Remedy.NONE),
        (429, "throttled", Remedy.RETRY),
    ],
)
def test_a_bare_status_is_enough_to_know(road: Road, status: int, code: str, remedy: Remedy) -> None:
    with HttpPeer(answer(status, b"<html>no JSON here", Content_Type="text/html")) as peer:
        outcome = road.send(peer.url)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, code, remedy)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30", 30), ("1.5", 1.5), ("0", 0), ("-5", 0), ("soon", None), ("", None), ("inf", None), ("nan", None)],
)
def test_retry_after_is_read_as_seconds(road: Road, value: str, seconds: float | None) -> None:
    with HttpPeer(answer(429, Retry_After=value)) as peer:
        assert road.send(peer.url).retry_after == seconds


def test_retry_after_is_read_as_a_date(road: Road) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    with HttpPeer(answer(429, Retry_After=date)) as peer:
        wait = road.send(peer.url).retry_after
    assert wait is not None
    assert 95 < wait <= 100


# --- unknown --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 303, 499, 500, 502, 503, 504])
def test_a_status_that_may_hide_an_accepted_message_is_unknown(road: Road, status: int) -> None:
    with HttpPeer(answer(status, b'{"error": {"code": "ErrorServerBusy"}}', Location="http://127.0.0.1:1/")) as peer:
        assert road.send(peer.url).verdict is Verdict.UNKNOWN
    assert len(peer.requests) == 1


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_no_readable_answer_after_the_request_has_left_is_unknown_and_not_tried_again(road: Road, reply: bytes) -> None:
    requests = []

    def answer_and_cut(sock: socket.socket) -> None:
        requests.append(read_request(sock))
        sock.sendall(reply)
        cut(sock)

    with Peer(answer_and_cut) as peer:
        outcome = road.send(f"http://127.0.0.1:{peer.port}")
    assert outcome.verdict is Verdict.UNKNOWN
    assert (len(requests), peer.connections) == (1, 1)


def test_an_answer_cut_off_in_its_body_is_judged_by_its_status(road: Road) -> None:
    def answer_and_cut(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\n{")
        cut(sock)

    with Peer(answer_and_cut) as peer:
        assert road.send(f"http://127.0.0.1:{peer.port}").code == "token_rejected"


def test_a_yes_cut_off_in_its_body_is_unknown_at_gmail_only(road: Road) -> None:
    head = road.yes.partition(b"\r\n\r\n")[0].replace(b"Content-Length: ", b"Content-Length: 1")

    def answer_and_cut(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(head + b"\r\n\r\n{")
        cut(sock)

    with Peer(answer_and_cut) as peer:
        verdict = road.send(f"http://127.0.0.1:{peer.port}").verdict
    assert verdict is (Verdict.UNKNOWN if isinstance(road.transport, GmailTransport) else Verdict.ACCEPTED)


def test_an_endless_answer_is_judged_by_its_status(road: Road) -> None:
    with HttpPeer(answer(401, b"x" * 3_000_000)) as peer:
        assert road.send(peer.url).code == "token_rejected"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_trickling_peer_cannot_hold_a_call_beyond_its_deadline(gmail: Road, start: bytes) -> None:
    gmail.transport.deadline = 0.5

    def trickle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(start)
        for _ in range(40):
            sock.sendall(b"H")
            time.sleep(0.05)

    with Peer(trickle) as peer:
        began = time.monotonic()
        assert gmail.send(f"http://127.0.0.1:{peer.port}").verdict is Verdict.UNKNOWN
        assert time.monotonic() - began < 1.0


def test_a_silent_peer_is_left_when_the_deadline_comes(road: Road, certificate: Certificate) -> None:
    road.transport.deadline = 0.3
    with Peer(silence) as peer:
        began = time.monotonic()
        assert road.send(f"http://127.0.0.1:{peer.port}").verdict is Verdict.UNKNOWN
        outcome = road.send(f"https://127.0.0.1:{peer.port}", ca_pem=certificate.ca_pem)
        assert (outcome.verdict, outcome.remedy) == (Verdict.NOT_ACCEPTED, Remedy.RETRY)
        assert time.monotonic() - began < 1.5


# --- connections ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_calls_share_a_connection(road: Road, certificate: Certificate, secure: bool) -> None:
    with HttpPeer(road.yes, tls=certificate.context if secure else None) as peer:
        verdicts = [road.send(peer.url, ca_pem=certificate.ca_pem).verdict for _ in range(4)]
    assert (verdicts, peer.connections, len(peer.requests)) == ([Verdict.ACCEPTED] * 4, 1, 4)


def test_a_connection_that_was_idle_for_long_is_not_used_again(road: Road, clock: Clock) -> None:
    with HttpPeer(road.yes) as peer:
        road.send(peer.url)
        clock.ahead = 21
        road.send(peer.url)
    assert peer.connections == 2


def test_a_connection_that_the_peer_closed_is_not_used_again(road: Road) -> None:
    def answer_once(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(road.yes)

    with Peer(answer_once) as peer:
        for _ in range(3):
            assert road.send(f"http://127.0.0.1:{peer.port}").verdict is Verdict.ACCEPTED
            time.sleep(0.05)
    assert peer.connections == 3
