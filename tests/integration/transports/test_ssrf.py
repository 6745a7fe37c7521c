"""No road leads to an address that is not public: a name is looked up once, and what was checked is connected to."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.bearer_tokens import OidcTokens
from mailbearer.egress import Egress
from mailbearer.errors import ClientRefused, InvalidInput, Unavailable, UnsafeEndpoint
from mailbearer.oauth import AuthlibServer, discover
from mailbearer.public_hosts import url_fault
from mailbearer.registration import SmtpServer
from mailbearer.transports.gmail import GmailTransport
from mailbearer.transports.smtp import SmtpTransport
from tests.integration.transports.peers import HttpPeer, Peer, answer, read_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.egress.sockets import Resolved
    from mailbearer.registration import Registration

UNSPECIFIED = "0.0.0.0"  # noqa: S104 - connected to, it means this machine
ADDRESSES = [
    *("127.0.0.1", "127.1.2.3", UNSPECIFIED, "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    # Metadata services: AWS, GCP and Azure; Alibaba (in the range of CGNAT, RFC 6598); Oracle; Azure's host agent.
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "100.64.0.1", "192.0.0.192", "168.63.129.16"),
    *("192.88.99.1", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%2", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1"),
    # IPv4 addresses in IPv6 ones: mapped, compatible, translated (RFC 6052, RFC 8215), 6to4, Teredo.
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "::127.0.0.1", "::a9fe:a9fe"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::1", "2002:a9fe:a9fe::1"),
    *("2001:0:7f00:1::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1"),
]
URLS = [
    *("http://mail.example/", "ftp://mail.example/", "file:///etc/passwd", "gopher://mail.example/", "//mail.example/"),
    *("https://localhost/", "https://LOCALHOST./", "https://api.localhost/", "https://metadata/", "https://a..b/"),
    # The old spellings of IPv4 addresses, which resolvers still take.
    *("https://127.1/", "https://0x7f.1/", "https://0177.0.0.1/", "https://2130706433/", "https://0x7f000001/"),
    *(
        "https://169.254.169.254./",
        "https://%31%32%37.0.0.1/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://\u2460\u2461\u2466.0.0.1/",
    ),
    *(
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::1]/",
        "https://[fe80::1%25eth0]/",
    ),
    *("https://mail.example@127.0.0.1/", "https://mail.example#@127.0.0.1/", "https://mail.example\\@127.0.0.1/"),
    *(
        "https://mail.example:0/",
        "https://mail.example:99999/",
        "https://mail.example\t/",
        "https://mail.example/\r\nHost: x",
    ),
]


def family(address: str) -> int:
    return int(socket.AF_INET6 if ":" in address else socket.AF_INET)


class Rebinding:
    """A resolver that gives the next of its answers each time, and the last one for ever after."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> Resolved:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(family(address), address) for address in found]


def exchange(egress: Egress, port: int) -> None:
    egress.exchange("GET", f"https://mail.example:{port}/", headers={}, body=None, ca_pem="", deadline=2)


def session(egress: Egress, port: int) -> None:
    egress.session().get(f"https://mail.example:{port}/", timeout=2)


def sockets(egress: Egress, port: int) -> None:
    egress.connect("mail.example", port, 2).close()


def discovery(egress: Egress, port: int) -> None:
    discover(f"https://mail.example:{port}", egress.session())


def keys_of_an_issuer(egress: Egress, port: int) -> None:
    said = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": "1", "typ": "at+jwt"}).encode()).decode()
    tokens = OidcTokens(egress, time.time, issuer=f"https://mail.example:{port}", audience="mailbearer")
    tokens.claims(f"{said.rstrip('=')}.e30.AAAA")


ROADS: list[tuple[Callable[[Egress, int], None], type[Exception]]] = [
    (exchange, UnsafeEndpoint),
    (session, UnsafeEndpoint),
    (sockets, UnsafeEndpoint),
    (discovery, InvalidInput),
    (keys_of_an_issuer, Unavailable),
]
each_road = pytest.mark.parametrize(("road", "refusal"), ROADS, ids=[road.__name__ for road, _ in ROADS])


@pytest.mark.parametrize("address", ADDRESSES)
@each_road
def test_a_name_that_leads_to_no_public_address_is_refused_on_every_road(
    road: Callable[[Egress, int], None], refusal: type[Exception], address: str
) -> None:
    resolver = Rebinding([address])
    egress = Egress(local=False, resolve=resolver)
    with pytest.raises(refusal):
        road(egress, 443)
    assert resolver.asked == 1
    # One public address beside it does not help.
    with pytest.raises(refusal):
        road(Egress(local=False, resolve=Rebinding(["198.41.0.4", address])), 443)


