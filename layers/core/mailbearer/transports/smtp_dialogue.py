"""One SMTP connection as its client sees it (RFC 5321, RFC 3207, RFC 4954, RFC 2920, RFC 7628)."""

from __future__ import annotations

import binascii
import re
import select
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mailbearer.message import Outcome, Verdict
from mailbearer.transports.outcomes import refused, unknown, words
from mailbearer.transports.smtp_answers import Reply, Stage, classify
from mailbearer.transports.smtp_recipients import nobody_left, refusals, reported
from mailbearer.transports.smtp_wire import Line, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.message import Outgoing

_BATCH = 50
_KEPT_SHARE = 0.25
_START_MAIL_INPUT = 354
_CONTINUE = 334
_SIGNED_IN = 235
_CLOSING = 421
_NO_MORE_RECIPIENTS = (452, "4.5.3")
_IDLE_TOO_LONG = "4.4.2"
_A_SIZE = re.compile("[0-9]{1,20}")  # RFC 1870 section 3
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
        """Hand one message over to those of its recipients whom the server takes; the outcome names the others.

        Raises `Stale` only before any content has left.
        """
        parameters = self._mail_parameters(outgoing)
        if isinstance(parameters, Outcome):
            return parameters
        now = time.monotonic()
        # A kept connection that died in silence must leave the time for a fresh one.
        self._wire.line.deadline = now + (deadline - now) * _KEPT_SHARE if self.kept else deadline
        try:
            replies = self._announce(outgoing, parameters)
        except OSError as error:
            self._spent = True
            if self.kept:
                raise Stale from error
            return refused("connection_lost", "The connection broke before the message was sent.")
        return self._concluded(outgoing, replies, deadline)

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

    def _announce(self, outgoing: Outgoing, parameters: str) -> list[Reply]:
        """Say who sends to whom and ask to give the content; give the replies, as far as it was worth asking on."""
        commands = [f"MAIL FROM:<{outgoing.mail_from}>{parameters}"]
        commands += [f"RCPT TO:<{address}>" for address in outgoing.rcpt_to]
        commands.append("DATA")
        step = _BATCH if "PIPELINING" in self._extensions else 1
        replies: list[Reply] = []
        while len(replies) < len(commands):
            batch = commands[len(replies) : len(replies) + step]
            nobody = batch == ["DATA"] and not any(reply.good for reply in replies[1:])
            if nobody or (replies and not replies[0].good):
                break
            self._wire.line.sendall("".join(f"{command}\r\n" for command in batch).encode())
            for _ in batch:
                replies.append(self._wire.read())
                if replies[-1].code == _CLOSING or replies[-1].enhanced == _IDLE_TOO_LONG:
                    self._spent = True
                    if self.kept:
                        raise Stale
                    return replies
            if (replies[-1].code, replies[-1].enhanced) == _NO_MORE_RECIPIENTS:
                # The rest would be told the same, until the server hangs up for all those errors.
                replies += replies[-1:] * (len(commands) - 1 - len(replies))
        return replies

    def _concluded(self, outgoing: Outgoing, replies: list[Reply], deadline: float) -> Outcome:
        """Give the content to the recipients that were taken, or give up."""
        count = len(outgoing.rcpt_to)
        mail, rcpt, data = replies[0], replies[1 : count + 1], replies[count + 1 :]
        found = refusals(outgoing.rcpt_to, rcpt, partial(self._classified, Stage.RCPT)) if mail.good else []
        anybody = any(reply.good for reply in rcpt)
        waiting = bool(data) and data[0].code == _START_MAIL_INPUT
        if self._spent:
            stage = Stage.DATA if data else Stage.RCPT if rcpt else Stage.MAIL
            outcome = self._classified(stage, replies[-1])
        elif mail.good and waiting and anybody:
            self._wire.line.deadline = deadline
            outcome = self._deliver(outgoing.mime, deadline)
        else:
            self._withdraw(waiting=waiting, anybody=anybody)
            if not mail.good:
                outcome = self._classified(Stage.MAIL, mail)
            else:
                outcome = self._classified(Stage.DATA, data[0]) if anybody else nobody_left(found)
        return replace(outcome, refused=reported(found)) if found else outcome

    def _mail_parameters(self, outgoing: Outgoing) -> str | Outcome:
        """Give the parameters of MAIL (RFC 1870, 6152, 6531), or the outcome if this server cannot take the message."""
        mime = outgoing.mime
        parameters = ""
        if "SIZE" in self._extensions:
            limit = self._extensions["SIZE"]
            if _A_SIZE.fullmatch(limit) and 0 < int(limit) < len(mime):
                return refused("message_too_large", f"The server takes up to {limit} bytes.")
            parameters = f" SIZE={len(mime)}"
        utf8 = not "".join((outgoing.mail_from, *outgoing.rcpt_to)).isascii()
        if mime.isascii() and not utf8:
            return parameters
        if utf8 or not mime[: mime.find(b"\r\n\r\n")].isascii():
            if not {"SMTPUTF8", "8BITMIME"} <= self._extensions.keys():
                return refused("smtputf8_unavailable", "The server does not offer SMTPUTF8.")
            return f"{parameters} BODY=8BITMIME SMTPUTF8"
        if "8BITMIME" not in self._extensions:
            return refused("needs_8bitmime", "The server takes 7bit messages only.")
        return f"{parameters} BODY=8BITMIME"

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

    def _withdraw(self, *, waiting: bool, anybody: bool) -> None:
        """Give a transaction up, so that the connection serves for the next one, if it can be had without a message."""
        if waiting and anybody:
            # A lone dot would send an empty message to those that were taken.
            self._spent = True
            return
        try:
            # A server that waits for content that is for nobody gets none (RFC 2920 section 3.1).
            reply = self._wire.ask("." if waiting else "RSET")
        except OSError:
            self._spent = True
        else:
            self._spent = reply.code == _CLOSING if waiting else not reply.good

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
