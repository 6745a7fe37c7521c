"""Show the main job from outside, as its users meet it: the command, the consent pages, HTTP, the queue, the audit log.

Nothing here reaches into Mailbearer. Each step ends with a look at what came of it (the captured mail, the provider's
tokens, the API, the log group), and a step that is not seen to work has failed.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from botocore.exceptions import BotoCoreError, ClientError
from rich import box
from rich.markup import escape
from rich.table import Table

from sandbox.control.client import Control

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from sandbox.local import LocalWorld

Result = TypeVar("Result")
SECONDS = 30.0
"""How long something may take that happens by itself, such as a message coming off the queue."""
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


class UnseenError(Exception):
    """What a step should have brought about was not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mailbox of the demonstration; `tenant` is the sandbox's provider, `registration` our name for it."""

    tenant: str
    registration: str
    kind: str
    transport: str
    address: str
    name: str


ORDERS = Mailbox(
    tenant="google",
    registration="google-workspace",
    kind="google",
    transport="gmail",
    address="orders@acme.example",
    name="Acme Orders",
)
BILLING = Mailbox(
    tenant="microsoft",
    registration="microsoft-365",
    kind="microsoft",
    transport="graph",
    address="billing@acme.example",
    name="Acme Billing",
)
SUPPORT = Mailbox(
    tenant="oidc",
    registration="own-mail-host",
    kind="oidc",
    transport="smtp",
    address="support@acme.example",
    name="Acme Support",
)
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
        ("Revoke a mailbox; its next send is refused", demo.revoke),
        ("Read the audit events back from CloudWatch Logs", demo.read_audit),
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


