"""`mailbearer audit verify`: whether the audit log is as it was written."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.audit_evidence import gather, moment
from cli.operation import begin
from cli.options import AsJson, StageName
from cli.output import Output, details, plain, table
from cli.refusal import Refused
from mailbearer.auditing.entries import Entry
from mailbearer.auditing.exporting import read
from mailbearer.auditing.flaws import Flaw
from mailbearer.auditing.signatures import checker, from_pem
from mailbearer.auditing.verification import Report, judge, judge_export

_SHOWN = 20
_TRUSTED = {
    "given": "the one you gave",
    "kms": "the stage's own, from KMS",
    "export": "the one in the export itself: whoever made the file could have put in another; --public-key pins it",
}


def verify(
    ctx: typer.Context,
    *,
    since: Annotated[str, typer.Option(help="From when on: 30d or a time. (default: all that is kept)")] = "",
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Judge an export instead of a stage; needs no AWS.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Trust this key and no other, a file with a public key.")
    ] = None,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Say whether every audit event is there, as it was written, and nothing else; name the first that is not.

    Ends with 1 if something is wrong, or if nothing was signed for hours. An intent without an outcome is a crash and
    no tampering.
    """
    pinned = _pinned(public_key) if public_key is not None else None
    if export is not None:
        if since:
            raise typer.BadParameter("an export is judged as a whole.", param_hint="--since")
        out = Output(as_json=as_json)
        report, trust = _of_export(export, pinned)
    else:
        operation = begin(ctx, stage, as_json=as_json)
        out = operation.out
        evidence = gather(operation, since=since)
        fits = checker(pinned if pinned is not None else operation.cloud.wiring.signer.public_key())
        report, trust = judge(evidence, fits), "kms" if pinned is None else "given"
    out.show(_resource(report, trust), lambda console: _print(console, report, trust))
    if not report.good:
        raise typer.Exit(1)


def _of_export(path: Path, pinned: bytes | None) -> tuple[Report, str]:
    try:
        given = read(path)
        fits = checker(pinned if pinned is not None else from_pem(given.pem))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", exit_code=2) from error
    except ValueError as error:
        raise Refused(f"{path}: {error}", exit_code=2) from error
    return judge_export(given, fits), "export" if pinned is None else "given"


def _pinned(path: Path) -> bytes:
    try:
        return from_pem(path.read_text(encoding="ascii", errors="replace"))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", exit_code=2) from error
    except ValueError as error:
        raise Refused(f"{path}: {error}", exit_code=2) from error


def _resource(report: Report, trust: str) -> dict[str, Any]:
    return {
        "good": report.good,
        "since": moment(report.since),
        "until": moment(report.until),
        "events": report.events,
        "streams": report.streams,
        "digests": report.digests,
        "key": trust,
        "signed_until": moment(report.signed_until) if report.digests else None,
        "not_signed": report.unsigned,
        "not_signed_since": moment(report.unsigned_since) if report.unsigned else None,
        "late": report.late,
        "repeated": report.repeated,
        "unfinished": [
            {name: entry.event[name] for name in ("at", "action", "subject", "id")} | {"stream": entry.stream}
            for entry in report.unfinished
        ],
        "flaw_count": report.flaw_count,
        "flaws": [
            {
                "kind": str(flaw.kind),
                "stream": flaw.stream,
                "seq": flaw.seq or None,
                "event": flaw.event or None,
                "at": moment(flaw.timestamp) if flaw.timestamp else None,
                "meaning": flaw.kind.meaning,
                "detail": flaw.detail or None,
            }
            for flaw in report.flaws
        ],
    }


def _print(out: Console, report: Report, trust: str) -> None:
    if report.good:
        out.print(Text("Good. The audit log is as it was written.", style="bold green"))
    elif not report.flaw_count:
        out.print(Text("Not proved. What is there fits together, but a digest is due and not there.", style="bold red"))
    else:
        count = f"{report.flaw_count} flaw{'s' if report.flaw_count != 1 else ''}"
        out.print(Text(f"Not as it was written: {count}.", style="bold red"))
        _print_first(out, report.flaws[0])
    out.print(details(_facts(report, trust)))
    if report.late:
        text = (
            "Nothing was signed for hours: what came since could have been written anew, and digests be gone from the "
            "end. docs/runbooks/digest-late.md says what to do."
        )
        out.print(Text(text, style="red"))
    if len(report.flaws) > 1:
        out.print(Text("\nFlaws, the first first:", style="bold"))
        rows = ((flaw.kind, flaw.stream, flaw.seq or "", _time(flaw), flaw.detail) for flaw in report.flaws[:_SHOWN])
        out.print(table(("what", "stream", "number", "time", "detail"), rows))
        _print_rest(out, report.flaw_count)
    if report.unfinished:
        out.print(Text("\nBegun and never ended, as after a crash; no tampering:", style="bold"))
        out.print(table(("at", "action", "subject"), map(_cells, report.unfinished[:_SHOWN])))
        _print_rest(out, len(report.unfinished))


def _print_first(out: Console, flaw: Flaw) -> None:
    number = f" number {flaw.seq}" if flaw.seq else ""
    out.print(Text(f"The first: {plain(flaw.stream)}{number}. Here {flaw.kind.meaning}.", style="red"))
    out.print(details((("kind", flaw.kind), ("event", flaw.event), ("time", _time(flaw)), ("detail", flaw.detail))))
    out.print("")


def _facts(report: Report, trust: str) -> list[tuple[str, object]]:
    not_signed = f"{report.unsigned}, since {moment(report.unsigned_since)}" if report.unsigned else "nothing"
    return [
        ("from", moment(report.since)),
        ("until", moment(report.until)),
        ("events", f"{report.events} of {report.streams} writers"),
        ("digests", f"{report.digests}, up to {moment(report.signed_until)}" if report.digests else "none"),
        ("not signed yet", not_signed),
        ("repeated", f"{report.repeated}, written twice after a lost answer; no tampering" if report.repeated else ""),
        ("key", _TRUSTED[trust]),
    ]


def _print_rest(out: Console, count: int) -> None:
    if count > _SHOWN:
        out.print(Text(f"... and {count - _SHOWN} more; --json shows them.", style="dim"))


def _time(flaw: Flaw) -> str:
    return moment(flaw.timestamp) if flaw.timestamp else ""


def _cells(entry: Entry) -> tuple[object, ...]:
    return entry.event["at"], entry.event["action"], entry.event["subject"]
