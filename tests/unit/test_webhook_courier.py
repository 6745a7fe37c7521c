"""Bringing notices to webhooks."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook as Verifier

from mailbearer.errors import SecretMissing, Unavailable, UnsafeEndpoint
from mailbearer.notifying.bodies import read_body, write_delivery
from mailbearer.notifying.courier import AT_ONCE, GIVE_UP_AFTER, LONGEST_HOP, PAUSES, REMEMBERED
from mailbearer.notifying.signing import header_fields, shown
from mailbearer.notifying.told import Verb
from mailbearer.webhook import Delivery, OldSecret, SigningSecrets
from tests.fakes import FakeClock
from tests.unit.telling import ADMIN, HOUR, SECRET, Desk, envelope, notice

if TYPE_CHECKING:
    from mailbearer.notifying.told import Told
    from mailbearer.webhook import Webhook


def again(desk: Desk) -> Delivery:
    """Take the one delivery that waits off the queue."""
    (queued,) = desk.queue.queued
    desk.queue.queued.clear()
    delivery = read_body(queued.body)
    assert isinstance(delivery, Delivery)
    assert queued.group == delivery.webhook
    return delivery


def until_the_end(desk: Desk, webhook: Webhook) -> list[Told]:
    """Let the queue work, hop by hop, until nothing waits."""
    told = [desk.try_once(webhook)]
    while desk.queue.queued:
        queued = desk.queue.queued.popleft()
        desk.clock.advance(queued.delay)
        told.append(desk.take(queued.body))
    return [each for each in told if each.verb is not Verb.WAITING]


def test_an_independent_verifier_takes_what_we_sign() -> None:
    desk = Desk(clock=FakeClock(time.time()))
    desk.try_once(desk.webhook())
    (called,) = desk.out.called
    body = Verifier(shown(SECRET)).verify(called.body, dict(called.headers))
    assert body == {"type": "message.failed", "timestamp": notice().at, "data": notice().data}


def test_a_signature_is_that_of_the_specifications_example() -> None:
    # Of https://github.com/standard-webhooks/standard-webhooks: the vector that its libraries are tested with.
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    fields = header_fields([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', at=1614265330)
    assert fields == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_what_goes_out_is_json_with_the_notices_id_and_no_key_of_ours() -> None:
    desk = Desk()
    told = desk.try_once(desk.webhook())
    (called,) = desk.out.called
    assert told.verb is Verb.DELIVERED
    assert sorted(called.headers) == [
        "content-type",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    ]
    assert called.headers["webhook-id"] == notice().id
    assert called.headers["content-type"] == "application/json"
    assert json.loads(called.body)["type"] == "message.failed"


def test_while_secrets_overlap_each_signs_and_then_the_new_one_alone() -> None:
    desk = Desk()
    webhook = desk.webhook()
    old = OldSecret(b"o" * 32, desk.clock() + 50)
    desk.vault.put(webhook.id, SigningSecrets(SECRET, (old, OldSecret(b"x" * 32, desk.clock()))))
    desk.try_once(webhook)
    desk.clock.advance(50)
    desk.try_once(webhook)
    both, one = (called.headers["webhook-signature"].split() for called in desk.out.called)
    assert (len(both), len(one)) == (2, 1)


def test_the_same_notice_has_the_same_bytes_and_id_with_every_try() -> None:
    desk = Desk()
    desk.out.answers.extend([(500, {}, b"")] * 3)
    until_the_end(desk, desk.webhook())
    assert len({(called.body, called.headers["webhook-id"]) for called in desk.out.called}) == 1
    assert len({called.headers["webhook-timestamp"] for called in desk.out.called}) == 4


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_taken(status: int) -> None:
    desk = Desk()
    desk.out.answers.append((status, {}, b"thanks"))
    assert desk.try_once(desk.webhook()).verb is Verb.DELIVERED
    assert not desk.queue.queued


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((500, {}, b""), "http_500"),
        ((404, {}, b""), "http_404"),
        ((302, {"location": "https://other.example/"}, b""), "http_302"),
        ((0, {}, b""), "answer_lost"),
        (UnsafeEndpoint("10.0.0.1 is not a public address."), "unsafe_endpoint"),
        (ssl.SSLCertVerificationError("self-signed"), "tls_not_trusted"),
        (ssl.SSLError("wrong version"), "tls_failed"),
        (TimeoutError("slow"), "connect_timeout"),
        (ConnectionRefusedError(), "connect_failed"),
    ],
)
def test_anything_else_is_tried_again_five_seconds_later(
    answer: tuple[int, dict[str, str], bytes] | Exception, code: str
) -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.out.answers.append(answer)
    told = desk.try_once(webhook)
    assert (told.verb, told.code, told.attempt) == (Verb.RETRIED, code, 1)
    (queued,) = desk.queue.queued
    assert queued.delay == 5
    delivery = again(desk)
    assert (delivery.attempt, delivery.not_before) == (1, desk.clock() + 5)
    stands = desk.stands(webhook)
    assert (stands.failures, stands.failing_since, stands.last_failure) == (1, desk.clock(), code)


def test_a_failing_delivery_is_tried_ten_times_in_three_days_and_then_given_up() -> None:
    desk = Desk()
    webhook = desk.webhook()
    began = desk.clock()
    desk.out.answers.extend([(503, {}, b"")] * 20)
    told = until_the_end(desk, webhook)
    assert [each.verb for each in told] == [*[Verb.RETRIED] * len(PAUSES), Verb.GAVE_UP]
    assert len(desk.out.called) == 10
    assert desk.clock() - began == pytest.approx(sum(PAUSES), abs=100)
    assert desk.queue.reasons == ["http_503"]
    assert desk.actions == ["webhook.gave_up gave_up"]
    assert not desk.stands(webhook).disabled


def test_a_pause_is_lengthened_by_chance_and_by_a_fifth_at_most() -> None:
    desk = Desk()
    courier = replace(desk.courier, random_bytes=lambda length: b"\xff" * length)
    desk.out.answers.append((500, {}, b""))
    courier.deliver(Delivery(webhook=desk.webhook().id, notice=notice(), attempt=1), deadline=desk.clock() + 60)
    assert again(desk).not_before - desk.clock() == pytest.approx(300 * 1.2)


def test_a_long_pause_goes_in_hops_in_which_nothing_is_called() -> None:
    desk = Desk()
    webhook = desk.webhook()
    far = desk.clock() + 2 * LONGEST_HOP + 10
    told = desk.try_once(webhook, attempt=3, not_before=far)
    assert told.verb is Verb.WAITING
    delays = []
    while desk.queue.queued:
        queued = desk.queue.queued.popleft()
        delays.append(queued.delay)
        desk.clock.advance(queued.delay)
        told = desk.take(queued.body)
    assert delays == [LONGEST_HOP, LONGEST_HOP, 10]
    assert told.verb is Verb.DELIVERED
    assert desk.clock() >= far
    assert len(desk.out.called) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "wait"),
    [("120", 120), ("1", 5), ("-3", 5), ("soon", 5), ("9999999", 86_400), ("Sun, 15 Jun 2025 16:06:40 GMT", HOUR)],
)
def test_a_receiver_that_is_busy_is_asked_again_when_it_says_within_a_day(status: int, asked: str, wait: float) -> None:
    desk = Desk()
    desk.out.answers.append((status, {"retry-after": asked}, b""))
    desk.try_once(desk.webhook())
    assert again(desk).not_before - desk.clock() == wait


def test_of_other_answers_retry_after_means_nothing() -> None:
    desk = Desk()
    desk.out.answers.append((500, {"retry-after": "600"}, b""))
    desk.try_once(desk.webhook())
    assert again(desk).not_before - desk.clock() == 5


def test_gone_disables_the_webhook_at_once_and_says_so() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.out.answers.append((410, {}, b""))
    told = desk.try_once(webhook)
    stands = desk.stands(webhook)
    assert (told.verb, told.disabled, stands.disabled, stands.reason) == (Verb.GAVE_UP, True, True, "gone")
    assert desk.actions == ["webhook.disabled disabled", "webhook.gave_up gave_up"]
    (event,) = desk.bus.published
    assert event[0] == "webhook.disabled"
    assert event[1]["webhook"] == webhook.id
    assert desk.queue.reasons == ["http_410"]


def test_two_that_hear_gone_at_once_tell_it_once() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.out.answers.extend([(410, {}, b"")] * 2)

    def meanwhile() -> None:
        desk.try_once(webhook)
        desk.clock.advance(0.01)

    desk.out.before.before("exchange", meanwhile)
    desk.try_once(webhook)
    assert desk.stands(webhook).disabled
    assert desk.actions.count("webhook.disabled disabled") == 1
    assert [kind for kind, _ in desk.bus.published] == ["webhook.disabled"]


def test_five_days_of_nothing_but_failures_disable_the_webhook() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.out.answers.extend([(500, {}, b"")] * 2)
    desk.try_once(webhook)
    desk.clock.advance(GIVE_UP_AFTER - 1)
    told = desk.try_once(webhook)
    assert not desk.stands(webhook).disabled
    assert told.verb is Verb.RETRIED
    desk.clock.advance(1)
    desk.out.answers.append((500, {}, b""))
    told = desk.try_once(webhook)
    assert (desk.stands(webhook).disabled, desk.stands(webhook).reason) == (True, "failing")
    assert (told.verb, told.disabled) == (Verb.GAVE_UP, True)


def test_one_success_in_between_begins_the_five_days_anew() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.out.answers.append((500, {}, b""))
    desk.try_once(webhook)
    desk.clock.advance(GIVE_UP_AFTER)
    desk.try_once(webhook)
    stands = desk.stands(webhook)
    assert (stands.failures, stands.failing_since, stands.last_failure) == (0, 0, "")
    desk.out.answers.append((500, {}, b""))
    assert desk.try_once(webhook).verb is Verb.RETRIED


def test_what_is_under_way_to_a_disabled_webhook_is_kept_and_not_sent() -> None:
    desk = Desk()
    assert desk.try_once(desk.webhook(disabled=True)).verb is Verb.GAVE_UP
    assert desk.queue.reasons == ["disabled"]
    assert not desk.out.called


def test_what_is_under_way_to_a_deleted_webhook_is_dropped() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.store.delete(webhook.id)
    assert desk.try_once(webhook).verb is Verb.DROPPED
    assert not desk.queue.dead


def test_a_webhook_that_vanishes_while_it_is_called_is_no_error() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.out.answers.append((500, {}, b""))
    desk.out.before.before("exchange", lambda: desk.store.delete(webhook.id))
    assert desk.try_once(webhook).verb is Verb.RETRIED


def test_nothing_is_sent_without_a_secret_to_sign_with() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.vault.retire(webhook.id)
    told = desk.try_once(webhook)
    assert (told.verb, told.code) == (Verb.RETRIED, "no_secret")
    assert not desk.out.called


def test_nothing_is_sent_with_a_secret_that_somebody_wrote_over() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.vault.faults.before("read", SecretMissing("It holds no signing secrets."))
    told = desk.try_once(webhook)
    assert (told.verb, told.code) == (Verb.RETRIED, "no_secret")
    assert not desk.out.called


def test_a_delivery_in_the_middle_of_a_rotation_does_not_remember_the_secrets_before() -> None:
    desk = Desk()
    webhook, _ = desk.keeping.create({"url": "https://one.example/in", "events": ["*"]}, ADMIN)
    desk.clock.advance(1)
    desk.store.faults.after("replace", lambda: desk.try_once(webhook))
    desk.keeping.rotate(webhook.id, {"overlap": 0}, ADMIN)
    desk.try_once(webhook)
    before, after = (each.headers["webhook-signature"] for each in desk.out.called)
    assert before != after
    (new,) = desk.vault.secrets[webhook.id].in_force(desk.clock())
    called = desk.out.called[1]
    at = int(called.headers["webhook-timestamp"])
    assert header_fields([new], notice().id, called.body, at=at)["webhook-signature"] == after


def test_secrets_are_read_once_a_minute_and_anew_after_a_rotation() -> None:
    desk = Desk()
    webhook = desk.webhook()
    for _ in range(3):
        desk.try_once(webhook)
    assert desk.vault.faults.calls.count("read") == 1
    desk.store.replace(webhook.changed(rotated_at=desk.clock()), expected=webhook)
    desk.try_once(webhook)
    assert desk.vault.faults.calls.count("read") == 2
    desk.clock.advance(REMEMBERED)
    desk.try_once(webhook)
    assert desk.vault.faults.calls.count("read") == 3


def test_a_success_is_written_down_once_in_five_minutes() -> None:
    desk = Desk()
    webhook = desk.webhook(delivered_at=0)
    for _ in range(3):
        desk.try_once(webhook)
    assert desk.store.faults.calls.count("replace") == 1


def test_a_delivery_that_would_not_end_in_time_goes_back_untried() -> None:
    desk = Desk()
    body = write_delivery(Delivery(webhook=desk.webhook().id, notice=notice(), attempt=2))
    told = desk.take(body, seconds=19)
    assert told.verb is Verb.WAITING
    assert not desk.out.called
    assert again(desk).attempt == 2


def test_one_webhook_has_four_calls_under_way_and_others_need_not_wait_for_it() -> None:
    desk = Desk()
    webhook = desk.webhook()
    busy, done = threading.Barrier(AT_ONCE + 1, timeout=10), threading.Event()

    def wait() -> None:
        busy.wait()
        assert done.wait(10)

    desk.out.before.before("exchange", wait, times=AT_ONCE)
    threads = [threading.Thread(target=desk.try_once, args=(webhook,)) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    busy.wait()
    assert desk.try_once(webhook).verb is Verb.WAITING
    # Asking for a turn again and again costs more than the calls.
    assert [each.delay for each in desk.queue.queued] == [15]
    assert desk.try_once(desk.webhook("other")).verb is Verb.DELIVERED
    done.set()
    for thread in threads:
        thread.join(10)
    assert len(desk.out.called) == AT_ONCE + 1


def test_what_a_receiver_says_is_shown_short_and_without_secrets() -> None:
    desk = Desk()
    said = b'{"error": "token=' + b"S3cr3t" * 8 + b' refused"}' + b"x" * 5000
    desk.out.answers.append((400, {}, said))
    told = desk.try_once(desk.webhook())
    assert len(told.said) <= 200
    assert "S3cr3t" not in told.said
    assert "error" in told.said


@pytest.mark.parametrize("operation", ["get", "replace"])
def test_a_table_that_cannot_answer_leaves_the_delivery_on_the_queue(operation: str) -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.out.answers.append((500, {}, b""))
    desk.store.faults.before(operation, Unavailable("down"))
    with pytest.raises(Unavailable):
        desk.try_once(webhook)
    assert not desk.queue.queued


def test_what_was_taken_does_not_go_out_again_because_that_could_not_be_written_down() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.store.faults.before("replace", Unavailable("down"))
    assert desk.try_once(webhook).verb is Verb.DELIVERED


def test_a_queue_that_cannot_answer_leaves_the_delivery_where_it_is() -> None:
    desk = Desk()
    webhook = desk.webhook()
    desk.out.answers.append((500, {}, b""))
    desk.queue.faults.before("put", Unavailable("down"))
    with pytest.raises(Unavailable):
        desk.try_once(webhook)


def test_an_event_becomes_a_delivery_for_each_webhook_that_wants_it() -> None:
    desk = Desk()
    wanted = [
        desk.webhook("all"),
        desk.webhook("kind", events=("message.failed",)),
        desk.webhook("mailbox", accounts=frozenset({"acc_1", "acc_2"})),
    ]
    desk.webhook("other-kind", events=("message.sent",))
    desk.webhook("other-mailbox", accounts=frozenset({"acc_2"}))
    desk.webhook("off", disabled=True)
    told = desk.take(envelope(notice()))
    assert told.verb is Verb.EXPANDED
    assert sorted(each.group for each in desk.queue.queued) == sorted(webhook.id for webhook in wanted)
    deliveries = [read_body(each.body) for each in desk.queue.queued]
    assert all(isinstance(each, Delivery) and each.notice == notice() and each.attempt == 0 for each in deliveries)
    assert desk.owners == [notice()]
    assert not desk.out.called


def test_a_mailbox_bound_webhook_hears_nothing_of_what_concerns_no_mailbox() -> None:
    desk = Desk()
    desk.webhook("mailbox", accounts=frozenset({"acc_1"}))
    desk.take(envelope(notice(kind="incident.declared", account="")))
    assert not desk.queue.queued


def test_dying_while_an_event_is_expanded_tells_again_under_the_same_id() -> None:
    desk = Desk()
    for name in "abc":
        desk.webhook(name)
    desk.queue.faults.before("put", lambda: None)
    desk.queue.faults.before("put", Unavailable("down"))
    with pytest.raises(Unavailable):
        desk.take(envelope(notice()))
    desk.take(envelope(notice()))
    assert len(desk.queue.queued) == 4
    found = [read_body(each.body) for each in desk.queue.queued]
    assert {each.notice.id for each in found if isinstance(each, Delivery)} == {notice().id}


@pytest.mark.parametrize("detail", [{"message": "msg_1"}, {"id": "msg_1"}, {"id": "evt_\r\nx"}, {"id": 3}])
def test_where_the_detail_names_no_fact_the_envelope_does(detail: dict[str, object]) -> None:
    desk = Desk()
    desk.webhook()
    body = json.loads(envelope(notice()))
    body["detail"] = detail
    desk.take(json.dumps(body))
    desk.take(json.dumps(body))
    one, two = (read_body(each.body) for each in desk.queue.queued)
    assert one == two
    assert isinstance(one, Delivery)
    assert (one.notice.id[:4], one.notice.at, one.notice.account) == ("evt_", "2025-06-15T15:06:41Z", "")


def delivered(*, attempt: str = "0", not_before: str = "0", id: str = f'"{notice().id}"') -> str:  # noqa: A002
    """Write a delivery by hand; without words it is a good one."""
    said = f'{{"id": {id}, "kind": "message.sent", "at": "t", "account": "", "data": {{}}}}'
    return (
        f'{{"webhook_delivery": {{"webhook": "whk_1", "attempt": {attempt}, "not_before": {not_before}, '
        f'"notice": {said}}}}}'
    )


def test_a_delivery_written_by_hand_is_one() -> None:
    assert Desk().take(delivered()).verb is Verb.DROPPED


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[]",
        '"text"',
        "{}",
        '{"source": "aws.s3", "id": "1", "detail-type": "x", "time": "t", "detail": {}}',
        '{"source": "mailbearer", "id": "1", "detail-type": "x", "time": "t", "detail": 3}',
        '{"source": "mailbearer", "id": "1", "detail-type": "x\\r\\n", "time": "t", "detail": {}}',
        '{"webhook_delivery": {}}',
        '{"webhook_delivery": {"webhook": "whk_1", "attempt": "x", "not_before": 0, "notice": {}}}',
        '{"webhook_delivery": {"webhook": "whk_1", "attempt": 0, "not_before": 0, "notice": {"id": "e", "kind": 3}}}',
        "[" * 100_000,
        *(delivered(attempt=number) for number in ("1e999", "-1", "NaN", "true", "1001", '"1"')),
        *(delivered(not_before=number) for number in ("1e999", "-1", "NaN", "null", "1e300")),
        *(delivered(id=text) for text in ('"evt_1"', '"evt_\\u00e9"', '"x\\r\\ny: z"', "3")),
    ],
)
def test_a_body_that_nobody_can_read_goes_to_the_dead_letters_once(body: str) -> None:
    desk = Desk()
    assert desk.take(body).verb is Verb.REFUSED
    assert desk.queue.reasons == ["malformed_body"]
    assert desk.actions == ["notice.refused refused"]


def test_a_delivery_comes_back_from_the_queue_as_it_was_put() -> None:
    delivery = Delivery(webhook="whk_1", notice=notice(), attempt=3, not_before=1_750_000_000.25)
    assert read_body(write_delivery(delivery)) == delivery
