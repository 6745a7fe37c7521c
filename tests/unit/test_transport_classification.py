"""Every answer of a mail API or an SMTP server seen in the wild gets the remedy that helps."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.diagnosis import Diagnosis, Evidence, api_codes, by_code, explain, smtp_codes, transport_table
from mailbearer.diagnosis.catalogue import rows
from mailbearer.errors import (
    ClientRefused,
    GrantDead,
    InvalidInput,
    RefreshDeferred,
    SecretMissing,
    TokenAnswerInvalid,
    TokenAnswerLost,
    TokenEndpointBusy,
    TokenError,
    Unavailable,
)
from mailbearer.message import Outcome, Outgoing, Remedy, Verdict
from mailbearer.mime import compose
from mailbearer.registration import Endpoints, Flow, Registration
from mailbearer.transports import outcomes
from mailbearer.transports.gmail import GmailTransport
from mailbearer.transports.graph import GraphTransport
from mailbearer.transports.outcomes import remedy_of
from mailbearer.transports.smtp_answers import Stage, classify, parse_reply
from tests.docs.source import codes
from tests.unit.diagnosis import samples
from tests.unit.diagnosis.samples import evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLES = {sample["id"]: sample for sample in samples.SAMPLES}
ACCOUNT = Account(
    id="acc_1",
    provider="p",
    address="ada@example.com",
    transport="t",
    state=AccountState.ACTIVE,
    created_at=0,
    updated_at=0,
)
REGISTRATION = Registration(
    name="p",
    kind="oidc",
    client_id="c",
    transport="t",
    flow=Flow.AUTHORIZATION_CODE,
    endpoints=Endpoints(authorize_url="", token_url=""),
    scopes=(),
)
OUTGOING = Outgoing(mail_from="ada@example.com", rcpt_to=("bob@example.net",), mime=b"\r\n")
UNKNOWN = None

HTTP = {
    "gmail-not-enabled-old": Remedy.HOLD,
    "gmail-not-enabled": Remedy.HOLD,
    "gmail-precondition": Remedy.HOLD,
    "gmail-precondition-badrequest": Remedy.HOLD,
    "gmail-scope-old": Remedy.HOLD,
    "gmail-scope": Remedy.HOLD,
    "gmail-429-exhausted": Remedy.RETRY,
    "gmail-403-user-rate": Remedy.RETRY,
    "gmail-api-disabled": Remedy.HOLD,
    "gmail-invalid-to": Remedy.NONE,
    "gmail-no-recipient": Remedy.NONE,
    "gmail-raw-missing": Remedy.NONE,
    "gmail-502-html": UNKNOWN,
    "graph-sendas": Remedy.NONE,
    "graph-no-mailbox-old": Remedy.HOLD,
    "graph-no-mailbox": Remedy.HOLD,
    "graph-resource-not-found": Remedy.HOLD,
    "graph-throttled": Remedy.RETRY,
    "graph-throttled-headers": Remedy.RETRY,
    "graph-token-compact-parse": Remedy.REFRESH,
    "graph-token-lifetime": Remedy.REFRESH,
    "graph-max-request": Remedy.NONE,
    "graph-invalid-recipient": Remedy.NONE,
    "graph-no-recipient": Remedy.NONE,
    "graph-504": UNKNOWN,
    "graph-unknown-error": UNKNOWN,
    "graph-server-busy": UNKNOWN,
    "graph-quota": Remedy.HOLD,
    "graph-submission-blocked": Remedy.HOLD,
}

SMTP = {
    "gsmtp-535-578": (Stage.AUTH, Remedy.REFRESH),
    "gsmtp-535-571-old": (Stage.AUTH, Remedy.REFRESH),
    "gsmtp-454-logins": (Stage.AUTH, Remedy.RETRY),
    "gsmtp-550-545-old": (Stage.CONTENT, Remedy.HOLD),
    "gsmtp-421-430": (Stage.DATA, Remedy.RETRY),
    "gsmtp-451-430": (Stage.CONTENT, Remedy.RETRY),
    "gsmtp-552-523": (Stage.CONTENT, Remedy.NONE),
    "gsmtp-552-534": (Stage.CONTENT, Remedy.NONE),
    "gsmtp-553-512": (Stage.RCPT, Remedy.NONE),
    "gsmtp-550-553": (Stage.RCPT, Remedy.NONE),
    "gsmtp-421-445": (Stage.MAIL, Remedy.RETRY),
    "gsmtp-451-442": (Stage.MAIL, Remedy.RETRY),
    "gsmtp-relay-450-421": (Stage.RCPT, Remedy.RETRY),
    "gsmtp-535-app-password": (Stage.AUTH, Remedy.HOLD),
    "exo-535-573": (Stage.AUTH, Remedy.REFRESH),
    "exo-535-573-old": (Stage.AUTH, Remedy.REFRESH),
    "exo-535-57139-tenant": (Stage.AUTH, Remedy.HOLD),
    "exo-535-57139-mailbox": (Stage.AUTH, Remedy.HOLD),
    "exo-535-57139-sts-https": (Stage.AUTH, Remedy.HOLD),
    "exo-535-57139-credentials": (Stage.AUTH, Remedy.REFRESH),
    "exo-535-57139-policy": (Stage.AUTH, Remedy.HOLD),
    "exo-432-concurrent": (Stage.CONTENT, Remedy.RETRY),
    "exo-554-sendas-252": (Stage.CONTENT, Remedy.NONE),
    "exo-550-57708": (Stage.CONTENT, Remedy.HOLD),
    "exo-550-57501": (Stage.CONTENT, Remedy.HOLD),
    "exo-451-47500": (Stage.RCPT, Remedy.RETRY),
    "exo-554-spam-quota": (Stage.CONTENT, Remedy.HOLD),
    "exo-554-spam-hip": (Stage.CONTENT, Remedy.HOLD),
    "exo-554-mailbox-full": (Stage.CONTENT, Remedy.HOLD),
    "exo-451-43111": (Stage.CONTENT, Remedy.RETRY),
    "exo-451-470-prx": (Stage.CONTENT, Remedy.RETRY),
    "exo-451-432-attr": (Stage.MAIL, Remedy.RETRY),
    "exo-421-432": (Stage.GREETING, Remedy.RETRY),
    "exo-550-5190": (Stage.CONTENT, Remedy.HOLD),
    "exo-530-5757": (Stage.MAIL, Remedy.HOLD),
    "exo-451-573-tls": (Stage.MAIL, Remedy.HOLD),
    "yahoo-535-auth005": (Stage.AUTH, Remedy.RETRY),
    "yahoo-535-mbr1212": (Stage.AUTH, Remedy.REFRESH),
    "zoho-553-relay": (Stage.CONTENT, Remedy.NONE),
    "zoho-550-546": (Stage.CONTENT, Remedy.HOLD),
    "gen-dovecot-xoauth2": (Stage.AUTH, Remedy.REFRESH),
    "gen-dovecot-xoauth2-scope": (Stage.AUTH, Remedy.HOLD),
    "gen-stalwart-535": (Stage.AUTH, Remedy.REFRESH),
    "gen-504-mech": (Stage.AUTH, Remedy.HOLD),
    "gen-530-auth": (Stage.MAIL, Remedy.HOLD),
}


class CannedAnswer:
    """A way out on which every call gets the same answer."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._answer = (status, headers, body, True)

    def exchange(self, *_: Any, **__: Any) -> tuple[int, Mapping[str, str], bytes, bool]:
        return self._answer


