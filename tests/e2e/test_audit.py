"""The audit log on the running stack: signed, verified with the command, tampered with, and found out."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.local_stack import LocalStack, started

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(300)]  # it starts a stack of its own


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with started(tmp_path_factory.mktemp("audit-stack")) as running:
        yield running


def sign(stack: LocalStack) -> dict[str, Any]:
    """Have the log signed when all that was done has settled."""
    time.sleep(3)
    answer = stack.aws("lambda").invoke(
        FunctionName=stack.output("AuditorFunctionName"), Qualifier="live", Payload=b'{"task": "digest"}'
    )
    done: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, done
    return done


def test_what_the_stack_did_is_signed_and_whoever_deletes_from_it_is_found_out(stack: LocalStack) -> None:
    sent = stack.send("orders@acme.example", to="carla@customer.example", subject="Hello", text="Hello")
    stack.settled(sent["id"], "sent")
    done = sign(stack)
    assert (done["digests"], done["flaws"]) == (1, 0)
    report = stack.operate("audit", "verify")
    assert (report["good"], report["digests"], report["key"]) == (True, 1, "kms")
    assert report["events"] >= done["events"] > 10

    found = stack.operate("audit", "search", "--subject", sent["id"])
    assert [event["action"] for event in found] == ["message.accepted", "message.sent"]
    over_http = stack.get(f"/v1/audit?subject={sent['id']}")["data"]
    assert [event["id"] for event in over_http] == [event["id"] for event in found]

    export = stack.root / "audit.jsonl"
    stack.operate("audit", "export", "--output", str(export))
    assert stack.operate("audit", "verify", "--export", str(export))["good"] is True

    stream = over_http[1]["stream"]
    stack.aws("logs").delete_log_stream(logGroupName=stack.output("AuditLogGroup"), logStreamName=stream)
    tampered = stack.world.operate("audit", "verify", "--json")
    assert tampered.returncode == 1, tampered.stderr
    report = json.loads(tampered.stdout)
    first = report["flaws"][0]
    assert (first["kind"], first["stream"], first["seq"]) == ("cut", stream, 1)
    # What was exported before is evidence of what is gone.
    assert stack.operate("audit", "verify", "--export", str(export))["good"] is True


def test_what_lies_in_the_archive_cannot_be_removed_before_its_time(stack: LocalStack) -> None:
    s3, bucket = stack.aws("s3"), stack.output("ArchiveBucketName")
    kept = s3.put_object(Bucket=bucket, Key="reports/test.json", Body=b"{}", ChecksumAlgorithm="SHA256")
    with pytest.raises(s3.exceptions.ClientError):
        s3.delete_object(Bucket=bucket, Key="reports/test.json", VersionId=kept["VersionId"])
