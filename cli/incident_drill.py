"""`mailbearer incident drill`: a whole incident on two sandbox mailboxes of the stage; nothing real is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.api import Api
from cli.incident_traffic import Mailbox, Traffic
from cli.operation import Operation, begin
from cli.options import AsJson, StageName
from cli.output import plain, table
from cli.refusal import Refused
from mailbearer.caller import Caller
from mailbearer.errors import MailbearerError
from mailbearer.ids import new_id, rfc3339
from mailbearer.incident import Incident, Reach
from mailbearer.incidents.containing import Contained
from mailbearer.incidents.declaring import Emergency
from mailbearer.keyring import Issued
from mailbearer.message import Status
from mailbearer.registration import SANDBOX
from mailbearer.revocation import LONGEST_IN_FLIGHT
from mailbearer.wiring import Wiring

_BEFORE = 5
"""So many messages have gone through the mailbox before it is shut."""

_AFTER = 3.0
"""Seconds for which the stream goes on once it is shut."""


class Missed(Exception):
    """A step of the drill did not come out as it has to."""


@dataclass(slots=True)
class Step:
    """One step, how long it took (seconds), whether it came out as it has to, and what was seen."""

    name: str
    seconds: float = 0
    passed: bool = False
    seen: str = ""


@dataclass(slots=True)
class Drilled:
    """What a drill came to; the seconds are counted from the moment of the command."""

    steps: list[Step] = field(default_factory=list)
    incident: str = ""
    seconds_until_shut: float | None = None
    seconds_until_last_send: float | None = None

    @property
    def passed(self) -> bool:
        """Tell whether every step came out as it has to."""
        return all(step.passed for step in self.steps)

    def shown(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "verdict": "passed" if self.passed else "failed",
            "incident": self.incident or None,
            "seconds_until_shut": self.seconds_until_shut,
            "seconds_until_last_send": self.seconds_until_last_send,
            "steps": [
                {"step": step.name, "seconds": round(step.seconds, 3), "passed": step.passed, "seen": step.seen}
                for step in self.steps
            ],
        }


def drill(
    ctx: typer.Context,
    *,
    timeout: Annotated[int, typer.Option(min=10, max=600, help="How long to wait for each step, in seconds.")] = 60,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Play an incident on two sandbox mailboxes and measure when the last mail left; ends with 1 on any miss.

    It makes the mailboxes, two API keys and a stream of mail, shuts one mailbox by a real incident that is marked as a
    drill, compares the report with what was sent, resolves it, and removes what it made.
    """
    operation = begin(ctx, stage, as_json=as_json)
    operation.cloud.output("IncidentsTableName")
    rehearsal = _Rehearsal(operation, timeout)
    result = rehearsal.run()
    operation.out.show(result.shown(), lambda out: _print(out, result))
    if not result.passed:
        raise typer.Exit(1)


