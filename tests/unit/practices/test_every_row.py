"""No row passes by itself: each is broken here in every way that it speaks of, and says so with evidence and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import Unavailable
from mailbearer.incident import IncidentState
from mailbearer.ledger import Ledger
from mailbearer.practices.checking import LOOKS
from mailbearer.practices.picture import Proof
from mailbearer.practices.practice import NAMES
from mailbearer.practices.teaching import NO_TICKET
from mailbearer.registration import SANDBOX, Endpoints, Flow, SmtpServer
from mailbearer.verifying import Verdict
from tests.unit.practices.stage import DAY, HOUR, PLACE, PREFIX, ROTATOR, TLS_ONLY, Stage

Break: TypeAlias = Callable[[Stage], object]
ANN = "ann@acme.example"


class Forgetful:
    """An authorization server's client that forgets PKCE."""

    def __init__(self, query: str) -> None:
        self._query = query

    def authorization_url(self, *_given: object) -> str:
        return f"https://accounts.google.com/o/oauth2/v2/auth?{self._query}"


def reworded(stage: Stage, old: str, new: str) -> None:
    """Let the live description say something else."""
    page = stage.pages.pages["/openapi.json"]
    stage.pages.pages["/openapi.json"] = replace(page, text=page.text.replace(old, new))


def page_without(stage: Stage, header: str) -> None:
    page = stage.pages.pages[NO_TICKET]
    stage.pages.pages[NO_TICKET] = replace(page, headers={n: v for n, v in page.headers.items() if n != header})


def environment(stage: Stage, function: str, **more: str) -> None:
    name = f"mailbearer-prod-{function}"
    old = stage.inspector.functions[name]
    stage.inspector.functions[name] = replace(old, environment={**old.environment, **more})


def account_id(stage: Stage) -> str:
    (account,) = stage.accounts.by_address(ANN)
    return account.id


def forget_secret(stage: Stage) -> None:
    del stage.inspector.secrets[f"{PREFIX}/accounts/{account_id(stage)}"]


def secret_under_another_key(stage: Stage) -> None:
    name = f"{PREFIX}/accounts/{account_id(stage)}"
    stage.inspector.secrets[name] = replace(stage.inspector.secrets[name], key_id="another")


def secret_going(stage: Stage) -> None:
    name = f"{PREFIX}/registrations/google-main"
    stage.inspector.secrets[name] = replace(stage.inspector.secrets[name], deleted=True)


def no_registration(stage: Stage) -> None:
    stage.mailbox("bob@acme.example", provider="gone")