def test_every_sample_is_judged() -> None:
    surfaces = {name: sample["surface"] for name, sample in SAMPLES.items()}
    assert {name for name, surface in surfaces.items() if surface in {"gmail", "graph"}} == set(HTTP)
    assert {name for name, surface in surfaces.items() if surface == "smtp"} == set(SMTP)


@pytest.mark.parametrize("name", HTTP)
def test_a_mail_apis_answer_gets_the_code_of_the_diagnosis_and_its_remedy(name: str) -> None:
    sample = SAMPLES[name]
    outcome = sent(sample["surface"], sample["http_status"], sample["headers"], sample["body"] or "")
    expected = HTTP[name]
    if expected is UNKNOWN:
        assert (outcome.verdict, outcome.remedy) == (Verdict.UNKNOWN, Remedy.NONE)
    else:
        assert (outcome.verdict, outcome.remedy) == (Verdict.NOT_ACCEPTED, expected)
    assert outcome.code == explain(evidence(sample)).code
    assert outcome.detail


@pytest.mark.parametrize("name", SMTP)
def test_an_smtp_reply_gets_the_code_of_the_diagnosis_and_its_remedy(name: str) -> None:
    (stage, remedy), sample = SMTP[name], SAMPLES[name]
    outcome = judged(sample["smtp"], stage, provider=sample["provider"])
    assert (outcome.verdict, outcome.remedy) == (Verdict.NOT_ACCEPTED, remedy)
    assert outcome.code == explain(evidence(sample)).code
    assert "\n" not in outcome.detail


