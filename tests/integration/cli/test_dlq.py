"""`mailbearer dlq` on queues: what lies there and why, and bringing it back without losing it or sending it twice."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.messages import DynamoDBMessageStore
from mailbearer.aws.queue import SQSMessageQueue
from mailbearer.envelope import Drain, Dropped, Job, Pointer, read_body, write_drain, write_job
from mailbearer.message import MessageRecord, Status
from tests.integration.cli import stacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    from tests.integration.cli.conftest import Operator

pytestmark = pytest.mark.slow  # each look at a queue waits a second for its answer
MESSAGE, ACCOUNT = "msg_01JD0000000000000000000001", "acc_01JD0000000000000000000000"
PLAIN = {"account": "ann@x.example", "to": "bob@y.example", "text": "secret content"}
PROBLEM = {"code": "invalid_request", "detail": "It has faults."}
JOB = write_job(Job(id=MESSAGE, account=ACCOUNT, attempt=2))
SNS = {"Type": "Notification", "TopicArn": "arn:topic", "MessageId": "sns-1", "Message": json.dumps(PLAIN)}
EVENT = {"detail-type": "order mail", "id": "event-1", "detail": PLAIN}
POINTER = ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b", "s3Key": "inbox/1"}]


def url(queue: str) -> str:
    return str(stacks.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"])


def bury(body: str, **attributes: str) -> str:
    """Put a body on the dead-letter queue as it is; gives its id."""
    kept = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    sent = stacks.client("sqs").send_message(
        QueueUrl=url(stacks.DEAD_LETTERS), MessageBody=body, MessageAttributes=kept, MessageGroupId="acc_group"
    )
    return str(sent["MessageId"])


def refuse(body: str, key: str) -> None:
    """Put a body on the dead-letter queue as the worker does."""
    queue = SQSMessageQueue(stacks.client("sqs"), url(stacks.QUEUE), url(stacks.DEAD_LETTERS))
    queue.refuse(body, problem=PROBLEM, message_id=MESSAGE, key=key)


def crash(body: str) -> str:
    """Let SQS move a body to the dead-letter queue, as it does when a worker died of it; gives its id."""
    sqs, queue = stacks.client("sqs"), url(stacks.QUEUE)
    policy = {"deadLetterTargetArn": f"arn:aws:sqs:{stacks.REGION}:123456789012:{stacks.DEAD_LETTERS}"}
    policy_text = json.dumps(policy | {"maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy_text, "VisibilityTimeout": "0"})
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId="acc_group")
    for _ in range(2):
        sqs.receive_message(QueueUrl=queue)
    return str(sent["MessageId"])


def lying(queue: str) -> list[dict[str, Any]]:
    """Give what can be received from a queue, and leave it there."""
    sqs = stacks.client("sqs")
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(
        QueueUrl=url(queue), MaxNumberOfMessages=10, VisibilityTimeout=60, AttributeNames=["All"]
    ).get("Messages"):
        found += messages
    for message in found:
        sqs.change_message_visibility(QueueUrl=url(queue), ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    return found


def bodies(queue: str) -> list[str]:
    return [message["Body"] for message in lying(queue)]


def redrive(operator: Operator, *words: str) -> Result:
    return operator("dlq", "redrive", *(words or ("--all",)))


# --- list -------------------------------------------------------------------------------------------------------------


def test_a_refused_letter_is_listed_with_its_problem_and_its_record(deployed: Operator) -> None:
    record = MessageRecord(
        id=MESSAGE,
        account=ACCOUNT,
        caller="queue",
        status=Status.FAILED,
        message_id="",
        request_hash="",
        created_at=1,
        updated_at=1,
    )
    DynamoDBMessageStore(stacks.client("dynamodb"), stacks.MESSAGES).create(record)
    refuse(json.dumps(PLAIN), "order-1")
    (letter,) = deployed.json("dlq", "list")
    assert (letter["source"], letter["code"], letter["problem"]) == ("refused", "invalid_request", PROBLEM)
    assert (letter["message"], letter["status"], letter["idempotency_key"]) == (MESSAGE, "failed", "order-1")
    assert (letter["account"], letter["stays"]) == ("ann@x.example", None)


def test_a_job_that_crashed_its_worker_is_listed_with_its_message_and_account(deployed: Operator) -> None:
    letter_id = crash(JOB)
    (letter,) = deployed.json("dlq", "list")
    assert (letter["id"], letter["source"], letter["code"]) == (letter_id, "worker", "worker_lost")
    assert (letter["message"], letter["account"], letter["status"]) == (MESSAGE, ACCOUNT, None)


def test_what_a_schedule_could_not_bring_is_listed_with_the_error(deployed: Operator) -> None:
    bury(
        json.dumps({"MessageBody": JOB, "QueueUrl": "https://gone"}),
        SCHEDULE_ARN="arn:schedule",
        ERROR_CODE="AccessDenied",
        ERROR_MESSAGE="No.",
    )
    (letter,) = deployed.json("dlq", "list")
    assert (letter["source"], letter["code"], letter["detail"]) == ("schedule", "AccessDenied", "No.")
    assert letter["message"] == MESSAGE


def test_listing_removes_nothing_hides_nothing_and_shows_no_content(deployed: Operator) -> None:
    for number in range(25):
        bury(json.dumps(PLAIN | {"idempotency_key": str(number)}))
    for _ in range(2):
        assert len(deployed.json("dlq", "list")) == 25
    assert len(lying(stacks.DEAD_LETTERS)) == 25
    assert "secret content" not in deployed("dlq", "list").output + deployed("dlq", "list", "--json").output


def test_a_person_reads_a_line_for_each_letter_and_why_it_stays(deployed: Operator) -> None:
    assert deployed("dlq", "list").stdout == "No dead letters.\n"
    letter_id = bury("not JSON \x1b[2J", problem=json.dumps({"code": "malformed_body", "detail": "\x1b[2JNo."}))
    shown = deployed("dlq", "list").stdout
    assert f"{letter_id}  It cannot be redriven: The body is not JSON" in shown
    assert "\x1b" not in shown


def test_attributes_of_others_are_not_taken_for_ours(deployed: Operator) -> None:
    bury(json.dumps(PLAIN), problem="[1]", other="x")
    bury(json.dumps(PLAIN), problem="{")
    assert [letter["source"] for letter in deployed.json("dlq", "list")] == ["worker", "worker"]


# --- redrive ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [JOB, write_drain(Drain(account=ACCOUNT))])
def test_a_job_goes_back_as_it_was_with_its_group(deployed: Operator, body: str) -> None:
    crash(body)
    assert redrive(deployed).exit_code == 0
    (message,) = lying(stacks.QUEUE)
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == (body, "acc_group")
    assert lying(stacks.DEAD_LETTERS) == []


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (PLAIN, "sqs:{id}"),
        (PLAIN | {"idempotency_key": "own"}, "own"),
        (SNS, "sns:sns-1"),
        (EVENT, "eventbridge:event-1"),
        (POINTER, "sqs:{id}"),
        ({name: value for name, value in SNS.items() if name != "MessageId"}, "sns:{id}"),
        ({name: value for name, value in EVENT.items() if name != "id"}, "eventbridge:{id}"),
    ],
)
def test_what_was_dropped_on_the_queue_keeps_the_key_under_which_it_was_known(
    deployed: Operator, body: object, key: str
) -> None:
    key = key.format(id=crash(json.dumps(body)))
    for _ in range(2):  # also when it dies a second time, under another SQS message id
        assert redrive(deployed).exit_code == 0
        (message,) = lying(stacks.QUEUE)
        known = read_body(message["Body"], message["MessageId"])
        assert isinstance(known, Dropped | Pointer)
        assert known.key == key
        if isinstance(known, Dropped):
            assert known.body["to"] == PLAIN["to"]
        for _ in range(2):
            stacks.client("sqs").receive_message(QueueUrl=url(stacks.QUEUE))
        assert lying(stacks.QUEUE) == []


@pytest.mark.parametrize("key", ["sqs:first-id", "order-1", "eventbridge:old-id"])
def test_a_refused_letter_goes_back_with_the_key_that_was_kept(deployed: Operator, key: str) -> None:
    body = {name: value for name, value in EVENT.items() if name != "id"} if key.startswith("event") else PLAIN
    refuse(json.dumps(body), key)
    redrive(deployed)
    (message,) = lying(stacks.QUEUE)
    known = read_body(message["Body"], message["MessageId"])
    assert isinstance(known, Dropped)
    assert known.key == key


def test_what_a_schedule_could_not_bring_goes_to_the_queue(deployed: Operator) -> None:
    bury(json.dumps({"MessageBody": JOB, "QueueUrl": "https://gone"}), SCHEDULE_ARN="arn:schedule")
    bury(JOB, SCHEDULE_ARN="arn:schedule")
    redrive(deployed)
    assert bodies(stacks.QUEUE) == [JOB, JOB]


def test_what_cannot_be_read_stays_and_is_named(deployed: Operator) -> None:
    letter_id = bury("{not JSON")
    bury(JOB)
    result = redrive(deployed)
    assert result.exit_code == 1
    assert f"{letter_id} stays: The body is not JSON" in result.stderr
    assert "1 redriven, 1 left." in result.stdout
    assert (bodies(stacks.QUEUE), bodies(stacks.DEAD_LETTERS)) == ([JOB], ["{not JSON"])


def test_what_is_too_large_with_its_key_stays(deployed: Operator) -> None:
    bury(json.dumps(PLAIN | {"text": "x" * (1_048_576 - 150)}))
    result = redrive(deployed)
    assert "larger than SQS takes" in result.stderr
    assert (len(lying(stacks.QUEUE)), len(lying(stacks.DEAD_LETTERS))) == (0, 1)


@pytest.mark.parametrize("by_message", [True, False])
def test_letters_are_chosen_by_their_own_id_or_the_messages(deployed: Operator, *, by_message: bool) -> None:
    bury(json.dumps(PLAIN))
    letter_id = bury(JOB)
    report = deployed.json("dlq", "redrive", "--id", MESSAGE if by_message else letter_id)
    assert [letter["id"] for letter in report["redriven"]] == [letter_id]
    assert (bodies(stacks.QUEUE), len(lying(stacks.DEAD_LETTERS))) == ([JOB], 1)


def test_an_id_that_is_not_there_is_named(deployed: Operator) -> None:
    result = redrive(deployed, "--id", "msg_none")
    assert (result.exit_code, "There is no dead letter msg_none" in result.stderr) == (1, True)


@pytest.mark.parametrize("words", [("--dry-run",), ("--all", "--id", "x")])
def test_which_letters_has_to_be_said_one_way(deployed: Operator, words: tuple[str, ...]) -> None:
    assert redrive(deployed, *words).exit_code == 2


def test_a_dry_run_says_what_would_be_done_and_does_nothing(deployed: Operator) -> None:
    bury(JOB)
    bury("nothing")
    report = json.loads(redrive(deployed, "--all", "--dry-run", "--json").stdout)
    assert (len(report["redriven"]), len(report["left"]), report["dry_run"]) == (1, 1, True)
    assert (len(lying(stacks.QUEUE)), len(lying(stacks.DEAD_LETTERS))) == (0, 2)
    assert stacks.audit_events() == []


def test_each_letter_that_went_back_is_in_the_audit_log(deployed: Operator) -> None:
    letter_id = crash(JOB)
    redrive(deployed)
    (event,) = stacks.audit_events()
    assert (event["action"], event["subject"], event["outcome"]) == ("deadletter.redriven", MESSAGE, "redriven")
    assert event["facts"] == {"sqs_message_id": letter_id, "source": "worker", "account": ACCOUNT}
    assert event["actor"].startswith("arn:aws:")


def test_letters_go_back_no_faster_than_asked(deployed: Operator) -> None:
    for _ in range(4):
        bury(JOB)
    start = deployed.clock()
    redrive(deployed, "--all", "--per-second", "2")
    assert deployed.clock() - start == 2


# --- stopped on the way -----------------------------------------------------------------------------------------------


def stopping(operator: Operator, after: int, happening: Callable[[], object]) -> Operator:
    """Give somebody to whom something happens after so many letters."""
    letters = 0

    def sleep(seconds: float) -> None:
        nonlocal letters
        letters += 1
        operator.clock.sleep(seconds)
        if letters == after:
            happening()

    return replace(operator, surroundings=replace(operator.surroundings, sleep=sleep))


def interrupt() -> None:
    raise KeyboardInterrupt


def test_stopped_between_two_letters_it_goes_on_with_the_rest(deployed: Operator) -> None:
    for number in range(15):
        bury(write_job(Job(id=f"{MESSAGE[:-2]}{number:02}", account=ACCOUNT, attempt=0)))
    assert redrive(stopping(deployed, 4, interrupt)).exit_code == 130
    assert (len(lying(stacks.QUEUE)), len(lying(stacks.DEAD_LETTERS))) == (4, 11)
    assert redrive(deployed).exit_code == 0
    assert len(set(bodies(stacks.QUEUE))) == len(lying(stacks.QUEUE)) == 15


def test_stopped_before_the_audit_log_has_it_a_letter_stays_and_the_next_run_sends_the_same_again(
    deployed: Operator,
) -> None:
    bury(JOB)
    stacks.client("logs").delete_log_group(logGroupName=stacks.AUDIT_GROUP)
    for stored in stacks.client("s3").list_objects_v2(Bucket=stacks.BUCKET).get("Contents", []):
        stacks.client("s3").delete_object(Bucket=stacks.BUCKET, Key=stored["Key"])
    stacks.client("s3").delete_bucket(Bucket=stacks.BUCKET)
    assert redrive(deployed).exit_code == 1
    assert (bodies(stacks.QUEUE), bodies(stacks.DEAD_LETTERS)) == ([JOB], [JOB])
    stacks.client("logs").create_log_group(logGroupName=stacks.AUDIT_GROUP)
    assert redrive(deployed).exit_code == 0
    assert (bodies(stacks.QUEUE), bodies(stacks.DEAD_LETTERS)) == ([JOB, JOB], [])


def test_what_is_refused_again_at_once_is_not_sent_round_and_round(deployed: Operator) -> None:
    refuse(json.dumps(PLAIN), "order-1")
    rounds = stopping(deployed, 1, lambda: refuse(json.dumps(PLAIN), "order-1"))
    assert redrive(rounds).exit_code == 0
    assert (len(lying(stacks.QUEUE)), len(lying(stacks.DEAD_LETTERS))) == (1, 1)
