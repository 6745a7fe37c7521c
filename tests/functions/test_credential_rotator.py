"""Rotation of a registration's client secret, through the real handler, against the sandbox's Entra and Graph.

moto's RotateSecret calls no function, and takes a rotation that has ended for one under way; so the version that AWS
would label AWSPENDING is labelled here by hand, and what AWS promises about labels is tested on the fake that is right
(tests/contract/secrets_manager.py).
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from moto.secretsmanager.models import secretsmanager_backends

from mailbearer.credential import Credential
from mailbearer.errors import RotationRefused, Unavailable
from mailbearer.providers import definition_of
from mailbearer.registration import Endpoints, Flow, Registration
from tests.functions.deployment import ACCOUNT, API_URL, REGION
from tests.functions.stack import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow

NAME, CLIENT, FIRST = "entra", "app-1", "the-first-secret-of-app-1"
STEPS = (
    "credential_rotator_create",
    "credential_rotator_set",
    "credential_rotator_test",
    "credential_rotator_finish",
)
SECRET = f"mailbearer/test/registrations/{NAME}"


@pytest.fixture
def rotating(stack: Stack) -> Iterator[Stack]:
    """Give the stack with a registration at Entra that may manage itself, and a rotation begun."""
    control, tenant = stack.world.control, stack.world.tenants["microsoft"]
    control.register_client(
        "microsoft",
        CLIENT,
        FIRST,
        redirect_uris=[f"{API_URL}/oauth/callback"],
        app_roles=["Application.ReadWrite.OwnedBy", "Mail.Send"],
    )
    wanted = Registration(
        name=NAME,
        kind="microsoft",
        client_id=CLIENT,
        transport="graph",
        flow=Flow.AUTHORIZATION_CODE,
        endpoints=Endpoints(authorize_url=tenant.authorize_url, token_url=tenant.token_url),
        scopes=definition_of("microsoft").scopes["graph"],
        api_base_url=str(tenant.api_base_url),
        token_auth_method="client_secret_post",
    )
    assert stack.wiring.registrations.create(wanted)
    stack.wiring.credentials.create(NAME, Credential(client_secret=FIRST))
    begin()
    yield stack
    stack.clients.secretsmanager.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    stack.clients.dynamodb.delete_item(TableName=stack.names["RegistrationsTable"], Key={"name": {"S": NAME}})


def begin() -> None:
    """Label an empty version AWSPENDING, as Secrets Manager does before it calls the function."""
    kept: Any = secretsmanager_backends[ACCOUNT][REGION].secrets[SECRET]
    kept.rotation_enabled = kept.rotation_requested = True
    kept.auto_rotate_after_days = 90
    token = event("credential_rotator_create")["ClientRequestToken"]
    kept.versions[token] = {"createdate": 1, "version_id": token, "version_stages": ["AWSPENDING"]}


def names(stack: Stack) -> list[str]:
    return [credential.name for credential in stack.wiring.credentials.read(NAME)]


def step(stack: Stack, name: str, **more: Any) -> str:
    done: str = stack.invoke("credential_rotator", event(name), **more)["done"]
    return done


def passwords(stack: Stack) -> dict[str, str]:
    """Give the ids of the application's secrets at the provider, with their names."""
    (client,) = [each for each in stack.world.control.clients() if each["client_id"] == CLIENT]
    return {secret["id"]: secret["name"] for secret in client["secrets"]}


def test_four_steps_put_a_secret_of_entras_before_the_old_one(rotating: Stack) -> None:
    before = set(passwords(rotating))
    assert [step(rotating, STEPS[0]), step(rotating, STEPS[0])] == ["created", "already_created"]
    (minted,) = set(passwords(rotating)) - before
    assert passwords(rotating)[minted] == "mailbearer 6a1c0c5e-8d8b-4b2a-9a55-0d8a2f0f9c11"
    assert names(rotating) == ["unnamed"]
    assert [step(rotating, each) for each in STEPS[1:]] == ["set", "tested", "rotated"]
    assert names(rotating) == [minted, "unnamed"]
    assert step(rotating, STEPS[3]) == "already_current"
    described = rotating.clients.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    assert described["6a1c0c5e-8d8b-4b2a-9a55-0d8a2f0f9c11"] == ["AWSCURRENT"]


