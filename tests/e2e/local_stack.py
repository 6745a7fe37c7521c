"""A local stack for tests: what `make run` starts, in a copy of this checkout, with its three mailboxes."""

from __future__ import annotations

import json
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import requests
from rich.console import Console

from mailbearer.ids import derived_id
from sandbox import local
from sandbox.actors import way_on
from sandbox.control.client import Control
from sandbox.control.key_pairs import make_key_pair
from sandbox.demo import Demo
from tests import permissions
from tests.e2e import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.control.key_pairs import KeyPair
    from sandbox.local import LocalWorld

Seen = TypeVar("Seen")
ROOT = Path(__file__).resolve().parents[2]
PARTS = ("cli", "functions", "layers", "sandbox")
SECONDS = 60.0
"""How long something may take that happens by itself."""
SAY_NO_SECRET = frozenset({"audit", "doctor", "incident", "practices"})
"""Commands that show much and never a secret."""
TEXT = "Hello. What this mail says is nobody else's business."
REGISTRATIONS = {"google": "google-workspace", "microsoft": "microsoft-365", "oidc": "own-mail-host"}

# Tenant of the sandbox, the mailbox that the stack begins with, and the fault endpoint of its mail host.
ROADS = [
    pytest.param("google", "orders@acme.example", "gmail", id="gmail"),
    pytest.param("microsoft", "billing@acme.example", "graph", id="graph"),
    pytest.param("oidc", "support@acme.example", "smtp", id="smtp"),
]


@contextmanager
def started(directory: Path) -> Iterator[LocalStack]:
    """Start a stack in `directory`, connect three mailboxes, and stop all of it at the end.

    Before it is stopped it is searched for every secret that was issued on it.
    """
    for part in PARTS:
        shutil.copytree(ROOT / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "template.yaml", directory)
    # The commands of this environment and the packages that were installed already.
    (directory / ".venv").symlink_to(Path(sys.executable).parents[1])
    places = local.Places(directory)
    places.directory.mkdir()
    local.Places(ROOT).cache.mkdir(parents=True, exist_ok=True)
    places.cache.symlink_to(local.Places(ROOT).cache)
    console = Console(file=StringIO())
    with local.only_one(places), local.started(places, console, 0) as world:
        demo = Demo(world, console)
        with demo.api, requests.Session() as api:
            demo.register()
            demo.connect()
            demo.control.close()
            local.announce(world, console)
            api.trust_env = False
            api.headers["Authorization"] = f"Bearer {world.api_key}"
            stack = LocalStack(root=directory, world=world, api=api)
            stack.hear_the_bus()
            yield stack
            permissions.keep(permissions.of_the_engine(stack.decisions())[0], f"local-stack-{directory.name}")
            leaks = traces.search(stack)
            stack.control.close()
            assert leaks == [], f"secrets lie where they must not: {[f'{leak.kind} in {leak.place}' for leak in leaks]}"


