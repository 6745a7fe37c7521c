from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.circuit import ILL, Circuit
from mailbearer.errors import Unavailable
from mailbearer.message import Outcome, Verdict
from mailbearer.trail import BufferedTrail
from tests.contract.nouns import account
from tests.fakes import CountedBytes, FakeAccountStore, FakeAuditLog, FakeAuditSpool, FakeClock

if TYPE_CHECKING:
    from mailbearer.account import Account

ANN = account("ann")


def outcome(code: str = "connect_timeout", **changes: Any) -> Outcome:
    """Give the outcome of a call that was not accepted."""
    return Outcome(**({"verdict": Verdict.NOT_ACCEPTED, "code": code} | changes))


@dataclass
class Workers:
    """Processes that send for one mailbox, `ann`; calls of the table are counted."""

    clock: FakeClock = field(default_factory=FakeClock)
    accounts: FakeAccountStore = field(default_factory=FakeAccountStore)
    log: FakeAuditLog = field(default_factory=FakeAuditLog)
    random_bytes: CountedBytes = field(default_factory=CountedBytes)

    def __post_init__(self) -> None:
        self.trail = BufferedTrail(self.log, FakeAuditSpool(), self.clock, self.random_bytes, actor="worker")
        self.accounts.create(ANN)
        self.accounts.faults.calls.clear()

    def start(self) -> Circuit:
        """Start a process."""
        return Circuit(accounts=self.accounts, trail=self.trail, clock=self.clock, random_bytes=self.random_bytes)

    @property
    def ann(self) -> Account:
        """Give the account as it stands."""
        return self.accounts.accounts[ANN.id]

    @property
    def writes(self) -> int:
        """Count the writes of accounts."""
        return self.accounts.faults.calls.count("replace")

    def fail(self, circuit: Circuit, times: int = ILL, code: str = "connect_timeout", **changes: Any) -> None:
        """Let calls fail, one after another."""
        for _ in range(times):
            circuit.failed(self.ann, outcome(code, **changes))

    def may_send(self, circuit: Circuit) -> bool:
        """Ask whether a message may go now."""
        return circuit.open_until(self.ann) <= self.clock()


@pytest.fixture
def workers() -> Workers:
    return Workers()


def test_a_mailbox_that_is_well_costs_nothing(workers: Workers) -> None:
    circuit = workers.start()
    for _ in range(100):
        assert workers.may_send(circuit)
        circuit.succeeded(workers.ann)
    assert workers.accounts.faults.calls == []


def test_five_failures_in_a_row_open_it_and_one_write_tells_the_others(workers: Workers) -> None:
    circuit = workers.start()
    workers.fail(circuit, ILL - 1)
    assert workers.may_send(circuit)
    assert workers.writes == 0
    workers.fail(circuit, 1)
    assert workers.clock() + 15 <= workers.ann.circuit_until <= workers.clock() + 30
    assert workers.ann.circuit_failures == ILL
    assert workers.writes == 1
    assert not workers.may_send(circuit)
    assert not workers.may_send(workers.start())
    workers.trail.flush()
    assert workers.log.actions == ["account.circuit_opened opened"]


def test_a_mail_that_goes_begins_the_count_anew(workers: Workers) -> None:
    circuit = workers.start()
    for _ in range(5):
        workers.fail(circuit, ILL - 1)
        circuit.succeeded(workers.ann)
    assert workers.may_send(circuit)
    assert workers.writes == 0


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("connect_failed", True),
        ("connection_lost", True),
        ("tls_failed", True),
        ("service_refused", True),
        ("server_busy", True),
        ("server_error", True),
        ("answer_lost", True),
        ("throttled", True),
        ("daily_limit", True),
        ("project_quota", True),
        ("recipient_rejected", False),
        ("send_as_denied", False),
        ("token_rejected", False),
        ("smtp_auth_disabled", False),
        ("tls_not_trusted", False),
        ("never_heard_of", False),
    ],
)
def test_what_passes_by_itself_counts_and_what_concerns_a_message_or_somebody_has_to_mend_does_not(
    workers: Workers, code: str, counts: bool
) -> None:
    circuit = workers.start()
    workers.fail(circuit, code=code)
    assert workers.may_send(circuit) is not counts


def test_a_refused_message_shows_that_the_server_is_well(workers: Workers) -> None:
    circuit = workers.start()
    for _ in range(3):
        workers.fail(circuit, ILL - 1)
        workers.fail(circuit, 1, "recipient_rejected")
    assert workers.may_send(circuit)
    workers.fail(circuit)
    workers.clock.advance(31)
    workers.fail(circuit, 1, "recipient_rejected")
    assert workers.ann.circuit_until == 0


