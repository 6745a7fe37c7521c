"""A stage on which all fifteen practices are kept, in memory, and of which a test breaks one thing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mailbearer.account import Account, AccountState, Probe
from mailbearer.api.description import described
from mailbearer.audit import AuditEvent
from mailbearer.capture import Capture
from mailbearer.egress import Egress
from mailbearer.http import GUARD
from mailbearer.ids import derived_id, rfc3339
from mailbearer.incident import Incident, IncidentState, Reach
from mailbearer.oauth import AuthlibServer
from mailbearer.observability import blacken
from mailbearer.pages import page_headers, refused_page
from mailbearer.ports.stack import Alarm, DeployedFunction, PublicPage, SecretFacts
from mailbearer.practices.checking import Practices, see
from mailbearer.practices.picture import FUNCTIONS, Picture, Place, Proof, Sources
from mailbearer.practices.teaching import NO_TICKET
from mailbearer.practices.watching import ALARMS, ALARMS_ON_AWS
from mailbearer.providers import definition_of, register
from mailbearer.registration import SANDBOX
from mailbearer.token import TokenState
from mailbearer.trail import BufferedTrail
from tests.fakes import (
    CountedBytes,
    FakeAccountStore,
    FakeArchive,
    FakeAuditLog,
    FakeAuditReader,
    FakeAuditSpool,
    FakeCaptureStore,
    FakeClock,
    FakeIncidentStore,
    FakeLedgerStore,
    FakePublicPages,
    FakeRegistrationStore,
    FakeStackInspector,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.practices.practice import Row
    from mailbearer.registration import Registration

API_URL, PREFIX, KEY = "https://api.example", "mailbearer/prod", "arn:aws:kms:eu-central-1:123456789012:key/1"
HOUR, DAY = 3600.0, 86_400.0
ROTATOR = "mailbearer-prod-token-rotator"
TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
PLACE = Place(
    stage="prod",
    local=False,
    api_url=API_URL,
    secrets_prefix=PREFIX,
    kms_key_id=KEY,
    audit_log_group="/mailbearer/prod/audit",
    buckets=(("content bucket", "content"), ("archive", "archive")),
    queues=(("message queue", "queue"),),
    tables=(("accounts", "accounts"),),
)


class Stage:
    """Everything that is looked at; `place` says which stage it is, `proof` what the audit log's own check came to."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.now = self.clock.now
        self.accounts = FakeAccountStore()
        self.registrations = FakeRegistrationStore()
        self.ledgers = FakeLedgerStore()
        self.incidents = FakeIncidentStore()
        self.captures = FakeCaptureStore()
        self.archive = FakeArchive()
        self.reader = FakeAuditReader()
        self.inspector = FakeStackInspector()
        self.pages = FakePublicPages()
        self.log = FakeAuditLog()
        self.server: Any = AuthlibServer(Egress(local=False), self.clock, CountedBytes())
        self.place = PLACE
        self.proof = Proof(digest=7, until=self.now - 600, checked="Digests 1 to 7")
        self._events = 0
        self._settle()

    # --- what is there ------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        inspector = self.inspector
        for name in FUNCTIONS:
            full = f"mailbearer-prod-{name}"
            group = f"/aws/lambda/{full}"
            environment = {"MAILBEARER_LOCAL": "false", "API_URL": API_URL, "SECRETS_PREFIX": PREFIX}
            inspector.functions[full] = DeployedFunction(name=full, log_group=group, environment=environment)
            inspector.retentions[group] = 30
        for name in ALARMS + ALARMS_ON_AWS:
            self.alarm(name)
        inspector.retentions[PLACE.audit_log_group] = 3653
        inspector.rules[ROTATOR] = True
        inspector.logged[f"/aws/lambda/{ROTATOR}"] = [self.now - 120]
        inspector.dashboards.add("mailbearer-prod")
        inspector.items["accounts"] = ['{"id": {"S": "acc_1"}, "state": {"S": "active"}}']
        inspector.bucket_policies |= {"content": (TLS_ONLY,), "archive": (TLS_ONLY,)}
        inspector.queue_policies["queue"] = (TLS_ONLY | {"Action": "sqs:*"},)
        self.page("/openapi.json", json.dumps(described()), {"content-type": "application/json"})
        self.page("/docs", "<!doctype html>", {"content-type": "text/html; charset=utf-8"})
        self.page(NO_TICKET, refused_page("This link is not good."), {**GUARD, **page_headers()}, status=404)
        self.register("google-main", "google")
        self.mailbox("ann@acme.example")
        self.registrations.create(SANDBOX)
        robot = self.account("robot@sandbox.example", provider=SANDBOX.name, transport=SANDBOX.transport)
        self.accounts.create(robot)
        capture = Capture(
            account=robot.id, message_id="<1@x>", at=self.now - 60, mail_from="", rcpt_to=(), size=1, headers=()
        )
        self.captures.put(capture, b"")
        self.drill(resolved_at=self.now - DAY)
        self.archive.put(
            "practices/2025-06-15T00-00-00Z.json", json.dumps({"at": rfc3339(self.now - DAY), "failed": 0})
        )
        self.note("token.refreshed", "acc_1", actor=ROTATOR)

    def alarm(self, name: str, **changes: Any) -> None:
        """Put an alarm, which is on, tells somebody and does not ring."""
        full = f"mailbearer-prod-{name}"
        values: dict[str, Any] = {"state": "OK", "enabled": True, "targets": ("arn:aws:sns:eu-central-1:1:topic",)}
        self.inspector.standing_alarms[full] = Alarm(name=full, **(values | changes))

    def page(self, path: str, text: str, headers: Mapping[str, str], *, status: int = 200) -> None:
        """Let the API answer a path."""
        self.pages.pages[path] = PublicPage(status=status, headers=headers, text=text)

    def register(self, name: str, kind: str, **more: Any) -> Registration:
        """Add a registration with its credential."""
        made = register(kind, name=name, client_id="client-1", now=self.now - 30 * DAY, **more)
        made = replace(made, checked_at=self.now - 600)
        self.registrations.create(made)
        self.inspector.secrets[f"{PREFIX}/registrations/{name}"] = SecretFacts(key_id=KEY)
        return made

    def reregister(self, name: str = "google-main", **changes: Any) -> None:
        """Change a registration."""
        old = self.registrations.get(name)
        assert old is not None
        self.registrations.replace(old.changed(**changes), expected=old)

    def account(self, address: str, **changes: Any) -> Account:
        """Make an active mailbox whose token is fresh and was tried."""
        registration = self.registrations.get(changes.get("provider", "google-main"))
        scopes = registration.scopes if registration else ()
        values: dict[str, Any] = {
            "provider": "google-main",
            "transport": "gmail",
            "state": AccountState.ACTIVE,
            "scopes_wanted": scopes,
            "scopes_granted": scopes,
            "created_at": self.now - 10 * DAY,
            "updated_at": self.now,
            "token": TokenState(
                version="v1",
                expires_at=self.now + HOUR / 2,
                refreshed_at=self.now - HOUR / 2,
                due_at=self.now + HOUR / 4,
            ),
            "probe": Probe(at=self.now - 300, outcome="valid", due_at=self.now + 600),
        }
        return Account(id=derived_id("acc_", address), address=address, **(values | changes))

    def mailbox(self, address: str, **changes: Any) -> Account:
        """Add such a mailbox, with its secret."""
        made = self.account(address, **changes)
        self.accounts.create(made)
        self.inspector.secrets[f"{PREFIX}/accounts/{made.id}"] = SecretFacts(key_id=KEY)
        return made

    def change(
        self, *, token: dict[str, Any] | None = None, probe: dict[str, Any] | None = None, **changes: Any
    ) -> None:
        """Change the mailbox that is there from the start."""
        (old,) = self.accounts.by_address("ann@acme.example")
        new = old.changed(
            token=replace(old.token, **(token or {})), probe=replace(old.probe, **(probe or {})), **changes
        )
        assert self.accounts.replace(new, expected=old) == new

    def drill(self, *, resolved_at: float = 0, **changes: Any) -> Incident:
        """Put an emergency that was played."""
        values: dict[str, Any] = {
            "reach": Reach.ACCOUNT,
            "target": "acc_1",
            "reason": "drill",
            "state": IncidentState.RESOLVED if resolved_at else IncidentState.DECLARED,
            "declared_at": resolved_at - 60,
            "declared_by": "operator",
            "since": 0,
            "resolved_at": resolved_at,
            "drill": True,
        }
        self._events += 1
        made = Incident(id=f"inc_{self._events}", **(values | changes))
        self.incidents.create(made)
        return made

    def note(
        self,
        action: str,
        subject: str,
        *,
        times: int = 1,
        actor: str = "x",
        reason: str = "",
        ago: float = 60,
        **facts: str,
    ) -> None:
        """Put events into the audit log."""
        for _ in range(times):
            self._events += 1
            event = AuditEvent(
                id=f"evt_{self._events}",
                at=rfc3339(self.now - ago),
                actor=actor,
                action=action,
                subject=subject,
                outcome="x",
                reason=reason,
                facts=tuple(sorted(facts.items())),
            )
            self.reader.file("stream", int((self.now - ago) * 1000), event)

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def practices(self) -> Practices:
        """Give what checks this stage."""
        sources = Sources(
            accounts=self.accounts,
            registrations=self.registrations,
            ledgers=self.ledgers,
            incidents=self.incidents,
            captures=self.captures,
            archive=self.archive,
            prove=lambda: self.proof,
            reader=self.reader,
            inspector=self.inspector,
            pages=self.pages,
            definitions=definition_of,
            server=lambda: self.server,
            looks_secret=lambda text: blacken(text) != text,
            clock=self.clock,
        )
        trail = BufferedTrail(self.log, FakeAuditSpool(), self.clock, CountedBytes(), actor="auditor")
        return Practices(sources=sources, place=self.place, trail=trail)

    def row(self, number: int) -> Row:
        """Look at one practice."""
        practices = self.practices
        return see(number, Picture(practices.sources, practices.place))