@dataclass
class Demo:
    """The steps, and what later ones need of earlier ones."""

    world: LocalWorld
    console: Console
    accounts: dict[str, str] = field(default_factory=dict)
    audit: list[dict[str, Any]] = field(default_factory=list)
    first_mail_after: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Open the ways to the sandbox and to the API."""
        self.control = Control(self.world.sandbox["url"])
        self.api = requests.Session()
        self.api.headers["Authorization"] = f"Bearer {self.world.api_key}"

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
            _at_once(self._register, MAILBOXES)
        listed = self._get("/v1/providers")["data"]
        _see({each["name"] for each in listed} == {box.registration for box in MAILBOXES}, "not all are listed")
        _see("secret-of-" not in json.dumps(listed), "the list shows a client secret")
        return ", ".join(f"{each['name']} ({each['transport']})" for each in listed)

    def connect(self) -> str:
        """Add each mailbox, walk its consent pages as its owner would, and see it become active."""
        _at_once(self._connect, MAILBOXES)
        granted = {grant["mailbox"] for grant in self.control.tokens() if grant["has_refresh_token"]}
        _see(granted >= {box.address for box in MAILBOXES}, "a provider gave no refresh token")
        return ", ".join(box.address for box in MAILBOXES)

    def send_over_http(self) -> str:
        """Post a message for each mailbox and see each of them at its mail host."""
        accepted = _at_once(lambda box: (box, self._post_message(box, f"Hello from {box.name}")), MAILBOXES)
        for mailbox, message in accepted:
            (mail,) = self._see_mail(message_id=message["message_id"])
            self.first_mail_after = self.first_mail_after or time.monotonic() - self.begun
            _see(mail["mailbox"] == mailbox.address, f"{mailbox.address}'s message went through {mail['mailbox']}")
            self._see_sent(message["id"])
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
            (mail,) = self._see_mail(rcpt_to=body["to"])
            _see(mail["mailbox"] == body["account"], f"the message that came {way} went through {mail['mailbox']}")
        return ", ".join(f"{way} through {body['account']}" for way, body in bodies.items())

    def expire_and_refresh(self) -> str:
        """Connect a mailbox whose first token lives seconds, wait for its end, and start the schedule's function."""
        self.control.add_mailbox(NEWS.tenant, NEWS.address, name=NEWS.name)
        life = self.control.settings()[NEWS.tenant]["access_token_ttl"]
        self.control.change_settings(NEWS.tenant, access_token_ttl=SHORT_LIFE)
        try:
            self._connect(NEWS)
        finally:
            self.control.change_settings(NEWS.tenant, access_token_ttl=life)
        self._until("the token's end", lambda: self._grant(NEWS)["access_expires_in"] <= 0)
        generation = self._grant(NEWS)["refreshes"]

        answer = self.world.engine.client("lambda").invoke(
            FunctionName=self.world.stack.outputs["TokenRotatorFunctionName"],
            Payload=json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}),
        )
        _see("FunctionError" not in answer, f"the token rotator failed: {answer['Payload'].read()[:500]!r}")
        grant = self._grant(NEWS)
        _see(grant["refreshes"] == generation + 1, "the provider was not asked for a new token")
        _see(grant["access_expires_in"] > SHORT_LIFE, "the new token is no better than the old one")

        message = self._post_message(NEWS, "Sent with the refreshed token")
        self._see_sent(message["id"])
        self._see_mail(message_id=message["message_id"])
        _see(self._grant(NEWS)["refreshes"] == generation + 1, "the sender had to refresh for itself")
        good_for = f"{grant['access_expires_in']:.0f} s"
        return f"{NEWS.address}: expired after {SHORT_LIFE} s, refreshed once, good for {good_for}, and used"

    def revoke(self) -> str:
        """Revoke a mailbox and see its grant gone at the provider, and its next message refused."""
        self._operate("accounts", "revoke", NEWS.address, "--yes")
        _see(self._grant(NEWS)["revoked"], "the provider still honours the grant")
        answer = self.api.post(
            f"{self.world.api_url}/v1/messages", json=_message(NEWS, "This must not go out"), timeout=SECONDS
        )
        problem = answer.json()
        _see(answer.status_code >= HTTPStatus.BAD_REQUEST, f"the send was answered {answer.status_code}")
        _see(
            answer.headers["Content-Type"].startswith("application/problem+json"), "the refusal is no problem document"
        )
        _see(not [mail for mail in self.control.mail(mailbox=NEWS.address) if "must not" in str(mail)], "it went out")
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
        _see(not missing, f"no event of {', '.join(sorted(missing))}")
        leaked = [secret for secret in self.control.secrets() if any(secret in line for line in lines)]
        _see(not leaked, "a token, code or client secret stands in the audit log")
        return f"{len(self.audit)} events, without a token in them"

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

    # --- what the steps are made of ---------------------------------------------------------------------------------

    def _provider_options(self, mailbox: Mailbox) -> tuple[str, ...]:
        tenant, smtp = self.world.sandbox["tenants"][mailbox.tenant], self.world.sandbox["smtp"]
        if mailbox.transport == "smtp":
            return (
                *("--issuer", tenant["issuer"], "--scope", "openid", "--scope", "email"),
                *("--scope", "offline_access", "--scope", "smtp"),
                *("--smtp-host", smtp["host"], "--smtp-port", str(smtp["port"]), "--smtp-security", "starttls"),
                *("--ca-file", smtp["ca_file"]),
            )
        return (
            *("--issuer", tenant["issuer"], "--authorize-url", tenant["authorize_url"]),
            *("--token-url", tenant["token_url"], "--revoke-url", tenant["revoke_url"]),
            *("--api-base-url", tenant["api_base_url"]),
        )

    def _register(self, mailbox: Mailbox) -> None:
        client_id, client_secret = f"mailbearer-at-{mailbox.tenant}", f"secret-of-{mailbox.tenant}"
        self.control.register_client(
            mailbox.tenant, client_id, client_secret, redirect_uris=[f"{self.world.api_url}/oauth/callback"]
        )
        self._operate(
            *("providers", "add", mailbox.registration, "--kind", mailbox.kind),
            *("--client-id", client_id, "--client-secret-stdin", "--transport", mailbox.transport),
            *self._provider_options(mailbox),
            stdin=client_secret,
        )

    def _connect(self, mailbox: Mailbox) -> None:
        self.control.add_mailbox(mailbox.tenant, mailbox.address, name=mailbox.name)
        added = json.loads(
            self._operate(
                *("accounts", "add", mailbox.address, "--provider", mailbox.registration),
                *("--display-name", mailbox.name, "--json"),
            ).stdout
        )
        page = requests.get(added["consent_url"], timeout=SECONDS)
        page.raise_for_status()
        sign_in = way_on(page.text, to=self.world.sandbox["tenants"][mailbox.tenant]["authorize_url"])
        callback = self.control.consent(sign_in, mailbox=mailbox.address)
        result = requests.get(callback.url, timeout=SECONDS)
        result.raise_for_status()
        self.accounts[mailbox.address] = added["id"]
        status = self._get(f"/v1/accounts/{added['id']}")["status"]
        _see(status == "active", f"{mailbox.address} is {status} after its owner consented")

    def _post_message(self, mailbox: Mailbox, subject: str) -> dict[str, Any]:
        answer = self.api.post(f"{self.world.api_url}/v1/messages", json=_message(mailbox, subject), timeout=SECONDS)
        _see(answer.status_code == HTTPStatus.ACCEPTED, f"{mailbox.address}: {answer.status_code} {answer.text[:500]}")
        message: dict[str, Any] = answer.json()
        return message

    def _see_sent(self, message_id: str) -> None:
        def settled() -> bool:
            message = self._get(f"/v1/messages/{message_id}")
            _see(
                message["status"] not in {"failed", "unknown", "held"},
                f"{message_id} is {message['status']}: {message}",
            )
            return bool(message["status"] == "sent")

        self._until(f"{message_id} sent", settled)

    def _see_mail(self, **filters: str | int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control.wait_for_mail(seconds=SECONDS, **filters)
        _see(len(found) == 1, f"{len(found)} mails for {filters}")
        return found

    def _grant(self, mailbox: Mailbox) -> dict[str, Any]:
        return next(grant for grant in self.control.tokens() if grant["mailbox"] == mailbox.address)

    def _get(self, path: str) -> dict[str, Any]:
        answer = self.api.get(f"{self.world.api_url}{path}", timeout=SECONDS)
        _see(answer.ok, f"GET {path}: {answer.status_code} {answer.text[:500]}")
        body: dict[str, Any] = answer.json()
        return body

    def _operate(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = self.world.operate(*arguments, stdin=stdin)
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        _see(done.returncode == 0, f"mailbearer {' '.join(arguments[:3])}: {' '.join(said)}")
        return done

    def _until(self, what: str, seen: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not seen():
            if time.monotonic() > deadline:
                raise UnseenError(f"{what} was not seen within {SECONDS:.0f} s")
            time.sleep(0.1)


def _at_once(work: Callable[[Mailbox], Result], mailboxes: Sequence[Mailbox]) -> list[Result]:
    with ThreadPoolExecutor(len(mailboxes)) as pool:
        return list(pool.map(work, mailboxes))


def way_on(page: str, *, to: str) -> str:
    """Find the address behind the consent page's one button, which must lead to the provider's sign-in page."""
    reader = _Addresses()
    reader.feed(page)
    found = [address for address in reader.addresses if address.partition("?")[0] == to]
    _see(len(found) == 1, f"the consent page has {len(found)} ways to {to}")
    return found[0]


class _Addresses(HTMLParser):
    """Collects where a page's links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.addresses.append(str(given["href"]))


def _message(mailbox: Mailbox, subject: str) -> dict[str, Any]:
    return {
        "account": mailbox.address,
        "to": "Carla Customer <carla@customer.example>",
        "subject": subject,
        "text": f"This is {mailbox.name}. Nothing of this left your machine.",
        "html": f"<p>This is <b>{mailbox.name}</b>. Nothing of this left your machine.</p>",
    }


def _see(truth: object, otherwise: str) -> None:
    if not truth:
        raise UnseenError(otherwise)