def test_calls_that_began_before_it_opened_do_not_count_again(workers: Workers) -> None:
    circuit = workers.start()
    workers.fail(circuit, 10)
    assert workers.ann.circuit_failures == ILL
    assert workers.writes == 1


def test_when_the_time_is_over_one_message_tries_and_the_others_come_at_moments_of_their_own(
    workers: Workers,
) -> None:
    circuit = workers.start()
    workers.fail(circuit)
    workers.clock.advance(30)
    assert workers.may_send(circuit)
    others = [circuit.open_until(workers.ann) for _ in range(20)]
    assert min(others) > workers.clock()
    assert len(set(others)) == 20
    assert not workers.may_send(workers.start())
    workers.clock.advance(60)
    assert workers.may_send(workers.start()), "nothing was heard of the first"


def test_while_tries_fail_it_opens_for_ever_longer_up_to_a_quarter_of_an_hour(workers: Workers) -> None:
    circuit, other = workers.start(), workers.start()
    pauses = []
    workers.fail(circuit)
    for _ in range(8):
        workers.clock.now = workers.ann.circuit_until
        assert workers.may_send(circuit)
        before = workers.ann
        assert not workers.may_send(other)
        workers.clock.advance(45)
        circuit.failed(before, outcome())
        pauses.append(workers.ann.circuit_until - workers.clock())
    ceilings = [60, 120, 240, 480, 900, 900, 900, 900]
    assert all(ceiling / 2 <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True))


def test_a_provider_that_names_a_time_is_left_alone_until_then_but_not_for_ever(workers: Workers) -> None:
    circuit = workers.start()
    workers.fail(circuit, retry_after=500)
    assert workers.ann.circuit_until == workers.clock() + 500
    workers.clock.advance(500)
    workers.fail(circuit, 1, retry_after=10**9)
    assert workers.ann.circuit_until == workers.clock() + 900


def test_the_first_mail_that_goes_closes_it_with_one_write_for_everybody(workers: Workers) -> None:
    circuit, other = workers.start(), workers.start()
    workers.fail(circuit)
    assert not workers.may_send(other)
    workers.clock.advance(31)
    assert workers.may_send(circuit)
    circuit.succeeded(workers.ann)
    assert (workers.ann.circuit_until, workers.ann.circuit_failures) == (0, 0)
    assert workers.writes == 3
    assert workers.may_send(circuit)
    assert workers.may_send(other)
    circuit.succeeded(workers.ann)
    assert workers.writes == 3
    workers.trail.flush()
    assert workers.log.actions[-1] == "account.circuit_closed closed"


def test_a_success_read_of_an_account_from_before_it_opened_closes_it_too(workers: Workers) -> None:
    circuit, before = workers.start(), workers.ann
    workers.fail(circuit)
    circuit.succeeded(before)
    assert workers.ann.circuit_until == 0


def test_an_account_read_from_before_it_opened_does_not_close_it(workers: Workers) -> None:
    circuit, before = workers.start(), workers.ann
    workers.fail(circuit)
    assert circuit.open_until(before) > workers.clock()


def test_a_new_worker_lets_one_message_try_where_the_time_is_over(workers: Workers) -> None:
    workers.fail(workers.start())
    workers.clock.advance(31)
    late = workers.start()
    assert workers.may_send(late)
    assert not workers.may_send(late)
    workers.fail(late, 1)
    assert workers.ann.circuit_failures == ILL + 1


def test_of_two_workers_that_find_it_ill_at_once_one_writes(workers: Workers) -> None:
    one, two, before = workers.start(), workers.start(), workers.ann
    workers.fail(one)
    for _ in range(ILL):
        two.failed(before, outcome())
    assert workers.ann.revision == before.revision + 1
    assert not workers.may_send(two)


def test_an_account_that_changed_meanwhile_is_written_as_it_stands(workers: Workers) -> None:
    circuit, before = workers.start(), workers.ann
    workers.accounts.replace(before.changed(display_name="New"), expected=before)
    for _ in range(ILL):
        circuit.failed(before, outcome())
    assert workers.ann.display_name == "New"
    assert workers.ann.circuit_until > workers.clock()


def test_what_cannot_be_kept_is_good_in_this_worker_alone(workers: Workers) -> None:
    circuit = workers.start()
    workers.accounts.faults.before("replace", Unavailable("dynamodb failed."))
    workers.fail(circuit)
    assert not workers.may_send(circuit)
    assert workers.may_send(workers.start())
    workers.trail.flush()
    assert workers.log.actions == ["account.mail_unnoted failed"]
    workers.clock.advance(31)
    circuit.succeeded(workers.ann)
    assert workers.may_send(circuit)


def test_mailboxes_have_nothing_to_do_with_each_other(workers: Workers) -> None:
    circuit = workers.start()
    workers.fail(circuit)
    assert circuit.open_until(account("ben")) <= workers.clock()
