"""One SMTP submission session (RFC 6409): AUTH with a bearer token, checks, capture, and the planned faults."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP

from sandbox.mail_hosts.capture import Submission
from sandbox.mail_hosts.sasl import failure_challenge, read_credentials

if TYPE_CHECKING:
    import ssl

    from aiosmtpd.smtp import Envelope, Session

    from sandbox.identity.records import Mailbox, Token
    from sandbox.mail_hosts.sasl import Credentials
    from sandbox.mail_hosts.smtp import SmtpHost

MECHANISMS = ("XOAUTH2", "OAUTHBEARER")
KEYWORDS = ("PIPELINING", "8BITMIME", "SMTPUTF8")
LONGEST_LINE = 1_000
"""Octets of a line of content, line end included (RFC 5321, section 4.5.3.1.6)."""
GO_AHEAD = "354 End data with <CR><LF>.<CR><LF>"
GONE = 60.0
"""Seconds to wait for the event loop to notice a connection that was cut; it takes one turn of the loop."""
THROTTLED = "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending"


class _Hooks:
    """What aiosmtpd asks its handler; the answers are the session's."""

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SmtpSession, session: Session, _envelope: Envelope, hostname: str, _responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return server.offers()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SmtpSession, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = server.sender_refused(address)
        if refusal is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return refusal or "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SmtpSession, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = await server.recipient_refused(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return refusal or "250 2.1.5 OK"

    async def handle_DATA(self, server: SmtpSession, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        return await server.content_arrived()


class SmtpSession(SMTP):
    """One connection: aiosmtpd's state machine, with our AUTH, our checks and the planned faults."""

    # Room for an AUTH line with a token of some kilobytes (RFC 4954 allows 12,288 octets); the lines of the
    # content are measured when all of it has arrived.
    line_length_limit = 65_536

    def __init__(self, host: SmtpHost, *, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext | None) -> None:
        super().__init__(
            _Hooks(),
            loop=loop,
            tls_context=tls,
            auth_require_tls=False,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            data_size_limit=host.settings.size_limit,
            enable_SMTPUTF8="SMTPUTF8" in host.settings.keywords,
            hostname="localhost",
            ident="Mailbearer sandbox: captures mail, delivers nothing",
        )
        # aiosmtpd keeps these on the class and clears them with each connection.
        self.command_size_limits = defaultdict(lambda: 2_048, {"AUTH": 12_288})
        self._host = host
        self._identity: tuple[Token, Mailbox] | None = None

    def cut(self) -> None:
        """End the connection without another byte; aiosmtpd cancels this session's task thereupon."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    # --- faults

    async def _planned(self, stage: str, token: Token | None = None, recipient: str | None = None) -> str | None:
        """Play the fault planned for this moment; return the reply to give instead, or None to go on."""
        if token is None and self._identity is not None:
            token = self._identity[0]
        fault = self._host.faults.take(
            "smtp",
            tenant=token.grant.tenant if token else None,
            stage=stage,
            facts={"mailbox": token.grant.mailbox if token else None, "recipient": recipient},
        )
        if fault is None:
            return None
        self._count(stage, f"fault:{fault.kind}", token)
        match fault.kind:
            case "hang":
                await asyncio.sleep(float(fault.params["seconds"]))
                return None
            case "reply":
                return f"{fault.params['code']} {fault.params['text']}"
            case "throttle":
                return THROTTLED
            case "answer_lost":
                self._capture()
            case "drop" if stage == "data" and "after_octets" in fault.params:
                await self.push(GO_AHEAD)
                await self._reader.readexactly(int(fault.params["after_octets"]))
        self.cut()
        return await self._await_cancellation()

    async def _await_cancellation(self) -> str:
        await asyncio.sleep(GONE)
        return "421 4.4.2 Connection lost"

    def _count(self, stage: str, outcome: str, token: Token | None) -> None:
        tenant = token.grant.tenant if token else None
        self._host.counters.count(tenant=tenant, endpoint=f"smtp_{stage}", outcome=outcome)

    # --- greeting and authentication

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Answer EHLO."""
        if (reply := await self._planned("ehlo")) is not None:
            await self.push(reply)
        else:
            await super().smtp_EHLO(hostname)

    def offers(self) -> list[str]:
        """Return the lines that answer EHLO: AUTH only under TLS, STARTTLS only before it."""
        lines = [self.hostname, f"SIZE {self.data_size_limit}", *self._host.settings.keywords]
        mechanisms = self._host.settings.sasl_mechanisms
        if not self._encrypted:
            lines.append("STARTTLS")
        elif mechanisms:
            lines.append(f"AUTH {' '.join(mechanisms)}")
        return [*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Answer STARTTLS."""
        if (reply := await self._planned("starttls")) is not None:
            await self.push(reply)
        else:
            await super().smtp_STARTTLS(arg)

    @property
    def _encrypted(self) -> bool:
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Check a bearer token (RFC 4954, RFC 7628); written anew because aiosmtpd knows passwords only."""
        if await self.check_helo_needed("EHLO"):
            return
        name, _, initial = (arg or "").partition(" ")
        mechanism = name.upper()
        if not self._encrypted:
            await self.push("538 5.7.11 Encryption required for requested authentication mechanism")
        elif self._identity is not None:
            await self.push("503 5.5.1 Already authenticated")
        elif mechanism not in self._host.settings.sasl_mechanisms:
            await self.push("504 5.5.4 Unrecognized authentication type")
        else:
            response = initial.strip() or await self._ask(b"")
            if response == "*":
                await self.push("501 5.7.0 Authentication cancelled")
            elif (credentials := read_credentials(mechanism, response)) is None:
                await self.push("501 5.5.2 Cannot decode the initial response")
            else:
                await self._check(mechanism, credentials)

    async def _check(self, mechanism: str, credentials: Credentials) -> None:
        token = self._host.tokens.find(credentials.token, kind="access_token")
        if (reply := await self._planned("auth", token)) is not None:
            await self.push(reply)
            return
        tenant = self._host.tenants[token.grant.tenant] if token else None
        mailbox = self._mailbox_of(token, credentials.user)
        if token and tenant and mailbox and token.scopes & set(tenant.smtp_scopes):
            self._identity = (token, mailbox)
            self._count("auth", "ok", token)
            await self.push("235 2.7.0 Accepted")
            return
        self._count("auth", "refused", token)
        if self._host.settings.challenge_on_failure:
            scope = tenant.smtp_scopes[0] if tenant else "smtp"
            await self._ask(failure_challenge(mechanism, scope=scope, issuer=tenant.issuer if tenant else None))
        await self.push("535 5.7.8 Authentication credentials invalid")

    async def _ask(self, challenge: bytes) -> str:
        await self.push(b"334 " + challenge)
        return (await self._reader.readuntil()).decode("ascii", "replace").strip()

    def _mailbox_of(self, token: Token | None, user: str) -> Mailbox | None:
        if token is None or token.is_expired() or token.is_revoked():
            return None
        grant, directory = token.grant, self._host.directory
        if grant.mailbox is None and not directory.application_may_use(grant.tenant, grant.client_id, user):
            return None
        if grant.mailbox is not None and user and user.casefold() != grant.mailbox.casefold():
            return None
        return directory.mailbox(grant.tenant, grant.mailbox or user)

    # --- the message

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        """Answer MAIL FROM."""
        if (reply := await self._planned("mail")) is not None:
            await self.push(reply)
        else:
            await super().smtp_MAIL(arg)

    def sender_refused(self, address: str) -> str | None:
        """Return the reply that refuses this sender, or None if the mailbox may send as it."""
        if self._identity is None:
            return "530 5.7.0 Authentication required"
        # Read anew: aliases may have been added since AUTH.
        mailbox = self._host.directory.mailbox(self._identity[1].tenant, self._identity[1].address)
        if mailbox is not None and mailbox.may_send_as(address):
            return None
        if self._identity[1].tenant == "microsoft":
            return "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
        return f"553 5.7.1 <{address}>: Sender address rejected: not owned by {self._identity[1].address}"

    async def recipient_refused(self, address: str) -> str | None:
        """Return the reply that refuses this recipient, or None."""
        if (reply := await self._planned("rcpt", recipient=address)) is not None:
            return reply
        if not address.isascii() and not self._asked_for_utf8:
            return "553 5.6.7 Non-ASCII addresses need SMTPUTF8 (RFC 6531)"
        return None

    @property
    def _asked_for_utf8(self) -> bool:
        return self.envelope is not None and bool(self.envelope.smtp_utf8)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Answer DATA, and take the content."""
        if (reply := await self._planned("data")) is not None:
            await self.push(reply)
        else:
            await super().smtp_DATA(arg)

    async def content_arrived(self) -> str:
        """Return the reply to the final dot."""
        if (reply := await self._planned("dot")) is not None:
            return reply
        content = self.envelope.content if self.envelope else None
        if isinstance(content, bytes) and any(len(line) > LONGEST_LINE - 2 for line in content.split(b"\r\n")):
            return "500 5.6.0 Line too long (RFC 5321, section 4.5.3.1.6)"
        if isinstance(content, bytes) and not (self._asked_for_utf8 or content.partition(b"\r\n\r\n")[0].isascii()):
            return "554 5.6.9 A header in UTF-8 needs SMTPUTF8 (RFC 6531)"
        return f"250 2.0.0 OK captured as {self._capture()}"

    def _capture(self) -> int:
        if self._identity is None or self.envelope is None or not isinstance(self.envelope.content, bytes):
            raise RuntimeError("content arrived before AUTH and MAIL")
        token, mailbox = self._identity
        # The source is kept as it came: what a Bcc header would give away must be seen here.
        mail = self._host.mails.add(
            Submission(
                via="smtp",
                token=token,
                mailbox=mailbox.address,
                mail_from=self.envelope.mail_from or "",
                rcpt_to=tuple(self.envelope.rcpt_tos),
                source=self.envelope.content,
            )
        )
        self._count("dot", "ok", token)
        return mail.id
