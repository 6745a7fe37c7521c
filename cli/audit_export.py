"""`mailbearer audit export`: the audit log with its digests and the public key, in a file that proves itself."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from cli.audit_evidence import gather, moment
from cli.operation import begin
from cli.options import AsJson, StageName
from cli.output import details
from cli.refusal import Refused
from mailbearer.auditing.exporting import write
from mailbearer.auditing.signatures import to_pem
from mailbearer.ids import rfc3339


def export(
    ctx: typer.Context,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")],
    since: Annotated[str, typer.Option(help="From when on: 30d or a time. (default: all that is kept)")] = "",
    until: Annotated[str, typer.Option(help="Until when: a span back or a time. (default: now)")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Write audit events, their digests and the public key to one file, which `audit verify --export` judges anywhere.

    It begins and ends where a digest does, so it may hold a little more than was asked for.
    """
    if output.exists() and not force:
        raise Refused(f"{output} is there already.", remedy="Name another file, or say --force.", exit_code=2)
    operation = begin(ctx, stage, as_json=as_json)
    evidence = gather(operation, since=since, until=until)
    pem = to_pem(operation.cloud.wiring.signer.public_key())
    made_at = rfc3339(operation.surroundings.clock())
    try:
        handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    except OSError as error:
        raise _unwritable(output, error) from error
    try:
        with os.fdopen(handle, "wb") as out:
            events = write(evidence, pem=pem, made_at=made_at, out=out)
        # Until it is whole, nothing bears its name.
        Path(name).replace(output)
    except OSError as error:
        raise _unwritable(output, error) from error
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
    done = {
        "file": str(output),
        "events": events,
        "digests": max(0, evidence.last - evidence.first + 1),
        "since": moment(evidence.since),
        "until": moment(evidence.until),
    }
    operation.out.show(done, lambda out: out.print(details(done.items())))
    operation.out.note(f"Anybody can check it: mailbearer audit verify --export {output}")


def _unwritable(output: Path, error: OSError) -> Refused:
    return Refused(f"{output} cannot be written: {error.strerror}.", remedy="Name another file.", exit_code=2)
