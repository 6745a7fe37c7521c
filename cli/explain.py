"""`mailbearer explain`: say what a provider's error means; needs no stack and no AWS."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.panel import Panel

from cli.options import AsJson
from cli.output import console, details, plain, write_json
from cli.refusal import Refused
from cli.surroundings import Surroundings
from mailbearer.diagnosis import Evidence, Explanation, explain
from mailbearer.diagnosis.guessing import PROVIDERS, SURFACES
from mailbearer.diagnosis.pasting import NotEvidence, from_line, from_paste

_LONGEST = 1_048_576  # bytes of one input
_MOST = 10_000  # lines
_ALWAYS = ("code", "cause", "retry", "who", "remedy", "raw", "provider", "surface")
_STYLES = {"nobody": "green", "user": "yellow", "tenant_admin": "yellow", "operator": "red"}


def explain_(
    ctx: typer.Context,
    *,
    provider: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Whose error it is: {', '.join(PROVIDERS)} or oidc. (default: guessed)",
        ),
    ] = "",
    surface: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Where it came from: {', '.join(SURFACES)}. (default: guessed)",
        ),
    ] = "",
    lines: Annotated[
        bool,
        typer.Option(
            "--lines", help="Read one JSON object per line: provider, surface, http_status, headers, body, smtp."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what an error of a provider means, who has to act, and how; it is read from standard input.

    Takes an HTTP answer, JSON, an exception's text, an SMTP dialogue, a callback's address or a page's text.
    """
    _one_of(provider, (*PROVIDERS, "oidc"), "--provider")
    _one_of(surface, SURFACES, "--surface")
    surroundings: Surroundings = ctx.obj
    if lines:
        _explain_lines(sys.stdin.buffer, provider, surface, as_json=as_json)
        return
    if surroundings.interactive and sys.stdin.isatty():
        console(err=True).print("Paste the error, then press Ctrl-D.")
    text = sys.stdin.buffer.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise Refused("The input is larger than 1 MiB.", remedy="Paste the part with the error.")
    if not text.strip():
        raise Refused(
            "There is nothing on standard input.", remedy="Pipe the error in: ... | mailbearer explain", exit_code=2
        )
    found = explain(from_paste(text.decode("utf-8", "replace"), provider=provider, surface=surface))
    _show(found, guessed=not (provider and surface), as_json=as_json, indent=2)


def _one_of(given: str, known: tuple[str, ...], option: str) -> None:
    if given and given not in known:
        raise Refused(f"{option} has no {given!r}.", remedy=f"One of: {', '.join(known)}.", exit_code=2)


def _explain_lines(stream: BinaryIO, provider: str, surface: str, *, as_json: bool) -> None:
    """Explain each line as it comes; one that cannot be read has an answer too, and the others go on."""
    failed = False
    for number, line in enumerate(_bounded(stream), start=1):
        if number > _MOST:
            raise Refused(f"The input has more than {_MOST} lines; the rest was not read.")
        if line is not None and not line.strip():
            continue
        try:
            evidence = _evidence(line, provider, surface)
        except NotEvidence as error:
            failed = True
            _show_fault(number, str(error), as_json=as_json)
        else:
            _show(explain(evidence), guessed=not (evidence.provider and evidence.surface), as_json=as_json)
    if failed:
        raise typer.Exit(1)


def _evidence(line: bytes | None, provider: str, surface: str) -> Evidence:
    if line is None:
        raise NotEvidence("This line is longer than 1 MiB.")
    return from_line(line.decode("utf-8", "replace"), provider=provider, surface=surface)


def _bounded(stream: BinaryIO) -> Iterator[bytes | None]:
    """Give the lines of a stream, None for one that is too long; no more than one is ever held."""
    while line := stream.readline(_LONGEST + 1):
        if len(line) <= _LONGEST or line.endswith(b"\n"):
            yield line
            continue
        while rest := stream.readline(_LONGEST):
            if rest.endswith(b"\n"):
                break
        yield None


def _show(found: Explanation, *, guessed: bool, as_json: bool, indent: int | None = None) -> None:
    if as_json:
        write_json(_resource(found), indent=indent)
    else:
        _print(console(), found, guessed=guessed)


def _resource(found: Explanation) -> dict[str, Any]:
    return {name: value for name, value in asdict(found).items() if name in _ALWAYS or value not in ("", None)}


def _show_fault(number: int, detail: str, *, as_json: bool) -> None:
    if as_json:
        write_json({"line": number, "error": detail})
    else:
        console(err=True).print(f"Line {number}: {detail}")


def _print(out: Console, found: Explanation, *, guessed: bool) -> None:
    again = "yes, by itself" if found.retry else "no"
    if found.kind:
        again = "no: nobody knows whether the mail went out"
    if found.retry_after is not None or found.retry_at:
        again += f", from {found.retry_at}" if found.retry_at else f", after {found.retry_after:g} s"
    place = ", ".join(filter(None, (found.provider, found.surface))) or "nothing known"
    rows = (
        ("Cause", found.cause),
        ("Who acts", found.who.replace("_", " ")),
        ("Remedy", found.remedy),
        ("Retry helps", again),
        ("Provider's code", found.raw or "none"),
        ("Its words", found.said),
        ("Taken for", f"{place} (guessed)" if guessed else place),
    )
    width = None if out.is_terminal else 120
    style = _STYLES.get(found.who, "red")
    out.print(Panel(details(rows), title=plain(found.code), title_align="left", border_style=style, width=width))
