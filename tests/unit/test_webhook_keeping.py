"""Keeping webhooks."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.caller import Caller
from mailbearer.errors import AuditUnavailable, Conflict, InvalidInput, NotFound, SecretMissing, Unavailable
from mailbearer.happenings import EVENTS
from mailbearer.ids import derived_id, rfc3339
from mailbearer.notifying.bodies import read_body, write_delivery
from mailbearer.notifying.keeping import MOST, MOST_SECRETS, SETTLED
from mailbearer.notifying.replaying import LOOKS_AT
from mailbearer.webhook import Delivery
from tests.unit.telling import ADMIN, Desk, notice

WANTED: dict[str, Any] = {"url": "https://hooks.example/mail?key=1", "events": ["message.failed"]}
DAY = 86_400

HOSTILE = [
    ("http://hooks.example/", "https_required"),
    ("ftp://hooks.example/", "https_required"),
    ("http://127.0.0.1:8080/", "https_required"),
    ("https://127.0.0.1/", "private_host"),
    ("https://localhost/", "private_host"),
    ("https://app.localhost./", "private_host"),
    ("https://10.1.2.3/", "private_host"),
    ("https://172.16.0.1/", "private_host"),
    ("https://192.168.1.1/", "private_host"),
    ("https://100.64.0.1/", "private_host"),
    ("https://0.0.0.0/", "private_host"),
    ("https://224.0.0.1/", "private_host"),
    ("https://255.255.255.255/", "private_host"),
    ("https://169.254.169.254/latest/meta-data/", "private_host"),
    ("https://169.254.170.2/v2/credentials", "private_host"),
    ("https://168.63.129.16/", "private_host"),
    ("https://[::1]/", "private_host"),
    ("https://[::]/", "private_host"),
    ("https://[fe80::1]/", "private_host"),
    ("https://[fd00:ec2::254]/", "private_host"),
    ("https://[::ffff:10.0.0.1]/", "private_host"),
    ("https://[::ffff:169.254.169.254]/", "private_host"),
    ("https://[::ffff:a9fe:a9fe]/", "private_host"),
    ("https://[64:ff9b::a9fe:a9fe]/", "private_host"),
    ("https://[2002:7f00:1::]/", "private_host"),
    ("https://[ff02::1]/", "private_host"),
    ("https://[2606:4700::1111%25eth0]/", "invalid_host"),
    ("https://[::1%25lo]/", "invalid_host"),
    ("https://2130706433/", "invalid_host"),
    ("https://0x7f000001/", "invalid_host"),
    ("https://0x7f.1/", "invalid_host"),
    ("https://0177.0.0.1/", "invalid_host"),
    ("https://127.1/", "invalid_host"),
    ("https://169.254.43518/", "invalid_host"),
    ("https://intranet/", "invalid_host"),
    ("https://a b.example/", "invalid_url"),
    ("https://ex\u00e4mple.example/", "invalid_url"),
    ("https://\uff11\uff12\uff17.0.0.1/", "invalid_url"),
    ("https://ann:@hooks.example/", "invalid_url"),
    ("https://hooks.example@127.0.0.1/", "invalid_url"),
    ("https://hooks.example\\@127.0.0.1/", "invalid_url"),
    ("https://hooks.example/#part", "invalid_url"),
    ("https://hooks.example:0/", "invalid_url"),
    ("https://hooks.example:99999/", "invalid_url"),
    ("https://hooks.example/\r\nHost: other", "invalid_url"),
    ("https://hooks.example:25/", "invalid_port"),
    ("https://hooks.example:22/", "invalid_port"),
    ("https://hooks.example:587/", "invalid_port"),
    ("https://[::1", "invalid_url"),
    ("hooks.example", "invalid_url"),
    ("https://", "invalid_url"),
    ("https://hooks.example/" + "a" * 2000, "too_long"),
    ("", "not_a_string"),
    (7, "not_a_string"),
    (None, "not_a_string"),
]


def account(name: str) -> Account:
    return Account(
        id=derived_id("acc_", name),
        provider="google-main",
        address=f"{name}@acme.example",
        transport="gmail",
        state=AccountState.ACTIVE,
        created_at=1,
        updated_at=1,
    )


ANN, BEN = account("ann"), account("ben")
BOUND = Caller(key_id="key_bound", scopes=frozenset({"admin"}), accounts=frozenset({ANN.id}))


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    for each in (ANN, BEN):
        made.accounts.create(each)
    return made


def faults(caught: pytest.ExceptionInfo[InvalidInput]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


def test_a_webhook_is_made_with_a_secret_of_256_bits_that_is_shown_once(desk: Desk) -> None:
    webhook, secret = desk.keeping.create(WANTED | {"description": "the desk"}, ADMIN)
    assert desk.keeping.get(webhook.id, ADMIN) == webhook
    kept = desk.vault.read(webhook.id)
    assert kept
    assert secret.startswith("whsec_")
    assert base64.b64decode(secret.removeprefix("whsec_")) == kept.current
    assert len(kept.current) == 32
    assert (webhook.url, webhook.events, webhook.description) == (WANTED["url"], ("message.failed",), "the desk")
    assert desk.actions == ["webhook.create intended", "webhook.created created"]


def test_no_secret_and_no_path_of_the_url_is_in_the_audit_log(desk: Desk) -> None:
    _, secret = desk.keeping.create(WANTED, ADMIN)
    desk.trail.flush()
    written = "".join(line for stream in desk.log.streams for line in stream)
    assert secret.removeprefix("whsec_") not in written
    assert "key=1" not in written
    assert "hooks.example" in written


@pytest.mark.parametrize(("url", "code"), HOSTILE)
def test_a_hostile_url_is_refused_when_a_webhook_is_made_and_when_it_is_changed(
    desk: Desk, url: object, code: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.keeping.create(WANTED | {"url": url}, ADMIN)
    assert faults(caught) == [("/url", code)]
    webhook = desk.webhook()
    with pytest.raises(InvalidInput) as caught:
        desk.keeping.change(webhook.id, {"url": url}, ADMIN)
    assert faults(caught) == [("/url", code)]
    assert desk.stands(webhook) == webhook


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://localhost/in", "https://[::1]:9443/"])
def test_on_a_local_stage_loopback_is_taken_and_nothing_else_of_the_kind(desk: Desk, url: str) -> None:
    local = replace(desk.keeping, local=True)
    webhook, _ = local.create(WANTED | {"url": url}, ADMIN)
    assert webhook.url == url
    for other in ("http://hooks.example/", "https://10.0.0.1/", "https://169.254.169.254/"):
        with pytest.raises(InvalidInput):
            local.create(WANTED | {"url": other}, ADMIN)


@pytest.mark.parametrize("url", ["https://hooks.example", "https://hooks.example:8443/a?b=c", "https://1.1.1.1/"])
def test_public_hosts_with_tls_are_taken(desk: Desk, url: str) -> None:
    assert desk.keeping.create(WANTED | {"url": url}, ADMIN)[0].url == url


def test_all_faults_are_told_at_once(desk: Desk) -> None:
    body = {"url": "x", "events": ["message.lost", 3], "accounts": ["nobody@acme.example", 4], "color": "red"}
    with pytest.raises(InvalidInput) as caught:
        desk.keeping.create(body | {"description": "a\nb"}, ADMIN)
    assert faults(caught) == [
        ("/color", "unknown_field"),
        ("/url", "invalid_url"),
        ("/events/0", "unknown_event_type"),
        ("/events/1", "not_a_string"),
        ("/description", "unsafe_character"),
        ("/accounts/1", "not_a_string"),
        ("/accounts/0", "unknown_account"),
    ]
    assert not desk.actions


def test_a_type_that_nobody_knows_names_all_there_are(desk: Desk) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.keeping.create(WANTED | {"events": ["x"]}, ADMIN)
    (fault,) = caught.value.faults
    assert all(kind in fault.detail for kind in EVENTS)


@pytest.mark.parametrize("events", [[], None, "message.failed", {"a": 1}, ["message.failed"] * 51])
def test_events_are_a_list_of_some(desk: Desk, events: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.keeping.create(WANTED | {"events": events}, ADMIN)
    assert faults(caught) == [("/events", "not_a_list")]


def test_a_star_among_types_is_all_of_them(desk: Desk) -> None:
    webhook, _ = desk.keeping.create(WANTED | {"events": ["message.failed", "*", "message.failed"]}, ADMIN)
    assert webhook.events == ("*",)


@pytest.mark.parametrize("body", [None, [], "text", 3])
def test_a_body_is_an_object(desk: Desk, body: object) -> None:
    for do in (desk.keeping.create, lambda body, caller: desk.keeping.change(desk.webhook().id, body, caller)):
        with pytest.raises(InvalidInput) as caught:
            do(body, ADMIN)
        assert faults(caught) == [("", "not_an_object")]


def test_there_are_a_hundred_webhooks_at_most(desk: Desk) -> None:
    for number in range(MOST):
        desk.webhook(str(number))
    with pytest.raises(Conflict):
        desk.keeping.create(WANTED, ADMIN)


def test_a_bound_caller_makes_webhooks_of_its_own_accounts_only(desk: Desk) -> None:
    webhook, _ = desk.keeping.create(WANTED, BOUND)
    assert webhook.accounts == {ANN.id}
    webhook, _ = desk.keeping.create(WANTED | {"accounts": [ANN.address]}, BOUND)
    assert webhook.accounts == {ANN.id}
    told = []
    for foreign in (BEN.id, BEN.address, derived_id("acc_", "nobody"), "nobody@acme.example"):
        with pytest.raises(InvalidInput) as caught:
            desk.keeping.create(WANTED | {"accounts": [foreign]}, BOUND)
        told.append(caught.value.faults)
    assert len(set(told)) == 1, "whether it is there shows"


def test_a_bound_caller_sees_of_other_webhooks_nothing_at_all(desk: Desk) -> None:
    mine = desk.webhook("mine", accounts=frozenset({ANN.id}))
    others = [
        desk.webhook("all"),
        desk.webhook("ben", accounts=frozenset({BEN.id})),
        desk.webhook("both", accounts=frozenset({ANN.id, BEN.id})),
    ]
    assert desk.keeping.listing(BOUND, limit=50, cursor="") == ([mine], "")
    assert desk.keeping.get(mine.id, BOUND) == mine
    missing = derived_id("whk_", "missing")
    told = set()
    for webhook_id in (*(each.id for each in others), missing, "whk_", "x"):
        for do in (
            lambda it: desk.keeping.get(it, BOUND),
            lambda it: desk.keeping.change(it, {"disabled": True}, BOUND),
            lambda it: desk.keeping.change(it, {"url": "x"}, BOUND),
            lambda it: desk.keeping.rotate(it, {}, BOUND),
            lambda it: desk.keeping.delete(it, BOUND),
            lambda it: desk.replaying.test(it, BOUND),
            lambda it: desk.replaying.replay(it, {"since": "2025-01-01T00:00:00Z"}, BOUND),
        ):
            with pytest.raises(NotFound) as caught:
                do(webhook_id)
            told.add(caught.value.detail)
    assert told == {"There is no such webhook."}
    assert [desk.stands(each) for each in others] == others


def test_the_list_goes_on_where_it_stopped(desk: Desk) -> None:
    webhooks = sorted((desk.webhook(str(number)) for number in range(5)), key=lambda each: each.id)
    page, cursor = desk.keeping.listing(ADMIN, limit=3, cursor="")
    rest, end = desk.keeping.listing(ADMIN, limit=3, cursor=cursor)
    assert (page + rest, end) == (webhooks, "")
    with pytest.raises(InvalidInput):
        desk.keeping.listing(ADMIN, limit=3, cursor="elsewhere")


def test_a_change_changes_what_it_names(desk: Desk) -> None:
    webhook = desk.webhook(failures=3, failing_since=5, last_failure="http_500")
    changed = desk.keeping.change(webhook.id, {"events": ["message.unknown"], "description": "new"}, ADMIN)
    assert changed == desk.stands(webhook)
    assert (changed.events, changed.description, changed.url) == (("message.unknown",), "new", webhook.url)
    assert changed.failures == 3
    assert desk.actions == ["webhook.change intended", "webhook.changed changed"]


def test_the_same_again_changes_nothing(desk: Desk) -> None:
    webhook = desk.webhook()
    assert desk.keeping.change(webhook.id, {"events": ["*"], "url": webhook.url}, ADMIN) == webhook
    assert not desk.actions


@pytest.mark.parametrize("body", [{"disabled": False}, {"url": "https://new.example/"}])
def test_enabling_it_or_moving_it_forgets_what_failed(desk: Desk, body: dict[str, object]) -> None:
    off = "disabled" in body
    webhook = desk.webhook(failures=9, failing_since=5, last_failure="http_410", disabled=off, reason="gone" * off)
    changed = desk.keeping.change(webhook.id, body, ADMIN)
    assert (changed.failures, changed.failing_since, changed.last_failure) == (0, 0, "")
    assert (changed.disabled, changed.reason) == (False, "")


def test_a_webhook_is_disabled_even_while_the_audit_log_is_down(desk: Desk) -> None:
    webhook = desk.webhook()
    desk.log.faults.before("write", AuditUnavailable("down"), times=9)
    changed = desk.keeping.change(webhook.id, {"disabled": True}, ADMIN)
    assert (changed.disabled, changed.reason) == (True, "requested")
    desk.keeping.delete(webhook.id, ADMIN)
    assert desk.store.get(webhook.id) is None


def test_while_the_audit_log_is_down_nothing_is_made_moved_enabled_rotated_or_replayed(desk: Desk) -> None:
    webhook, off = desk.webhook(), desk.webhook("off", disabled=True)
    desk.log.faults.before("write", AuditUnavailable("down"), times=9)
    before = dict(desk.vault.secrets)
    for do in (
        lambda: desk.keeping.create(WANTED, ADMIN),
        lambda: desk.keeping.change(webhook.id, {"url": "https://new.example/"}, ADMIN),
        lambda: desk.keeping.change(off.id, {"disabled": False}, ADMIN),
        lambda: desk.keeping.change(webhook.id, {"disabled": True, "url": "https://new.example/"}, ADMIN),
        lambda: desk.keeping.rotate(webhook.id, {}, ADMIN),
        lambda: desk.replaying.replay(webhook.id, {"since": "2025-01-01T00:00:00Z"}, ADMIN),
    ):
        with pytest.raises(AuditUnavailable):
            do()
    assert sorted(desk.store.webhooks) == sorted([webhook.id, off.id])
    assert (desk.stands(webhook), desk.stands(off), desk.vault.secrets) == (webhook, off, before)


def test_a_change_that_somebody_came_before_is_refused(desk: Desk) -> None:
    webhook = desk.webhook()
    desk.store.faults.after("get", lambda: desk.store.replace(webhook.changed(failures=1), expected=webhook))
    with pytest.raises(Conflict):
        desk.keeping.change(webhook.id, {"disabled": True}, ADMIN)


def test_after_a_rotation_both_secrets_sign_until_the_overlap_has_passed(desk: Desk) -> None:
    webhook, first = desk.keeping.create(WANTED, ADMIN)
    desk.trail.flush()
    rotated, second = desk.keeping.rotate(webhook.id, {}, ADMIN)
    assert first != second
    assert rotated.rotated_at == desk.clock()
    kept = desk.vault.read(webhook.id)
    assert kept
    assert len(kept.in_force(desk.clock() + DAY - 1)) == 2
    assert kept.in_force(desk.clock() + DAY) == (kept.current,)
    assert desk.actions[-2:] == ["webhook.rotate intended", "webhook.rotated rotated"]


def test_a_rotation_whose_answer_was_lost_leaves_the_secret_that_the_receiver_has_in_force(desk: Desk) -> None:
    webhook, _ = desk.keeping.create(WANTED, ADMIN)
    first = desk.vault.secrets[webhook.id].current
    desk.vault.faults.after("put", Unavailable("answer lost"))
    with pytest.raises(Unavailable):
        desk.keeping.rotate(webhook.id, {"overlap": 3600}, ADMIN)
    desk.keeping.rotate(webhook.id, {"overlap": 60}, ADMIN)
    kept = desk.vault.secrets[webhook.id]
    assert len(kept.in_force(desk.clock())) == 3
    assert first in kept.in_force(desk.clock() + 59)
    assert kept.in_force(desk.clock() + 60) == (kept.current,)


def test_without_an_overlap_all_secrets_before_end_at_once(desk: Desk) -> None:
    webhook, _ = desk.keeping.create(WANTED, ADMIN)
    desk.keeping.rotate(webhook.id, {}, ADMIN)
    desk.keeping.rotate(webhook.id, {"overlap": 0}, ADMIN)
    assert len(desk.vault.secrets[webhook.id].in_force(desk.clock())) == 1


def test_five_secrets_sign_at_most(desk: Desk) -> None:
    webhook, _ = desk.keeping.create(WANTED, ADMIN)
    for _ in range(MOST_SECRETS - 1):
        desk.keeping.rotate(webhook.id, {}, ADMIN)
    assert len(desk.vault.secrets[webhook.id].in_force(desk.clock())) == MOST_SECRETS
    with pytest.raises(Conflict):
        desk.keeping.rotate(webhook.id, {}, ADMIN)
    desk.clock.advance(DAY)
    desk.keeping.rotate(webhook.id, {}, ADMIN)


def test_of_two_that_rotate_at_once_one_is_told_before_any_secret_is_put(desk: Desk) -> None:
    webhook, _ = desk.keeping.create(WANTED, ADMIN)

    def come_first() -> None:
        desk.keeping.rotate(webhook.id, {}, ADMIN)
        desk.clock.advance(0.01)

    desk.store.faults.after("get", come_first)
    with pytest.raises(Conflict):
        desk.keeping.rotate(webhook.id, {}, ADMIN)
    assert desk.vault.faults.calls.count("put") == 2


def test_whoever_rotates_before_anothers_secret_is_put_is_told_so_and_no_secret_is_lost(desk: Desk) -> None:
    webhook, _ = desk.keeping.create(WANTED, ADMIN)
    desk.clock.advance(1)

    def rotate_too() -> None:
        with pytest.raises(Conflict, match="in a minute"):
            desk.keeping.rotate(webhook.id, {}, ADMIN)

    desk.store.faults.after("replace", rotate_too)
    _, secret = desk.keeping.rotate(webhook.id, {}, ADMIN)
    assert base64.b64decode(secret.removeprefix("whsec_")) == desk.vault.secrets[webhook.id].current
    desk.keeping.rotate(webhook.id, {}, ADMIN)


def test_a_webhook_that_is_being_made_is_not_rotated_before_it_has_its_secret(desk: Desk) -> None:
    def rotate() -> None:
        (webhook_id,) = desk.store.webhooks
        with pytest.raises(Conflict):
            desk.keeping.rotate(webhook_id, {}, ADMIN)

    desk.store.faults.after("create", rotate)
    webhook, secret = desk.keeping.create(WANTED, ADMIN)
    assert base64.b64decode(secret.removeprefix("whsec_")) == desk.vault.secrets[webhook.id].current


def test_a_rotation_that_died_before_its_secret_was_put_holds_up_the_next_for_a_minute(desk: Desk) -> None:
    webhook, _ = desk.keeping.create(WANTED, ADMIN)
    desk.clock.advance(1)
    desk.vault.faults.before("put", Unavailable("down"))
    for kind in (Unavailable, Conflict):
        with pytest.raises(kind):
            desk.keeping.rotate(webhook.id, {}, ADMIN)
    desk.clock.advance(SETTLED)
    desk.keeping.rotate(webhook.id, {}, ADMIN)
    assert len(desk.vault.secrets[webhook.id].in_force(desk.clock())) == 2


def test_secrets_that_somebody_wrote_over_are_mended_by_a_rotation(desk: Desk) -> None:
    webhook, _ = desk.keeping.create(WANTED, ADMIN)
    desk.clock.advance(SETTLED)
    desk.vault.faults.before("read", SecretMissing("It holds no signing secrets."))
    desk.keeping.rotate(webhook.id, {}, ADMIN)
    assert len(desk.vault.secrets[webhook.id].in_force(desk.clock())) == 1


@pytest.mark.parametrize("overlap", [-1, 30 * DAY + 1, True, "60", 1.5])
def test_an_overlap_is_a_number_of_seconds_up_to_thirty_days(desk: Desk, overlap: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.keeping.rotate(desk.webhook().id, {"overlap": overlap, "x": 1}, ADMIN)
    assert faults(caught) == [("/x", "unknown_field"), ("/overlap", "invalid_overlap")]


def test_a_webhook_whose_secret_was_not_kept_is_not_there(desk: Desk) -> None:
    desk.vault.faults.before("put", Unavailable("down"))
    with pytest.raises(Unavailable):
        desk.keeping.create(WANTED, ADMIN)
    assert not desk.store.webhooks


def test_deleting_takes_the_secrets_first_and_can_be_repeated(desk: Desk) -> None:
    webhook = desk.webhook()
    desk.store.faults.before("delete", Unavailable("down"))
    with pytest.raises(Unavailable):
        desk.keeping.delete(webhook.id, ADMIN)
    assert desk.vault.read(webhook.id) is None
    desk.keeping.delete(webhook.id, ADMIN)
    assert desk.actions[-1] == "webhook.deleted deleted"
    with pytest.raises(NotFound):
        desk.keeping.delete(webhook.id, ADMIN)


def test_a_test_event_goes_to_this_webhook_whatever_it_wants(desk: Desk) -> None:
    webhook = desk.webhook(events=("message.failed",))
    desk.webhook("other")
    told = desk.replaying.test(webhook.id, ADMIN)
    (queued,) = desk.queue.queued
    desk.take(queued.body)
    (called,) = desk.out.called
    assert called.url == webhook.url
    assert called.headers["webhook-id"] == told.id
    assert b'"type":"webhook.test"' in called.body
    assert desk.actions == ["webhook.tested queued"]


def test_a_disabled_webhook_is_neither_tested_nor_replayed(desk: Desk) -> None:
    webhook = desk.webhook(disabled=True)
    with pytest.raises(Conflict):
        desk.replaying.test(webhook.id, ADMIN)
    with pytest.raises(Conflict):
        desk.replaying.replay(webhook.id, {"since": "2025-01-01T00:00:00Z"}, ADMIN)


def dead(desk: Desk, name: str, fact: str, at: float) -> None:
    said = replace(notice(fact), at=rfc3339(at))
    delivery = Delivery(webhook=derived_id("whk_", name), notice=said, attempt=10, not_before=5)
    desk.queue.refuse(write_delivery(delivery), reason="http_500")


def test_a_replay_tells_again_what_was_given_up_of_that_webhook_in_that_time(desk: Desk) -> None:
    webhook, now = desk.webhook(), desk.clock()
    for fact, ago in (("early", 7201), ("since", 7200), ("late", 10)):
        dead(desk, "one", fact, now - ago)
    dead(desk, "other", "foreign", now - 60)
    desk.queue.refuse("unreadable", reason="malformed_body")
    done = desk.replaying.replay(webhook.id, {"since": rfc3339(now - 7200)}, ADMIN)
    assert (done.replayed, done.looked_at, done.more) == (2, 5, False)
    again = [read_body(each.body) for each in desk.queue.queued]
    assert [(each.attempt, each.not_before) for each in again if isinstance(each, Delivery)] == [(0, 0), (0, 0)]
    assert len(desk.queue.dead) == 3
    for each in list(desk.queue.queued):
        desk.take(each.body)
    assert [called.headers["webhook-id"] for called in desk.out.called] == [notice("since").id, notice("late").id]
    assert desk.actions == ["webhook.replay intended", "webhook.replayed queued"]


def test_a_replay_ends_at_until(desk: Desk) -> None:
    webhook, now = desk.webhook(), desk.clock()
    for fact, ago in (("a", 100), ("b", 50)):
        dead(desk, "one", fact, now - ago)
    body = {"since": rfc3339(now - 100), "until": rfc3339(now - 50)}
    assert desk.replaying.replay(webhook.id, body, ADMIN).replayed == 1


def test_dying_in_a_replay_tells_twice_and_never_not(desk: Desk) -> None:
    webhook, now = desk.webhook(), desk.clock()
    dead(desk, "one", "fact", now - 10)
    desk.queue.faults.before("forget", Unavailable("down"))
    with pytest.raises(Unavailable):
        desk.replaying.replay(webhook.id, {"since": rfc3339(now - 60)}, ADMIN)
    assert (len(desk.queue.queued), len(desk.queue.dead)) == (1, 1)


def test_a_replay_looks_at_so_many_and_for_so_long(desk: Desk) -> None:
    webhook, now = desk.webhook(), desk.clock()
    for number in range(LOOKS_AT + 1):
        dead(desk, "other", str(number), now - 10)
    done = desk.replaying.replay(webhook.id, {"since": rfc3339(now - 60)}, ADMIN)
    assert (done.looked_at, done.more) == (LOOKS_AT, True)
    dead(desk, "one", "slow", now - 10)
    desk.queue.dead = dict(reversed(desk.queue.dead.items()))
    desk.queue.faults.before("put", lambda: desk.clock.advance(15))
    done = desk.replaying.replay(webhook.id, {"since": rfc3339(now - 60)}, ADMIN)
    assert (done.replayed, done.looked_at, done.more) == (1, 1, True)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, [("/since", "invalid_time")]),
        ({"since": "yesterday", "until": 3, "x": 1}, [("/x", "unknown_field"), *[("/", "invalid_time")] * 2]),
        ({"since": "2025-06-15T00:00:00Z", "until": "2025-06-15T00:00:00Z"}, [("/until", "invalid_time")]),
        ({"since": "2099-01-01T00:00:00Z"}, [("/until", "invalid_time")]),
    ],
)
def test_a_replays_times_are_checked_all_at_once(
    desk: Desk, body: dict[str, object], found: list[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.replaying.replay(desk.webhook().id, body, ADMIN)
    assert [code for _, code in faults(caught)] == [code for _, code in found]
    assert faults(caught)[0][0].startswith(found[0][0])
