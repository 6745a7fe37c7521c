"""Shutting what an incident covers: first every mailbox here, then keys, then the providers and the vault."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mailbearer import happenings
from mailbearer.errors import MailbearerError, Unavailable
from mailbearer.incident import Incident, IncidentState
from mailbearer.incidents.book import Progress, is_declared, unwatched
from mailbearer.incidents.lanes import Scribe, each
from mailbearer.revocation import Revoked, Telling

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.incidents.book import Book
    from mailbearer.incidents.keys import KeyLock
    from mailbearer.news import News
    from mailbearer.ports import Clock
    from mailbearer.revocation import Revocation
    from mailbearer.trail import Trail

_PASSES = 3
_WRITE_EVERY = 100


@dataclass(slots=True)
class Contained:
    """What one run of containment did, by count; times are epoch seconds, 0 = not yet.

    `not_shut` and `unfinished` name the mailboxes that could not be shut, and those whose revocation goes on by itself,
    each with its code. `by_hand` are those at whose provider a person has to do the last step.
    """

    incident: Incident
    shut: int = 0
    shut_at: float = 0
    revoked: int = 0
    by_hand: int = 0
    keys_disabled: int = 0
    keys_failed: str = ""
    not_shut: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Tell whether nothing that is covered can send or be used any more."""
        return not self.not_shut and not self.keys_failed and bool(self.shut_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What goes along through the steps of one run; `deadline` is in epoch seconds."""

    done: Contained
    actor: str
    scribe: Scribe
    watch: Callable[[Progress], object] = unwatched
    deadline: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """Shut mailboxes, and go on where somebody else stopped: every step is safe to repeat."""

    book: Book
    revocation: Revocation
    keys: KeyLock
    news: News
    trail: Trail
    clock: Clock

    def contain(self, incident: Incident, *, actor: str, watch: Callable[[Progress], object] = unwatched) -> Contained:
        """Shut all, disable the keys if that was asked for, end the grants, and look for latecomers.

        Raises `Unavailable` if the mailboxes cannot be listed.
        """
        with Scribe(self.trail) as scribe:
            # What declared the incident is written beside the shutting, and delays it by nothing.
            scribe.write()
            run = _Run(done=Contained(incident), actor=actor, scribe=scribe, watch=watch)
            self._shut(run)
            self._disable_keys(run)
            self._tell("incident.declared", incident)
            self._revoke(run)
            # Somebody may have connected one between our asking for it and his.
            self._shut(replace(run, watch=unwatched))
            self._conclude(run)
        return run.done

    def sweep(self, incident: Incident, *, actor: str, deadline: float) -> Contained:
        """Shut what is not shut yet until `deadline` (epoch seconds); the schedule ends the grants one by one."""
        with Scribe(self.trail) as scribe:
            run = _Run(done=Contained(incident), actor=actor, scribe=scribe, deadline=deadline)
            self._shut(run)
            if is_declared(incident):
                # Whoever declared it may have died before that was in the log.
                self.trail.note(
                    "incident.declared",
                    incident.id,
                    "repeated",
                    actor=actor,
                    reason=incident.reason,
                    reach=str(incident.reach),
                    target=incident.target,
                    declared_by=incident.declared_by,
                    drill="true" if incident.drill else "",
                )
                self._disable_keys(run)
                self._tell("incident.declared", incident)
            self._conclude(run)
        return run.done

    # --- the mailboxes ------------------------------------------------------------------------------------------------

    def _shut(self, run: _Run) -> None:
        """Shut all that is covered, and look again until nothing is found: mailboxes may come while we look."""
        done, at_first = run.done, run.done.shut
        for _ in range(_PASSES):
            incident = self.book.find(done.incident.id)
            if not incident.is_open:
                return
            shut_before, done.not_shut = done.shut, {}
            self._pass(run, incident)
            if done.not_shut or self.clock() >= run.deadline:
                return
            if done.shut == shut_before:
                if done.shut > at_first or not done.shut_at:
                    done.shut_at = self.clock()
                return

    def _pass(self, run: _Run, incident: Incident) -> None:
        done = run.done

        def shut(account: Account) -> Account | None:
            if self.clock() >= run.deadline:
                raise Unavailable("The time is over.")
            return self.revocation.shut(account, incident=incident.id, actor=run.actor)

        covered = (one for one in self.book.reached(incident) if not one.is_shut)
        for count, (account, result) in enumerate(each(shut, covered), 1):
            if isinstance(result, MailbearerError):
                done.not_shut[account.id] = result.code
            elif result is not None:
                done.shut += 1
            if count % _WRITE_EVERY == 0:
                run.scribe.write()
            run.watch(Progress("shut", done.shut, len(done.not_shut)))

    def _revoke(self, run: _Run) -> None:
        """End the grants at the providers and retire the secrets, as far as they can be reached."""
        done = run.done

        def finish(account: Account) -> Revoked:
            return self.revocation.finish(account, actor=run.actor, at_once=True)

        pending = (one for one in self.book.shut_by(done.incident) if one.is_shut and one.revocation_pending)
        for count, (account, result) in enumerate(each(finish, pending), 1):
            if isinstance(result, MailbearerError):
                done.unfinished[account.id] = result.code
            elif not result.secret_retired:
                done.unfinished[account.id] = result.telling
            else:
                done.revoked += 1
                done.by_hand += result.telling is Telling.NO_ENDPOINT
            if count % _WRITE_EVERY == 0:
                run.scribe.write()
            run.watch(Progress("revoked", done.revoked, len(done.unfinished)))

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _disable_keys(self, run: _Run) -> None:
        done, incident = run.done, run.done.incident
        if not incident.disable_keys:
            return
        try:
            covered = {account.id for account in self.book.reached(incident)}
            done.keys_disabled = self.keys.disable(incident, covered, actor=run.actor)
        except Unavailable as error:
            done.keys_failed = error.code
            self.trail.note("incident.keys_kept", incident.id, "failed", actor=run.actor, reason=error.code)

    def _conclude(self, run: _Run) -> None:
        """Say that all is shut, and only then put it on record: nobody says it again afterwards."""
        done = run.done
        if not done.complete:
            return
        before = self.book.find(done.incident.id)
        if is_declared(before):
            drill = "true" if before.drill else ""
            self.trail.note("incident.contained", before.id, "contained", actor=run.actor, drill=drill)
            with suppress(Unavailable):
                self.trail.flush()
            self._tell("incident.contained", before)
        done.incident = self.book.change(before, is_declared, state=IncidentState.CONTAINED, contained_at=self.clock())

    def _tell(self, kind: str, incident: Incident) -> None:
        self.news.tell(kind, incident.id, "", happenings.of_incident(incident))
