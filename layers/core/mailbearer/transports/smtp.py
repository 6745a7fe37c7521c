"""Mail over SMTP submission with OAuth2 (RFC 6409, RFC 7628)."""

from __future__ import annotations

import hashlib
import re
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from mailbearer.addresses import unsafe_in_header
from mailbearer.errors import UnsafeEndpoint
from mailbearer.message import Outcome, Remedy
from mailbearer.transports.kept_dialogues import KeptDialogues, Key
from mailbearer.transports.outcomes import is_writable, malformed_token, refused
from mailbearer.transports.smtp_dialogue import Dialogue, Refused, Stale

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.message import Outgoing
    from mailbearer.ports import Clock
    from mailbearer.ports.mail import Greeting
    from mailbearer.registration import Registration, SmtpServer
    from mailbearer.transports.smtp_wire import Line

_CONNECT_LIMIT = 10.0
_PATH = re.compile(r"[!-;=?-~\x80-\U0010ffff](?:[ -;=?-~\x80-\U0010ffff]*[!-;=?-~\x80-\U0010ffff])?")


class WayOut(Protocol):
    """The guarded way out, as far as SMTP needs it."""

    def connect(self, host: str, port: int, timeout: float) -> Line:
        """Open a TCP connection to a checked address. Raises `UnsafeEndpoint` and `OSError`."""

    def secure(self, line: Any, host: str, ca_pem: str) -> Line:
        """Put TLS on a connection it opened and verify the certificate. Raises `OSError`."""


class SmtpTransport:
    """Submits over kept connections; one message goes to those of its recipients whom the server takes."""

    per_mailbox = 3
    size_limit = 35_000_000
    names_recipients_in_headers = False
    keeps_connections = True
    needs_token = True

    def __init__(self, egress: WayOut, clock: Clock, *, deadline: float = 45.0) -> None:
        self.deadline = deadline
        self._egress = egress
        self._kept = KeptDialogues(self.per_mailbox, clock)

    def deadline_for(self, size: int) -> float:  # noqa: ARG002 - the largest fits into the usual time
        """Give the longest that a call with a message of `size` bytes can take, in seconds."""
        return self.deadline

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:
        """Hand the message over and classify what the server says; a kept connection found dead is replaced once."""
        deadline = time.monotonic() + self.deadline
        server = registration.smtp
        problem = _problem(outgoing, self.size_limit)
        if problem is not None:
            return problem
        if server is None:
            return _no_server()
        if not is_writable(access_token):
            return malformed_token()
        key = _key(account, registration, server, access_token)
        kept = self._kept.take(key)
        if kept is not None:
            try:
                return self._submit(kept, key, outgoing, deadline)
            except Stale:
                pass  # Nothing of the message had left, so it may go over a fresh connection.
        dialogue = self._opened(account, registration, server, access_token, deadline)
        return dialogue if isinstance(dialogue, Outcome) else self._submit(dialogue, key, outgoing, deadline)

    def verify(self, *, account: Account, registration: Registration, access_token: str) -> bool | None:
        """Sign in and leave; None if the server could not be asked."""
        if registration.smtp is None or not is_writable(access_token):
            return None if registration.smtp is None else False
        deadline = time.monotonic() + self.deadline
        server = registration.smtp
        dialogue = self._connected(registration, server, access_token, deadline)
        if isinstance(dialogue, Outcome):
            return None
        failure = _signed_in(dialogue, account, server)
        dialogue.close()
        if failure is None:
            return True
        return None if failure.remedy is Remedy.RETRY or failure.code in _NO_PROOFS else False

    def look_up(
        self,
        message_id: str,  # noqa: ARG002 - no scope of ours reads mail yet
        *,
        account: Account,  # noqa: ARG002
        registration: Registration,  # noqa: ARG002
        access_token: str,  # noqa: ARG002
    ) -> bool | None:
        """Say that it cannot be told."""
        return None

    def greet(self, registration: Registration) -> Greeting:
        """Look what the server offers behind verified TLS."""
        from mailbearer.ports.mail import Greeting  # noqa: PLC0415 - no mail needs it

        server = registration.smtp
        if server is None:
            problem = _no_server()
            return Greeting(reached=False, code=problem.code, detail=problem.detail)
        dialogue = self._connected(registration, server, "", time.monotonic() + self.deadline)
        if isinstance(dialogue, Outcome):
            return Greeting(reached=False, code=dialogue.code, detail=dialogue.detail)
        dialogue.close()
        offers = (f"{keyword} {values}".strip() for keyword, values in dialogue.extensions.items())
        return Greeting(reached=True, offers=tuple(sorted(offers)))

    def close(self) -> None:
        """Let go of kept connections."""
        self._kept.close()

    def _submit(self, dialogue: Dialogue, key: Key, outgoing: Outgoing, deadline: float) -> Outcome:
        try:
            return dialogue.submit(outgoing, deadline)
        finally:
            self._kept.put(key, dialogue)

    def _opened(
        self, account: Account, registration: Registration, server: SmtpServer, token: str, deadline: float
    ) -> Dialogue | Outcome:
        """Give a signed-in connection, or the outcome if there is none."""
        dialogue = self._connected(registration, server, token, deadline)
        if isinstance(dialogue, Outcome):
            return dialogue
        failure = _signed_in(dialogue, account, server)
        if failure is not None:
            dialogue.close()
            return failure
        return dialogue

    def _connected(
        self, registration: Registration, server: SmtpServer, token: str, deadline: float
    ) -> Dialogue | Outcome:
        """Give a connection with TLS up and the server greeted, or the outcome if there is none."""
        left = deadline - time.monotonic()
        if left <= 0:
            return _too_late()
        try:
            line = self._egress.connect(server.host, server.port, min(left, _CONNECT_LIMIT))
        except UnsafeEndpoint as error:
            return refused("unsafe_endpoint", error.detail)
        except TimeoutError:
            return _too_late()
        except OSError:
            return refused("connect_failed", f"{server.host}:{server.port} could not be reached.")
        line.deadline = deadline
        dialogue = Dialogue(line, token=token, provider=registration.kind)
        secure: Callable[[Line], Line] = partial(self._secure, host=server.host, ca_pem=registration.ca_pem)
        failure = _tried(lambda: dialogue.open(secure, implicit_tls=server.security == "tls"))
        if failure is not None:
            dialogue.close()
            return failure
        return dialogue

    def _secure(self, line: Line, *, host: str, ca_pem: str) -> Line:
        return self._egress.secure(line, host, ca_pem)


