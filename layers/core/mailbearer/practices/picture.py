"""What the checks look at: what the stack holds, read once for all rows, each reading bounded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mailbearer.account import AccountState
from mailbearer.errors import Unavailable
from mailbearer.ids import rfc3339
from mailbearer.practices.day import Day, read_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailbearer.account import Account
    from mailbearer.definition import Definitions
    from mailbearer.incident import Incident
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import CaptureStore
    from mailbearer.ports.proof import Archive, AuditReader
    from mailbearer.ports.provider import AuthorizationServer
    from mailbearer.ports.stack import Alarm, DeployedFunction, PublicPages, StackInspector
    from mailbearer.ports.stores import AccountStore, IncidentStore, LedgerStore, RegistrationStore
    from mailbearer.practices.practice import Seen
    from mailbearer.registration import Registration
    from mailbearer.verifying import Finding

    Seeing = Callable[["Picture"], Iterable[Seen]]
    """One look of a row: gives what it sees. Whatever it may not read raises `Unavailable`, which is a warning."""

T = TypeVar("T")

MOST_ACCOUNTS = 20_000
"""So many mailboxes are looked at, the first that the table gives."""

SAMPLE = 200
"""So many of what costs a call each, secrets above all; another part of them each day."""

_PAGE = 500

FUNCTIONS = (
    "messages-api",
    "accounts-api",
    "delivery-worker",
    "token-rotator",
    "credential-rotator",
    "admin-api",
    "notifier",
    "auditor",
    "authorizer",
)
"""The functions of every stack, each `mailbearer-<stage>-` and this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which stack it is, and the names of its parts; `tables` and `queues` go by our words for them."""

    stage: str
    local: bool
    api_url: str
    secrets_prefix: str
    kms_key_id: str
    audit_log_group: str
    buckets: tuple[tuple[str, str], ...]
    queues: tuple[tuple[str, str], ...]
    tables: tuple[tuple[str, str], ...]

    def named(self, part: str) -> str:
        """Give the full name of a function, alarm or rule."""
        return f"mailbearer-{self.stage}-{part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the audit log's own check came to: the newest digest's number, 0 = none, and until when (epoch seconds).

    `faults` are what is wrong, the first first; `checked` says what was looked at.
    """

    digest: int = 0
    until: float = 0
    faults: tuple[str, ...] = ()
    checked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where evidence comes from; `prove` checks the audit log against its digests.

    `verify` tests a registration live, at its provider; the schedule does without, and goes by what tokens it got.
    """

    accounts: AccountStore
    registrations: RegistrationStore
    ledgers: LedgerStore
    incidents: IncidentStore
    captures: CaptureStore
    archive: Archive
    prove: Callable[[], Proof]
    reader: AuditReader
    inspector: StackInspector
    pages: PublicPages
    definitions: Definitions
    server: Callable[[], AuthorizationServer]
    looks_secret: Callable[[str], bool]
    clock: Clock
    verify: Callable[[Registration], Iterable[Finding]] | None = None


class Picture:
    """The stack at one moment; what could not be read once is not asked for again."""

    def __init__(self, sources: Sources, place: Place) -> None:
        self.sources = sources
        self.place = place
        self.now = sources.clock()
        self._read: dict[str, Any] = {}

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Give the mailboxes. Raises `Unavailable`."""
        return self._once("accounts", self._accounts)

    @property
    def active(self) -> tuple[Account, ...]:
        """Give the mailboxes that send by a token."""
        known = self.registrations
        return tuple(
            account
            for account in self.accounts
            if account.state is AccountState.ACTIVE
            and account.provider in known
            and known[account.provider].flow.has_token
        )

    @property
    def registrations(self) -> dict[str, Registration]:
        """Give the registrations by name, those that are built in among them. Raises `Unavailable`."""
        return self._once("registrations", lambda: {each.name: each for each in self.sources.registrations.listing()})

    @property
    def registered(self) -> tuple[Registration, ...]:
        """Give the registrations at providers."""
        return tuple(each for each in self.registrations.values() if each.flow.has_token)

    @property
    def day(self) -> Day:
        """Give what the audit log says of the last day. Raises `Unavailable`."""
        sources = self.sources
        return self._once("day", lambda: read_day(sources.reader, sources.clock, sources.looks_secret))

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Give the stack's alarms. Raises `Unavailable`."""
        return self._once("alarms", lambda: self.sources.inspector.alarms(self.place.named("")))

    @property
    def functions(self) -> dict[str, DeployedFunction | None]:
        """Give the stack's functions by their short names; None where there is none. Raises `Unavailable`."""
        inspector, place = self.sources.inspector, self.place
        return self._once("functions", lambda: {name: inspector.function(place.named(name)) for name in FUNCTIONS})

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Give all emergencies, the newest first. Raises `Unavailable`."""
        return self._once("incidents", lambda: tuple(self.sources.incidents.listing()))

    @property
    def all_accounts(self) -> str:
        """Say how many mailboxes were looked at."""
        return ("the first " if len(self.accounts) >= MOST_ACCOUNTS else "") + mailboxes(len(self.accounts))

    def sample(self, accounts: Iterable[Account], most: int = SAMPLE) -> list[Account]:
        """Give some of many mailboxes, others each day, so that each has its turn."""
        day = rfc3339(self.now)[:10]
        return sorted(accounts, key=lambda one: hashlib.sha256(f"{day}{one.id}".encode()).digest())[:most]

    def age(self, moment: float) -> str:
        """Say how long ago a moment was."""
        return span(self.now - moment)

    def _accounts(self) -> tuple[Account, ...]:
        found: list[Account] = []
        cursor = ""
        while len(found) < MOST_ACCOUNTS:
            listed, cursor = self.sources.accounts.listing(limit=_PAGE, cursor=cursor)
            found += listed
            if not cursor:
                break
        return tuple(found)

    def _once(self, name: str, read: Callable[[], T]) -> T:
        if name not in self._read:
            try:
                self._read[name] = read()
            except Unavailable as error:
                self._read[name] = error
        found = self._read[name]
        if isinstance(found, Unavailable):
            raise found
        return cast("T", found)


def span(seconds: float) -> str:
    """Write a length of time in the largest whole unit."""
    seconds = max(0.0, seconds)
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def plural(count: int, one: str, many: str = "") -> str:
    """Write a number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def mailboxes(count: int) -> str:
    """Write a number of mailboxes."""
    return plural(count, "mailbox", "mailboxes")
