"""Every answer of a mail API or an SMTP server seen in the wild gets the remedy that helps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.message import Outcome, Outgoing, Remedy, Verdict
from mailbearer.registration import Endpoints, Flow, Registration
from mailbearer.transports.gmail import GmailTransport
from mailbearer.transports.graph import GraphTransport
from mailbearer.transports.smtp_answers import Stage, classify, decode_challenge, parse_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLES = {
    sample["id"]: sample
    for sample in map(
        json.loads, (Path(__file__).parents[1] / "data/provider-errors.jsonl").read_text(encoding="utf-8").splitlines()
    )
}
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
    "gmail-not-enabled-old": ("mailbox_unavailable", Remedy.HOLD),
    "gmail-not-enabled": ("mailbox_unavailable", Remedy.HOLD),
    "gmail-precondition": ("mailbox_unavailable", Remedy.HOLD),
    "gmail-precondition-badrequest": ("mailbox_unavailable", Remedy.HOLD),
    "gmail-scope-old": ("scope_missing", Remedy.HOLD),
    "gmail-scope": ("scope_missing", Remedy.HOLD),
    "gmail-429-exhausted": ("throttled", Remedy.RETRY),
    "gmail-403-user-rate": ("throttled", Remedy.RETRY),
    "gmail-api-disabled": ("api_disabled", Remedy.HOLD),
    "gmail-invalid-to": ("message_rejected", Remedy.NONE),
    "gmail-no-recipient": ("message_rejected", Remedy.NONE),
    "gmail-raw-missing": ("message_rejected", Remedy.NONE),
    "gmail-502-html": UNKNOWN,
    "graph-sendas": ("sender_refused", Remedy.NONE),
    "graph-no-mailbox-old": ("mailbox_unavailable", Remedy.HOLD),
    "graph-no-mailbox": ("mailbox_unavailable", Remedy.HOLD),
    "graph-resource-not-found": ("mailbox_unavailable", Remedy.HOLD),
    "graph-throttled": ("throttled", Remedy.RETRY),
    "graph-throttled-headers": ("throttled", Remedy.RETRY),
    "graph-token-compact-parse": ("token_rejected", Remedy.REFRESH),
    "graph-token-lifetime": ("token_rejected", Remedy.REFRESH),
    "graph-max-request": ("message_too_large", Remedy.NONE),
    "graph-invalid-recipient": ("recipient_rejected", Remedy.NONE),
    "graph-no-recipient": ("recipient_rejected", Remedy.NONE),
    "graph-504": UNKNOWN,
    "graph-unknown-error": UNKNOWN,
    "graph-server-busy": UNKNOWN,
    "graph-quota": ("mailbox_full", Remedy.HOLD),
    "graph-submission-blocked": ("sending_blocked", Remedy.HOLD),
}

SMTP = {
    "gsmtp-535-578": (Stage.AUTH, "token_rejected", Remedy.REFRESH),
    "gsmtp-535-571-old": (Stage.AUTH, "token_rejected", Remedy.REFRESH),
    "gsmtp-454-logins": (Stage.AUTH, "login_throttled", Remedy.RETRY),
    "gsmtp-550-545-old": (Stage.CONTENT, "daily_limit", Remedy.HOLD),
    "gsmtp-421-430": (Stage.DATA, "service_unavailable", Remedy.RETRY),
    "gsmtp-451-430": (Stage.CONTENT, "deferred", Remedy.RETRY),
    "gsmtp-552-523": (Stage.CONTENT, "message_too_large", Remedy.NONE),
    "gsmtp-552-534": (Stage.CONTENT, "message_too_large", Remedy.NONE),
    "gsmtp-553-512": (Stage.RCPT, "recipient_rejected", Remedy.NONE),
    "gsmtp-550-553": (Stage.RCPT, "too_many_recipients", Remedy.NONE),
    "gsmtp-421-445": (Stage.MAIL, "service_unavailable", Remedy.RETRY),
    "gsmtp-451-442": (Stage.MAIL, "deferred", Remedy.RETRY),
    "gsmtp-relay-450-421": (Stage.RCPT, "deferred", Remedy.RETRY),
    "gsmtp-535-app-password": (Stage.AUTH, "sign_in_refused", Remedy.HOLD),
    "exo-535-573": (Stage.AUTH, "token_rejected", Remedy.REFRESH),
    "exo-535-573-old": (Stage.AUTH, "token_rejected", Remedy.REFRESH),
    "exo-535-57139-tenant": (Stage.AUTH, "smtp_auth_disabled", Remedy.HOLD),
    "exo-535-57139-mailbox": (Stage.AUTH, "smtp_auth_disabled", Remedy.HOLD),
    "exo-535-57139-sts-https": (Stage.AUTH, "sign_in_refused", Remedy.HOLD),
    "exo-535-57139-credentials": (Stage.AUTH, "sign_in_refused", Remedy.HOLD),
    "exo-535-57139-policy": (Stage.AUTH, "sign_in_refused", Remedy.HOLD),
    "exo-432-concurrent": (Stage.CONTENT, "throttled", Remedy.RETRY),
    "exo-554-sendas-252": (Stage.CONTENT, "sender_refused", Remedy.NONE),
    "exo-550-57708": (Stage.CONTENT, "sending_blocked", Remedy.HOLD),
    "exo-550-57501": (Stage.CONTENT, "sending_blocked", Remedy.HOLD),
    "exo-451-47500": (Stage.RCPT, "deferred", Remedy.RETRY),
    "exo-554-spam-quota": (Stage.CONTENT, "daily_limit", Remedy.HOLD),
    "exo-554-spam-hip": (Stage.CONTENT, "sending_blocked", Remedy.HOLD),
    "exo-554-mailbox-full": (Stage.CONTENT, "mailbox_full", Remedy.HOLD),
    "exo-451-43111": (Stage.CONTENT, "deferred", Remedy.RETRY),
    "exo-451-470-prx": (Stage.CONTENT, "deferred", Remedy.RETRY),
    "exo-451-432-attr": (Stage.MAIL, "throttled", Remedy.RETRY),
    "exo-421-432": (Stage.GREETING, "service_unavailable", Remedy.RETRY),
    "exo-550-5190": (Stage.CONTENT, "daily_limit", Remedy.HOLD),
    "exo-530-5757": (Stage.MAIL, "sign_in_refused", Remedy.HOLD),
    "exo-451-573-tls": (Stage.MAIL, "sign_in_refused", Remedy.HOLD),
    "yahoo-535-auth005": (Stage.AUTH, "login_throttled", Remedy.RETRY),
    "yahoo-535-mbr1212": (Stage.AUTH, "token_rejected", Remedy.REFRESH),
    "zoho-553-relay": (Stage.CONTENT, "sender_refused", Remedy.NONE),
    "zoho-550-546": (Stage.CONTENT, "sending_blocked", Remedy.HOLD),
    "gen-dovecot-xoauth2": (Stage.AUTH, "token_rejected", Remedy.REFRESH),
    "gen-dovecot-xoauth2-scope": (Stage.AUTH, "scope_missing", Remedy.HOLD),
    "gen-stalwart-535": (Stage.AUTH, "token_rejected", Remedy.REFRESH),
    "gen-504-mech": (Stage.AUTH, "mechanism_refused", Remedy.HOLD),
    "gen-530-auth": (Stage.MAIL, "sign_in_refused", Remedy.HOLD),
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
def test_a_mail_apis_answer_gets_its_remedy(name: str) -> None:
    sample = SAMPLES[name]
    egress = CannedAnswer(sample["http_status"], sample["headers"], (sample["body"] or "").encode())
    transport = (GmailTransport if sample["surface"] == "gmail" else GraphTransport)(egress, lambda: 0.0)
    outcome = transport.send(OUTGOING, account=ACCOUNT, registration=REGISTRATION, access_token="token")
    expected = HTTP[name]
    if expected is UNKNOWN:
        assert (outcome.verdict, outcome.remedy) == (Verdict.UNKNOWN, Remedy.NONE)
    else:
        assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, *expected)
    assert outcome.detail


@pytest.mark.parametrize("name", SMTP)
def test_an_smtp_reply_gets_its_remedy(name: str) -> None:
    stage, code, remedy = SMTP[name]
    outcome = judged(SAMPLES[name]["smtp"], stage)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, code, remedy)
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
        (Stage.AUTH, "535", "token_rejected", Remedy.REFRESH),
        (Stage.AUTH, "550 what", "sign_in_refused", Remedy.HOLD),
        (Stage.AUTH, "450 what", "deferred", Remedy.RETRY),
        (Stage.EHLO, "550 what", "service_refused", Remedy.HOLD),
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


@pytest.mark.parametrize("text", ["", "?", "a", "e30", "ä"])
def test_a_challenge_that_is_no_base64_is_nothing(text: str) -> None:
    assert decode_challenge(text) == ""


def judged(text: str, stage: Stage) -> Outcome:
    """Classify a reply, or a failed sign-in that began with a 334."""
    lines = text.encode().split(b"\r\n")
    challenge = ""
    if lines[0].startswith(b"334"):
        challenge = decode_challenge(lines.pop(0)[4:].decode())
    reply = parse_reply(lines)
    assert reply is not None
    return classify(stage, reply, secret="token", challenge=challenge)