# What says more of the dialogue than of the token.
_NO_PROOFS = frozenset({"mechanism_not_offered", "mechanism_refused"})


def _no_server() -> Outcome:
    return refused("no_smtp_server", "The registration names no SMTP server.")


def _too_late() -> Outcome:
    return refused("connect_timeout", "The server did not answer in time.")


def _signed_in(dialogue: Dialogue, account: Account, server: SmtpServer) -> Outcome | None:
    return _tried(lambda: dialogue.sign_in(account.address, host=server.host, port=server.port))


def _tried(step: Callable[[], None]) -> Outcome | None:
    """Make a step of the dialogue that comes before any content; give the outcome if it failed."""
    try:
        step()
    except Refused as error:
        return error.outcome
    except ssl.SSLCertVerificationError:
        return refused("tls_not_trusted", "The server's certificate could not be verified.")
    except ssl.SSLError:
        return refused("tls_failed", "No TLS connection could be made.")
    except TimeoutError:
        return _too_late()
    except OSError:
        return refused("connection_lost", "The connection broke before the message was sent.")
    return None


def _problem(outgoing: Outgoing, size_limit: int) -> Outcome | None:
    """Say what keeps a message from being spoken over SMTP at all; the parser at the door refuses all of this first."""
    mime = outgoing.mime
    if len(mime) > size_limit:
        return refused("message_too_large", f"Up to {size_limit} bytes go over SMTP.")
    if not outgoing.rcpt_to or not all(map(_writable, (outgoing.mail_from, *outgoing.rcpt_to))):
        return refused("address_invalid", "The envelope holds something that is no address.")
    if not mime.count(b"\n") == mime.count(b"\r") == mime.count(b"\r\n"):
        # Servers differ on what a lone CR or LF ends, which is how one message is smuggled inside another.
        return refused("bare_line_end", "The message has line ends other than CRLF.")
    return None


def _writable(address: str) -> bool:
    return bool(_PATH.fullmatch(address)) and (address.isascii() or not unsafe_in_header(address))


def _key(account: Account, registration: Registration, server: SmtpServer, token: str) -> Key:
    fingerprint = hashlib.sha256(f"{len(token)}:{token}{registration.ca_pem}".encode()).digest()
    return Key(account.id, server.host, server.port, server.security, fingerprint)
