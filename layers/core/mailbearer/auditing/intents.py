"""Intents and their outcomes: what was begun and never came to an end, as after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbearer.auditing.entries import Entry

INTENDED = "intended"

OUTCOMES: dict[str, tuple[str, ...]] = {
    "account.add": ("account.added",),
    "account.revoke": ("account.revoked",),
    # A link that nobody opens comes to nothing, and nothing is wrong with that.
    "consent.begin": (),
    "consent.grant": ("consent.granted", "consent.refused"),
    "consent.import": ("consent.granted", "consent.refused"),
    "credential.add": ("credential.added",),
    "credential.mint": ("credential.minted", "credential.rotation_failed"),
    "credential.remove": ("credential.removed",),
    "credential.retire": ("credential.retired",),
    "credential.rotate": ("credential.rotated", "credential.rotation_failed"),
    "credential.schedule": ("credential.scheduled",),
    "incident.declare": ("incident.declared",),
    "incident.resolve": ("incident.resolved", "incident.settled"),
    "key.change": ("key.changed",),
    "key.create": ("key.created",),
    "key.disable": ("key.disabled",),
    "key.enable": ("key.enabled",),
    "key.rotate": ("key.rotated",),
    "registration.create": ("registration.created",),
    "token.refresh": ("token.refreshed", "token.refresh_failed", "token.rejected", "token.adopted"),
    "webhook.change": ("webhook.changed",),
    "webhook.create": ("webhook.created",),
    "webhook.delete": ("webhook.deleted",),
    "webhook.replay": ("webhook.replayed",),
    "webhook.rotate": ("webhook.rotated",),
}
"""Which events end what an intent began, for the same subject."""

_ENDS: dict[str, tuple[str, ...]] = {
    outcome: tuple(intent for intent, outcomes in OUTCOMES.items() if outcome in outcomes)
    for outcomes in OUTCOMES.values()
    for outcome in outcomes
}
_GRACE = 900_000
"""Milliseconds after which nothing is under way any more: longer than any function may run."""


class Intents:
    """Remembers the newest intent for each action and subject, and when it last came to an end.

    What counts is when it happened (`at`), not where it stands: events that waited in the spool are filed later.
    """

    def __init__(self) -> None:
        self._intended: dict[tuple[str, str], Entry] = {}
        self._ended: dict[tuple[str, str], str] = {}

    def take(self, entry: Entry) -> None:
        """Look at one event."""
        event = entry.event
        action, subject, at = str(event["action"]), str(event["subject"]), str(event["at"])
        if event["outcome"] == INTENDED:
            known = self._intended.get((action, subject))
            if OUTCOMES.get(action) and (known is None or at >= str(known.event["at"])):
                self._intended[action, subject] = entry
        for intent in _ENDS.get(action, ()):
            self._ended[intent, subject] = max(at, self._ended.get((intent, subject), ""))

    def unfinished(self, now: int) -> list[Entry]:
        """Give the intents that have no outcome and are older than anything under way, the oldest first."""
        left = [
            entry
            for key, entry in self._intended.items()
            if self._ended.get(key, "") < str(entry.event["at"]) and entry.timestamp < now - _GRACE
        ]
        return sorted(left, key=lambda entry: entry.timestamp)
