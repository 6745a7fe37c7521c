"""The roads of a message: what is set up before, what its callers do, and what its provider says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import requests

from mailbearer.account import AccountState
from mailbearer.caller import Caller
from mailbearer.envelope import QUEUE_LIMIT
from mailbearer.ids import rfc3339
from mailbearer.ledger import Ledger
from proofs.ground import SECONDS, Ground
from proofs.life import CALLER

if TYPE_CHECKING:
    from collections.abc import Callable

    from proofs.life import Life

_A_WHILE, _LONG = 120, 1200
_BIG = "x" * (QUEUE_LIMIT + 50_000)
_FILE = b"%PDF-1.7 A proof, too.\n" * 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """One way of a message.

    `takes` says of each of its provider calls whether the provider takes the message, and `tells` whether it says so.
    `prepare` is done before each life, `walk` is the life.
    """

    name: str
    provider: str
    walk: Callable[[Life], None]
    prepare: Callable[[Ground, Life], None] = lambda _ground, _life: None
    takes: tuple[bool, ...] = (True,)
    tells: tuple[bool, ...] = (True,)
    resends: bool = False

    @property
    def mails(self) -> int:
        """Give how many mails an undisturbed life brings."""
        return sum(self.takes)


def _posted(life: Life) -> None:
    life.post()
    life.work()


def _posted_big(life: Life) -> None:
    life.post(text=_BIG)
    life.work()


def _scheduled(life: Life) -> None:
    life.post(send_at=rfc3339(life.clock() + _LONG))
    life.work()


def _dropped(life: Life) -> None:
    life.drop()
    life.work()


def _resent(life: Life) -> None:
    life.post(on_unknown="resend")
    life.work()


def _held(life: Life) -> None:
    life.post()
    life.work()
    life.resume()
    life.work()


def _with_upload(life: Life) -> None:
    life.post(attachments=[{"upload_id": life.upload_id}])
    life.work()


def _refusing(retry_after: int) -> Callable[[Ground, Life], None]:
    def prepare(ground: Ground, life: Life) -> None:
        _plan(ground, life, "429", retry_after=retry_after)

    return prepare


def _losing(ground: Ground, life: Life) -> None:
    _plan(ground, life, "answer_lost")


def _plan(ground: Ground, life: Life, fault: str, **params: Any) -> None:
    """Let the provider do something else to this mailbox's next message."""
    life.fault = ground.control.plan_fault("gmail", fault, match={"mailbox": life.account.address}, **params)


def _pausing(ground: Ground, life: Life) -> None:
    accounts = ground.stores.accounts
    stands = accounts.get(life.account.id) or life.account
    accounts.replace(stands.changed(state=AccountState.PAUSED, drain_from=0.0), expected=stands)


def _crowding(seconds: float) -> Callable[[Ground, Life], None]:
    """Let others wait before the message, for so many seconds."""

    def prepare(ground: Ground, life: Life) -> None:
        accounts, ledgers = ground.stores.accounts, ground.stores.ledgers
        account = accounts.get(life.account.id) or life.account
        if not account.limits:
            # So few that no worker sends one on trust.
            accounts.replace(account.changed(limits=(("per_minute", 1),)), expected=account)
        stands = ledgers.get(account.id)
        crowded = replace(Ledger(account=account.id, next_at=life.clock() + seconds), revision=stands.revision)
        ledgers.replace(crowded.changed(life.key), expected=stands)

    return prepare


def _uploading(ground: Ground, life: Life) -> None:
    caller = Caller(key_id=CALLER, scopes=frozenset({"messages:send"}))
    file = {"filename": "proof.pdf", "content_type": "application/pdf", "size": len(_FILE)}
    begun = ground.stores.uploading.begin(file, caller)
    requests.put(begun.url, data=_FILE, headers=dict(begun.headers), timeout=SECONDS).raise_for_status()
    life.upload_id = begun.upload.id


ROADS = (
    Road(name="over HTTP", provider="kept", walk=_posted),
    Road(name="over HTTP, big: through the bucket", provider="renewed", walk=_posted_big),
    Road(name="over HTTP, sent over SMTP", provider="rotated", walk=_posted),
    Road(name="straight to the queue", provider="renewed", walk=_dropped),
    Road(name="scheduled", provider="kept", walk=_scheduled),
    Road(
        name="refused for two minutes: deferred",
        provider="kept",
        walk=_posted,
        prepare=_refusing(_A_WHILE),
        takes=(False, True),
        tells=(True, True),
    ),
    Road(
        name="refused for twenty minutes: deferred and parked",
        provider="kept",
        walk=_posted,
        prepare=_refusing(_LONG),
        takes=(False, True),
        tells=(True, True),
    ),
    Road(
        name="mailbox paused: held, and drained when it is resumed",
        provider="kept",
        walk=_held,
        prepare=_pausing,
    ),
    Road(name="with an upload", provider="renewed", walk=_with_upload, prepare=_uploading),
    Road(name="made wait by the ledger", provider="renewed", walk=_posted, prepare=_crowding(40)),
    Road(
        name="made wait by the ledger for long: held",
        provider="renewed",
        walk=_posted,
        prepare=_crowding(_LONG),
    ),
    Road(name="on_unknown: resend", provider="kept", walk=_resent, resends=True),
    Road(
        name="on_unknown: resend, and the first answer lost",
        provider="kept",
        walk=_resent,
        prepare=_losing,
        takes=(True, True),
        tells=(False, True),
        resends=True,
    ),
)