def sent_too_much(stage: Stage) -> None:
    stage.change(limits=(("per_day", 10),))
    stage.note("message.sent", "msg_1", times=3, account=account_id(stage))
    ledger = Ledger(account=account_id(stage))
    used = replace(ledger, hours=((int(stage.now // 3600), 40, 40),), revision=1)
    assert stage.ledgers.replace(used, expected=ledger) == used


def uncaptured(stage: Stage) -> None:
    stage.captures.kept.clear()
    (robot,) = stage.accounts.by_address("robot@sandbox.example")
    stage.note("message.sent", "msg_1", account=robot.id)


def never_used(stage: Stage) -> None:
    stage.captures.kept.clear()
    stage.incidents.incidents.clear()


def plain_endpoint(stage: Stage) -> None:
    stage.reregister(endpoints=Endpoints(authorize_url="https://a.example/a", token_url="http://a.example/t"))


def open_emergency(stage: Stage, **changes: Any) -> None:
    stage.drill(drill=False, declared_at=stage.now - 2 * HOUR, **changes)


def unproven(stage: Stage) -> None:
    stage.change(probe={"outcome": "unknown"}, token={"refreshed_at": stage.now - 3 * HOUR})


def young(stage: Stage) -> None:
    stage.accounts.accounts.clear()
    stage.proof = Proof()


def just_connected(stage: Stage) -> None:
    stage.inspector.logged.clear()
    stage.change(created_at=stage.now - 60)


def silenced(stage: Stage) -> None:
    for name in list(stage.inspector.standing_alarms):
        stage.alarm(name.removeprefix("mailbearer-prod-"), targets=())


def mostly_by_the_schedule(stage: Stage) -> None:
    stage.note("token.refreshed", "acc", times=5, actor="mailbearer-prod-delivery-worker")
    stage.note("token.refreshed", "acc", times=19, actor=ROTATOR)


FAILING: list[tuple[int, str, Break]] = [
    (1, "does not name docs/explanation/oauth2.md", lambda s: reworded(s, "docs/explanation/oauth2.md", "docs")),
    (1, "does not know the words consent_required", lambda s: reworded(s, '"consent_required"', '"other"')),
    (1, "/openapi.json answers HTTP 500", lambda s: s.page("/openapi.json", "", {}, status=500)),
    (1, "does not name", lambda s: s.page("/openapi.json", "<html>", {})),
    (1, "/docs answers HTTP 404", lambda s: s.page("/docs", "", {}, status=404)),
    (1, "knows no provider of the kind of google-main", lambda s: s.reregister(kind="gogle")),
    (2, "uses client_credentials, which Google", lambda s: s.reregister(flow=Flow.CLIENT_CREDENTIALS)),
    (2, "without PKCE", lambda s: setattr(s, "server", Forgetful("response_type=code"))),
    (2, "not for a code", lambda s: setattr(s, "server", Forgetful("response_type=token"))),
    (2, "without their registration: bob@acme.example", no_registration),
    (3, "no credential in the vault", lambda s: s.inspector.secrets.pop(f"{PREFIX}/registrations/google-main")),
    (3, "has expired", lambda s: s.reregister(warned=("key-1:1750000000:30", "key-1:1750000000:0"))),
    (3, "last got a token 3 h ago", lambda s: s.change(token={"refreshed_at": s.now - 3 * HOUR})),
    (3, "refused google-main 2 times", lambda s: s.note("registration.refused", "google-main", times=2)),
    (
        3,
        "sends owners back to https://old.example",
        lambda s: environment(s, "accounts-api", API_URL="https://old.example"),
    ),
    (4, "not in the vault, or about to be deleted: ann@", forget_secret),
    (4, "not in the vault, or about to be deleted: google-main", secret_going),
    (4, "not under the key of KmsKeyArn: ann@", secret_under_another_key),
    (4, "mailbearer-prod-notifier: CLIENT_SECRET", lambda s: environment(s, "notifier", CLIENT_SECRET="x")),
    (4, "mailbearer-prod-notifier: HINT", lambda s: environment(s, "notifier", HINT="ya29.a0AfH6SMBx1")),
    (4, "Not deployed: auditor", lambda s: s.inspector.functions.pop("mailbearer-prod-auditor")),
    (
        4,
        "table of accounts",
        lambda s: s.inspector.items.update(accounts=['{"note": {"S": "1//0gAbcdefghijklmnopqrst"}}']),
    ),
    (4, "Audit events with something", lambda s: s.note("message.failed", "msg", text="Bearer abcdefgh12345678")),
    (5, "6 of 6 refusals", lambda s: s.note("message.failed", "msg", times=6, reason="unknown_refusal")),
    (5, "(no_such_code)", lambda s: s.change(mail_refusal="no_such_code")),
    (6, "too narrow to send: ann@", lambda s: s.change(scopes_granted=("openid", "email"))),
    (6, "too narrow to send: ann@", lambda s: s.change(probe={"scopes": ("openid", "email")})),
    (7, "run out and not renewed: ann@", lambda s: s.change(token={"expires_at": s.now - 1})),
    (7, "due for longer than 15 min: ann@", lambda s: s.change(token={"due_at": s.now - HOUR})),
    (
        7,
        "12 of 13 refreshes",
        lambda s: s.note("token.refreshed", "acc", times=12, actor="mailbearer-prod-delivery-worker"),
    ),
    (7, "is off", lambda s: s.inspector.rules.update({ROTATOR: False})),
    (7, "is not there", lambda s: s.inspector.rules.clear()),
    (7, "logged nothing for 15 min", lambda s: s.inspector.logged.clear()),
    (8, "not tried for an hour: ann@", lambda s: s.change(probe={"at": s.now - 2 * HOUR})),
    (8, "refused by the provider: ann@acme.example (refused)", lambda s: s.change(probe={"outcome": "invalid"})),
    (9, "google-main: http://a.example/t", plain_endpoint),
    (
        9,
        "mail.example (none)",
        lambda s: s.reregister(smtp=SmtpServer(host="mail.example", port=25, security="none")),
    ),
    (
        9,
        "The API is at http://api.example",
        lambda s: setattr(s, "place", replace(PLACE, api_url="http://api.example")),
    ),
    (9, "LocalStage is on", lambda s: environment(s, "authorizer", MAILBEARER_LOCAL="true")),
    (9, "without TLS: content bucket", lambda s: s.inspector.bucket_policies.pop("content")),
    (9, "without TLS: message queue", lambda s: s.inspector.queue_policies.clear()),
    (
        9,
        "without TLS: archive",
        lambda s: s.inspector.bucket_policies.update(
            archive=(TLS_ONLY | {"Principal": {"AWS": "arn:aws:iam::1:root"}},)
        ),
    ),
    (10, "No log group for notifier", lambda s: s.inspector.retentions.pop("/aws/lambda/mailbearer-prod-notifier")),
    (10, "There is no audit log", lambda s: s.inspector.retentions.pop(PLACE.audit_log_group)),
    (10, "keeps its events for 30 days", lambda s: s.inspector.retentions.update({PLACE.audit_log_group: 30})),
    (10, "not there: dead-letters", lambda s: s.inspector.standing_alarms.pop("mailbearer-prod-dead-letters")),
    (10, "silenced: dead-letters", lambda s: s.alarm("dead-letters", enabled=False)),
    (10, "no dashboard mailbearer-prod", lambda s: s.inspector.dashboards.clear()),
    (11, "answers HTTP 500, and no page for people", lambda s: s.page(NO_TICKET, "", {}, status=500)),
    (11, "without a strict content-security-policy", lambda s: page_without(s, "content-security-policy")),
    (11, "without a strict cache-control", lambda s: page_without(s, "cache-control")),
    (
        11,
        "what to do next",
        lambda s: s.page(NO_TICKET, "Internal error", s.pages.pages[NO_TICKET].headers, status=404),
    ),
    (
        11,
        "1 owner not told for hours",
        lambda s: s.change(state=AccountState.CONSENT_REQUIRED, notice_at=s.now - 3 * HOUR),
    ),
    (12, "sent and not captured: robot@", uncaptured),
    (12, "mixed: bob@", lambda s: s.mailbox("bob@acme.example", transport="sandbox")),
    (12, "mixed: eve@", lambda s: s.mailbox("eve@acme.example", provider=SANDBOX.name)),
    (12, "The sandbox is not there", lambda s: s.registrations.registrations.pop("sandbox")),
    (13, "above a limit of the last day: ann@acme.example (40 of 10 messages)", sent_too_much),
    (
        13,
        "11 messages refused as too much",
        lambda s: s.note("message.deferred", "msg", times=11, reason="daily_limit"),
    ),
    (14, "No digest of the audit log was ever signed", lambda s: setattr(s, "proof", Proof())),
    (14, "until 5 h ago", lambda s: setattr(s, "proof", replace(s.proof, until=s.now - 5 * HOUR))),
    (
        14,
        "tampered with: changed stream 3",
        lambda s: setattr(s, "proof", replace(s.proof, faults=("changed stream 3",))),
    ),
    (
        14,
        "report is 5 days old",
        lambda s: s.archive.put(
            "practices/2025-06-15T00-00-01Z.json", json.dumps({"at": "2025-06-10T15:06:40.000Z", "failed": 0})
        ),
    ),
    (15, "did not come to its end", lambda s: s.drill(declared_at=s.now - 2 * HOUR)),
    (15, "not contained", open_emergency),
    (
        15,
        "Revoked here for more than a day",
        lambda s: s.change(state=AccountState.REVOKED, revocation_pending=True, revoked_at=s.now - 2 * DAY),
    ),
]

WARNING: list[tuple[int, str, Break]] = [
    (1, "/openapi.json does not answer", lambda s: s.pages.pages.pop("/openapi.json")),
    (2, "whose codes can be phished", lambda s: s.register("device", "microsoft", flow=Flow.DEVICE_CODE)),
    (3, "has no mailbox yet", lambda s: s.register("second", "google")),
    (3, "expires within 14 days", lambda s: s.reregister(warned=("key-1:1750000000:30", "key-1:1750000000:14"))),
    (3, "was last looked for 2 h ago", lambda s: s.reregister(checked_at=s.now - 2.5 * HOUR)),
    (4, "secretsmanager:DescribeSecret is not allowed", lambda s: denied(s, "secret", "secretsmanager:DescribeSecret")),
    (5, "1 of 1 refusal", lambda s: s.note("message.failed", "msg", reason="unknown_refusal")),
    (
        6,
        "wider than what was asked for: ann@",
        lambda s: s.change(scopes_granted=("openid", "email", "https://www.googleapis.com/auth/gmail.send", "x")),
    ),
    (
        6,
        "asks for more than sending needs: https://mail.google.com/",
        lambda s: s.reregister(
            scopes=("openid", "email", "https://www.googleapis.com/auth/gmail.send", "https://mail.google.com/")
        ),
    ),
    (6, "the usual scope for sending", lambda s: s.reregister(scopes=("openid", "email"))),
    (
        7,
        "while the provider refuses to renew: ann@",
        lambda s: s.change(token={"expires_at": s.now - 60, "backoff_until": s.now + 60}),
    ),
    (
        7,
        "5 of 25 refreshes",
        mostly_by_the_schedule,
    ),
    (7, "logged nothing for 15 min", just_connected),
    (8, "nothing at the provider could tell", unproven),
    (8, "will end whatever is done", lambda s: s.change(token={"grant_ends_at": s.now + 6 * DAY})),
    (9, "s3:GetBucketPolicy is not allowed", lambda s: denied(s, "bucket_policy", "s3:GetBucketPolicy")),
    (10, "tell nobody", lambda s: s.alarm("dead-letters", targets=())),
    (10, "Ringing now: dead-letters", lambda s: s.alarm("dead-letters", state="ALARM")),
    (
        10,
        "kept for ever: notifier",
        lambda s: s.inspector.retentions.update({"/aws/lambda/mailbearer-prod-notifier": 0}),
    ),
    (10, "Not one audit event", lambda s: s.reader.held.clear()),
    (11, "wait for their owners", lambda s: s.change(state=AccountState.CONSENT_REQUIRED)),
    (12, "not used in the last 90 days", never_used),
    (13, "per_day 5000, published 2000", lambda s: s.change(limits=(("per_day", 5000),))),
    (13, "1 message refused as too much", lambda s: s.note("message.deferred", "msg", reason="daily_limit")),
    (13, "left alone for now", lambda s: s.change(circuit_until=s.now + 60)),
    (13, "a ledger could not be reached", lambda s: s.note("account.ledger_unavailable", "acc")),
    (3, "No provider is registered yet", lambda s: s.registrations.registrations.pop("google-main")),
    (14, "No digest of the audit log was ever signed", young),
    (14, "has not kept a report yet", lambda s: s.archive.versions.clear()),
    (14, "until 2 h ago", lambda s: setattr(s, "proof", replace(s.proof, until=s.now - 2.5 * HOUR))),
    (15, "never played through", lambda s: s.incidents.incidents.clear()),
    (15, "1 emergency not resolved", lambda s: open_emergency(s, state=IncidentState.CONTAINED)),
    (
        15,
        "Revoked here for more than an hour",
        lambda s: s.change(state=AccountState.REVOKED, revocation_pending=True, revoked_at=s.now - 2 * HOUR),
    ),
    (15, "Alarms go to nobody", silenced),
]


def denied(stage: Stage, operation: str, permission: str) -> None:
    stage.inspector.faults.before(operation, Unavailable(f"{permission} is not allowed."), times=50)


def verdict_on(stage: Stage, number: int, evidence: str) -> Verdict:
    """Give the verdict on the evidence that has these words, of which there has to be some."""
    row = stage.row(number)
    assert all(seen.remedy for seen in row.seen if seen.verdict is not Verdict.PASS)
    found = {seen.verdict for seen in row.seen if evidence in seen.evidence}
    assert len(found) == 1, row.seen
    return found.pop()


@pytest.mark.parametrize("number", range(1, 16))
def test_a_stage_on_which_all_is_well_passes_with_evidence(number: int) -> None:
    row = Stage().row(number)
    assert row.verdict is Verdict.PASS, row.seen
    assert all(seen.evidence and not seen.remedy for seen in row.seen)


@pytest.mark.parametrize(("number", "evidence", "break_it"), FAILING)
def test_what_is_not_kept_fails(number: int, evidence: str, break_it: Break) -> None:
    stage = Stage()
    break_it(stage)
    assert verdict_on(stage, number, evidence) is Verdict.FAIL
    assert stage.row(number).verdict is Verdict.FAIL


@pytest.mark.parametrize(("number", "evidence", "break_it"), WARNING)
def test_what_should_be_looked_at_warns(number: int, evidence: str, break_it: Break) -> None:
    stage = Stage()
    break_it(stage)
    assert verdict_on(stage, number, evidence) is Verdict.WARN


def test_every_row_can_fail() -> None:
    assert {number for number, *_ in FAILING} == set(range(1, len(NAMES) + 1)) == set(range(1, len(LOOKS) + 1))


def test_a_token_of_which_nothing_can_tell_is_proven_by_its_renewal() -> None:
    stage = Stage()
    stage.change(probe={"outcome": "unknown"})
    assert verdict_on(stage, 8, "Of 1 token only the renewal") is Verdict.PASS


def test_plain_http_on_the_loopback_of_a_local_stage_is_not_called_tls() -> None:
    stage = Stage()
    stage.place = replace(stage.place, local=True)
    assert verdict_on(stage, 9, "all TLS, or plain HTTP on the loopback") is Verdict.PASS
