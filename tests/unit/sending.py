"""Both sides of sending, joined over fakes, with a queue that behaves as SQS does."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from mailbearer.caller import Caller
from mailbearer.circuit import Circuit
from mailbearer.client import Client
from mailbearer.comeback import Comeback
from mailbearer.credential import Credential
from mailbearer.delivery.concluding import Concluding
from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.delivery.delivering import Delivery
from mailbearer.delivery.draining import Draining
from mailbearer.delivery.looking import Looking
from mailbearer.delivery.preparing import Preparation
from mailbearer.delivery.recording import Recorder
from mailbearer.delivery.scales import Scales
from mailbearer.delivery.settling import Settling
from mailbearer.envelope import Drain, Job, read_body
from mailbearer.errors import MailbearerError
from mailbearer.ledger_book import LedgerBook
from mailbearer.mailbox_slots import MailboxSlots
from mailbearer.message import Address, Message, MessageRecord, Outcome, Remedy, Verdict
from mailbearer.mime import read_raw
from mailbearer.news import MessageNews
from mailbearer.providers import definition_of
from mailbearer.quota import Quota
from mailbearer.refreshing.lease import Lease
from mailbearer.refreshing.lifecycle import Lifecycle
from mailbearer.resubmission import Resubmission
from mailbearer.standing import Standing
from mailbearer.submission import Submission
from mailbearer.submission.door import Door
from mailbearer.submission.reading import Reader
from mailbearer.submission.recording import Intake
from mailbearer.token import TokenSet, TokenState
from mailbearer.trail import BufferedTrail
from tests.contract.nouns import account, registration
from tests.fakes import (
    CountedBytes,
    FakeAccountStore,
    FakeAuditLog,
    FakeAuditSpool,
    FakeClock,
    FakeComposer,
    FakeContentStore,
    FakeCredentialVault,
    FakeEventBus,
    FakeLedgerStore,
    FakeMessageQueue,
    FakeMessageStore,
    FakePointedContent,
    FakeRegistrationStore,
    FakeSchedules,
    FakeTokenVault,
    ScriptedAuthorizationServer,
    ScriptedTransport,
)
from tests.unit.suppliers import SimpleTemplates, SimpleUploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.ports.provider import TokenAnswer
    from tests.fakes.faults import Faults
    from tests.fakes.providers import Scene

APP = Caller(key_id="key_app", scopes=frozenset({"messages:send"}))
ACCEPTED = Outcome(verdict=Verdict.ACCEPTED, code="ok", provider_id="provider-1")
LOST = Outcome(verdict=Verdict.UNKNOWN, code="answer_lost", detail="No answer came.")


def refusal(remedy: Remedy = Remedy.RETRY, *, retry_after: float | None = None, code: str = "refused") -> Outcome:
    """Give the outcome of a call that was certainly not accepted."""
    return Outcome(verdict=Verdict.NOT_ACCEPTED, code=code, detail="550 no", remedy=remedy, retry_after=retry_after)


class Sending:
    """A stack with one active mailbox, `ann`, whose token is fresh."""

    def __init__(
        self,
        *outcomes: Scene,
        per_mailbox: int = 1,
        size_limit: int = 1_000_000,
        refresh: tuple[TokenAnswer, ...] = (),
        routine: bool = False,
    ) -> None:
        self.clock = FakeClock()
        self.random_bytes = CountedBytes()
        self.messages = FakeMessageStore()
        self.accounts = FakeAccountStore()
        self.registrations = FakeRegistrationStore()
        self.vault = FakeTokenVault()
        self.credentials = FakeCredentialVault()
        self.queue = FakeMessageQueue()
        self.schedules = FakeSchedules()
        self.ledgers = FakeLedgerStore()
        self.suppressed: frozenset[str] = frozenset()
        self.attach: Callable[[Message], Message | None] = lambda message: message
        self.content = FakeContentStore()
        self.templates = SimpleTemplates()
        self.uploads = SimpleUploads()
        self.pointed = FakePointedContent()
        self.events = FakeEventBus()
        self.routine = routine
        self.log = FakeAuditLog()
        self.spool = FakeAuditSpool()
        self.server = ScriptedAuthorizationServer(refresh=refresh)
        self.transport = ScriptedTransport(outcomes, per_mailbox=per_mailbox, size_limit=size_limit)
        self.arrivals: list[tuple[float, int, str, str]] = []
        self._arrived = 0
        now = self.clock()
        tokens = TokenSet(
            access_token="access-1",
            refresh_token="refresh-1",
            expires_at=now + 3600,
            obtained_at=now,
            scope="mail.send",
        )
        self.ann = account(
            "ann",
            address="ann@example.org",
            display_name="Ann",
            created_at=now,
            updated_at=now,
            token=TokenState(fence=1, version="v1", expires_at=tokens.expires_at, due_at=now + 2700),
        )
        self.accounts.create(self.ann)
        self.registrations.create(registration())
        self.credentials.create("google-main", Credential(client_secret="client-secret"))
        self.vault.open(self.ann.id, tokens, "v1")
        self.start()

    def start(self) -> None:
        """Begin with nothing in memory, as a new worker does."""
        self.trail = BufferedTrail(self.log, self.spool, self.clock, self.random_bytes, actor="worker")
        self.news = MessageNews(self.events, self.trail, routine=self.routine)
        self.lifecycle = Lifecycle(
            accounts=self.accounts,
            lease=Lease(accounts=self.accounts, clock=self.clock, random_bytes=self.random_bytes),
            registrations=self.registrations,
            definitions=definition_of,
            vault=self.vault,
            client=Client(
                credentials=self.credentials,
                definitions=definition_of,
                server=lambda: self.server,
                trail=self.trail,
            ),
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            sleep=self.clock.advance,
        )
        self.comeback = Comeback(
            queue=self.queue, schedules=self.schedules, content=self.content, trail=self.trail, clock=self.clock
        )
        self.reader = Reader(
            accounts=self.accounts, raw=read_raw, templates=lambda: self.templates, uploads=lambda: self.uploads
        )
        self.intake = Intake(
            messages=self.messages,
            comeback=self.comeback,
            uploads=lambda: self.uploads,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )
        self.submission = Submission(reader=self.reader, intake=self.intake, queue=self.queue, compose=FakeComposer())
        self.door = Door(submission=self.submission, pointed=lambda: self.pointed)
        self.resubmission = Resubmission(
            messages=self.messages,
            accounts=self.accounts,
            queue=self.queue,
            content=self.content,
            schedules=self.schedules,
            comeback=self.comeback,
            trail=self.trail,
            clock=self.clock,
        )
        self.join_delivery()

    def join_delivery(self) -> None:
        """Join what takes messages from the queue to the provider."""
        comeback = self.comeback
        recorder = Recorder(
            messages=self.messages, comeback=comeback, news=self.news, trail=self.trail, clock=self.clock
        )
        book = LedgerBook(ledgers=self.ledgers, trail=self.trail, clock=self.clock, random_bytes=self.random_bytes)
        quota = Quota(
            book=book,
            slots=MailboxSlots(book=book, clock=self.clock, worker="0a1b2c3d", crowd=5),
            clock=self.clock,
            workers=10,
        )
        circuit = Circuit(accounts=self.accounts, trail=self.trail, clock=self.clock, random_bytes=self.random_bytes)
        preparation = Preparation(
            accounts=self.accounts,
            registrations=self.registrations,
            definitions=definition_of,
            lifecycle=self.lifecycle,
            transport=lambda _: self.transport,
            compose=FakeComposer(),
            suppressed=lambda _, addresses: self.suppressed & frozenset(addresses),
            attach=self.attach,
            quota=quota,
            circuit=circuit,
            clock=self.clock,
        )
        looking = Looking(
            preparation=preparation, recorder=recorder, comeback=comeback, trail=self.trail, clock=self.clock
        )
        self.delivery = Delivery(
            messages=self.messages,
            accounts=self.accounts,
            settling=Settling(
                accounts=self.accounts,
                recorder=recorder,
                comeback=comeback,
                looking=looking,
                trail=self.trail,
                clock=self.clock,
            ),
            preparation=preparation,
            concluding=Concluding(
                recorder=recorder,
                looking=looking,
                lifecycle=self.lifecycle,
                circuit=circuit,
                standing=Standing(accounts=self.accounts, events=self.events, trail=self.trail, clock=self.clock),
                clock=self.clock,
                random_bytes=self.random_bytes,
            ),
            recorder=recorder,
            comeback=comeback,
            looking=looking,
            quota=quota,
            scales=Scales(),
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )
        self.draining = Draining(
            messages=self.messages,
            accounts=self.accounts,
            delivery=self.delivery,
            queue=self.queue,
            trail=self.trail,
            clock=self.clock,
            tell=self.tell,
        )

    def share_faults(self, faults: Faults) -> None:
        """Let every port have these faults."""
        for fake in (
            self.messages,
            self.accounts,
            self.registrations,
            self.vault,
            self.credentials,
            self.queue,
            self.schedules,
            self.pointed,
            self.ledgers,
            self.content,
            self.events,
            self.log,
            self.spool,
        ):
            fake.faults = faults

    # --- accounts and messages --------------------------------------------------------------------------------------

    def change(self, **fields: Any) -> Account:
        """Change ann's account behind everybody's back."""
        now = self.accounts.accounts[self.ann.id]
        return self.accounts.replace(now.changed(**fields), expected=now)

    def body(self, **fields: Any) -> dict[str, Any]:
        """Give a message as a caller writes it."""
        return {"account": self.ann.id, "to": "bob@example.net", "subject": "Hi", "text": "Hello"} | fields

    def accept(self, key: str = "", **fields: Any) -> MessageRecord:
        """Accept a message over HTTP."""
        return self.submission.accept(self.body(**fields), APP, key).record

    def record(self, message_id: str) -> MessageRecord:
        """Give a record as it stands."""
        return self.messages.records[message_id]

    # --- the queue ----------------------------------------------------------------------------------------------------

    def copy(self) -> Job:
        """Take the newest copy off the queue."""
        job = read_body(self.queue.queued.pop().body, "sqs-1")
        assert isinstance(job, Job)
        return job

    def deliver(self, job: Job, *, seconds: float = 120) -> Delivered:
        """Deliver a copy with this much time left, as a batch of its own."""
        delivered = self.delivery.deliver(job, deadline=self.clock() + seconds)
        self.news.publish()
        return delivered

    def tell(self) -> None:
        """Do what the worker does before it acknowledges."""
        self.news.publish()
        self.trail.flush()

    def drop(self, body: str) -> None:
        """Let somebody put a body straight on the queue."""
        self._arrive(body, 0)

    def work(self, *, visibility: float = 400, most: int = 60, horizon: float = 2 * 86_400) -> list[Delivered]:
        """Take copies as they come due until none is left.

        One whose worker failed or died comes back after `visibility` seconds, to a new worker. What is scheduled
        farther off than `horizon` seconds stays there.
        """
        done: list[Delivered] = []
        for _ in range(most):
            for queued in self.queue.queued:
                self._arrive(queued.body, queued.delay)
            self.queue.queued.clear()
            for name, scheduled in sorted(self.schedules.waiting.items()):
                soon = scheduled.at - self.clock() <= horizon
                if soon and (not self.arrivals or scheduled.at <= self.arrivals[0][0]):
                    # The schedule has done its work and is gone once the body is on the queue.
                    del self.schedules.waiting[name]
                    self._arrive(scheduled.body, scheduled.at - self.clock())
            if not self.arrivals:
                return done
            due, number, body, sqs_id = heapq.heappop(self.arrivals)
            self.clock.now = max(self.clock.now, due)
            try:
                done.append(self.take_in(body, sqs_id))
                self.trail.flush()
            except (MailbearerError, Died):
                heapq.heappush(self.arrivals, (self.clock() + visibility, number, body, sqs_id))
                self.start()
        msg = f"still busy after {most} copies: {done}"
        raise AssertionError(msg)

    def take_in(self, body: str, sqs_id: str) -> Delivered:
        """Do what the worker does with one SQS message."""
        taken = self.door.take(body, sqs_id)
        if isinstance(taken, MessageRecord):
            self.news.note(taken)
            self.news.publish()
            return Delivered(Verb.FAILED if taken.problem_code else Verb.PUT_BACK, taken.problem_code or taken.status)
        if isinstance(taken, Drain):
            drained = self.draining.drain(taken, deadline=self.clock() + 120)
            self.news.publish()
            return drained
        return self.deliver(taken)

    def _arrive(self, body: str, delay: float) -> None:
        self._arrived += 1
        heapq.heappush(self.arrivals, (self.clock() + delay, self._arrived, body, f"sqs-{self._arrived}"))


class Died(BaseException):
    """The process is gone: nothing in it runs any more, no handler of errors either."""


def message(**fields: Any) -> Message:
    """Give a checked message."""
    values: dict[str, Any] = {
        "account": "acc_1",
        "sender": Address("ann@example.org", "Ann"),
        "to": (Address("bob@example.net"),),
        "subject": "Hi",
        "text": "Hello",
        "message_id": "<one@example.org>",
        "date": 1_750_000_000.0,
    }
    return Message(**(values | fields))
