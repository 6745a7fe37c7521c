"""What a deployed stack leaves behind; the last file, so that it looks at everything that the others did."""

from __future__ import annotations

import base64
import json
import re
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.e2e.local_stack import until

if TYPE_CHECKING:
    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SIGNED = re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
"""Any JWT: the assertions by which an application proves itself are new each time, so none could be looked for."""


def test_the_queue_empties(local_stack: LocalStack) -> None:
    until("the queue is empty", lambda: local_stack.queued() == 0, seconds=90)


def test_every_audit_stream_is_one_unbroken_chain(local_stack: LocalStack) -> None:
    sent = local_stack.send("orders@acme.example")
    local_stack.audited("message.sent", sent["id"])
    streams = local_stack.audit()
    actions = {json.loads(line)["action"] for lines in streams.values() for line in lines}
    assert actions >= {"registration.created", "key.created", "account.added", "consent.granted", "message.accepted"}
    assert len(streams) > 2
    for lines in streams.values():
        previous, number = "0" * 64, 0
        for line in sorted(lines, key=lambda text: int(json.loads(text)["seq"])):
            event = json.loads(line)
            digest = event.pop("hash")
            unsigned = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            assert (event["seq"], event["prev"]) == (number + 1, previous)
            assert sha256(unsigned.encode()).hexdigest() == digest
            previous, number = digest, number + 1


def test_no_secret_lies_anywhere_but_in_the_vault(local_stack: LocalStack) -> None:
    time.sleep(1)  # the engine writes the functions' last lines a moment after their answers
    secrets = set(local_stack.control.secrets())
    vault = vault_of(local_stack)
    assert sum(secret in vault for secret in secrets) > 5, "nothing would be found anywhere"
    assert all(secret in vault for secret in local_stack.handed_in), "they stand in another form than is looked for"
    secrets |= {key.rpartition("_")[2] for key in (local_stack.world.api_key, *local_stack.issued)}
    secrets |= set(local_stack.handed_in)
    places = {
        **logs_of(local_stack),
        **queues_of(local_stack),
        **tables_of(local_stack),
        **objects_of(local_stack),
        **{path.name: path.read_text(errors="replace") for path in local_stack.world.places.run.rglob("*.log")},
    }
    assert {"/mailbearer/local/audit", "/aws/lambda/mailbearer-local-delivery-worker"} <= places.keys()
    wanted = {form for secret in secrets for form in forms(secret)}
    leaks = {place for place, text in places.items() if SIGNED.search(text) or any(form in text for form in wanted)}
    assert leaks == set()


def logs_of(stack: LocalStack) -> dict[str, str]:
    logs = stack.aws("logs")
    groups = [
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    ]
    pages = logs.get_paginator("filter_log_events")
    return {
        group: "\n".join(event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"])
        for group in groups
    }


def forms(secret: str) -> set[str]:
    """Give a secret as it is, and what base64 makes of it wherever it begins, as in SASL's initial response."""
    encoded = (base64.b64encode(b"." * before + secret.encode()).decode() for before in range(3))
    return {secret, *(text[4:-4] for text in encoded)}


def vault_of(stack: LocalStack) -> str:
    vault = stack.aws("secretsmanager")
    names = [each["Name"] for page in vault.get_paginator("list_secrets").paginate() for each in page["SecretList"]]
    return "".join(vault.get_secret_value(SecretId=name)["SecretString"] for name in names)


def queues_of(stack: LocalStack) -> dict[str, str]:
    sqs = stack.aws("sqs")
    return {
        url: json.dumps(
            sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                VisibilityTimeout=0,
                WaitTimeSeconds=0,
            )
        )
        for url in sqs.list_queues()["QueueUrls"]
    }


def tables_of(stack: LocalStack) -> dict[str, str]:
    dynamodb = stack.aws("dynamodb")
    return {
        name: repr([page["Items"] for page in dynamodb.get_paginator("scan").paginate(TableName=name)])
        for name in dynamodb.list_tables()["TableNames"]
    }


def objects_of(stack: LocalStack) -> dict[str, str]:
    s3, bucket = stack.aws("s3"), stack.output("ContentBucketName")
    keys = [
        each["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for each in page.get("Contents", [])
    ]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode(errors="replace") for key in keys}