@each_road
def test_a_refused_address_is_not_even_connected_to(
    road: Callable[[Egress, int], None], refusal: type[Exception]
) -> None:
    with HttpPeer(answer(200)) as peer:
        for address in ("127.0.0.1", "::ffff:127.0.0.1", UNSPECIFIED):
            with pytest.raises(refusal):
                road(Egress(local=False, resolve=Rebinding([address])), peer.port)
        assert peer.connections == 0


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_hides_where_it_leads_is_refused_before_anything_is_looked_up(url: str) -> None:
    resolver = Rebinding(["198.41.0.4"])
    with pytest.raises(UnsafeEndpoint):
        Egress(local=False, resolve=resolver).check_url(url)
    assert url_fault(url, local=False) is not None
    assert resolver.asked == 0


def test_a_name_that_is_bound_anew_is_checked_anew_and_never_between_check_and_connection() -> None:
    resolver = Rebinding(["127.0.0.1"], ["10.0.0.1"])
    egress = Egress(local=True, resolve=resolver)
    with HttpPeer(answer(200)) as peer:
        with closing(egress.connect("mail.example", peer.port, 2)) as sock:
            assert sock.getpeername() == ("127.0.0.1", peer.port)
        assert resolver.asked == 1
        with pytest.raises(UnsafeEndpoint):
            egress.connect("mail.example", peer.port, 2)
        assert resolver.asked == 2
        give_up = time.monotonic() + 5
        while not peer.connections and time.monotonic() < give_up:
            time.sleep(0.01)
        assert peer.connections == 1


def test_mail_is_refused_for_a_server_that_is_not_public(account: Account, registration: Registration) -> None:
    egress = Egress(local=False, resolve=Rebinding(["169.254.169.254"]))
    over_smtp = replace(registration, smtp=SmtpServer(host="mail.example", port=587, security="starttls"))
    outcome = SmtpTransport(egress, time.time).verify(account=account, registration=over_smtp, access_token="token")
    assert outcome is None
    greeting = SmtpTransport(egress, time.time).greet(over_smtp)
    assert (greeting.reached, greeting.code) == (False, "unsafe_endpoint")
    greeting = GmailTransport(egress, time.time).greet(replace(registration, api_base_url="https://mail.example"))
    assert (greeting.reached, greeting.code) == (False, "unsafe_endpoint")


def test_a_token_endpoint_that_is_not_public_gets_nothing(registration: Registration) -> None:
    egress = Egress(local=False, resolve=Rebinding(["192.168.0.1"]))
    ends = replace(registration.endpoints, userinfo_url="https://mail.example/userinfo")
    with pytest.raises(ClientRefused):
        AuthlibServer(egress, time.time).userinfo(replace(registration, endpoints=ends), "token")


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "a chunk of a negative size": CHUNKED + b"-1\r\n",
    "chunks without end": CHUNKED,
    "a body without a length": HEAD + b"\r\n",
    "a length beyond all bounds": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
    "header fields without end": HEAD,
    "interim answers without end": b"",
}
REPEATED = {
    "chunks without end": b"400\r\n" + b"x" * 1024 + b"\r\n",
    "header fields without end": b"x: y\r\n",
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_answer_without_end_is_read_to_a_bound(egress: Egress, kind: str) -> None:
    sent = 0
    done = threading.Event()

    def say_on(sock: socket.socket) -> None:
        nonlocal sent
        read_request(sock)
        sock.sendall(ENDLESS[kind])
        piece = REPEATED.get(kind, b"x") * (65536 // len(REPEATED.get(kind, b"x")))
        try:
            while sent < 128 << 20:
                sock.sendall(piece)
                sent += len(piece)
        except OSError:
            done.set()

    with Peer(say_on) as peer:
        told = egress.exchange("GET", f"http://127.0.0.1:{peer.port}/", headers={}, body=None, ca_pem="", deadline=10)
        assert done.wait(5)
    assert (told.body, told.whole) == (b"", False)
    # What was read, and what two sockets hold.
    assert sent < 24 << 20


@pytest.mark.parametrize("size", [b"-5", b"-7fffffffffffffff", b"zz", b"", b"1" * 40])
def test_a_chunk_of_an_odd_size_is_an_answer_that_did_not_come_whole(egress: Egress, size: bytes) -> None:
    with HttpPeer(CHUNKED + size + b"\r\nxxxx\r\n0\r\n\r\n") as peer:
        told: Any = egress.exchange("GET", peer.url, headers={}, body=None, ca_pem="", deadline=1)
    assert (told.status, told.body, told.whole) == (200, b"", False)


def test_what_the_list_calls_hostile_is_an_address() -> None:
    assert all(ip_address(address) for address in ADDRESSES)
