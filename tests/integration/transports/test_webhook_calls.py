"""Calls to webhooks over real sockets and TLS: what is proved, and what no endpoint can make us do."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook as Verifier

from mailbearer.egress import Egress
from mailbearer.notifying import calling
from mailbearer.notifying.calling import Reply, Verdict, call
from mailbearer.notifying.signing import header_fields, shown
from mailbearer.transports.retry_after import asked_pause
from tests.integration.transports.peers import HttpPeer, Peer, answer, cut, read_request, silence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.integration.transports.peers import Certificate

SECRET = b"0123456789abcdef0123456789abcdef"
BODY = b'{"type":"message.failed","timestamp":"2026-11-22T09:30:00.000Z","data":{}}'


@dataclass
class Hurried:
    """The guarded way out that trusts one more authority, and has less time."""

    egress: Egress
    ca_pem: str = ""
    seconds: float = calling.SECONDS

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> Any:
        assert ca_pem == ""
        return self.egress.exchange(
            method, url, headers=headers, body=body, ca_pem=self.ca_pem, deadline=min(self.seconds, deadline)
        )


def ring(way_out: calling.WayOut, url: str) -> Reply:
    now = time.time()
    headers = {"content-type": "application/json", **header_fields([SECRET], "evt_1", BODY, at=int(now))}
    return call(way_out, url, headers, BODY, pause_of=asked_pause, now=now)


def test_a_receiver_over_tls_can_verify_what_it_got(egress: Egress, certificate: Certificate) -> None:
    with HttpPeer(answer(204), tls=certificate.context) as peer:
        reply = ring(Hurried(egress, certificate.ca_pem), f"{peer.url}/in?for=ann")
    (request,) = peer.requests
    assert reply == Reply(verdict=Verdict.TAKEN, code="")
    assert request.line == "POST /in?for=ann HTTP/1.1"
    assert Verifier(shown(SECRET)).verify(request.body, request.headers) == json.loads(BODY)


def test_a_certificate_that_nobody_vouches_for_gets_nothing(egress: Egress, certificate: Certificate) -> None:
    with HttpPeer(answer(204), tls=certificate.context) as peer:
        assert ring(egress, peer.url).code == "tls_not_trusted"
    assert peer.requests == []


def test_what_speaks_no_tls_gets_nothing(egress: Egress) -> None:
    heard: list[bytes] = []

    def plain(sock: socket.socket) -> None:
        heard.append(sock.recv(65536))
        sock.sendall(answer(400))

    with Peer(plain) as peer:
        assert ring(egress, f"https://127.0.0.1:{peer.port}/").code == "tls_failed"
    assert b"POST" not in b"".join(heard)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(egress: Egress, status: int) -> None:
    with HttpPeer(answer(204)) as other, HttpPeer(answer(status, Location=f"{other.url}/private")) as peer:
        reply = ring(egress, peer.url)
    assert (reply.verdict, reply.code) == (Verdict.FAILED, f"http_{status}")
    assert other.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["192.168.0.1"],
        ["169.254.169.254"],
        ["93.184.216.34", "169.254.169.254"],
        ["::1"],
        ["fd00:ec2::254"],
        ["fe80::1"],
        ["::ffff:127.0.0.1"],
        ["::ffff:169.254.169.254"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
    ],
)
def test_a_name_that_leads_inside_is_not_called(addresses: list[str]) -> None:
    found = [(int(socket.AF_INET6 if ":" in each else socket.AF_INET), each) for each in addresses]
    egress = Egress(local=False, resolve=lambda _host, _port: found)
    assert ring(egress, "https://hooks.example/").code == "unsafe_endpoint"


def test_a_name_that_leads_elsewhere_at_the_second_look_is_looked_up_once() -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[tuple[int, str]]:
        asked.append(host)
        return [(int(socket.AF_INET), "127.0.0.1" if len(asked) == 1 else "169.254.169.254")]

    egress = Egress(local=True, resolve=rebinding)
    with HttpPeer(answer(204)) as peer:
        # What was checked is what is connected to: nobody asks a second time in between.
        with egress.connect("hooks.example", peer.port, 2) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"
        assert asked == ["hooks.example"]
        assert ring(egress, f"https://hooks.example:{peer.port}/").code == "unsafe_endpoint"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/",
        "http://hooks.example/",
        "http://169.254.169.254/",
    ],
)
def test_an_address_that_got_past_the_first_check_is_stopped_at_the_second(url: str) -> None:
    def never(host: str, _port: int) -> list[tuple[int, str]]:
        raise AssertionError(host)

    assert ring(Egress(local=False, resolve=never), url).code == "unsafe_endpoint"


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
def test_an_old_spelling_of_loopback_is_loopback_when_it_is_connected_to(host: str) -> None:
    assert ring(Egress(local=False), f"https://{host}/").code == "unsafe_endpoint"


def test_an_endpoint_that_never_answers_costs_the_time_of_one_call(egress: Egress) -> None:
    with Peer(silence) as peer:
        began = time.monotonic()
        reply = ring(Hurried(egress, seconds=0.3), f"http://127.0.0.1:{peer.port}/")
    assert reply.code == "answer_lost"
    assert time.monotonic() - began < 2


def test_an_endpoint_that_answers_byte_by_byte_costs_no_more(egress: Egress) -> None:
    def trickle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            sock.sendall(b"a")
            time.sleep(0.05)

    with Peer(trickle) as peer:
        began = time.monotonic()
        reply = ring(Hurried(egress, seconds=0.3), f"http://127.0.0.1:{peer.port}/")
    assert reply.code == "answer_lost"
    assert time.monotonic() - began < 2


def test_of_a_yes_with_an_endless_body_the_yes_counts(egress: Egress) -> None:
    sent = 0

    def endless(sock: socket.socket) -> None:
        nonlocal sent
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            sock.sendall(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
            sent += 0x10000

    with Peer(endless) as peer:
        reply = ring(Hurried(egress, seconds=5), f"http://127.0.0.1:{peer.port}/")
    assert reply.verdict is Verdict.TAKEN
    assert sent < 16 << 20


def test_a_hang_up_is_a_failure(egress: Egress) -> None:
    with Peer(cut) as peer:
        assert ring(egress, f"http://127.0.0.1:{peer.port}/").verdict is Verdict.FAILED


def test_nobody_at_home_is_a_failure(egress: Egress) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert ring(egress, f"http://127.0.0.1:{port}/").code == "connect_failed"


def test_busy_is_a_failure_with_a_pause(egress: Egress) -> None:
    with HttpPeer(answer(429, b"slow down", Retry_After="120")) as peer:
        reply = ring(egress, peer.url)
    assert (reply.code, reply.pause, reply.said) == ("http_429", 120, "slow down")
