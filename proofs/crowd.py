"""Many at once on one expired token: two hundred refreshers, and fifty messages through several workers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import requests

from mailbearer.errors import RefreshDeferred, TokenError, Unavailable
from proofs.ground import SECONDS, Ground
from proofs.processes import ProcessError, fork, gate, told

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.wiring import Wiring
    from proofs.processes import Say

REFRESHERS = 200
MESSAGES = 50
WORKERS = 5
PROVIDER = "rotated"
"""The provider that forgives least: a refresh token that comes twice ends the grant."""
NEEDED_FOR = 45.0
TRIES, COME_AGAIN = 4, 5.0
"""How often one of the crowd asks, and how many seconds it waits between two tries."""
CROWD_SECONDS = 150.0
MAIL_SECONDS, LOOK_AGAIN = 60.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What came of many at once.

    `deferred` were told to come again, since those before them took long; `seconds` is how long the slowest took.
    """

    what: str
    processes: int
    wanted: int
    served: int
    deferred: int
    tokens: int
    token_calls: int
    versions_written: int
    kept: bool
    seconds: float

    @property
    def holds(self) -> bool:
        """Tell whether all were served with one token from one call, and nothing was lost."""
        one_of_each = self.tokens == self.token_calls == self.versions_written == 1
        return self.served == self.wanted and self.kept and one_of_each

    def as_json(self) -> dict[str, Any]:
        """Give it for a file."""
        return asdict(self) | {"holds": self.holds}


def refreshers(ground: Ground, number: int = REFRESHERS) -> Crowd:
    """Let so many processes ask for a token in the same moment, when the stored one has just ended."""
    account = ground.connect(PROVIDER, ends_in=-1)
    before = ground.token_calls(PROVIDER)
    versions = _versions(ground, account)

    def refresh(say: Say) -> None:
        own = ground.forked()
        clients = own.clients()
        for service in ("dynamodb", "secretsmanager", "logs"):
            clients.made(service)
        wiring = own.wiring(clients=clients)
        say("ready")
        wait()
        begin = time.monotonic()
        given, deferred = _a_token(wiring, account)
        took = time.monotonic() - begin
        wiring.trail.flush()
        say([given, deferred, took])

    with gate() as (wait, let_in):
        processes = [fork(refresh) for _ in range(number)]
        ready, rows = 0, []
        for _, said in told(processes, seconds=CROWD_SECONDS):
            if said == "ready":
                ready += 1
                if ready == number:
                    let_in()
            else:
                rows.append(said)
    made = ground.token_calls(PROVIDER) - before
    written = len(_versions(ground, account) - versions)
    return Crowd(
        what=f"{number} refreshers",
        processes=number,
        wanted=number,
        served=sum(bool(given) for given, _, _ in rows),
        deferred=sum(deferred for _, deferred, _ in rows),
        tokens=len({given for given, _, _ in rows if given}),
        token_calls=made,
        versions_written=written,
        kept=_is_kept(ground, account),
        seconds=max(took for _, _, took in rows),
    )


def _a_token(wiring: Wiring, account: Account) -> tuple[str, bool]:
    """Ask for a token, and again if told to come later, as the queue does; give its version, and whether it was so."""
    for again in range(TRIES):
        needed_until = time.time() + NEEDED_FOR
        try:
            token = wiring.lifecycle.refresh(account.id, needed_until=needed_until)
        except (RefreshDeferred, Unavailable):
            time.sleep(COME_AGAIN)
        else:
            return (token.version if token.tokens.lives_until(needed_until) else ""), again > 0
    return "", True


def messages(ground: Ground, number: int = MESSAGES) -> Crowd:
    """Accept so many messages over HTTP for a mailbox whose token has ended, and see the deployed workers send them."""
    account = ground.connect(PROVIDER, ends_in=-1)
    before = ground.token_calls(PROVIDER)
    versions = _versions(ground, account)
    _allow_workers(ground, WORKERS)
    begin = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        accepted = set(pool.map(lambda count: post(ground, account, count), range(number)))
    streams, deferred = _sent(ground, accepted)
    took = time.monotonic() - begin
    mails = ground.control.mail(mailbox=account.address)
    different = len({mail["headers"]["message-id"] for mail in mails})
    return Crowd(
        what=f"{number} messages",
        processes=streams,
        wanted=number,
        # A mail that came twice is no better than one that did not come.
        served=2 * different - len(mails),
        deferred=deferred,
        tokens=ground.grant(account.address)["refreshes"],
        token_calls=ground.token_calls(PROVIDER) - before,
        versions_written=len(_versions(ground, account) - versions),
        kept=_is_kept(ground, account),
        seconds=took,
    )


def post(ground: Ground, account: Account, count: int) -> str:
    """Post a message over HTTP; gives its id. Raises `ProcessError` with what the functions said."""
    body = {"account": account.address, "to": "carla@customer.example", "subject": f"Number {count}", "text": "Hello."}
    answer = requests.post(
        f"{ground.world.api_url}/v1/messages",
        json=body,
        headers={"Authorization": f"Bearer {ground.world.api_key}"},
        timeout=SECONDS,
    )
    if not answer.ok:
        why = ground.said_by("messages_api", "authorizer")
        raise ProcessError(f"POST /v1/messages: {answer.status_code} {answer.text}\n{why}")
    return str(answer.json()["id"])


def _allow_workers(ground: Ground, number: int) -> None:
    functions = ground.world.engine.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": number})


def _sent(ground: Ground, messages: set[str]) -> tuple[int, int]:
    """Wait until these messages are sent, but no longer than a minute.

    Give how many processes sent them (each has a stream of the audit log to itself), and how many were deferred before.
    """
    give_up = time.monotonic() + MAIL_SECONDS
    while True:
        events = [(stream, event) for stream, event in ground.audit() if event["subject"] in messages]
        sent = {event["subject"]: stream for stream, event in events if event["action"] == "message.sent"}
        if sent.keys() == messages or time.monotonic() > give_up:
            deferred = {event["subject"] for _, event in events if event["action"] == "message.deferred"}
            return len(set(sent.values())), len(deferred)
        time.sleep(LOOK_AGAIN)


def _versions(ground: Ground, account: Account) -> set[str]:
    """Name the versions that a mailbox's secret has."""
    found = ground.world.engine.client("secretsmanager").describe_secret(
        SecretId=f"{ground.settings.secrets_prefix}/accounts/{account.id}"
    )
    return set(found["VersionIdsToStages"])


def _is_kept(ground: Ground, account: Account) -> bool:
    """Tell whether the grant refreshes once more."""
    wiring = ground.wiring()
    try:
        wiring.lifecycle.refresh(account.id, needed_until=time.time() + 2 * 3600)
    except TokenError:
        return False
    finally:
        wiring.trail.flush()
    return not ground.grant(account.address)["revoked"]