def test_the_role_allows_it_the_log_tells_it_and_no_secret_is_written(rotating: Stack) -> None:
    for each in STEPS:
        step(rotating, each)
    assert [action for action in rotating.actions() if action.startswith("credential.")] == [
        "credential.mint intended",
        "credential.minted minted",
        "credential.tested taken",
        "credential.rotate intended",
        "credential.rotated rotated",
    ]
    secrets = {credential.client_secret for credential in rotating.wiring.credentials.read(NAME)}
    written = rotating.everything()
    assert [secret for secret in secrets if secret in written] == []


def test_a_mailbox_is_refreshed_before_during_and_after_and_when_the_old_secret_has_ended(rotating: Stack) -> None:
    client, registration = rotating.wiring.client, rotating.wiring.registrations.get(NAME)
    assert registration
    for each in STEPS:
        assert client.own_token(registration, ("https://graph.microsoft.com/.default",))
        step(rotating, each)
    old = next(key_id for key_id, name in passwords(rotating).items() if not name.startswith("mailbearer "))
    rotating.world.control.expire_credential("microsoft", CLIENT, old)
    assert client.own_token(registration, ("https://graph.microsoft.com/.default",))


def test_a_registration_that_may_not_manage_itself_is_told_what_it_lacks(rotating: Stack) -> None:
    rotating.world.control.allow_application("microsoft", CLIENT, app_roles=["Mail.Send"])
    with pytest.raises(RotationRefused, match=r"Application\.ReadWrite\.OwnedBy"):
        step(rotating, STEPS[0])
    assert rotating.actions()[-1] == "credential.rotation_failed failed"
    assert '"level":"ERROR"' in rotating.output


def test_an_answer_of_graph_that_was_lost_leaves_no_second_secret(rotating: Stack) -> None:
    before = set(passwords(rotating))
    rotating.world.control.plan_fault("applications", "answer_lost", match={"operation": "addPassword"})
    with pytest.raises(Unavailable, match="answer was lost"):
        step(rotating, STEPS[0])
    (orphan,) = set(passwords(rotating)) - before
    assert step(rotating, STEPS[0]) == "created"
    (minted,) = set(passwords(rotating)) - before
    assert minted != orphan
    assert "credential.orphan_removed removed" in rotating.actions()


def test_the_schedule_reads_dates_and_takes_away_what_was_replaced(rotating: Stack) -> None:
    for each in STEPS:
        step(rotating, each)
    tended = rotating.invoke("credential_rotator", event("credential_rotator_schedule"))
    assert tended == {"dated": 1, "retired": 0, "problems": {}}
    new, old = rotating.wiring.credentials.read(NAME)
    assert old.expires_at > 0
    assert old.id in passwords(rotating)
    overdue = (new, replace(old, retire_at=1.0))
    rotating.wiring.credential_edits.change(NAME, lambda kept: replace(kept, credentials=overdue))
    tended = rotating.invoke("credential_rotator", event("credential_rotator_schedule"))
    assert tended == {"dated": 0, "retired": 1, "problems": {}}
    assert names(rotating) == [new.id]
    assert list(passwords(rotating)) == [new.id]
    assert rotating.metrics() == {"credentials_retired": 1}


def test_the_token_rotator_warns_of_what_will_expire_and_says_how_many_days_are_left(rotating: Stack) -> None:
    ends = time.time() + 4.5 * 86_400
    credential = Credential(id="key-1", client_secret=FIRST, expires_at=ends)
    rotating.wiring.credential_edits.change(NAME, lambda kept: replace(kept, credentials=(credential,)))
    with rotating.started("token_rotator") as app:
        watched = app.wiring().credential_watch.run()
        again = app.wiring().credential_watch.run()
    assert (watched.warned, watched.days_left, watched.problems) == (1, 5, {})
    assert (again.warned, again.days_left) == (0, None)
    assert rotating.actions() == ["credential.expiring expiring"]
    assert rotating.metrics() == {"credential_days_left": 5}


def test_the_schedule_calls_the_watch(rotating: Stack) -> None:
    with rotating.started("token_rotator") as app:
        wiring = app.wiring()
        assert wiring.credential_watch.run in wiring.rotation.watches
