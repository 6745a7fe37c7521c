"""`mailbearer audit search|export|verify` on a log that the schedule has signed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.audit import AuditEvent
from mailbearer.auditing.signatures import to_pem
from mailbearer.aws.audit_log import CloudWatchAuditLog
from mailbearer.aws.clients import Clients
from mailbearer.config import Settings
from mailbearer.ids import rfc3339
from mailbearer.wiring import Wiring
from tests.fakes import FakeSigner
from tests.integration.cli import stacks
from tests.integration.cli.conftest import LOADER
from tests.moto_kms import sign_digests

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Operator

pytestmark = [pytest.mark.slow, pytest.mark.once]  # each command makes its boto3 clients anew, and moto is no racer
ARCHIVE = stacks.ARCHIVE
ACCOUNT, OTHER = "acc_01JD0000000000000000000001", "acc_01JD0000000000000000000002"


@dataclass
class Signed:
    """A stage whose audit log is signed, and its writers."""

    operator: Operator
    wiring: Wiring
    logs: dict[str, CloudWatchAuditLog] = field(default_factory=dict)
    count: int = 0

    def write(self, stream: str, *actions: str, **changes: Any) -> None:
        """Let a writer write events now; an action may have an outcome behind a blank."""
        log = self.logs.setdefault(
            stream,
            CloudWatchAuditLog(stacks.client("logs"), stacks.AUDIT_GROUP, lambda: stream, self.operator.clock),
        )
        events = []
        for action in actions:
            self.count += 1
            verb, _, outcome = action.partition(" ")
            values: dict[str, Any] = {
                "id": f"evt_{self.count}",
                "at": rfc3339(self.operator.clock()),
                "actor": "worker",
                "action": verb,
                "subject": f"msg_{self.count}",
                "outcome": outcome or "done",
                "facts": (("account", ACCOUNT),),
            }
            events.append(AuditEvent(**values | changes))
        log.write(events)

    def sign(self) -> None:
        self.operator.clock.sleep(400)
        self.wiring.digester.run(deadline=self.operator.clock() + 290)


@pytest.fixture
def signed(deployed: Operator, aws: stacks.AwsEndpoint, monkeypatch: pytest.MonkeyPatch) -> Signed:
    sign_digests(monkeypatch)
    deployed.clock.now -= 7000
    key = stacks.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    aws.stacks["mailbearer-prod"] |= {
        "SigningKeyArn": key,
        "AuditRetentionDays": "3653",
    }
    settings = Settings(
        stage="prod",
        content_bucket=stacks.BUCKET,
        audit_log_group=stacks.AUDIT_GROUP,
        archive_bucket=ARCHIVE,
        signing_key_arn=key,
        function="auditor",
    )

    def session() -> Any:
        made = deployed.surroundings.aws_session(None)
        made._session.register_component("data_loader", LOADER)  # noqa: SLF001 - boto3 has no other way to it
        return made

    made = Signed(deployed, Wiring(settings, clients=Clients(session), clock=deployed.clock))
    made.write("api/1", "account.add intended", "account.added", subject=ACCOUNT)
    made.write("api/1", "message.accepted")
    made.write("worker/1", "message.sent", "message.sent", "message.failed")
    made.sign()
    made.write("api/1", "message.accepted", actor="key_1")
    made.sign()
    return made


def verify(signed: Signed, *words: str, code: int = 0) -> Any:
    result = signed.operator("audit", "verify", "--json", *words)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def export(signed: Signed, *words: str) -> Path:
    path = signed.operator.surroundings.directory / "audit.jsonl"
    result = signed.operator("audit", "export", "--output", str(path), *words)
    assert result.exit_code == 0, result.output
    return path


def delete(stream: str) -> None:
    stacks.client("logs").delete_log_stream(logGroupName=stacks.AUDIT_GROUP, logStreamName=stream)


# --- verify -----------------------------------------------------------------------------------------------------------


def test_a_log_that_nobody_touched_is_good(signed: Signed) -> None:
    report = verify(signed)
    assert report["good"] is True
    assert (report["events"], report["streams"], report["digests"], report["not_signed"]) == (7, 2, 2, 0)
    assert (report["key"], report["since"], report["flaws"], report["unfinished"]) == ("kms", "the beginning", [], [])
    text = signed.operator("audit", "verify").stdout
    assert text.startswith("Good. The audit log is as it was written.")
    assert "7 of 2 writers" in text


def test_a_deleted_stream_is_named_and_ends_with_1(signed: Signed) -> None:
    delete("worker/1")
    report = verify(signed, code=1)
    (flaw,) = report["flaws"]
    assert (flaw["kind"], flaw["stream"], flaw["seq"]) == ("cut", "worker/1", 1)
    result = signed.operator("audit", "verify")
    assert result.exit_code == 1
    assert "Not as it was written: 1 flaw." in result.stdout
    assert "The first: worker/1 number 1. Here a signed digest saw the event, and it is gone" in result.stdout


def test_lines_filed_back_into_signed_time_are_named(signed: Signed) -> None:
    signed.operator.clock.now -= 500
    signed.write("forged/1", "message.sent")
    signed.operator.clock.now += 500
    (flaw,) = verify(signed, code=1)["flaws"]
    assert (flaw["kind"], flaw["stream"], flaw["seq"]) == ("added", "forged/1", 1)


def test_a_digest_that_somebody_put_over_another_is_named(signed: Signed) -> None:
    archive = signed.wiring.archive
    document = archive.get("digests/0000000001.json")
    assert document is not None
    archive.put("digests/0000000001.json", document.replace('events\\":6', 'events\\":5'))
    (flaw,) = verify(signed, code=1)["flaws"]
    assert (flaw["kind"], flaw["stream"]) == ("digest_changed", "digests/0000000001.json")


def test_another_key_than_the_stages_is_refused_by_every_digest(signed: Signed, tmp_path: Path) -> None:
    pem = tmp_path / "key.pem"
    pem.write_text(to_pem(FakeSigner(2).public_key()))
    report = verify(signed, "--public-key", str(pem), code=1)
    assert [flaw["kind"] for flaw in report["flaws"]] == ["digest_changed", "digest_changed"]
    pem.write_text(to_pem(signed.wiring.signer.public_key()))
    assert verify(signed, "--public-key", str(pem))["key"] == "given"


def test_a_crash_is_told_and_is_no_tampering(signed: Signed) -> None:
    signed.write("worker/1", "token.refresh intended", subject=ACCOUNT)
    signed.operator.clock.sleep(1800)
    report = verify(signed)
    assert [(each["action"], each["subject"]) for each in report["unfinished"]] == [("token.refresh", ACCOUNT)]
    assert "Begun and never ended, as after a crash; no tampering:" in signed.operator("audit", "verify").stdout


def test_a_part_can_be_verified(signed: Signed) -> None:
    assert verify(signed, "--since", "10s")["digests"] == 0
    report = verify(signed, "--since", "8m")
    assert (report["good"], report["digests"]) == (True, 1)


def test_a_stack_without_an_archive_is_said_to_have_none(signed: Signed, aws: stacks.AwsEndpoint) -> None:
    del aws.stacks["mailbearer-prod"]["ArchiveBucketName"]
    result = signed.operator("audit", "verify")
    assert (result.exit_code, "has no output ArchiveBucketName" in result.stderr) == (1, True)


# --- export -----------------------------------------------------------------------------------------------------------


def test_an_export_proves_itself_without_aws(
    signed: Signed, monkeypatch: pytest.MonkeyPatch, aws: stacks.AwsEndpoint
) -> None:
    path = export(signed)
    pem = path.parent / "key.pem"
    pem.write_text(to_pem(signed.wiring.signer.public_key()))
    aws.stacks.clear()
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    report = verify(signed, "--export", str(path))
    assert (report["good"], report["events"], report["digests"], report["key"]) == (True, 7, 2, "export")
    assert "--public-key pins it" in signed.operator("audit", "verify", "--export", str(path)).stdout
    assert verify(signed, "--export", str(path), "--public-key", str(pem))["key"] == "given"


def test_an_export_that_was_edited_is_not_good(signed: Signed) -> None:
    path = export(signed)
    path.write_text(path.read_text().replace("message.failed", "message.sent", 1))
    report = verify(signed, "--export", str(path), code=1)
    assert [flaw["kind"] for flaw in report["flaws"]] == ["changed", "export_changed"]
    assert (report["flaws"][0]["stream"], report["flaws"][0]["seq"]) == ("worker/1", 3)
    assert report["flaws"][0]["event"] == "evt_6"


def test_an_export_of_a_part_is_good(signed: Signed) -> None:
    path = export(signed, "--since", "8m", "--until", "1m")
    report = verify(signed, "--export", str(path))
    assert (report["digests"], report["good"]) == (1, True)


def test_an_export_is_for_its_owners_eyes_and_writes_over_nothing(signed: Signed) -> None:
    path = export(signed)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    result = signed.operator("audit", "export", "--output", str(path))
    assert (result.exit_code, "is there already" in result.stderr) == (2, True)
    assert path.read_bytes() == before
    export(signed, "--force")
    assert sorted(each.name for each in path.parent.iterdir()) == ["audit.jsonl"]


def test_an_export_that_breaks_off_leaves_no_file(signed: Signed) -> None:
    stacks.client("logs").delete_log_group(logGroupName=stacks.AUDIT_GROUP)
    path = signed.operator.surroundings.directory / "audit.jsonl"
    result = signed.operator("audit", "export", "--output", str(path))
    assert (result.exit_code, list(path.parent.iterdir())) == (1, [])


@pytest.mark.parametrize(
    "words",
    [
        ("--export", "none.jsonl"),
        ("--export", "none.jsonl", "--since", "1d"),
        ("--public-key", "none.pem"),
        ("--export", __file__),
        ("--public-key", __file__),
    ],
)
def test_what_is_no_file_of_ours_is_a_mistake_of_the_command(operator: Operator, words: tuple[str, ...]) -> None:
    result = operator("audit", "verify", *words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


# --- search -----------------------------------------------------------------------------------------------------------


def test_search_shows_what_fits(signed: Signed) -> None:
    signed.write("worker/1", "message.sent", facts=(("account", OTHER),))

    def found(*words: str) -> list[str]:
        return [each["id"] for each in signed.operator.json("audit", "search", *words)]

    assert found("--action", "message.*") == ["evt_3", "evt_4", "evt_5", "evt_6", "evt_7", "evt_8"]
    assert found("--action", "message.sent", "--limit", "1") == ["evt_4"]
    assert found("--account", OTHER) == ["evt_8"]
    assert found("--actor", "key_1") == ["evt_7"]
    assert found("--outcome", "intended") == ["evt_1"]
    assert found("--subject", "msg_5") == ["evt_5"]
    assert found("--action", "message.*", "--since", "8m", "--until", "10s") == ["evt_7"]
    result = signed.operator("audit", "search", "--action", "message.sent", "--limit", "1")
    assert "the first 1" in result.stderr


def test_search_for_an_address_that_nobody_has_says_so(signed: Signed) -> None:
    result = signed.operator("audit", "search", "--account", "nobody@x.example")
    assert (result.exit_code, "There is no account nobody@x.example." in result.stderr) == (1, True)