class _Rehearsal:
    """One drill from its first step to the removal of what it made."""

    def __init__(self, operation: Operation, timeout: float) -> None:
        self._operation = operation
        self._wiring: Wiring = operation.cloud.wiring
        self._clock, self._sleep = operation.surroundings.clock, operation.surroundings.sleep
        self._timeout = timeout
        self._operator = Caller(key_id=operation.cloud.actor, scopes=frozenset({"admin"}))
        self._result = Drilled()
        self._mark = new_id("", self._clock(), self._wiring.random_bytes).lower()
        self._mailboxes: list[Mailbox] = []
        self._keys: list[Issued] = []
        self._incident: Incident | None = None

    def run(self) -> Drilled:
        """Go through the steps; one that fails ends the drill, and what was made is removed all the same."""
        try:
            self._play()
        except Missed as miss:
            self._operation.out.note(str(miss))
        finally:
            with self._step("what the drill made is removed", needed=False) as step:
                step.seen = self._remove()
        return self._result

    def _play(self) -> None:
        since = self._clock()
        with self._step("two sandbox mailboxes and two keys are made"):
            shut, spared = (self._mailbox(name) for name in ("shut", "spared"))
            bound = self._key("messages:send", accounts=(shut,))
            sender = self._key("messages:send", "accounts:write", accounts=(shut, spared))
        traffic = Traffic(self._wiring, (shut, spared), self._mark)
        with traffic.flowing(self._sleep):
            with self._step("mail goes through both") as step:
                self._until(lambda: min(map(len, traffic.sent().values())) >= _BEFORE, "No mail went through them.")
                step.seen = f"{sum(map(len, traffic.sent().values()))} sent"
            with self._step("the incident is declared and contained") as step:
                began, done = self._declare(shut, since)
                step.seen = self._contained(done, began)
            with self._step("new mail and a fresh token are refused, another mailbox sends on") as step:
                step.seen = self._refused(shut, spared, sender)
            with self._step("its key is refused") as step:
                self._expect(bound, "/v1/messages", _message(shut), "unauthenticated")
                step.seen = "401; one that was used in the minute before may live for up to 60 s more"
            self._sleep(_AFTER)
        with self._step("what was accepted is held, and nothing failed") as step:
            self._until(lambda: traffic.settled(shut, spared), "Mail is neither sent nor held.")
            step.seen = self._left(traffic, shut, spared, began)
        with self._step("the report lists exactly what was sent") as step:
            step.seen = self._compared(traffic, shut)
        with self._step("the incident is resolved, and what was held goes") as step:
            self._resolve()
            self._until(lambda: len(traffic.sent()[shut.id]) == traffic.count(shut), "Not all that was held went.")
            step.seen = f"all {traffic.count(shut)} sent, each once"

    # --- the steps ----------------------------------------------------------------------------------------------------

    def _declare(self, shut: Mailbox, since: float) -> tuple[float, Contained]:
        began = self._clock()
        wanted = Emergency(
            reach=Reach.ACCOUNT, target=shut.id, reason="A drill.", since=since, disable_keys=True, drill=True
        )
        self._incident = self._wiring.declaration.declare(wanted, actor=self._operator.key_id)
        self._result.incident = self._incident.id
        return began, self._wiring.containment.contain(self._incident, actor=self._operator.key_id)

    def _contained(self, done: Contained, began: float) -> str:
        if not done.complete or done.unfinished or done.keys_disabled != 1:
            raise Missed(f"Not all is shut: {done}")
        self._result.seconds_until_shut = round(done.shut_at - began, 3)
        return f"shut after {self._result.seconds_until_shut} s, its key disabled"

    def _refused(self, shut: Mailbox, spared: Mailbox, sender: Issued) -> str:
        self._expect(sender, "/v1/messages", _message(shut), "incident_declared")
        self._expect(sender, f"/v1/accounts/{shut.id}/rotate", {}, "incident_declared")
        self._api(sender).post("/v1/messages", _message(spared))
        return "409 incident_declared for both"

    def _left(self, traffic: Traffic, shut: Mailbox, spared: Mailbox, began: float) -> str:
        sent, held = traffic.sent(), traffic.in_state(shut, Status.HELD)
        if len(sent[spared.id]) != traffic.count(spared):
            raise Missed("Mail of the mailbox that nobody shut did not go.")
        if not held or len(held) + len(sent[shut.id]) != traffic.count(shut):
            raise Missed("Mail of the mailbox that was shut is neither sent nor held, or none is held.")
        last = max(record.sent_at for record in sent[shut.id]) - began
        self._result.seconds_until_last_send = round(last, 3)
        if last > LONGEST_IN_FLIGHT:
            raise Missed(f"The last mail left {last:.1f} s after the command.")
        return f"{len(sent[shut.id])} sent, {len(held)} held; the last left {last:+.3f} s from the command"

    def _compared(self, traffic: Traffic, shut: Mailbox) -> str:
        rows: list[str] = []
        incident = self._known_incident()

        def compare() -> bool:
            # The log shows what was written a moment ago only after a moment.
            rows.clear()
            report = self._wiring.incident_reporting.make(incident, keep=lambda row: rows.append(row["message"]))
            return not report["missing"] and sorted(rows) == sorted(record.id for record in traffic.sent()[shut.id])

        self._until(compare, "The report lists other messages than were sent, or could not be made whole.")
        return f"{len(rows)} messages, kept in the archive"

    def _resolve(self) -> None:
        done = self._wiring.resolution.resolve(self._known_incident(), actor=self._operator.key_id, enable_keys=True)
        if not done.complete or done.keys_enabled != 1:
            raise Missed(f"Not all came back: {done}")

    # --- what they stand on -------------------------------------------------------------------------------------------

    def _known_incident(self) -> Incident:
        if self._incident is None:
            raise Missed("There is no incident.")
        return self._wiring.incident_book.find(self._incident.id)

    def _mailbox(self, name: str) -> Mailbox:
        directory = self._wiring.directory
        draft = directory.draft({"provider": SANDBOX.name, "address": f"{name}-{self._mark}@drill.example"})
        made = Mailbox(draft.account.id, draft.account.address)
        self._mailboxes.append(made)
        self._wiring.tokenless.connect(
            draft.account,
            draft.registration,
            actor=self._operator.key_id,
            admit=lambda: directory.add(draft, self._operator),
        )
        return made

    def _key(self, *scopes: str, accounts: tuple[Mailbox, ...]) -> Issued:
        body = {"name": "incident drill", "scopes": sorted(scopes), "accounts": [one.id for one in accounts]}
        life = 24 * 3600  # should this process die, the key does not live on
        body["expires_at"] = rfc3339(self._clock() + life)
        issued = self._wiring.keyring.create(body, self._operator)
        self._keys.append(issued)
        return issued

    def _api(self, key: Issued) -> Api:
        return Api(self._operation.api_url, key.shown)

    def _expect(self, key: Issued, path: str, body: dict[str, Any], code: str) -> None:
        try:
            self._api(key).post(path, body)
        except Refused as refused:
            if code in refused.sentence:
                return
            raise Missed(f"POST {path} was refused otherwise: {refused.sentence}") from refused
        raise Missed(f"POST {path} was not refused.")

    def _until(self, reached: Any, otherwise: str) -> None:
        until = self._clock() + self._timeout
        while not reached():
            if self._clock() >= until:
                raise Missed(f"{otherwise} It was waited for {self._timeout} s.")
            self._sleep(0.5)

    @contextmanager
    def _step(self, name: str, *, needed: bool = True) -> Iterator[Step]:
        step = Step(name)
        self._result.steps.append(step)
        self._operation.out.note(f"{name} ...")
        began = self._clock()
        try:
            yield step
            step.passed = True
        except (Missed, MailbearerError, Refused) as error:
            step.seen = str(error)
            if needed:
                raise Missed(step.seen) from error
        finally:
            step.seconds = self._clock() - began

    def _remove(self) -> str:
        """Resolve what is open, and forget mailboxes and keys."""
        self._wiring.trail.flush()
        if self._incident is not None and self._known_incident().is_open:
            self._resolve()
        for key in self._keys:
            self._wiring.keyring.disable(key.key.id, self._operator, reason="deleted")
            self._wiring.keyring.delete(key.key.id, self._operator)
        for mailbox in self._mailboxes:
            account = self._wiring.accounts.get(mailbox.id)
            if account is not None:
                done = self._wiring.revocation.revoke(account, actor=self._operator.key_id, reason="deleted")
                self._wiring.directory.remove(done.account, self._operator)
        self._wiring.trail.flush()
        return f"{len(self._mailboxes)} mailboxes, {len(self._keys)} keys; records, audit trail and archive stay"


def _message(mailbox: Mailbox) -> dict[str, Any]:
    return {"account": mailbox.id, "to": ["drill@drill.example"], "subject": "Incident drill", "text": "A drill."}


def _print(out: Console, result: Drilled) -> None:
    rows = ((f"{step.seconds:.2f} s", "ok" if step.passed else "MISSED", step.name, step.seen) for step in result.steps)
    out.print(table(("took", "", "step", "seen"), rows))
    out.print()
    if result.seconds_until_last_send is not None:
        out.print(Text(plain(f"From the command until all was shut: {result.seconds_until_shut} s.")))
        last = result.seconds_until_last_send
        late = (
            f"From the command until the last mail left: {last} s." if last > 0 else "No mail left after the command."
        )
        out.print(Text(plain(late)))
    out.print(Text(f"The drill {'passed' if result.passed else 'FAILED'}.", style="bold"))
