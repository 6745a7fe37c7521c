"""What a stack leaves behind is as it should be, and the search for secrets can find them.

The search itself runs at the end of each stack: `tests.e2e.local_stack.started`.
"""

from __future__ import annotations

import base64
import json
import time
from hashlib import sha256
from secrets import token_urlsafe
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.e2e import traces
from tests.e2e.local_stack import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(180)]


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


def test_a_secret_is_found_in_every_kind_of_place_and_form(local_stack: LocalStack) -> None:
    secret = f"planted/{token_urlsafe(32)}"
    encoded = base64.b64encode(f"user=orders@acme.example\x01auth={secret}".encode()).decode()
    places = plant(local_stack, {"plain": secret, "encoded": encoded, "quoted": quote(secret, safe="")})
    local_stack.secrets.add("planted", secret)
    try:
        found = {leak.place for leak in traces.search(local_stack) if leak.kind == "planted"}
    finally:
        # What was planted cannot be taken out of the archive again. Forgotten it harms nobody.
        del local_stack.secrets.kinds[secret]
    assert found == places


def plant(stack: LocalStack, forms: Mapping[str, str]) -> set[str]:
    """Put something into a place of each kind; name those places."""
    logs, s3, sqs, events = (stack.aws(service) for service in ("logs", "s3", "sqs", "events"))
    logs.create_log_group(logGroupName="/planted")
    logs.create_log_stream(logGroupName="/planted", logStreamName="planted")
    line = {"timestamp": int(time.time() * 1000), "message": json.dumps({"sasl": forms["encoded"]})}
    logs.put_log_events(logGroupName="/planted", logStreamName="planted", logEvents=[line])
    item = {"account": {"S": "planted"}, "notes": {"S": forms["plain"]}}
    stack.aws("dynamodb").put_item(TableName=stack.output("LedgersTableName"), Item=item)
    places = {"log /planted", f"table {stack.output('LedgersTableName')}", "queue heard-on-the-bus"}
    for output in ("ArchiveBucketName", "ContentBucketName"):
        bucket = stack.output(output)
        s3.put_object(Bucket=bucket, Key="planted", Body=forms["quoted"].encode(), ChecksumAlgorithm="SHA256")
        places.add(f"bucket {bucket} planted")
    for output in ("NotificationDeadLetterQueueUrl", "DeadLetterQueueUrl"):
        sqs.send_message(QueueUrl=stack.output(output), MessageBody=json.dumps({"planted": forms["plain"]}))
        places.add(f"queue {stack.output(output).rpartition('/')[2]}")
    told = {"Source": "mailbearer", "DetailType": "planted", "Detail": json.dumps({"planted": forms["plain"]})}
    events.put_events(Entries=[told | {"EventBusName": stack.output("EventBusName")}])
    (stack.world.places.run / "planted.log").write_text(forms["quoted"])
    stack.said["answer /v1/planted"] = forms["plain"]
    return places | {"file planted.log", "answer /v1/planted"}


def test_whatever_is_issued_is_looked_for(local_stack: LocalStack) -> None:
    address, subject = "looked-for@acme.example", "Who looks for this subject?"
    key = local_stack.key("messages:read")
    made = local_stack.operate("webhooks", "create", "http://127.0.0.1:8099/", "--event", "incident.declared")
    local_stack.operate("webhooks", "delete", made["id"], "--yes")
    added = local_stack.add(address, "google")
    assert local_stack.consent(added["consent_url"], "google", address).status_code == 200
    local_stack.send(address, subject=subject)
    assert local_stack.secrets.kinds.items() >= {
        (key.removeprefix("mb_key_")[27:], "API key"),
        (made["secret"].removeprefix("whsec_"), "webhook secret"),
        (added["consent_url"].rpartition("/")[2], "ticket"),
        (subject, "content"),
    }
    issued = local_stack.control.secrets_by_kind()
    assert {"code", "access_token", "refresh_token", "client_secret", "state", "verifier"} <= issued.keys()
    vault = json.dumps(list(traces.vault_of(local_stack)))
    assert sum(token in vault for token in issued["refresh_token"]) > 3, "they stand in another form than is looked for"


@pytest.mark.parametrize(
    "text",
    [
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtYWlsIn0.c2lnbmF0dXJlLW9mLWl0",  # pragma: allowlist secret
        f"mb_key_{'0' * 26}_{'x' * 43}",
        f"whsec_{'x' * 44}",
        "-----BEGIN PRIVATE" + " KEY-----",
    ],
)
def test_what_nobody_collected_is_found_by_its_looks(text: str) -> None:
    assert [leak.place for leak in traces.leaks({"log": f"said {text} and on"}, {})] == ["log"]


def test_content_may_travel_and_be_nowhere_else() -> None:
    content = {"What this mail says": "content"}
    lawful = dict.fromkeys(("queue mailbearer-local-messages", "bucket mailbearer-local-content held/1"), *content)
    unlawful = dict.fromkeys(("log x", "bucket archive 1", "table messages"), *content)
    assert list(traces.leaks(lawful, content)) == []
    assert {leak.place for leak in traces.leaks(unlawful, content)} == unlawful.keys()