@dataclass(kw_only=True)
class LocalStack:
    """A running stack as its users meet it.

    `secrets` are those that it was given or gave, `said` what it told in answers that hold none, and `reports` the
    files that the command wrote: what `tests.e2e.traces` searches, and for what.
    """

    root: Path
    world: LocalWorld
    api: requests.Session = field(repr=False)
    secrets: traces.Secrets = field(default_factory=traces.Secrets)
    said: dict[str, str] = field(default_factory=dict, repr=False)
    reports: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with the administrator's key."""
        self.secrets.hear(self.world.api_key)

    def hear_the_bus(self) -> None:
        """Bring everything that the bus is told to a queue, where it can be searched."""
        queue = self.aws("sqs").create_queue(QueueName="heard-on-the-bus")["QueueUrl"]
        found = self.aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        events, bus = self.aws("events"), {"EventBusName": self.output("EventBusName")}
        events.put_rule(Name="heard-on-the-bus", EventPattern=json.dumps({"source": ["mailbearer"]}), **bus)
        target = {"Id": "heard", "Arn": found["Attributes"]["QueueArn"]}
        events.put_targets(Rule="heard-on-the-bus", Targets=[target], **bus)

    @cached_property
    def control(self) -> Control:
        """Give the way to steer the sandbox."""
        return Control(self.world.sandbox["url"])

    @property
    def state(self) -> dict[str, Any]:
        """Read what the stack says of itself, `.mailbearer/local.json`."""
        state: dict[str, Any] = json.loads(self.world.places.state_file.read_text())
        return state

    def aws(self, service: str) -> Any:
        """Make an AWS client of the stack's engine."""
        return self.world.engine.client(service)

    def output(self, name: str) -> str:
        """Give an output of the CloudFormation stack."""
        return self.world.stack.outputs[name]

    def decisions(self) -> str:
        """Read what the engine decided on the calls of the functions' roles, a line of JSON each."""
        return self.world.engine.calls_file.read_text()

    # --- the API ----------------------------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Call the API, as the administrator or with another key (the empty one: none)."""
        fields = dict(headers or {})
        session = self.api
        if key is not None:
            session = requests.Session()
            session.trust_env = False
            fields |= {"Authorization": f"Bearer {key}"} if key else {}
        self.secrets.say(body)
        try:
            answer = session.request(method, f"{self.world.api_url}{path}", json=body, headers=fields, timeout=SECONDS)
        finally:
            if session is not self.api:
                session.close()
        if path.startswith("/v1/") and method == "GET":
            self.said[f"answer {path}"] = answer.text
        elif path.startswith("/v1/"):
            self.secrets.hear(answer.text)
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """Read something that is there."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def send(self, account: str, **fields: Any) -> dict[str, Any]:
        """Send a message over HTTP that is accepted."""
        answer = self.call("POST", "/v1/messages", message(account, **fields))
        assert answer.status_code == 202, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def drop(self, body: object) -> None:
        """Drop a body on the queue."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.secrets.say(body)
        self.aws("sqs").send_message(QueueUrl=self.output("QueueUrl"), MessageBody=text)

    def settled(self, message_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until a message has one of these statuses."""

        def look() -> dict[str, Any] | None:
            answer = self.call("GET", f"/v1/messages/{message_id}")
            shown: dict[str, Any] = answer.json()
            return shown if answer.ok and shown["status"] in statuses else None

        return until(f"{message_id} is {' or '.join(statuses)}", look)

    def one_mail(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Give the one mail that a message became; fail if there are several."""
        (mail,) = self.control.wait_for_mail(message_id=sent["message_id"], seconds=SECONDS)
        return dict(mail)

    def queued(self) -> int:
        """Count what lies on the message queue, what is under work or delayed included."""
        kinds = ("", "NotVisible", "Delayed")
        found = self.aws("sqs").get_queue_attributes(
            QueueUrl=self.output("QueueUrl"), AttributeNames=[f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        )
        return sum(int(number) for number in found["Attributes"].values())

    def upload(self, filename: str, content: bytes, content_type: str = "text/plain") -> str:
        """Put a file by the URL that is made for it, and give the upload's id."""
        asked = {"filename": filename, "content_type": content_type, "size": len(content)}
        begun = self.call("POST", "/v1/uploads", asked)
        assert begun.status_code == 201, begun.text
        place = begun.json()
        put = requests.put(place["url"], data=content, headers=place["headers"], timeout=SECONDS)
        assert put.status_code == 200, put.text
        return str(place["upload_id"])

    def kept(self, prefix: str) -> list[str]:
        """Name what lies in the content bucket below a prefix."""
        listed = self.aws("s3").list_objects_v2(Bucket=self.output("ContentBucketName"), Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", [])]

    def key(self, *scopes: str, accounts: tuple[str, ...] = ()) -> str:
        """Make an API key with the command."""
        arguments = [part for scope in scopes for part in ("--scope", scope)]
        arguments += [part for account in accounts for part in ("--account", account)]
        return str(self.operate("keys", "create", "test", *arguments)["key"])

    # --- registrations ----------------------------------------------------------------------------------------------

    def register(self, name: str, *options: str, secret: str = "") -> dict[str, Any]:
        """Add a registration with the command; a secret goes in by standard input."""
        proof = ("--client-secret-stdin",) if secret else ()
        self.secrets.add("client secret", secret)
        added: dict[str, Any] = self.operate("providers", "add", name, *options, *proof, stdin=secret)
        return added

    def smtp_options(self) -> tuple[str, ...]:
        """Give the options that name the sandbox's SMTP server."""
        smtp = self.world.sandbox["smtp"]
        return (
            *("--transport", "smtp", "--smtp-host", smtp["host"], "--smtp-port", str(smtp["port"])),
            *("--smtp-security", "starttls", "--ca-file", smtp["ca_file"]),
        )

    def oidc_options(self, client_id: str) -> tuple[str, ...]:
        """Give the options of a registration at the tenant `oidc`, whose endpoints are discovered."""
        scopes = [part for scope in ("openid", "email", "offline_access", "smtp") for part in ("--scope", scope)]
        issuer = self.world.sandbox["tenants"]["oidc"]["issuer"]
        return ("--kind", "oidc", "--client-id", client_id, "--issuer", issuer, *scopes, *self.smtp_options())

    def register_with(self, name: str, tenant: str, *scopes: str) -> None:
        """Register an application that asks for these scopes at the tenant `google` or `microsoft`."""
        client_id, secret = f"{name}-application", f"secret-of-{name}"
        self.control.register_client(tenant, client_id, secret, redirect_uris=[self.redirect_uri])
        ends = self.world.sandbox["tenants"][tenant]
        wanted = [part for scope in scopes for part in ("--scope", scope)]
        self.register(
            name,
            *("--kind", tenant, "--client-id", client_id, "--issuer", ends["issuer"]),
            *("--authorize-url", ends["authorize_url"], "--token-url", ends["token_url"]),
            *("--revoke-url", ends["revoke_url"], "--api-base-url", ends["api_base_url"], *wanted),
            secret=secret,
        )

    @property
    def redirect_uri(self) -> str:
        """Give what a provider has to know."""
        return f"{self.world.api_url}/oauth/callback"

    def key_pair(self, name: str) -> KeyPair:
        """Make a key that will be handed in; of a private key, each line is as secret as the whole."""
        pair = make_key_pair(name, now=datetime.now(UTC))
        self.secrets.add("private key", pair.private_key)
        return pair

    # --- mailboxes --------------------------------------------------------------------------------------------------

    def add(self, address: str, tenant: str, *, provider: str = "") -> dict[str, Any]:
        """Add a mailbox, and an account that waits for its owner's consent."""
        self.control.add_mailbox(tenant, address)
        wanted = {"provider": provider or REGISTRATIONS[tenant], "address": address}
        answer = self.call("POST", "/v1/accounts", wanted)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def sign_in_page(self, consent_url: str, tenant: str) -> str:
        """Open the consent page and give where its button leads."""
        page = requests.get(consent_url, timeout=SECONDS)
        assert page.status_code == 200, page.text
        return way_on(page.text, to=self.world.sandbox["tenants"][tenant]["authorize_url"])

    def consent(self, consent_url: str, tenant: str, address: str, *, allow: bool = True) -> requests.Response:
        """Walk the consent pages as the mailbox's owner; give the last page."""
        callback = self.control.consent(self.sign_in_page(consent_url, tenant), mailbox=address, allow=allow)
        return requests.get(callback.url, timeout=SECONDS)

    def connect(self, address: str, tenant: str, *, provider: str = "") -> str:
        """Add a mailbox and connect it; give the account's id."""
        added = self.add(address, tenant, provider=provider)
        assert self.consent(added["consent_url"], tenant, address).status_code == 200
        assert self.get(f"/v1/accounts/{added['id']}")["status"] == "active"
        return str(added["id"])

    def make_due(self, account: str) -> None:
        """Let the schedule's next run look at an account, for nobody can turn a running stack's clock."""
        self.aws("dynamodb").update_item(
            TableName=self.output("AccountsTableName"),
            Key={"id": {"S": account}},
            UpdateExpression="SET probe.due_at = :now, due_at = :now",
            ExpressionAttributeValues={":now": {"N": str(time.time())}},
        )

    def grant(self, address: str) -> dict[str, Any]:
        """Give the state of a mailbox's newest grant at its provider."""
        return next(grant for grant in self.control.tokens() if grant["mailbox"] == address)

    @contextmanager
    def short_tokens(self, tenant: str, seconds: int) -> Iterator[None]:
        """Let a tenant's access tokens live only so long."""
        life = self.control.settings()[tenant]["access_token_ttl"]
        self.control.change_settings(tenant, access_token_ttl=seconds)
        try:
            yield
        finally:
            self.control.change_settings(tenant, access_token_ttl=life)

    # --- the operator -----------------------------------------------------------------------------------------------

    def operate(self, *arguments: str, stdin: str = "") -> Any:
        """Run `mailbearer ... --json`, which has to succeed, and give what it says."""
        done = self.world.operate(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        command = " ".join(arguments[:2])
        # What other commands print may be what they are there for: a new key, a link.
        self.said[f"said by {command}"] = done.stderr + (done.stdout if arguments[0] in SAY_NO_SECRET else "")
        self.secrets.hear(done.stdout)
        self.reports += [Path(file) for flag, file in pairwise(arguments) if flag in {"--report", "--output"}]
        return json.loads(done.stdout)

    def rotate(self) -> dict[str, Any]:
        """Start the schedule's function and give what it says it did."""
        answer = self.aws("lambda").invoke(
            FunctionName=self.output("TokenRotatorFunctionName"), Qualifier="live", Payload=b"{}"
        )
        said: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, said
        return said

    def audit(self) -> dict[str, list[str]]:
        """Read the audit log group: the lines of each stream, in their order."""
        lines: dict[str, list[str]] = {}
        pages = self.aws("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=self.output("AuditLogGroup")):
            for event in page["events"]:
                lines.setdefault(event["logStreamName"], []).append(event["message"])
        return lines

    def audited(self, action: str, subject: str) -> dict[str, Any]:
        """Wait for an audit event and give it."""

        def look() -> dict[str, Any] | None:
            events = (json.loads(line) for lines in self.audit().values() for line in lines)
            return next((event for event in events if (event["action"], event["subject"]) == (action, subject)), None)

        return until(f"{action} of {subject} is audited", look)


def queue_message_id(key: str) -> str:
    """Give the id of a message that came over the queue with this idempotency key."""
    return derived_id("msg_", "queue", key)


def message(account: str, **fields: Any) -> dict[str, Any]:
    """Make a small message."""
    return {"account": account, "to": "carla@customer.example", "subject": "Hello from a test", "text": TEXT} | fields


def until(what: str, look: Callable[[], Seen | None], *, seconds: float = SECONDS) -> Seen:
    """Look until something is there; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return seen