@pytest.mark.parametrize(
    ("stage", "reply", "code", "remedy"),
    [
        (Stage.CONTENT, "554 5.2.0 STOREDRV.Submission; SubmissionQuotaExceededException", "daily_limit", Remedy.HOLD),
        (Stage.CONTENT, "554 5.2.0 something new", "content_refused", Remedy.NONE),
        (Stage.CONTENT, "550 5.7.232 trial tenants", "tenant_limit", Remedy.HOLD),
        (Stage.CONTENT, "550 5.7.233 tenants", "tenant_limit", Remedy.HOLD),
        (Stage.CONTENT, "552-5.7.0 illegal\r\n552 5.7.0 attachment", "content_refused", Remedy.NONE),
        (Stage.CONTENT, "552 too big", "message_too_large", Remedy.NONE),
        (Stage.CONTENT, "554 no", "content_refused", Remedy.NONE),
        (Stage.RCPT, "550 no such user", "recipient_rejected", Remedy.NONE),
        (Stage.RCPT, "552 5.2.2 their mailbox is full", "recipient_rejected", Remedy.NONE),
        (Stage.RCPT, "553 not a name", "recipient_rejected", Remedy.NONE),
        (Stage.MAIL, "553 not yours", "sender_refused", Remedy.NONE),
        (Stage.AUTH, "535", "smtp_token_rejected", Remedy.REFRESH),
        (Stage.AUTH, "550 what", "sign_in_refused", Remedy.HOLD),
        (Stage.AUTH, "450 what", "deferred", Remedy.RETRY),
        (Stage.EHLO, "550 what", "ehlo_refused", Remedy.HOLD),
        (Stage.DATA, "421 bye", "service_unavailable", Remedy.RETRY),
    ],
)
def test_codes_without_a_sample_have_a_remedy_too(stage: Stage, reply: str, code: str, remedy: Remedy) -> None:
    outcome = judged(reply, stage)
    assert (outcome.code, outcome.remedy) == (code, remedy)


def test_prose_does_not_change_the_verdict() -> None:
    outcome = judged("451 4.3.0 RefuseQuota SendAsDenied SmtpClientAuthentication daily limit", Stage.CONTENT)
    assert (outcome.code, outcome.remedy) == ("deferred", Remedy.RETRY)


@pytest.mark.parametrize(
    "lines", [[b""], [b"hello"], [b"25 OK"], [b"150 OK"], [b"2500 OK"], [b"250-a", b"251 b"], [b"650 OK"]]
)
def test_what_is_no_reply_is_not_taken_for_one(lines: list[bytes]) -> None:
    assert parse_reply(lines) is None


@pytest.mark.parametrize("challenge", ["", "?", "a", "e30", "ä", "eyJzdGF0dXMiOiJ4In0="])
def test_a_challenge_that_says_nothing_changes_nothing(challenge: str) -> None:
    outcome = judged(f"334 {challenge}\r\n535 5.7.8 no", Stage.AUTH)
    assert (outcome.code, outcome.remedy) == ("smtp_token_rejected", Remedy.REFRESH)


@pytest.mark.parametrize("stage", [Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH])
@pytest.mark.parametrize("reply", ["554 5.7.1 no", "550 5.1.1 no", "552 no", "500 what", "554 5.3.0 no", "599"])
def test_no_message_fails_by_what_is_said_before_it_was_spoken_of(stage: Stage, reply: str) -> None:
    assert judged(reply, stage).remedy in {Remedy.HOLD, Remedy.RETRY}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("first", ["4", "5"])
def test_every_reply_code_has_a_row_and_a_4yz_never_ends_a_message(stage: Stage, first: str) -> None:
    for code in range(100):
        outcome = judged(f"{first}{code:02} no", stage)
        assert by_code(outcome.code).code == outcome.code != "unknown_refusal"
        assert outcome.remedy is not Remedy.NONE or first == "5"


@pytest.mark.parametrize("surface", ["gmail", "graph"])
@pytest.mark.parametrize("status", [200, 204, 302, *range(400, 430), 431, 451, 499, 500, 503, 507])
def test_every_status_has_a_row_and_is_explained_alike(surface: str, status: int) -> None:
    for body in ("", "<html>", '{"error": {"code": "SomethingNew", "message": "No."}}', '{"error": "something_new"}'):
        outcome = sent(surface, status, {}, body)
        assert by_code(outcome.code).code == outcome.code
        assert outcome.code == explain(Evidence(surface=surface, http_status=status, body=body)).code
        assert outcome.verdict is not Verdict.ACCEPTED


CERTAIN = {307, 308, *range(400, 429), 429, 431, 451}


