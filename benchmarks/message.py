"""One message over HTTP or SMTP, composed and sent, against the bare sending of bytes that were ready before."""

from __future__ import annotations

import binascii
import json
import smtplib
import ssl
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import requests

from benchmarks import mailbox, peer
from benchmarks.figures import Row, interleave
from mailbearer.egress import Egress
from mailbearer.message import Outgoing, Verdict
from mailbearer.mime import compose
from mailbearer.registration import SmtpServer
from mailbearer.transports.gmail import GmailTransport
from mailbearer.transports.graph import GraphTransport
from mailbearer.transports.smtp import SmtpTransport

if TYPE_CHECKING:
    from benchmarks.effort import Effort
    from benchmarks.figures import Action
    from mailbearer.ports.mail import Transport
    from mailbearer.registration import Registration

_SECONDS = 10
_WARM_UP = 20


def measure_http(effort: Effort) -> list[Row]:
    """Measure MIME + encode + post through both HTTP transports."""
    rows = []
    with peer.running("http") as host:
        base_url = f"http://127.0.0.1:{host.port}"
        egress = Egress(local=True)
        mime = compose(mailbox.message(), bcc_header=True)
        raw = binascii.b2a_base64(mime, newline=False)
        kinds: list[tuple[Transport, str, str, bytes, str]] = [
            (
                GmailTransport(egress, time.time),
                "gmail",
                f"{base_url}/gmail/v1/users/me/messages/send",
                json.dumps({"raw": raw.decode()}).encode(),
                "application/json",
            ),
            (GraphTransport(egress, time.time, compose), "graph", f"{base_url}/v1.0/me/sendMail", raw, "text/plain"),
        ]
        for transport, name, url, body, media_type in kinds:
            ours = _sending(transport, mailbox.registration(name, api_base_url=base_url))
            with requests.Session() as session:
                theirs = _posting(session, url, body, media_type)
                figure, yardstick = interleave((ours, theirs), rounds=effort.calls, warm_up=_WARM_UP)
            rows.append(
                Row(
                    measure="http",
                    name=f"message over HTTP, {name}",
                    figure=figure,
                    against="bare requests.Session().post of a body encoded before",
                    yardstick=yardstick,
                    must=1.2,
                    stretch=0.35,
                    details={"mime_bytes": len(mime)},
                )
            )
        egress.close()
    return rows


def measure_smtp(effort: Effort) -> list[Row]:
    """Measure MIME + sending over a kept connection, with a server that pipelines (most do) and one that does not."""
    rows = []
    for pipelining in (True, False):
        with peer.running("smtp", pipelining=pipelining) as host, ExitStack() as stack:
            transport = SmtpTransport(Egress(local=True), time.time)
            stack.callback(transport.close)
            server = SmtpServer(host="127.0.0.1", port=host.port, security="tls")
            registration = mailbox.registration("smtp", smtp=server, ca_pem=host.ca_pem)
            context = ssl.create_default_context(cadata=host.ca_pem)
            client = stack.enter_context(smtplib.SMTP_SSL("127.0.0.1", host.port, context=context, timeout=_SECONDS))
            mime = compose(mailbox.message(), bcc_header=False)
            actions = (_sending(transport, registration), _mailing(client, mime))
            figure, yardstick = interleave(actions, rounds=effort.calls, warm_up=_WARM_UP)
        rows.append(
            Row(
                measure="smtp",
                name=f"message over SMTP, {'with' if pipelining else 'without'} PIPELINING",
                figure=figure,
                against="bare smtplib.sendmail of bytes composed before, on a kept TLS connection",
                yardstick=yardstick,
                must=1.6,
                stretch=1.2,
                details={"mime_bytes": len(mime)},
            )
        )
    return rows


def _sending(transport: Transport, registration: Registration) -> Action:
    account, message = mailbox.account(registration.transport), mailbox.message()

    def send() -> float:
        begin = time.perf_counter()
        mime = compose(message, bcc_header=transport.names_recipients_in_headers)
        outgoing = Outgoing(mail_from=message.sender.email, rcpt_to=message.recipients, mime=mime)
        outcome = transport.send(
            outgoing, account=account, registration=registration, access_token=mailbox.ACCESS_TOKEN
        )
        taken = time.perf_counter() - begin
        if outcome.verdict is not Verdict.ACCEPTED:
            raise RuntimeError(f"{outcome.code}: {outcome.detail}")
        return taken

    return send


def _posting(session: requests.Session, url: str, body: bytes, media_type: str) -> Action:
    headers = {"Authorization": f"Bearer {mailbox.ACCESS_TOKEN}", "Content-Type": media_type}

    def post() -> float:
        begin = time.perf_counter()
        answer = session.post(url, data=body, headers=headers, timeout=_SECONDS)
        taken = time.perf_counter() - begin
        answer.raise_for_status()
        return taken

    return post


def _mailing(client: smtplib.SMTP, mime: bytes) -> Action:
    message = mailbox.message()

    def mail() -> float:
        begin = time.perf_counter()
        refused = client.sendmail(message.sender.email, message.recipients, mime)
        taken = time.perf_counter() - begin
        if refused:
            raise RuntimeError(str(refused))
        return taken

    return mail
