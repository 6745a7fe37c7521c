"""Everything that sending has beyond one message now, on a deployed stack and as those who use it meet it.

All mailboxes are of this file's own: lists, ledgers and circuits of others' would tell of what others did.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.ids import rfc3339
from tests.e2e.local_stack import SECONDS, message, queue_message_id, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(180)]

GOOGLE = "https://www.googleapis.com/auth/gmail"
FLOODED, PER_MINUTE, FLOOD = "flooded@acme.example", 5, 12
TRY = "try-out@acme.example"
HUGE = 20_000_000


@dataclass(frozen=True, slots=True)
class Flood:
    """More messages than their mailbox may send in a minute."""

    account: str
    messages: Sequence[str]


@pytest.fixture(scope="module", autouse=True)
def flood(local_stack: LocalStack) -> Iterator[Flood]:
    """Flood a mailbox as the first thing: its minutes go by while the other tests work."""
    account = local_stack.connect(FLOODED, "oidc")
    limited = local_stack.call("PATCH", f"/v1/accounts/{account}", {"limits": {"per_minute": PER_MINUTE}})
    assert limited.status_code == 200, limited.text
    many = [message(FLOODED, subject=f"Flood {number}") for number in range(FLOOD)]
    results = local_stack.call("POST", "/v1/messages/batch", {"messages": many}).json()["results"]
    yield Flood(account, [result["message"]["id"] for result in results])
    for result in results:
        local_stack.call("POST", f"/v1/messages/{result['message']['id']}/cancel")


@pytest.fixture(scope="module")
def sandboxed(local_stack: LocalStack) -> str:
    """Give a mailbox of the built-in sandbox, which needs nobody."""
    added = local_stack.operate("accounts", "add", TRY, "--provider", "sandbox")
    assert (added["status"], "consent_url" in added) == ("active", False)
    return str(added["id"])


def source_of(stack: LocalStack, sent: dict[str, Any]) -> Any:
    return message_from_bytes(stack.control.mail_source(stack.one_mail(sent)["id"]), policy=policy.default)


def soon(seconds: float) -> str:
    return rfc3339(time.time() + seconds)


# --- templates, batches, merges -------------------------------------------------------------------------------------


def test_a_designers_files_become_a_mail_when_they_are_published(local_stack: LocalStack, tmp_path: Path) -> None:
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "subject.txt").write_text("Order {{ order.id }} is on its way\n")
    (folder / "text.txt").write_text("Dear {{ name }}, it left today.\n")
    (folder / "html.html").write_text("<p>Dear {{ name }}</p>\n")
    wanted = {"name": "shipped", "variables": {"name": "Carla & Co", "order": {"id": 17}}}
    body = {"account": "orders@acme.example", "to": "carla@customer.example", "template": wanted}

    local_stack.operate("templates", "push", str(tmp_path))
    draft = local_stack.call("POST", "/v1/messages", body)
    assert (draft.status_code, draft.json()["errors"][0]["pointer"]) == (422, "/template/name")
    local_stack.operate("templates", "push", str(tmp_path), "--publish")
    lacking = local_stack.call("POST", "/v1/messages", body | {"template": {"name": "shipped"}}).json()
    assert {fault["pointer"] for fault in lacking["errors"]} == {
        "/template/variables/name",
        "/template/variables/order/id",
    }
    sent = local_stack.call("POST", "/v1/messages", body).json()
    local_stack.settled(sent["id"], "sent")
    mail = source_of(local_stack, sent)
    assert mail["Subject"] == "Order 17 is on its way"
    assert "Dear Carla & Co, it left" in mail.get_body(("plain",)).get_content()
    assert "<p>Dear Carla &amp; Co</p>" in mail.get_body(("html",)).get_content()


def test_a_batch_of_a_hundred_takes_what_is_right_and_tells_each_fault_in_its_place(
    local_stack: LocalStack, sandboxed: str
) -> None:
    wrong: dict[int, dict[str, Any]] = {
        7: {"to": "nobody"},
        40: {"subjekt": "?"},
        41: {"account": "nobody@acme.example"},
        99: {"text": None},
    }
    many = [message(sandboxed, subject=f"Batch {number}") | wrong.get(number, {}) for number in range(100)]
    answer = local_stack.call("POST", "/v1/messages/batch", {"messages": many})
    results = answer.json()["results"]
    assert (answer.status_code, len(results)) == (200, 100)
    refused = {number: result["problem"] for number, result in enumerate(results) if result["status"] != 202}
    assert {number: problem["errors"][0]["pointer"] for number, problem in refused.items()} == {
        7: "/to",
        40: "/subjekt",
        41: "/account",
        99: "",
    }

    def all_sent() -> bool:
        listed = local_stack.get(f"/v1/messages?account={sandboxed}&status=sent&limit=100")["data"]
        return {result["message"]["id"] for result in results if "message" in result} <= {each["id"] for each in listed}

    until("96 messages are sent", all_sent)


def test_a_merge_writes_each_recipient_his_own_mail_and_the_same_request_again_none(local_stack: LocalStack) -> None:
    people = [{"to": f"p{number}@merge.example", "variables": {"name": f"P{number}"}} for number in range(20)]
    people[13]["variables"] = {}
    shared = {"account": "support@acme.example", "subject": "News for {{ name }}", "text": "Dear {{ name }}."}
    body, key = {"message": shared, "recipients": people}, {"Idempotency-Key": "news-47"}
    first, again = (local_stack.call("POST", "/v1/messages/merge", body, headers=key).json() for _ in range(2))
    assert [result["status"] for result in first["results"]] == [422 if n == 13 else 202 for n in range(20)]
    faults = first["results"][13]["problem"]["errors"]
    assert [(fault["pointer"], fault["code"]) for fault in faults] == [
        ("/recipients/13/variables/name", "variable_missing")
    ]
    ids = [result["message"]["id"] for result in first["results"] if "message" in result]
    assert ids == [result["message"]["id"] for result in again["results"] if "message" in result]
    for each in ids:
        local_stack.settled(each, "sent")
    seen = [mail for n in range(20) for mail in local_stack.control.mail(rcpt_to=f"p{n}@merge.example")]
    assert sorted(mail["headers"]["subject"] for mail in seen) == sorted(
        f"News for P{number}" for number in range(20) if number != 13
    )


# --- for later ------------------------------------------------------------------------------------------------------


def test_a_scheduled_message_is_moved_comes_early_in_vain_and_goes_at_its_time(local_stack: LocalStack) -> None:
    scheduler = local_stack.aws("scheduler")
    upload = local_stack.upload("plan.txt", b"Later.\n")
    sent = local_stack.send("orders@acme.example", send_at=soon(3600), attachments=[{"upload_id": upload}])
    (group,) = {each["GroupName"] for each in scheduler.list_schedules()["Schedules"] if each["Name"] == sent["id"]}

    def expression() -> str:
        try:
            return str(scheduler.get_schedule(GroupName=group, Name=sent["id"])["ScheduleExpression"])
        except scheduler.exceptions.ResourceNotFoundException:
            return ""

    def let_it_come() -> None:
        schedule = scheduler.get_schedule(GroupName=group, Name=sent["id"])
        at = (datetime.now(UTC) + timedelta(seconds=2)).strftime("at(%Y-%m-%dT%H:%M:%S)")
        wanted = {name: schedule[name] for name in ("ActionAfterCompletion", "FlexibleTimeWindow", "Target")}
        scheduler.update_schedule(GroupName=group, Name=sent["id"], ScheduleExpression=at, **wanted)

    moved_to = datetime.fromtimestamp(int(time.time()) + 7200, UTC)
    moved = local_stack.operate("messages", "reschedule", sent["id"], "--send-at", moved_to.isoformat())
    assert (sent["status"], moved["status"]) == ("scheduled", "scheduled")
    assert datetime.fromisoformat(moved["send_at"]) == moved_to
    due = moved_to.strftime("at(%Y-%m-%dT%H:%M:%S)")
    assert expression() == due
    assert [key.split("/")[0] for key in local_stack.kept("scheduled/")].count("scheduled") >= 2

    # A schedule of the old time that comes all the same: the message is put back for its own.
    let_it_come()
    until("the early copy came", lambda: expression() != due)
    until("it is scheduled anew", lambda: expression() == due)
    assert local_stack.get(f"/v1/messages/{sent['id']}")["status"] == "scheduled"

    # Nobody can turn a running stack's clock, so its time comes to the message.
    local_stack.aws("dynamodb").update_item(
        TableName=local_stack.output("MessagesTableName"),
        Key={"id": {"S": sent["id"]}},
        UpdateExpression="SET retry_at = :now",
        ExpressionAttributeValues={":now": {"N": str(time.time())}},
    )
    let_it_come()
    local_stack.settled(sent["id"], "sent")
    mail = source_of(local_stack, sent)
    assert mail["Date"].datetime == moved_to
    assert [part.get_content() for part in mail.iter_attachments()] == ["Later.\n"]
    assert (expression(), local_stack.kept(f"scheduled/{sent['id']}")) == ("", [])


def test_a_scheduled_message_that_is_canceled_leaves_nothing_and_one_that_is_wanted_now_goes(
    local_stack: LocalStack,
) -> None:
    unwanted, wanted = (local_stack.send("billing@acme.example", send_at=soon(after)) for after in (86_400, 3600))
    assert local_stack.kept(f"scheduled/{unwanted['id']}")
    canceled = local_stack.call("POST", f"/v1/messages/{unwanted['id']}/cancel").json()
    assert (canceled["status"], local_stack.kept(f"scheduled/{unwanted['id']}")) == ("canceled", [])
    names = {each["Name"] for each in local_stack.aws("scheduler").list_schedules()["Schedules"]}
    assert unwanted["id"] not in names
    now = local_stack.call("PATCH", f"/v1/messages/{wanted['id']}", {"send_at": None})
    assert (now.status_code, now.json()["status"]) == (200, "queued")
    local_stack.settled(wanted["id"], "sent")
    assert local_stack.one_mail(wanted)
    late = local_stack.call("PATCH", f"/v1/messages/{wanted['id']}", {"send_at": soon(3600)})
    assert (late.status_code, late.json()["code"]) == (409, "conflict")


def test_a_message_for_in_a_few_seconds_waits_on_the_queue(local_stack: LocalStack) -> None:
    begun = time.time()
    sent = local_stack.send("support@acme.example", send_at=soon(6))
    local_stack.settled(sent["id"], "sent")
    assert local_stack.one_mail(sent)["received_at"] >= begun + 6


# --- large mail -----------------------------------------------------------------------------------------------------


def test_twenty_megabytes_go_through_gmail_and_through_a_draft_at_graph_where_the_scope_allows(
    local_stack: LocalStack,
) -> None:
    local_stack.register_with("writers", "microsoft", "offline_access", "User.Read", "Mail.Send", "Mail.ReadWrite")
    local_stack.connect("writer@acme.example", "microsoft", provider="writers")
    content = b"All the world's parcels, by number.\r\n" * (HUGE // 37)
    upload = local_stack.upload("parcels.csv", content, "text/csv")
    part = {"upload_id": upload}
    refused = local_stack.call("POST", "/v1/messages", message("billing@acme.example", attachments=[part]))
    (fault,) = refused.json()["errors"]
    assert (refused.status_code, fault["code"], "Mail.ReadWrite" in fault["detail"]) == (422, "message_too_large", True)
    for account, form in (("orders@acme.example", "media"), ("writer@acme.example", "draft")):
        sent = local_stack.send(account, attachments=[part])
        local_stack.settled(sent["id"], "sent")
        mail = local_stack.one_mail(sent)
        assert form in str(mail["details"])
        (attached,) = source_of(local_stack, sent).iter_attachments()
        assert (attached.get_filename(), attached.get_payload(decode=True) == content) == ("parcels.csv", True)
    local_stack.aws("s3").delete_object(Bucket=local_stack.output("ContentBucketName"), Key=f"uploads/{upload}")


# --- recipients -----------------------------------------------------------------------------------------------------


def test_whoever_the_server_refuses_is_named_and_the_others_get_the_mail_once(local_stack: LocalStack) -> None:
    local_stack.connect("lists@acme.example", "oidc")
    gone, busy, well = (f"{name}@recipients.example" for name in ("gone", "busy", "well"))
    for recipient, code, text in ((gone, 550, "5.1.1 no such user"), (busy, 450, "4.2.0 greylisted")):
        match = {"recipient": recipient}
        local_stack.control.plan_fault("smtp", "reply", match=match, stage="rcpt", code=code, text=text)
    sent = local_stack.send("lists@acme.example", to=[gone, busy, well])
    shown = local_stack.settled(sent["id"], "sent")
    assert [each["recipient"] for each in shown["refused"]] == [gone]
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["accepted", "accepted"]
    mails = local_stack.control.mail(message_id=sent["message_id"])
    assert [mail["envelope"]["rcpt_to"] for mail in reversed(mails)] == [[well], [busy]]


def test_a_suppressed_address_is_left_out_of_envelope_and_header(local_stack: LocalStack) -> None:
    account = local_stack.connect("wary@acme.example", "google")
    local_stack.operate("suppressions", "add", "Gone@Suppressed.Example", "--account", account)
    both = local_stack.send(account, to=["gone@suppressed.example", "carla@customer.example"])
    none = local_stack.send(account, to="gone@suppressed.example")
    shown = local_stack.settled(both["id"], "sent")
    assert [(each["recipient"], each["code"]) for each in shown["refused"]] == [
        ("gone@suppressed.example", "recipient_suppressed")
    ]
    assert local_stack.one_mail(both)["envelope"]["rcpt_to"] == ["carla@customer.example"]
    assert source_of(local_stack, both)["To"] == "carla@customer.example"
    assert local_stack.settled(none["id"], "failed")["problem"]["code"] == "recipient_suppressed"


# --- answers that are lost ------------------------------------------------------------------------------------------


def test_a_lost_answer_is_resolved_by_looking_the_message_up_where_the_scope_allows(local_stack: LocalStack) -> None:
    local_stack.register_with("readers", "google", "openid", "email", f"{GOOGLE}.send", f"{GOOGLE}.readonly")
    local_stack.connect("reader@acme.example", "google", provider="readers")
    local_stack.control.plan_fault("gmail", "answer_lost", match={"mailbox": "reader@acme.example"})
    sent = local_stack.send("reader@acme.example")
    shown = local_stack.settled(sent["id"], "sent")
    assert [(each["outcome"], each["code"]) for each in shown["attempts"]] == [("accepted", "found_in_mailbox")]
    assert local_stack.one_mail(sent)


# --- mail that waits for its mailbox --------------------------------------------------------------------------------


def test_what_waited_for_a_paused_mailbox_goes_in_its_order_when_it_is_resumed(local_stack: LocalStack) -> None:
    address = "careful-pause@acme.example"
    local_stack.connect(address, "oidc")
    local_stack.operate("accounts", "pause", address)
    sent = [local_stack.send(address, subject=f"Number {number}") for number in range(8)]
    for each in sent:
        local_stack.settled(each["id"], "held")
    assert local_stack.control.mail(mailbox=address) == []
    local_stack.operate("accounts", "resume", address)
    for each in sent:
        local_stack.settled(each["id"], "sent")
    mails = [mail["headers"]["subject"] for mail in reversed(local_stack.control.mail(mailbox=address))]
    assert mails == [f"Number {number}" for number in range(8)]
    assert [key for each in sent for key in local_stack.kept(f"content/{each['id']}")] == []


def test_the_owner_of_a_dead_grant_gets_a_link_and_opening_it_sends_what_waited(local_stack: LocalStack) -> None:
    address, sqs, events = "away@acme.example", local_stack.aws("sqs"), local_stack.aws("events")
    url = sqs.create_queue(QueueName="e2e-owners")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = {"EventBusName": local_stack.output("EventBusName")}
    pattern = json.dumps({"detail-type": ["account.reconnect_wanted"]})
    events.put_rule(Name="e2e-owners", EventPattern=pattern, **bus)
    events.put_targets(Rule="e2e-owners", Targets=[{"Id": "owners", "Arn": arn}], **bus)

    account = local_stack.connect(address, "oidc")
    assert local_stack.control.revoke_tokens(mailbox=address) == 1
    sent = [local_stack.send(address, subject=f"Waiting {number}") for number in range(3)]
    for each in sent:
        local_stack.settled(each["id"], "held")
    assert local_stack.get(f"/v1/accounts/{account}")["status"] == "consent_required"
    links: list[str] = []

    def told() -> bool:
        local_stack.rotate()
        received = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MaxNumberOfMessages=10).get("Messages", [])
        details = [json.loads(each["Body"])["detail"] for each in received]
        links.extend(detail["reconnect_url"] for detail in details if detail["address"] == address)
        return bool(links)

    until("the owner is told", told)
    local_stack.rotate()
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []) == []
    assert local_stack.consent(links[0], "oidc", address).status_code == 200
    for each in sent:
        local_stack.settled(each["id"], "sent")
        assert local_stack.one_mail(each)
    assert local_stack.call("GET", links[0].removeprefix(local_stack.world.api_url), key="").status_code == 410


# --- the sandbox of a deployed stack --------------------------------------------------------------------------------


def test_a_mailbox_of_the_sandbox_captures_and_plays_outcomes(local_stack: LocalStack, sandboxed: str) -> None:
    others = ["carla@customer.example"]
    bounced, throttled, lost = (
        local_stack.send(sandboxed, to=[f"{name}@sandbox", *others]) for name in ("bounce", "throttle+1", "unknown")
    )
    shown = local_stack.settled(bounced["id"], "sent")
    assert [(each["recipient"], each["code"]) for each in shown["refused"]] == [
        ("bounce@sandbox", "recipient_rejected")
    ]
    found = local_stack.settled(lost["id"], "sent")
    assert found["attempts"][-1]["code"] == "found_in_mailbox"
    tries = local_stack.settled(throttled["id"], "sent")["attempts"]
    assert [(each["outcome"], each["code"]) for each in tries] == [("not_accepted", "throttled"), ("accepted", None)]
    captured = local_stack.operate("captured", "show", bounced["id"])
    assert captured["rcpt_to"] == others
    assert local_stack.control.mail(message_id=bounced["message_id"]) == []


# --- the queue's other side -----------------------------------------------------------------------------------------


def test_a_message_too_large_for_the_queue_is_pointed_at(local_stack: LocalStack, sandboxed: str) -> None:
    bucket = local_stack.output("ContentBucketName")
    body = message(sandboxed, text="x" * 1_500_000, idempotency_key="pointed-1")
    local_stack.aws("s3").put_object(Bucket=bucket, Key="inbox/pointed-1", Body=json.dumps(body).encode())
    pointer = {"s3BucketName": bucket, "s3Key": "inbox/pointed-1"}
    local_stack.drop(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer])
    local_stack.settled(queue_message_id("pointed-1"), "sent")


def test_a_dead_letter_is_sent_once_its_cause_is_mended_and_a_sent_one_never_again(local_stack: LocalStack) -> None:
    address, alias = "letters@acme.example", "press@acme.example"
    account = local_stack.connect(address, "oidc")
    local_stack.control.add_mailbox("oidc", address, aliases=[alias])
    refused = message(address, subject="Mended", **{"from": alias})
    local_stack.drop(refused)
    again = message(address, subject="Long since sent", idempotency_key="letter-1")
    local_stack.drop(again)
    sent = local_stack.settled(queue_message_id("letter-1"), "sent")
    # As if its worker had died each time after the mail had left.
    local_stack.aws("sqs").send_message(
        QueueUrl=local_stack.output("DeadLetterQueueUrl"), MessageBody=json.dumps(again)
    )

    def letters() -> list[dict[str, Any]]:
        return [each for each in local_stack.operate("dlq", "list") if each["account"] == address]

    both = until("both are dead letters", lambda: found if len(found := letters()) == 2 else None)
    assert {(each["source"], each["status"]) for each in both} == {("refused", "failed"), ("worker", "sent")}
    assert local_stack.call("PATCH", f"/v1/accounts/{account}", {"aliases": [alias]}).status_code == 200
    arguments = [part for each in both for part in ("--id", each["id"])]
    assert len(local_stack.operate("dlq", "redrive", *arguments)["redriven"]) == 2
    (mended,) = until(
        "the mended one is sent",
        lambda: [mail for mail in local_stack.control.mail(mailbox=address) if mail["headers"]["subject"] == "Mended"],
    )
    assert mended["envelope"]["mail_from"] == alias
    until("the queue has seen both", lambda: letters() == [])
    local_stack.audited("message.seen_again", sent["id"])
    assert len(local_stack.control.mail(message_id=sent["message_id"])) == 1


# --- what needs no key ----------------------------------------------------------------------------------------------


def test_the_api_describes_itself_to_whoever_asks(local_stack: LocalStack) -> None:
    described = local_stack.call("GET", "/openapi.json", key="")
    document = described.json()
    assert (described.status_code, document["openapi"][:3]) == (200, "3.1")
    assert document["servers"][0]["url"] == local_stack.world.api_url
    assert {"/v1/messages", "/v1/messages/merge", "/v1/uploads", "/v1/templates"} <= document["paths"].keys()
    page = local_stack.call("GET", "/docs", key="")
    assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")


# --- the flood of the beginning -------------------------------------------------------------------------------------


def test_a_mailbox_sends_as_much_in_a_minute_as_it_may_and_the_rest_waits_its_turn(
    local_stack: LocalStack, flood: Flood
) -> None:
    def received() -> list[float]:
        return sorted(mail["received_at"] for mail in local_stack.control.mail(mailbox=FLOODED))

    until("the next minute's first two went", lambda: len(received()) >= PER_MINUTE + 2, seconds=120)
    times = received()
    # A mail that came a little late must not make the next minute's look early.
    assert times[PER_MINUTE - 1] - times[0] < SECONDS / 2
    assert times[PER_MINUTE] - times[0] > 45
    quota = local_stack.get(f"/v1/accounts/{flood.account}/health")["quota"]
    assert (quota["limits"]["per_minute"], quota["next_at"] > rfc3339(time.time())) == (PER_MINUTE, True)
    statuses = [local_stack.get(f"/v1/messages/{each}")["status"] for each in flood.messages]
    assert set(statuses) <= {"sent", "sending", "queued"}
