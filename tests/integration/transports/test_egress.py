from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests

from mailbearer.egress import Egress
from mailbearer.errors import UnsafeEndpoint
from tests.integration.transports.peers import HttpPeer, Peer, answer, cut, read_request, silence

if TYPE_CHECKING:
    from mailbearer.egress.sockets import Resolved
    from tests.integration.transports.peers import Certificate


class Names:
    """A resolver that knows some names and counts the questions."""

    def __init__(self, **answers: Resolved) -> None:
        self.answers = {name.replace("_", "."): found for name, found in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Resolved:
        self.asked.append(f"{host}:{port}")
        if host not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.answers[host]


LOOPBACK = (int(socket.AF_INET), "127.0.0.1")
PRIVATE = (int(socket.AF_INET), "10.0.0.1")
METADATA = (int(socket.AF_INET), "169.254.169.254")
MAPPED = (int(socket.AF_INET6), "::ffff:169.254.169.254")


def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    names = Names(mail_example=[LOOPBACK])
    egress = Egress(local=True, resolve=names)
    with HttpPeer(b"") as peer, closing(egress.connect("mail.example", peer.port, 2)) as sock:
        assert sock.getpeername() == ("127.0.0.1", peer.port)
    assert names.asked == [f"mail.example:{peer.port}"]


@pytest.mark.parametrize("found", [[PRIVATE], [METADATA], [MAPPED], [LOOPBACK, PRIVATE], [PRIVATE, LOOPBACK]])
def test_a_name_with_any_address_that_may_not_be_reached_is_refused(found: Resolved) -> None:
    egress = Egress(local=True, resolve=Names(mail_example=found))
    with pytest.raises(UnsafeEndpoint):
        egress.connect("mail.example", 443, 2)


def test_loopback_is_for_a_local_stage_only() -> None:
    egress = Egress(local=False, resolve=Names(mail_example=[LOOPBACK]))
    for host in ("mail.example", "127.0.0.1", "::1"):
        with pytest.raises(UnsafeEndpoint):
            egress.connect(host, 443, 2)
    for url in ("http://127.0.0.1:1/", "https://127.0.0.1:1/"):
        with closing(egress.session()) as session, pytest.raises(UnsafeEndpoint):
            session.get(url, timeout=2)


def test_a_peer_that_clears_its_throat_for_ever_is_heard_for_eight_megabytes() -> None:
    said = 0

    def flood(sock: socket.socket) -> None:
        nonlocal said
        read_request(sock)
        while True:
            sock.sendall(b"HTTP/1.1 100 Continue\r\n" + (b"X: " + b"y" * 60_000 + b"\r\n") * 50 + b"\r\n")
            said += 3_000_000

    with Peer(flood) as peer, closing(Egress(local=True)) as egress:
        url = f"http://127.0.0.1:{peer.port}"
        done = egress.exchange("POST", url, headers={}, body=b"x", ca_pem="", deadline=10)
    assert (done.status, done.whole) == (0, False)
    assert said < 24_000_000


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b"HTTP/1.1 101 Switching\r\n\r\n"]
)
def test_an_interim_answer_is_none_and_what_follows_it_answers_nothing_else(interim: bytes) -> None:
    with HttpPeer(interim + answer(200)) as peer, closing(Egress(local=True)) as egress:

        def post() -> tuple[int, bool]:
            done = egress.exchange("POST", peer.url, headers={}, body=b"x", ca_pem="", deadline=2)
            return done.status, done.whole

        assert [post(), post()] == [(0, False), (0, False)]
        assert len(peer.requests) == 2


def test_plain_http_is_for_loopback_even_on_a_local_stage() -> None:
    names = Names(mail_example=[LOOPBACK])
    with closing(Egress(local=True, resolve=names).session()) as session, pytest.raises(UnsafeEndpoint):
        session.get("http://mail.example/", timeout=2)
    assert names.asked == []


def test_an_unknown_name_is_an_os_error() -> None:
    with pytest.raises(OSError, match="unknown"):
        Egress(local=True, resolve=Names()).connect("mail.example", 443, 2)


def test_a_slow_resolver_cannot_hold_a_call_beyond_its_deadline() -> None:
    def resolve(_host: str, _port: int) -> Resolved:
        time.sleep(1)
        return [LOOPBACK]

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        Egress(local=True, resolve=resolve).connect("mail.example", 443, 0.2)
    assert time.monotonic() - began < 0.8


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    with HttpPeer(b"") as peer:
        names = Names(mail_example=[(int(socket.AF_INET6), "::1"), LOOPBACK])
        with closing(Egress(local=True, resolve=names).connect("mail.example", peer.port, 4)) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"


