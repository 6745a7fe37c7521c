"""What the simulations take a port call for is what the adapter really asks of AWS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from benchmarks.aws_calls import Meter
from mailbearer.account import Probe
from mailbearer.aws.accounts import DynamoDBAccountStore
from mailbearer.aws.audit_log import CloudWatchAuditLog
from mailbearer.aws.audit_spool import S3AuditSpool
from mailbearer.aws.clients import Clients
from mailbearer.aws.credentials import SecretsManagerCredentialVault
from mailbearer.aws.event_bus import EventBridgeBus
from mailbearer.aws.registrations import DynamoDBRegistrationStore
from mailbearer.aws.rotation_queue import SQSRotationQueue
from mailbearer.aws.tokens import SecretsManagerTokenVault
from mailbearer.credential import Credential
from mailbearer.happenings import happened, of_account
from mailbearer.ports.stores import Due
from mailbearer.token import TokenState, planned_version
from sandbox.deploy import load_template
from simulations import hour, week
from simulations.bill import AUDIT_EVENT_BYTES, OPERATIONS
from tests.contract.nouns import NOW, account, event, registration, tokens
from tests.functions.deployment import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mailbearer.account import Account
    from tests.contract.conftest import World

pytestmark = pytest.mark.slow


VERSION = planned_version("acc_ann", 7)
SCOPES = ("https://graph.microsoft.com/Mail.Send", "openid", "email", "offline_access")


def usual(**changes: Any) -> Account:
    """Give a mailbox as it is after a while: every field of the token's and the probe's state in use."""
    state = TokenState(
        fence=412,
        lease_owner="01JD8K0A5B0000000000000000",
        lease_until=NOW + 60,
        refresh_hash="9f86d081884c",
        planned_version=VERSION,
        version=VERSION,
        expires_at=NOW + 3599.7,
        refreshed_at=NOW,
        due_at=NOW + 2600.25,
        forced_at=NOW - 86_400,
        write_allowance_at=NOW + 600,
    )
    probe = Probe(
        at=NOW, valid_at=NOW, due_at=NOW + 871.25, outcome="valid", how="userinfo", identity="ann@example.org"
    )
    values: dict[str, Any] = {
        "token": state,
        "probe": probe,
        "scopes_wanted": SCOPES,
        "scopes_granted": SCOPES,
        "grants": (NOW - 1e6,),
    }
    return account(**(values | changes))


@pytest.fixture
def counted(world: World) -> Iterator[tuple[Meter, Mapping[str, Callable[[], object]]]]:
    """Give every port call by its name in the table, and the meter that sees the calls of its adapter."""
    template = load_template(ROOT / "template.yaml")
    tables = {kind: world.table(kind) for kind in ("accounts", "registrations")}
    meter = Meter(
        {name: template["Resources"][f"{kind.capitalize()}Table"]["Properties"] for kind, name in tables.items()}
    )
    prefix, group, bucket, bus = world.name("simulated"), world.log_group(), world.bucket(), world.name("bus")
    world.clients.events.create_event_bus(Name=bus)
    queue = f"{world.name('rotation')}.fifo"
    url = world.clients.sqs.create_queue(QueueName=queue, Attributes={"FifoQueue": "true"})["QueueUrl"]
    with meter.listening():
        clients = Clients(lambda: boto3.Session("testing", "testing", region_name="eu-central-1"))
        accounts = DynamoDBAccountStore(clients.dynamodb, tables["accounts"])
        registrations = DynamoDBRegistrationStore(clients.dynamodb, tables["registrations"])
        vault = SecretsManagerTokenVault(clients.secretsmanager, prefix)
        credentials = SecretsManagerCredentialVault(clients.secretsmanager, prefix)
        log = CloudWatchAuditLog(clients.logs, group, lambda: os.urandom(4).hex())
        spool = S3AuditSpool(clients.s3, bucket)
        first, later = usual(), usual(updated_at=NOW + 5)
        accounts.create(first)
        registrations.create(registration())
        vault.open(first.id, tokens(), VERSION)
        credentials.create("google-main", Credential(client_secret="s" * 40))
        log.write([event()])
        connected = happened("account.connected", first.id, "1", NOW, of_account(first))
        moved = later.changed(token=usual().token, probe=Probe(at=NOW, due_at=NOW + 1700))
        yield (
            meter,
            {
                "accounts.get": lambda: accounts.get(first.id),
                "accounts.replace": lambda: accounts.replace(later, expected=first),
                "accounts.due_moved": lambda: accounts.replace(moved, expected=later),
                "accounts.due": lambda: list(accounts.due(NOW)),
                "registrations.get": lambda: registrations.get("google-main"),
                "vault.read": lambda: vault.read(first.id),
                "vault.store": lambda: vault.store(first.id, tokens(2), planned_version("acc_ann", 8)),
                "credentials.read": lambda: credentials.read("google-main"),
                "log.write": lambda: log.write([event(2)]),
                "spool.waiting": lambda: spool.waiting(20),
                "events.publish": lambda: EventBridgeBus(clients.events, bus).publish([connected]),
                "rotation_queue.put": lambda: SQSRotationQueue(clients.sqs, url).put(
                    [Due(NOW, f"acc_{number:026}") for number in range(10)]
                ),
            },
        )


# What a port call of this name makes besides what stands beside its name: a due time moves with a replace, and the
# index is asked in four parts at once.
ALSO = {"accounts.due_moved": ("accounts.replace",), "accounts.due": ("accounts.due",) * 3}


def test_every_port_call_costs_what_the_simulations_take_it_for(
    counted: tuple[Meter, Mapping[str, Callable[[], object]]],
) -> None:
    meter, operations = counted
    assert operations.keys() == OPERATIONS.keys()
    for name, call in operations.items():
        meter.reset()
        call()
        parts = [OPERATIONS[part] for part in (name, *ALSO.get(name, ()))]
        calls = {each: sum(part.calls.get(each, 0) for part in parts) for part in parts for each in part.calls}
        units = {each: sum(part.units.get(each, 0) for part in parts) for part in parts for each in part.units}
        assert dict(meter.calls) == calls, name
        assert {unit: used for unit, used in meter.units.items() if "Logs" not in unit} == units, name


def test_an_audit_event_is_no_larger_than_the_simulations_take_it_for(
    counted: tuple[Meter, Mapping[str, Callable[[], object]]],
) -> None:
    meter, operations = counted
    meter.reset()
    operations["log.write"]()
    assert 0 < meter.units["CloudWatch Logs bytes"] <= AUDIT_EVENT_BYTES


def test_the_simulations_make_no_call_that_the_table_lacks() -> None:
    made = hour.simulate(300, spread=60).calls.keys() | week.simulate(9, days=0.5).calls.keys()
    assert made <= OPERATIONS.keys()
    assert len(made) > 8
