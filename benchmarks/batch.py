"""A batch of ten messages through the real worker, at a provider that takes 150 ms for each."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks import mailbox, peer
from benchmarks.figures import Row, Series, interleave
from benchmarks.handlers import Context, end_worker, environment, load, printed, sqs_event
from benchmarks.init import ENVIRONMENT
from mailbearer.caller import Caller
from mailbearer.message import Status
from mailbearer.token import TokenSet
from tests.fakes import (
    FakeAccountStore,
    FakeAuditLog,
    FakeAuditSpool,
    FakeContentStore,
    FakeCredentialVault,
    FakeEventBus,
    FakeLedgerStore,
    FakeMessageQueue,
    FakeMessageStore,
    FakeRegistrationStore,
    FakeSchedules,
    FakeSuppressionStore,
    FakeTokenVault,
)

if TYPE_CHECKING:
    from types import ModuleType

    from benchmarks.effort import Effort
    from benchmarks.figures import Action
    from mailbearer.account import Account

LATENCY = 0.150
SIZE = 10
_CALLER = Caller(key_id="key_bench", scopes=frozenset({"messages:send"}))


def measure(effort: Effort, *, latency: float = LATENCY) -> list[Row]:
    """Measure the handler from event to answer, the stores in memory: what it adds to the provider's latency."""
    ten = [_unlimited(mailbox.account("gmail", number)) for number in range(SIZE)]
    one = ten[:1]
    with peer.running("http", latency=latency) as host, environment(ENVIRONMENT), ExitStack() as stack:
        actions = []
        for accounts in (ten, one):
            app = _worker(f"http://127.0.0.1:{host.port}", accounts)
            stack.callback(end_worker, app)
            actions.append(_handling(app, accounts))
        taken = interleave(actions, rounds=effort.batches, warm_up=1)
    return [
        Row(
            measure="batch",
            name=f"batch of {SIZE}, {mailboxes}",
            figure=figure,
            against=f"the provider's latency, {latency * 1000:g} ms",
            yardstick=Series((latency,)),
            must=1.2,
            stretch=1.1,
        )
        for mailboxes, figure in zip(("ten mailboxes", "one mailbox"), taken, strict=True)
    ]


def _unlimited(account: Account) -> Account:
    """Give a mailbox that may send as fast as it can: the worker is what is measured, not Google's quota."""
    return replace(account, limits=(("per_day", 10**8), ("per_minute", 10**7)))


def _worker(base_url: str, accounts: list[Account]) -> ModuleType:
    """Load the worker and give its wiring stores in memory; everything else is as it is in Lambda."""
    app = load("delivery_worker")
    stores: dict[str, Any] = {
        "messages": FakeMessageStore(),
        "accounts": FakeAccountStore(),
        "registrations": FakeRegistrationStore(),
        "vault": FakeTokenVault(),
        "credentials": FakeCredentialVault(),
        "queue": FakeMessageQueue(),
        "content": FakeContentStore(),
        "schedules": FakeSchedules(),
        "suppression_store": FakeSuppressionStore(),
        "ledgers": FakeLedgerStore(),
        "events": FakeEventBus(),
        "audit_log": FakeAuditLog(),
        "audit_spool": FakeAuditSpool(),
    }
    stores["registrations"].create(mailbox.registration("gmail", api_base_url=base_url))
    for account in accounts:
        tokens = TokenSet(
            access_token=mailbox.ACCESS_TOKEN,
            refresh_token="r" * 100,
            expires_at=account.token.expires_at,
            obtained_at=account.token.refreshed_at,
            scope="mail.send",
        )
        stores["accounts"].create(account)
        stores["vault"].open(account.id, tokens, account.token.version)
    # The slots of `cached_property`: what stands there is what the wiring gives.
    vars(app.wiring()).update(stores)
    return app


def _handling(app: ModuleType, accounts: list[Account]) -> Action:
    wiring = app.wiring()

    def handle() -> float:
        records = [
            wiring.submission.accept(mailbox.body(accounts[number % len(accounts)].id, number), _CALLER).record
            for number in range(SIZE)
        ]
        event = sqs_event([queued.body for queued in wiring.queue.queued])
        wiring.queue.queued.clear()
        with printed():
            begin = time.perf_counter()
            answer = app.lambda_handler(event, Context())
            taken = time.perf_counter() - begin
        unsent = [record.id for record in records if wiring.messages.get(record.id).status is not Status.SENT]
        if unsent or answer["batchItemFailures"]:
            raise RuntimeError(f"not sent: {unsent}")
        return taken

    return handle
