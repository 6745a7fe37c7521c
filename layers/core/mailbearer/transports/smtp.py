"""Mail over SMTP submission with OAuth2 (RFC 6409, RFC 7628)."""

from __future__ import annotations

import hashlib
import re
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from mailbearer.errors import UnsafeEndpoint
from mailbearer.message import Outcome, Remedy
from mailbearer.transports.kept_dialogues import KeptDialogues, Key
from mailbearer.transports.outcomes import MALFORMED_TOKEN, is_writable, refused
from mailbearer.transports.smtp_dialogue import Dialogue, Line, Refused, Stale

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.message import Outgoing
    from mailbearer.ports import Clock
    from mailbearer.registration import Registration, SmtpServer

_CONNECT_LIMIT = 10.0
_PATH = re.compile(r"[!-;=?-~](?:[ -;=?-~]*[!-;=?-~])?")


class WayOut(Protocol):
    """The guarded way out, as far as SMTP needs it."""

    def connect(self, host: str, port: int, timeout: float) -> Line:
        """Open a TCP connection to a checked address. Raises `UnsafeEndpoint` and `OSError`."""

    def secure(self, line: Any, host: str, ca_pem: str) -> Line:
        """Put TLS on a connection it opened and verify the certificate. Raises `OSError`."""


class SmtpTransport:
    """Submits over kept connections: one message goes to all its recipients or to none."""

    per_mailbox = 3
    size_limit = 35_000_000
    names_recipients_in_headers = False

    def __init__(self, egress: WayOut, clock: Clock, *, deadline: float = 45.0) -> None:
        self.deadline = deadline
        self._egress = egress
        self._kept = KeptDialogues(self.per_mailbox, clock)

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:
        """Hand the message over and classify what the server says; a kept connection found dead is replaced once."""
        deadline = time.monotonic() + self.deadline
        server = registration.smtp
        problem = _problem(outgoing, self.size_limit)
        if problem is not None:
            return problem
        if server is None:
            return _NO_SERVER
        if not is_writable(access_token):
            return MALFORMED_TOKEN
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
        dialogue = self._opened(account, registration, registration.smtp, access_token, deadline)
        if isinstance(dialogue, Outcome):
            return False if dialogue.code in _PROOFS_AGAINST else None
        dialogue.close()
        return True

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
        left = deadline - time.monotonic()
        if left <= 0:
            return _TOO_LATE
        try:
            line = self._egress.connect(server.host, server.port, min(left, _CONNECT_LIMIT))
        except UnsafeEndpoint as error:
            return refused("unsafe_endpoint", error.detail, Remedy.HOLD)
        except TimeoutError:
            return _TOO_LATE
        except OSError:
            return refused("connect_failed", f"{server.host}:{server.port} could not be reached.", Remedy.RETRY)
        line.deadline = deadline
        dialogue = Dialogue(line, token=token)
        failure = self._signed_in(dialogue, account, registration, server)
        if failure is not None:
            dialogue.close()
            return failure
        return dialogue

    def _signed_in(
        self, dialogue: Dialogue, account: Account, registration: Registration, server: SmtpServer
    ) -> Outcome | None:
        secure: Callable[[Line], Line] = partial(self._secure, host=server.host, ca_pem=registration.ca_pem)
        try:
            dialogue.open(secure, implicit_tls=server.security == "tls")
            dialogue.sign_in(account.address, host=server.host, port=server.port)
        except Refused as error:
            return error.outcome
        except ssl.SSLCertVerificationError:
            return refused("tls_not_trusted", "The server's certificate could not be verified.", Remedy.HOLD)
        except ssl.SSLError:
            return refused("tls_failed", "No TLS connection could be made.", Remedy.RETRY)
        except TimeoutError:
            return _TOO_LATE
        except OSError:
            return refused("connection_lost", "The connection broke before the message was sent.", Remedy.RETRY)
        return None

    def _secure(self, line: Line, *, host: str, ca_pem: str) -> Line:
        return self._egress.secure(line, host, ca_pem)


_NO_SERVER = refused("no_smtp_server", "The registration names no SMTP server.", Remedy.HOLD)
_TOO_LATE = refused("connect_timeout", "The server did not answer in time.", Remedy.RETRY)
_PROOFS_AGAINST = frozenset({"token_rejected", "scope_missing", "sign_in_refused", "smtp_auth_disabled"})


def _problem(outgoing: Outgoing, size_limit: int) -> Outcome | None:
    """Say what keeps a message from being spoken over SMTP at all; the parser at the door refuses all of this first."""
    mime = outgoing.mime
    if len(mime) > size_limit:
        return refused("message_too_large", f"Up to {size_limit} bytes go over SMTP.", Remedy.NONE)
    if not outgoing.rcpt_to or not all(map(_PATH.fullmatch, (outgoing.mail_from, *outgoing.rcpt_to))):
        return refused("address_invalid", "The envelope holds something that is no address in ASCII.", Remedy.NONE)
    if not mime.count(b"\n") == mime.count(b"\r") == mime.count(b"\r\n"):
        # Servers differ on what a lone CR or LF ends, which is how one message is smuggled inside another.
        return refused("bare_line_end", "The message has line ends other than CRLF.", Remedy.NONE)
    return None


def _key(account: Account, registration: Registration, server: SmtpServer, token: str) -> Key:
    fingerprint = hashlib.sha256(f"{len(token)}:{token}{registration.ca_pem}".encode()).digest()
    return Key(account.id, server.host, server.port, server.security, fingerprint)