@pytest.mark.parametrize("surface", ["gmail", "graph"])
def test_every_status_means_accepted_certainly_not_or_unknown(surface: str) -> None:
    accepted = {"gmail": 200, "graph": 202}[surface]
    for status in range(200, 600):
        outcome = sent(surface, status, {"retry-after": "5"}, '{"id": "18c0"}')
        if status == accepted:
            expected = Verdict.ACCEPTED
        else:
            expected = Verdict.NOT_ACCEPTED if status in CERTAIN else Verdict.UNKNOWN
        assert outcome.verdict is expected, status
        waits = outcome.remedy in {Remedy.RETRY, Remedy.HOLD}
        assert outcome.retry_after == (5 if waits else None), status


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(400, Remedy.NONE), (401, Remedy.REFRESH), (403, Remedy.HOLD), (404, Remedy.HOLD), (422, Remedy.NONE)],
)
def test_a_code_that_is_not_known_is_kept_and_its_status_decides(status: int, remedy: Remedy) -> None:
    outcome = sent("graph", status, {}, '{"error": {"code": "SomethingNew", "message": "No."}}')
    assert (outcome.remedy, outcome.detail) == (remedy, "SomethingNew: No.")


def test_every_code_that_a_transport_names_itself_is_a_row_and_every_row_of_theirs_is_used() -> None:
    named = {
        node.value
        for path in Path(outcomes.__file__).parent.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {"refused", "unknown"}
        for node in call.args[:1]
        if isinstance(node, ast.Constant)
    }
    assert {"answer_lost", "connect_failed", "bare_line_end"} <= named
    assert {code for code in named if code not in rows()} == set()
    reached = {found.code for table in (smtp_codes.STAGES, api_codes.STATUSES) for found in table.values()}
    own = {value.code for value in vars(transport_table).values() if isinstance(value, Diagnosis)}
    assert own <= named | reached


def test_every_code_that_can_stand_on_a_message_or_a_probe_is_a_row() -> None:
    # What keeps a message out before it has a record is a fault of the request, with words of its own.
    requests = {InvalidInput.code, "found_in_mailbox"}  # the latter is of a message that was sent
    delivery = {code for code, files in codes().items() if any("/delivery/" in name for name in files)}
    looking = {
        TokenError.code,
        ClientRefused.code,
        TokenEndpointBusy.code,
        TokenAnswerLost.code,
        TokenAnswerInvalid.code,
    }
    looking |= {SecretMissing.code, Unavailable.code, GrantDead.code, RefreshDeferred.code}
    assert len(delivery) >= 8
    assert {code for code in delivery | looking if code not in rows()} <= requests


@pytest.mark.parametrize("row", rows().values(), ids=rows())
def test_what_is_done_about_a_row_fits_what_it_says(row: Diagnosis) -> None:
    remedy = remedy_of(row)
    if remedy is Remedy.RETRY:
        assert row.retry
    if remedy is Remedy.NONE:
        assert not row.retry
        assert not row.kind
    if row.retry:
        assert remedy is not Remedy.HOLD or row.pause > 3600


def test_an_accepted_message_needs_nothing_of_the_diagnosis() -> None:
    script = """
import sys
from types import SimpleNamespace
import mailbearer.transports.smtp
from mailbearer.message import Outgoing
from mailbearer.transports.gmail import GmailTransport
from mailbearer.transports.graph import GraphTransport

registration = SimpleNamespace(api_base_url="", ca_pem="", flow="authorization_code")
for transport, more, status, body in (GmailTransport, (), 200, b'{"id": "1"}'), (GraphTransport, (None,), 202, b""):
    egress = SimpleNamespace(exchange=lambda *_, **__: (status, {}, body, True))
    outcome = transport(egress, lambda: 0.0, *more).send(
        Outgoing(mail_from="a@b.example", rcpt_to=("c@d.example",), mime=b"x"),
        account=None, registration=registration, access_token="token",
    )
    assert outcome.verdict == "accepted"
sys.exit(any(name.startswith("mailbearer.diagnosis") for name in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def no_time() -> float:
    return 0.0


def sent(surface: str, status: int, headers: Mapping[str, str], body: str) -> Outcome:
    """Send a message through a mail API that answers so."""
    egress = CannedAnswer(status, headers, body.encode())
    transport = GmailTransport(egress, no_time) if surface == "gmail" else GraphTransport(egress, no_time, compose)
    return transport.send(OUTGOING, account=ACCOUNT, registration=REGISTRATION, access_token="token")


def judged(text: str, stage: Stage, *, provider: str = "") -> Outcome:
    """Classify a reply, or a failed sign-in that began with a 334."""
    lines = text.encode().split(b"\r\n")
    challenge = parse_reply([lines.pop(0)]) if lines[0].startswith(b"334") else None
    reply = parse_reply(lines)
    assert reply is not None
    return classify(stage, reply, secret="token", provider=provider, challenge=challenge)
