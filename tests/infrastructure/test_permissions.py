"""The comparison of what roles allow with what tests used can fail, and excuses nothing that is not there."""

from __future__ import annotations

import json

import pytest

from sandbox.deploy import load_template
from tests import permissions
from tests.permissions import Permission, allowed, excused, fed_by_queues, of_the_engine, unused

TEMPLATE = load_template(permissions.ROOT / "template.yaml")
ALLOWED = allowed(TEMPLATE)


def test_what_is_allowed_and_never_used_is_named() -> None:
    left_out = Permission("messages_api", "Enqueue", "sqs:SendMessage")
    assert unused(TEMPLATE, ALLOWED) == []
    assert unused(TEMPLATE, ALLOWED - {left_out}) == [left_out]


def test_every_excuse_is_for_something_that_a_role_allows() -> None:
    statements, actions = {each.statement for each in ALLOWED}, {each.action for each in ALLOWED}
    assert (permissions.OF_THE_SERVICE | permissions.WITHOUT_A_CALL).keys() <= statements
    assert permissions.CHECKED_ELSEWHERE.keys() | permissions.OF_THE_MAPPING <= actions
    assert permissions.IN_NEED.keys() <= ALLOWED


def test_the_polling_of_a_queue_is_excused_only_where_there_is_one() -> None:
    fed = fed_by_queues(TEMPLATE)
    assert fed >= {"delivery_worker", "token_rotator", "notifier"}
    assert excused(Permission("notifier", "NotificationQueue", "sqs:ReceiveMessage"), fed)
    assert not excused(Permission("messages_api", "Queue", "sqs:ReceiveMessage"), fed)


def test_the_engines_record_tells_what_was_used_and_what_was_refused() -> None:
    role = "arn:aws:sts::000000000000:assumed-role/mailbearer-local-MessagesApiRole-1/mailbearer-local-messages-api"
    rows = [
        {"role": role, "action": "sqs:SendMessage", "statement": "Enqueue", "refused": ""},
        {"role": role, "action": "kms:Sign", "statement": "", "refused": "arn:key"},
        {"role": "somebody", "action": "s3:PutObject", "statement": "Any", "refused": ""},
    ]
    used, refused = of_the_engine("\n".join(map(json.dumps, rows)))
    assert used == {Permission("messages_api", "Enqueue", "sqs:SendMessage")}
    assert refused == ["messages_api: kms:Sign on arn:key"]


@pytest.mark.slow
def test_a_tier_that_left_no_record_is_no_success(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv(permissions.RECORDS, str(tmp_path))
    assert permissions.main() == 2
    for tier in permissions.TIERS:
        permissions.keep(ALLOWED, tier)
    assert permissions.main() == 0
    permissions.keep([], permissions.TIERS[0])
    permissions.keep([], permissions.TIERS[1])
    assert permissions.main() == 1