def test_tls_is_verified_for_the_name_and_the_authority(egress: Egress, certificate: Certificate) -> None:
    with HttpPeer(b"", tls=certificate.context) as peer:
        with closing(egress.secure(egress.connect("127.0.0.1", peer.port, 2), "localhost", certificate.ca_pem)) as sock:
            assert sock.version() in {"TLSv1.2", "TLSv1.3"}
        for host, ca_pem in (("127.0.0.1", ""), ("mail.example", certificate.ca_pem)):
            plain = egress.connect("127.0.0.1", peer.port, 2)
            with closing(plain), pytest.raises(ssl.SSLCertVerificationError):
                egress.secure(plain, host, ca_pem)


def test_old_tls_is_refused(egress: Egress) -> None:
    assert egress.tls_context().minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_session_follows_no_redirect(egress: Egress) -> None:
    with HttpPeer(b"") as target, HttpPeer(answer(302, Location=target.url)) as peer:
        response = egress.session().post(peer.url, data=b"x", timeout=2)
        assert (response.status_code, target.connections) == (302, 0)


def test_a_session_keeps_no_cookie(egress: Egress) -> None:
    with HttpPeer(answer(200, Set_Cookie="NID=1; Path=/")) as peer:
        session = egress.session()
        session.get(peer.url, timeout=2)
        session.get(peer.url, timeout=2)
    assert ["cookie" in request.headers for request in peer.requests] == [False, False]


def test_a_session_reads_no_environment(egress: Egress, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpPeer(answer(200)) as peer, HttpPeer(answer(500)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert egress.session().get(peer.url, timeout=2).status_code == 200
        assert proxy.connections == 0


def test_a_certificate_is_verified_whatever_the_caller_says(egress: Egress, certificate: Certificate) -> None:
    with HttpPeer(answer(200), tls=certificate.context) as peer:
        with pytest.raises(requests.exceptions.SSLError):
            egress.session().get(peer.url, timeout=2, verify=False)
        assert egress.session(certificate.ca_pem).get(peer.url, timeout=2).status_code == 200


def test_what_has_not_left_is_a_connection_error(egress: Egress) -> None:
    with pytest.raises(requests.ConnectionError):
        egress.session().post("http://127.0.0.1:1/", data=b"x", timeout=2)


def test_what_may_have_left_is_no_connection_error(egress: Egress) -> None:
    def hang_up(sock: socket.socket) -> None:
        read_request(sock)
        cut(sock)

    with Peer(hang_up) as peer, pytest.raises(requests.RequestException) as caught:
        egress.session().post(f"http://127.0.0.1:{peer.port}/", data=b"x", timeout=2)
    assert not isinstance(caught.value, requests.ConnectionError)
    with Peer(silence) as peer, pytest.raises(requests.RequestException) as caught:
        egress.session().post(f"http://127.0.0.1:{peer.port}/", data=b"x", timeout=(0.2, 0.2))
    assert not isinstance(caught.value, requests.ConnectionError)


def test_an_answer_is_read_to_a_limit(egress: Egress) -> None:
    session = egress.session()
    for size, whole in ((1 << 20, True), ((1 << 20) + 1, False)):
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk
        for reply in (answer(200, b"x" * size), chunked):
            with HttpPeer(reply) as peer:
                if whole:
                    assert [len(session.get(peer.url, timeout=5).content) for _ in range(2)] == [size, size]
                    assert peer.connections == 1
                else:
                    with pytest.raises(requests.RequestException):
                        session.get(peer.url, timeout=5)


def test_no_compression_is_asked_for(egress: Egress) -> None:
    with HttpPeer(answer(200)) as peer:
        egress.session().get(peer.url, timeout=5)
    assert peer.requests[0].headers["accept-encoding"] == "identity"


def test_an_answer_without_a_length_ends_with_its_connection(egress: Egress) -> None:
    def answer_and_leave(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

    with Peer(answer_and_leave) as peer:
        contents = [egress.session().get(f"http://127.0.0.1:{peer.port}/", timeout=2).content for _ in range(2)]
    assert contents == [b"hello", b"hello"]
    assert peer.connections == 2


def test_kept_connections_have_a_bound(egress: Egress) -> None:
    before = threading.active_count()
    with HttpPeer(answer(200)) as peer:

        def work() -> None:
            barrier.wait()
            egress.session().get(peer.url, timeout=5)

        barrier = threading.Barrier(24)
        threads = [threading.Thread(target=work) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        deadline = time.monotonic() + 5
        # One thread of the peer accepts, and one waits on each connection that was kept.
        while threading.active_count() - before > 1 + 16 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert threading.active_count() - before <= 1 + 16


def test_importing_the_smtp_road_does_not_import_requests() -> None:
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    code = (
        "import sys, mailbearer.transports.smtp, mailbearer.egress, mailbearer.mime;"
        "print([name for name in ('requests', 'urllib3', 'smtplib', 'email', 'http.client') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
