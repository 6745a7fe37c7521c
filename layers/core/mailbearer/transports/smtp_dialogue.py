"""One SMTP connection as its client sees it (RFC 5321, RFC 3207, RFC 4954, RFC 2920, RFC 7628)."""

from __future__ import annotations

import binascii
import select
import time
from typing import TYPE_CHECKING

from mailbearer.message import Outcome, Remedy, Verdict
from mailbearer.transports.outcomes import refused, unknown, words
from mailbearer.transports.smtp_answers import Reply, Stage, classify
from mailbearer.transports.smtp_wire import Line, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailbearer.message import Outgoing

_BATCH = 50
_KEPT_SHARE = 0.25
_START_MAIL_INPUT = 354
_CONTINUE = 334
_SIGNED_IN = 235
_CLOSING = 421
_IDLE_TOO_LONG = "4.4.2"
_MECHANISMS = ("XOAUTH2", "OAUTHBEARER")


class Refused(Exception):
    """The dialogue ended with an outcome before any content left."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class Stale(Exception):
    """A kept connection turned out to be dead before any content left."""


class Dialogue:
    """A signed-in connection; it belongs to one thread at a time."""

    def __init__(self, line: Line, *, token: str, provider: str = "") -> None:
        self._wire = Wire(line)
        self._token = token
        self._provider = provider
        self._extensions: dict[str, str] = {}
        self._spent = False
        self.used_at = 0.0
        self.kept = False

    def open(self, secure: Callable[[Line], Line], *, implicit_tls: bool) -> None:
        """Greet the server and bring up TLS, which has to succeed before more is said. Raises `Refused`, `OSError`."""
        if implicit_tls:
            self._wire.line = secure(self._wire.line)
        self._require(Stage.GREETING, self._wire.read())
        self._hello()
        if implicit_tls:
            return
        if "STARTTLS" not in self._extensions:
            raise Refused(refused("tls_unavailable", "The server does not offer STARTTLS."))
        self._require(Stage.STARTTLS, self._wire.ask("STARTTLS"))
        if self._wire.unread:
            # Plaintext behind the answer would count as said inside TLS: somebody put it there.
            raise Refused(refused("tls_injection", "Bytes were put in before TLS began."))
        self._wire.line = secure(self._wire.line)
        self._hello()

    @property
    def extensions(self) -> dict[str, str]:
        """Give the keywords of the last EHLO, with what stands behind each."""
        return dict(self._extensions)

    def sign_in(self, user: str, *, host: str, port: int) -> None:
        """Authenticate with the token, by a mechanism that the server offers. Raises `Refused` and `OSError`."""
        offered = self._extensions.get("AUTH", "").upper().split()
        mechanisms = [mechanism for mechanism in _MECHANISMS if mechanism in offered]
        if not mechanisms:
            detail = f"The server offers neither XOAUTH2 nor OAUTHBEARER but {' '.join(offered) or 'nothing'}."
            raise Refused(refused("mechanism_not_offered", detail[:200]))
        for mechanism in mechanisms:
            reply, challenge = self._authenticate(mechanism, user, host, port)
            if reply.code == _SIGNED_IN and challenge is None:
                return
            if reply.code != 504 or mechanism == mechanisms[-1]:  # noqa: PLR2004 - this mechanism is not taken after all
                raise Refused(self._classified(Stage.AUTH, reply, challenge))

    def submit(self, outgoing: Outgoing, deadline: float) -> Outcome:
        """Hand one message over to all its recipients or to none. Raises `Stale` only before any content has left."""
        now = time.monotonic()
        # A kept connection that died in silence must leave the time for a fresh one.
        self._wire.line.deadline = now + (deadline - now) * _KEPT_SHARE if self.kept else deadline
        try:
            refusal = self._announce(outgoing)
        except OSError as error:
            self._spent = True
            if self.kept:
                raise Stale from error
            return refused("connection_lost", "The connection broke before the message was sent.")
        if refusal is not None:
            return refusal
        self._wire.line.deadline = deadline
        return self._deliver(outgoing.mime, deadline)

    @property
    def reusable(self) -> bool:
        """Tell whether another message may go this way."""
        return not self._spent

    @property
    def alive(self) -> bool:
        """Tell whether the server has said nothing since: whatever it says unasked is a farewell."""
        poll = select.poll()
        poll.register(self._wire.line.fileno(), select.POLLIN)
        return not self._wire.unread and not poll.poll(0)

    def close(self) -> None:
        """Take leave without waiting for the answer."""
        try:
            if not self._spent:
                self._wire.line.deadline = time.monotonic() + 1
                self._wire.line.sendall(b"QUIT\r\n")
        except OSError:
            pass  # It was to be closed anyway.
        finally:
            self._wire.line.close()

    # --- the mail transaction -----------------------------------------------------------------------------------

    def _announce(self, outgoing: Outgoing) -> Outcome | None:
        """Say who sends to whom; None means that the server waits for the content."""
        parameters = self._mail_parameters(outgoing.mime)
        if isinstance(parameters, Outcome):
            return parameters
        commands = [(Stage.MAIL, f"MAIL FROM:<{outgoing.mail_from}>{parameters}")]
        commands += [(Stage.RCPT, f"RCPT TO:<{address}>") for address in outgoing.rcpt_to]
        commands.append((Stage.DATA, "DATA"))
        step = _BATCH if "PIPELINING" in self._extensions else 1
        replies: list[tuple[Stage, Reply]] = []
        for start in range(0, len(commands), step):
            batch = commands[start : start + step]
            # All recipients are asked, so that the refused ones can all be named; content is not, once one was refused.
            if batch[-1][0] is Stage.DATA and any(not reply.good for _, reply in replies):
                break
            self._wire.line.sendall("".join(f"{command}\r\n" for _, command in batch).encode("ascii"))
            for stage, _ in batch:
                reply = self._wire.read()
                if reply.code == _CLOSING or reply.enhanced == _IDLE_TOO_LONG:
                    self._spent = True
                    return self._farewell(stage, reply)
                replies.append((stage, reply))
        waiting = replies[-1][1].code == _START_MAIL_INPUT
        refusals = [(index - 1, stage, reply) for index, (stage, reply) in enumerate(replies) if not reply.good]
        if waiting and len(refusals) == 1:
            return None
        if waiting:
            # A lone dot would send an empty message to those recipients that were taken (RFC 2920 section 3.1).
            self._spent = True
            refusals.pop()
        else:
            self._reset()
        return self._refusal(outgoing.rcpt_to, refusals or [(-1, *replies[-1])])

    def _mail_parameters(self, mime: bytes) -> str | Outcome:
        """Give the parameters of MAIL (RFC 1870, RFC 6152), or the outcome if this server cannot take the message."""
        parameters = ""
        if "SIZE" in self._extensions:
            limit = self._extensions["SIZE"]
            if limit.isdecimal() and 0 < int(limit) < len(mime):
                return refused("message_too_large", f"The server takes up to {limit} bytes.")
            parameters = f" SIZE={len(mime)}"
        if mime.isascii():
            return parameters
        if "8BITMIME" not in self._extensions:
            return refused("needs_8bitmime", "The server takes 7bit messages only.")
        return f"{parameters} BODY=8BITMIME"

    def _farewell(self, stage: Stage, reply: Reply) -> Outcome:
        if self.kept:
            raise Stale
        return self._classified(stage, reply)

    def _refusal(self, recipients: Sequence[str], refusals: list[tuple[int, Stage, Reply]]) -> Outcome:
        """Give the refusal that weighs most, and name every recipient that was refused."""
        first = refusals[0]
        if first[1] is Stage.MAIL:
            return self._classified(Stage.MAIL, first[2])
        refused_recipients = [(index, reply) for index, stage, reply in refusals if stage is Stage.RCPT]
        if not refused_recipients:
            return self._classified(Stage.DATA, first[2])
        outcomes = [self._classified(Stage.RCPT, reply) for _, reply in refused_recipients]
        worst = next((outcome for outcome in outcomes if outcome.remedy is Remedy.NONE), outcomes[0])
        named = ", ".join(f"{recipients[index]} ({reply.provider_code})" for index, reply in refused_recipients[:20])
        return refused(worst.code, f"Refused: {named}. {worst.detail}")

    def _deliver(self, mime: bytes, deadline: float) -> Outcome:
        start = b"." if mime.startswith(b".") else b""
        end = b".\r\n" if mime.endswith(b"\r\n") else b"\r\n.\r\n"
        self._spent = True
        try:
            self._wire.line.sendall(b"".join((start, mime.replace(b"\r\n.", b"\r\n.."), end)))
        except OSError:
            return self._early_reply(deadline)
        try:
            reply = self._wire.read()
        except OSError:
            return unknown("answer_lost", "The message had left, and no reply came.")
        if reply.code == 250:  # noqa: PLR2004 - RFC 5321 section 4.3.2
            self._spent = False
            return Outcome(verdict=Verdict.ACCEPTED, detail=words(reply.provider_code, reply.text, secret=self._token))
        if reply.code < 400:  # noqa: PLR2004 - RFC 5321 section 4.2.1
            return unknown("unexpected_answer", words(reply.provider_code, reply.text, secret=self._token))
        self._spent = reply.code == _CLOSING
        return self._classified(Stage.CONTENT, reply)

    def _early_reply(self, deadline: float) -> Outcome:
        """Take the reply of a server that hung up while the content was still leaving; the final dot had not left."""
        try:
            self._wire.line.deadline = min(deadline, time.monotonic() + 1)
            reply = self._wire.read()
        except OSError:
            reply = Reply(0, "", "")
        if reply.code >= 400:  # noqa: PLR2004 - RFC 5321 section 4.2.1
            return self._classified(Stage.CONTENT, reply)
        return refused("connection_lost", "The connection broke before the message had left.")

    def _reset(self) -> None:
        try:
            self._spent = not self._wire.ask("RSET").good
        except OSError:
            self._spent = True

    # --- signing in ---------------------------------------------------------------------------------------------

    def _authenticate(self, mechanism: str, user: str, host: str, port: int) -> tuple[Reply, Reply | None]:
        """Try one mechanism; the second value is the server's challenge if it refused with one."""
        if mechanism == "XOAUTH2":
            first, acknowledgement = f"user={user}\x01auth=Bearer {self._token}\x01\x01", ""
        else:
            name = user.replace("=", "=3D").replace(",", "=2C")
            first = f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {self._token}\x01\x01"
            acknowledgement = "AQ=="
        initial = binascii.b2a_base64(first.encode("utf-8"), newline=False).decode("ascii")
        reply = self._wire.ask(f"AUTH {mechanism} {initial}")
        if reply.code == _CONTINUE and not reply.text:
            # This server wants to ask for the initial response.
            reply = self._wire.ask(initial)
        if reply.code != _CONTINUE:
            return reply, None
        return self._wire.ask(acknowledgement), reply

    def _hello(self) -> None:
        address = self._wire.line.getsockname()[0]
        name = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
        reply = self._require(Stage.EHLO, self._wire.ask(f"EHLO {name}"))
        self._extensions = {}
        for line in reply.text.split("\n")[1:]:
            keyword, _, parameters = line.replace("AUTH=", "AUTH ", 1).partition(" ")
            known = self._extensions.get(keyword.upper(), "")
            self._extensions[keyword.upper()] = f"{known} {parameters}".strip()

    # --- replies ------------------------------------------------------------------------------------------------

    def _require(self, stage: Stage, reply: Reply) -> Reply:
        if not reply.good:
            raise Refused(self._classified(stage, reply))
        return reply

    def _classified(self, stage: Stage, reply: Reply, challenge: Reply | None = None) -> Outcome:
        if reply.code < 400:  # noqa: PLR2004 - RFC 5321 section 4.2.1
            detail = words(reply.provider_code, reply.text, secret=self._token)
            return refused("unexpected_reply", f"At {stage}: {detail}")
        return classify(stage, reply, secret=self._token, provider=self._provider, challenge=challenge)
