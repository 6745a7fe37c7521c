"""Show the main job from outside, as its users meet it: the command, the consent pages, HTTP, the queue, the audit log.

Nothing here reaches into Mailbearer. Each step ends with a look at what came of it (the captured mail, the provider's
tokens, the API, the log group), and a step that is not seen to work has failed.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from rich import box
from rich.markup import escape
from rich.table import Table

from sandbox import receiver
from sandbox.actors import BILLING, ORDERS, SECONDS, SUPPORT, Actors, Mailbox, UnseenError, a_message, see

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from sandbox.local import LocalWorld

Result = TypeVar("Result")
SHORT_LIFE = 4
"""Seconds that the access token lives which is to expire while one watches."""
AUDITED = {
    "registration.created",
    "consent.granted",
    "message.accepted",
    "message.sent",
    "token.refreshed",
    "account.revoked",
}
# Connected later with a token of seconds, and revoked in the end: the other three stay for whoever looks around.
NEWS = Mailbox(
    tenant="oidc",
    registration="own-mail-host",
    kind="oidc",
    transport="smtp",
    address="news@acme.example",
    name="Acme News",
)
MAILBOXES = (ORDERS, BILLING, SUPPORT)


def show(world: LocalWorld, console: Console) -> bool:
    """Run every step until one fails, print a summary, and tell whether all of them were seen to work."""
    demo = Demo(world, console)
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Register three providers", demo.register),
        ("Connect three mailboxes: consent with authorization code and PKCE", demo.connect),
        ("Send one message through each, over HTTP", demo.send_over_http),
        ("Send through the queue: raw, from an SNS topic, from an EventBridge rule", demo.send_over_queue),
        ("Let a token expire; the scheduled function refreshes it", demo.expire_and_refresh),
        ("Tell a webhook what became of a message; it verifies the signature", demo.tell_webhook),
        ("Revoke a mailbox; its next send is refused", demo.revoke),
        ("Read the audit events back from CloudWatch Logs", demo.read_audit),
        ("Sign the audit log, and verify it", demo.verify_audit),
    )
    summary = Table("", "step", "s", title="The main job", title_justify="left", box=box.SIMPLE_HEAD)
    begin = time.monotonic()
    worked = True
    for number, (title, step) in enumerate(steps, 1):
        if not worked:
            summary.add_row("[dim]-[/]", f"[dim]{title}: not tried[/]", "")
            continue
        started = time.monotonic()
        try:
            with demo.working_on(f"{number} of {len(steps)}  {title}"):
                seen = step()
        except (UnseenError, LookupError, ValueError, OSError, TimeoutError, BotoCoreError, ClientError) as error:
            worked = False
            seen = f"{error.__class__.__name__}: {error}"
        mark = "[green]✓[/]" if worked else "[red]✗[/]"
        took = f"{time.monotonic() - started:.1f}"
        console.print(f"{mark} {title} [dim]{took} s[/]\n  [dim]{escape(seen)}[/]")
        summary.add_row(mark, title, took)
    console.print()
    console.print(demo.audit_table())
    console.print(summary)
    if demo.first_mail_after:
        console.print(
            f"First mail {demo.first_mail_after:.1f} s, everything {time.monotonic() - begin:.1f} s after the start."
        )
    return worked


class Demo(Actors):
    """The steps, and what later ones need of earlier ones."""

    def __init__(self, world: LocalWorld, console: Console) -> None:
        """Begin; the time of the first mail counts from here."""
        super().__init__(world)
        self.console = console
        self.audit: list[dict[str, Any]] = []
        self.begun = time.monotonic()
        self.first_mail_after = 0.0

    @contextmanager
    def working_on(self, text: str) -> Iterator[None]:
        """Show what is going on."""
        with self.console.status(text):
            yield

    # --- the steps --------------------------------------------------------------------------------------------------

    def register(self) -> str:
        """Register this application with the sandbox's providers, and those with Mailbearer."""
        # A function's first request starts its process: these start two while the command does its work.
        wake = ("/v1/providers", "/v1/messages?account=nobody@acme.example")
        with ThreadPoolExecutor(len(wake)) as waking:
            for path in wake:
                waking.submit(self.api.get, f"{self.world.api_url}{path}", timeout=SECONDS)
            _at_once(self.register_provider, MAILBOXES)
        listed = self.get("/v1/providers")["data"]
        see({each["name"] for each in listed} >= {box.registration for box in MAILBOXES}, "not all are listed")
        see("secret-of-" not in json.dumps(listed), "the list shows a client secret")
        return ", ".join(f"{each['name']} ({each['transport']})" for each in listed)

    def connect(self) -> str:
        """Add each mailbox, walk its consent pages as its owner would, and see it become active."""
        _at_once(self.connect_mailbox, MAILBOXES)
        granted = {grant["mailbox"] for grant in self.control.tokens() if grant["has_refresh_token"]}
        see(granted >= {box.address for box in MAILBOXES}, "a provider gave no refresh token")
        return ", ".join(box.address for box in MAILBOXES)

    def send_over_http(self) -> str:
        """Post a message for each mailbox and see each of them at its mail host."""
        accepted = _at_once(lambda box: (box, self.post_message(box, f"Hello from {box.name}")), MAILBOXES)
        for mailbox, message in accepted:
            mail = self.see_mail(message_id=message["message_id"])
            self.first_mail_after = self.first_mail_after or time.monotonic() - self.begun
            see(mail["mailbox"] == mailbox.address, f"{mailbox.address}'s message went through {mail['mailbox']}")
            self.see_sent(message["id"])
        return f"{len(accepted)} messages captured at Gmail, Graph and SMTP"

    def send_over_queue(self) -> str:
        """Drop a message on the queue in each of the three wrappings and see all of them at the mail host."""
        bodies = {
            way: {
                "account": box.address,
                "to": f"{way}@customer.example",
                "subject": f"Through the queue: {way}",
                "text": "This message came from a queue.",
                "idempotency_key": f"demo-{way}",
            }
            for way, box in zip(("raw", "sns", "eventbridge"), MAILBOXES, strict=True)
        }
        queue_url, queue_arn = self.world.stack.outputs["QueueUrl"], self.world.stack.outputs["QueueArn"]
        self.world.engine.client("sqs").send_message(QueueUrl=queue_url, MessageBody=json.dumps(bodies["raw"]))

        sns = self.world.engine.client("sns")
        topic = sns.create_topic(Name="shop-mail")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
        sns.publish(TopicArn=topic, Message=json.dumps(bodies["sns"]))

        events = self.world.engine.client("events")
        events.put_rule(Name="shop-mail", EventPattern=json.dumps({"source": ["shop"]}))
        events.put_targets(Rule="shop-mail", Targets=[{"Id": "mailbearer", "Arn": queue_arn}])
        events.put_events(
            Entries=[{"Source": "shop", "DetailType": "mail", "Detail": json.dumps(bodies["eventbridge"])}]
        )
        for way, body in bodies.items():
            mail = self.see_mail(rcpt_to=body["to"])
            see(mail["mailbox"] == body["account"], f"the message that came {way} went through {mail['mailbox']}")
        return ", ".join(f"{way} through {body['account']}" for way, body in bodies.items())

    def expire_and_refresh(self) -> str:
        """Connect a mailbox whose first token lives seconds, wait for its end, and start the schedule's function."""
        self.control.add_mailbox(NEWS.tenant, NEWS.address, name=NEWS.name)
        life = self.control.settings()[NEWS.tenant]["access_token_ttl"]
        self.control.change_settings(NEWS.tenant, access_token_ttl=SHORT_LIFE)
        try:
            self.connect_mailbox(NEWS)
        finally:
            self.control.change_settings(NEWS.tenant, access_token_ttl=life)
        with ThreadPoolExecutor(2) as waking:  # there is time to start the processes of the steps after this one
            woken = (waking.submit(self.get, "/v1/webhooks"), waking.submit(self.sign))
            self.until("the token's end", lambda: self.grant(NEWS)["access_expires_in"] <= 0)
            for each in woken:
                each.result()
        generation = self.grant(NEWS)["refreshes"]

        answer = self.world.engine.client("lambda").invoke(
            FunctionName=self.world.stack.outputs["TokenRotatorFunctionName"],
            Payload=json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}),
        )
        see("FunctionError" not in answer, f"the token rotator failed: {answer['Payload'].read()[:500]!r}")
        grant = self.grant(NEWS)
        see(grant["refreshes"] == generation + 1, "the provider was not asked for a new token")
        see(grant["access_expires_in"] > SHORT_LIFE, "the new token is no better than the old one")

        message = self.post_message(NEWS, "Sent with the refreshed token")
        self.see_sent(message["id"])
        self.see_mail(message_id=message["message_id"])
        see(self.grant(NEWS)["refreshes"] == generation + 1, "the sender had to refresh for itself")
        good_for = f"{grant['access_expires_in']:.0f} s"
        return f"{NEWS.address}: expired after {SHORT_LIFE} s, refreshed once, good for {good_for}, and used"

    def tell_webhook(self) -> str:
        """Make a webhook, send, and see that its receiver is told and finds the signature right."""
        with receiver.listening() as listener:
            made = self.api.post(
                f"{self.world.api_url}/v1/webhooks",
                json={"url": listener.url, "events": ["message.sent"]},
                timeout=SECONDS,
            )
            see(made.status_code == HTTPStatus.CREATED, f"{made.status_code} {made.text[:500]}")
            listener.secret = made.json()["secret"]
            message = self.post_message(ORDERS, "A webhook hears of this")
            event = listener.event(seconds=SECONDS)
            see(event["data"]["message"] == message["id"], f"it was told of {event['data']['message']}")
            see("hears" not in json.dumps(event), "it was told what the message says")
            self.api.delete(f"{self.world.api_url}/v1/webhooks/{made.json()['id']}", timeout=SECONDS)
        return f"{event['type']} of {message['id']}, signed"

    def revoke(self) -> str:
        """Revoke a mailbox and see its grant gone at the provider, and its next message refused."""
        self.operate("accounts", "revoke", NEWS.address, "--yes")
        see(self.grant(NEWS)["revoked"], "the provider still honours the grant")
        answer = self.api.post(
            f"{self.world.api_url}/v1/messages", json=a_message(NEWS, "This must not go out"), timeout=SECONDS
        )
        problem = answer.json()
        see(answer.status_code >= HTTPStatus.BAD_REQUEST, f"the send was answered {answer.status_code}")
        see(answer.headers["Content-Type"].startswith("application/problem+json"), "the refusal is no problem document")
        see(not [mail for mail in self.control.mail(mailbox=NEWS.address) if "must not" in str(mail)], "it went out")
        return f"{answer.status_code} {problem['code']}: {problem['detail']}"

    def read_audit(self) -> str:
        """Read the audit log group and see every kind of event, and no secret that the providers ever gave out."""
        pages = self.world.engine.client("logs").get_paginator("filter_log_events")
        lines = [
            event["message"]
            for page in pages.paginate(logGroupName=self.world.stack.outputs["AuditLogGroup"])
            for event in page["events"]
        ]
        self.audit = sorted((json.loads(line) for line in lines), key=lambda event: str(event["at"]))
        missing = AUDITED - {event["action"] for event in self.audit}
        see(not missing, f"no event of {', '.join(sorted(missing))}")
        leaked = [secret for secret in self.control.secrets() if any(secret in line for line in lines)]
        see(not leaked, "a token, code or client secret stands in the audit log")
        return f"{len(self.audit)} events, without a token in them"

    def sign(self) -> None:
        """Start the function that signs the audit log, as its schedule does every hour."""
        answer = self.world.engine.client("lambda").invoke(
            FunctionName=self.world.stack.outputs["AuditorFunctionName"], Payload=json.dumps({"task": "digest"})
        )
        see("FunctionError" not in answer, f"the auditor failed: {answer['Payload'].read()[:500]!r}")

    def verify_audit(self) -> str:
        """Have the log signed and verified with the command."""
        self.sign()
        report = json.loads(self.operate("audit", "verify", "--json").stdout)
        see(report["good"] and report["digests"], f"{len(report['flaws'])} flaws, {report['digests']} digests")
        signed = report["events"] - report["not_signed"]
        return (
            f"{report['events']} events fit together, {signed} of them signed: nothing was changed, removed or put in"
        )

    def audit_table(self) -> Table:
        """Make a table of the audit events that were read."""
        table = Table(title="Audit events", title_justify="left", box=box.SIMPLE_HEAD)
        for name, width in {"time": 8, "action": 22, "outcome": 10, "subject": 4, "actor": 4}.items():
            table.add_column(name, no_wrap=True, min_width=width)
        for event in self.audit:
            actor = str(event["actor"]).removeprefix(f"{self.world.stack.name}-").rpartition(":")[2]
            shown = (str(event["at"])[11:19], event["action"], event["outcome"], event["subject"], actor)
            table.add_row(*(escape(str(text)) for text in shown))
        return table


def _at_once(work: Callable[[Mailbox], Result], mailboxes: Sequence[Mailbox]) -> list[Result]:
    with ThreadPoolExecutor(len(mailboxes)) as pool:
        return list(pool.map(work, mailboxes))
