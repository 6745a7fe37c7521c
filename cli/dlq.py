"""`mailbearer dlq`: what could not be delivered or read, and bringing it back."""

from collections.abc import Mapping
from contextlib import closing
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.dead_letters import DeadLetterQueue, Letter, Reading, read
from cli.operation import Operation, begin
from cli.options import AsJson, StageName
from cli.output import plain, table
from cli.refusal import Refused
from mailbearer.ids import rfc3339

_COLUMNS = ("id", "sent_at", "source", "received", "code", "message", "account", "status")
_PAGE = 100

app = typer.Typer(no_args_is_help=True, help="See what lies on the dead-letter queue, and bring it back.")


@app.command("list")
def list_(ctx: typer.Context, *, stage: StageName = "", as_json: AsJson = False) -> None:
    """List the dead letters with the reason of each; nothing is removed, and no content is shown."""
    operation = begin(ctx, stage, as_json=as_json)
    with closing(_queue(operation)) as queue:
        found = [(letter, read(letter)) for letter in queue.letters()]
    statuses = _statuses(operation, [reading.message for _, reading in found])
    shown = [_shown(letter, reading, statuses) for letter, reading in found]

    def human(console: Console) -> None:
        if not shown:
            console.print("No dead letters.")
            return
        console.print(table(_COLUMNS, ([one[name] for name in _COLUMNS] for one in shown)))
        for one in shown:
            for line in filter(None, (one["detail"], one["stays"] and f"It cannot be redriven: {one['stays']}")):
                console.print(Text(plain(f"{one['id']}  {line}"), style="dim"))

    operation.out.show(shown, human)


@app.command("redrive")
def redrive(
    ctx: typer.Context,
    *,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="A letter's id, or a message's, msg_...; several.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter that lies there now.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    per_second: Annotated[float, typer.Option(min=0.1, max=100, help="At most so many letters a second.")] = 10,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Put letters back on the message queue, one by one; what was sent already is not sent again.

    A letter leaves the dead-letter queue when its copy is on the message queue and in the audit log: stopped at any
    moment, the same command goes on. What cannot be read stays where it is. Ends with 1 if something stays.
    """
    if bool(ids) == everything:
        raise Refused("Say which letters: --id ID, once or more, or --all.", exit_code=2)
    operation = begin(ctx, stage, as_json=as_json)
    wanted, done, stays = set(ids or ()), [], []
    seen: set[str] = set()
    with closing(_queue(operation)) as queue:
        for letter in queue.letters():
            reading = read(letter)
            named = {letter.id, reading.message} & wanted
            # What goes back and is refused once more is a new letter: it is not brought back twice in one run.
            again = letter.source == "refused" and reading.identity in seen
            if again or not (everything or named):
                continue
            wanted -= named
            result = _shown(letter, reading, {})
            if reading.why:
                operation.out.note(f"{letter.id} stays: {reading.why}")
                stays.append(result)
                continue
            seen.add(reading.identity)
            if not dry_run:
                _bring_back(operation, queue, letter, reading)
                operation.surroundings.sleep(1 / per_second)
            done.append(result)
            operation.out.note(f"{letter.id} {'would go' if dry_run else 'is'} back on the queue ({len(done)})")
    _report(operation, done, stays, dry_run=dry_run)
    if wanted:
        missing = ", ".join(sorted(wanted))
        raise Refused(f"There is no dead letter {missing}.", remedy="See `mailbearer dlq list`.")
    if stays:
        raise typer.Exit(1)


def _bring_back(operation: Operation, queue: DeadLetterQueue, letter: Letter, reading: Reading) -> None:
    wiring = operation.cloud.wiring
    queue.send(letter, reading.body)
    wiring.trail.note(
        "deadletter.redriven",
        reading.message or letter.id,
        "redriven",
        actor=operation.cloud.actor,
        reason=letter.code,
        sqs_message_id=letter.id,
        source=letter.source,
        account=reading.account,
    )
    wiring.trail.flush()
    queue.remove(letter)


def _report(operation: Operation, done: list[dict[str, Any]], stays: list[dict[str, Any]], *, dry_run: bool) -> None:
    word = "would be redriven" if dry_run else "redriven"

    def human(console: Console) -> None:
        console.print(f"{len(done)} {word}, {len(stays)} left.")

    operation.out.show({"redriven": done, "left": stays, "dry_run": dry_run}, human)


def _queue(operation: Operation) -> DeadLetterQueue:
    cloud = operation.cloud
    return DeadLetterQueue(
        cloud.clients.sqs, queue_url=cloud.output("QueueUrl"), dead_letter_queue_url=cloud.output("DeadLetterQueueUrl")
    )


def _statuses(operation: Operation, messages: list[str]) -> dict[str, str]:
    """Read where the records of messages stand, as far as there are any."""
    ids = list(dict.fromkeys(filter(None, messages)))
    found: dict[str, str] = {}
    for start in range(0, len(ids), _PAGE):
        records = operation.cloud.wiring.messages.get_many(ids[start : start + _PAGE])
        found |= {message: str(record.status) for message, record in records.items()}
    return found


def _shown(letter: Letter, reading: Reading, statuses: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": letter.id,
        "sent_at": rfc3339(letter.at),
        "source": letter.source,
        "received": letter.received,
        "code": letter.code or None,
        "detail": letter.detail or None,
        "problem": letter.problem,
        "idempotency_key": letter.key or None,
        "message": reading.message or None,
        "account": reading.account or None,
        "status": statuses.get(reading.message),
        "stays": reading.why or None,
    }
