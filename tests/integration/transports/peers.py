"""Servers of a few lines over real sockets and real TLS, whose every byte a test decides."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

PATIENCE = 10.0
"""Seconds a peer waits for its client before it gives up."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The server's side of TLS, and what a client needs to trust it."""

    context: ssl.SSLContext
    ca_pem: str


def make_certificate(directory: Path) -> Certificate:
    """Make an authority and a certificate of its for 127.0.0.1 and localhost."""
    now = dt.datetime.now(dt.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    ca_identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())

    def builder(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(ca_identifier, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_identifier), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain = directory / "chain.pem"
    chain.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Certificate(context, ca.public_bytes(pem).decode())


class Peer:
    """Accept connections on a free port and hand each to `serve` in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket], None], *, tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: dict[int, list[socket.socket]] = defaultdict(list)
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in [sock for socks in list(self._open.values()) for sock in socks]:
            with contextlib.suppress(OSError):
                # An SSLSocket's own shutdown would make the thread that reads it read the bytes beneath TLS.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._talk, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _talk(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A client that hangs up is what many tests are about.
        try:
            with contextlib.suppress(OSError):
                sock = self._kept(sock if self._tls is None else self._tls.wrap_socket(sock, server_side=True))
                self._serve(sock)
        finally:
            sock.close()
            for kept in self._open.pop(threading.get_ident(), []):
                kept.close()

    def _kept(self, sock: socket.socket) -> socket.socket:
        self._open[threading.get_ident()].append(sock)
        return sock


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


def read_request(sock: socket.socket) -> Request | None:
    """Read one HTTP request with a Content-Length; None at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = sock.recv(65536)
        if not received:
            return None
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in fields)}
    while len(body) < int(headers.get("content-length", "0")):
        received = sock.recv(1 << 20)
        if not received:
            return None
        body += received
    return Request(line, headers, body)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Write an HTTP answer; names of headers take a hyphen for each underscore."""
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = f"HTTP/1.1 {status} Whatever\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return head.encode() + b"\r\n" + body


class HttpPeer(Peer):
    """Answer each request with the same bytes."""

    def __init__(self, reply: bytes, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.reply = reply
        super().__init__(self._answer, tls=tls)

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def _answer(self, sock: socket.socket) -> None:
        while request := read_request(sock):
            self.requests.append(request)
            sock.sendall(self.reply)


Action: TypeAlias = "bytes | Callable[[socket.socket], None]"


def cut(_: socket.socket) -> None:
    """Hang up."""
    raise ConnectionResetError


def silence(sock: socket.socket) -> None:
    """Say nothing until the client hangs up."""
    while sock.recv(65536):
        pass
    raise ConnectionResetError


class _Lines:
    """Read lines without holding the socket open, as a file made of it would."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._data = b""
        self._at = 0

    def readline(self) -> bytes:
        while (end := self._data.find(b"\n", self._at)) < 0:
            received = self._sock.recv(1 << 20)
            if not received:
                return b""
            self._data = self._data[self._at :] + received
            self._at = 0
        line = self._data[self._at : end + 1]
        self._at = end + 1
        return line


@dataclass
class Captured:
    """One message that was taken."""

    mail_from: str
    rcpt_to: list[str]
    content: bytes


@dataclass
class SmtpPlan:
    """What the SMTP server offers, and how it answers the next command of each verb instead of saying yes.

    The verbs are those of the commands, and GREETING, RESPONSE (to a 334) and DOT.
    """

    extensions: list[str] = field(default_factory=lambda: ["PIPELINING", "SIZE 35882577", "8BITMIME"])
    mechanisms: str = "XOAUTH2 OAUTHBEARER"
    starttls: bool = True
    actions: dict[str, list[Action]] = field(default_factory=lambda: defaultdict(list))


class SmtpPeer(Peer):
    """An SMTP server that follows a plan and remembers what it was told."""

    def __init__(self, plan: SmtpPlan, certificate: Certificate, *, implicit_tls: bool = False) -> None:
        self.plan = plan
        self.commands: list[str] = []
        self.captured: list[Captured] = []
        self._certificate = certificate
        self._implicit_tls = implicit_tls
        super().__init__(self._dialogue, tls=certificate.context if implicit_tls else None)

    def secured(self, sock: socket.socket) -> socket.socket:
        return self._kept(self._certificate.context.wrap_socket(sock, server_side=True))

    def _dialogue(self, sock: socket.socket) -> None:
        SmtpDialogue(self, sock, secure=self._implicit_tls).run()


class SmtpDialogue:
    """The server's side of one connection."""

    def __init__(self, peer: SmtpPeer, sock: socket.socket, *, secure: bool) -> None:
        self._peer = peer
        self._sock = sock
        self._lines = _Lines(sock)
        self._secure = secure
        self._mail = Captured("", [], b"")

    def run(self) -> None:
        self._say("GREETING", b"220 peer ESMTP\r\n")
        special = {"EHLO": self._hello, "STARTTLS": self._start_tls, "AUTH": self._authenticate, "DATA": self._data}
        while line := self._lines.readline():
            command = line.decode().rstrip("\r\n")
            self._peer.commands.append(command)
            verb = command.split(" ")[0].upper()
            if verb in special:
                special[verb]()
            elif verb == "QUIT":
                break
            elif self._say(verb, b"250 2.0.0 OK\r\n").startswith(b"2"):
                self._note(verb, command.partition("<")[2].partition(">")[0])

    def _note(self, verb: str, path: str) -> None:
        if verb == "MAIL":
            self._mail.mail_from = path
        elif verb == "RCPT":
            self._mail.rcpt_to.append(path)
        elif verb == "RSET":
            self._mail = Captured("", [], b"")

    def _hello(self) -> None:
        lines = ["peer greets you", *self._peer.plan.extensions]
        if self._secure and self._peer.plan.mechanisms:
            lines.append(f"AUTH {self._peer.plan.mechanisms}")
        if not self._secure and self._peer.plan.starttls:
            lines.append("STARTTLS")
        last = lines.pop()
        self._say("EHLO", "".join(f"250-{line}\r\n" for line in lines).encode() + f"250 {last}\r\n".encode())

    def _start_tls(self) -> None:
        self._say("STARTTLS", b"220 2.0.0 go ahead\r\n")
        self._sock = self._peer.secured(self._sock)
        self._lines, self._secure = _Lines(self._sock), True

    def _authenticate(self) -> None:
        if self._say("AUTH", b"235 2.7.0 welcome\r\n").startswith(b"334"):
            self._peer.commands.append(self._lines.readline().decode().rstrip("\r\n"))
            self._say("RESPONSE", b"535 5.7.8 no\r\n")

    def _data(self) -> None:
        if self._say("DATA", b"354 go ahead\r\n").startswith(b"354"):
            mail = self._mail
            mail.content = self._read_content()
            planned = self._peer.plan.actions["DOT"]
            if not planned or (isinstance(planned[0], bytes) and planned[0].startswith(b"250")):
                # Before the reply, because the test may look as soon as it has gone out.
                self._peer.captured.append(mail)
            self._say("DOT", b"250 2.0.0 OK queued as 1\r\n")
        self._mail = Captured("", [], b"")

    def _say(self, verb: str, default: bytes) -> bytes:
        planned = self._peer.plan.actions[verb]
        action = planned.pop(0) if planned else default
        if isinstance(action, bytes):
            self._sock.sendall(action)
            return action
        action(self._sock)
        return b""

    def _read_content(self) -> bytes:
        lines: list[bytes] = []
        while (line := self._lines.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)
