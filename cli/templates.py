"""`mailbearer templates`: templates as files, in and out."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.api import Api, segment
from cli.operation import begin
from cli.options import ApiKeyStdin, AsJson, StageName
from cli.output import console, plain, table
from cli.refusal import Refused
from cli.template_files import (
    FILES,
    Content,
    Folder,
    check_folders,
    read_folder,
    read_folders,
    write_folder,
)
from mailbearer.errors import Fault
from mailbearer.templating.reading import is_name

_PATH = "/v1/templates"
_COLUMNS = ("name", "change", "latest_version", "published_version")

app = typer.Typer(no_args_is_help=True, help="Keep templates as files.")

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="The directory that holds a folder for each template.", file_okay=False)
]


@app.command("push")
def push(
    ctx: typer.Context,
    *,
    directory: Directory,
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish what is pushed: messages use it at once.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Make a new version of every template whose files differ from its newest version."""
    operation = begin(ctx, stage, as_json=as_json)
    folders = read_folders(directory)
    check_folders(folders)
    api = operation.api(key_stdin=api_key_stdin)
    known = {str(each.get("name")): each for each in api.listing(_PATH, {})}
    rows: list[dict[str, Any]] = []
    faults: list[Fault] = []
    with console(err=True).status("Comparing.") as progress:
        for number, folder in enumerate(folders, 1):
            progress.update(f"{plain(folder.name)}, {number} of {len(folders)}.")
            try:
                rows.append(_pushed(api, folder, known.get(folder.name), publish=publish, dry_run=dry_run))
            except Refused as refused:
                if not refused.faults:
                    raise
                faults += folder.located(refused.faults)
    operation.out.show(
        rows, lambda out: out.print(table(_COLUMNS, ([row.get(name) for name in _COLUMNS] for row in rows)))
    )
    if faults:
        raise Refused("Some templates were refused; the others were pushed.", faults=tuple(faults))


@app.command("pull")
def pull(
    ctx: typer.Context,
    *,
    directory: Directory,
    force: Annotated[bool, typer.Option("--force", help="Write over files that were changed here.")] = False,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Write the newest version of every template into its folder."""
    operation = begin(ctx, stage, as_json=as_json)
    api = operation.api(key_stdin=api_key_stdin)
    wanted: list[tuple[Path, dict[str, Any]]] = []
    rows: list[dict[str, Any]] = []
    changed: list[Fault] = []
    with console(err=True).status("Reading the templates.") as progress:
        for each in api.listing(_PATH, {}):
            name = str(each.get("name"))
            if not is_name(name):
                raise Refused(
                    f"{plain(name)} is no name of a template.", remedy="Check that the stack is Mailbearer's."
                )
            progress.update(f"{name}.")
            template = api.get(f"{_PATH}/{segment(name)}")
            path = directory / name
            here = None if force else read_folder(path)
            if here is not None and not _stands_there(here, template):
                detail = "It differs from the newest version and from the published one."
                changed.append(Fault(str(path), "conflict", detail))
            change = "same" if _is(here, template.get("latest")) else "written"
            rows.append({"name": name, "change": change} | _numbers(template))
            wanted.append((path, template.get("latest") or {}))
    if changed:
        remedy = "Push what was changed here, or give --force to lose it. Nothing was written."
        raise Refused("Files were changed here.", faults=tuple(changed), remedy=remedy)
    for path, version in wanted:
        write_folder(path, version)
    operation.out.show(
        rows, lambda out: out.print(table(_COLUMNS, ([row.get(name) for name in _COLUMNS] for row in rows)))
    )


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """List the templates by name."""
    operation = begin(ctx, stage, as_json=as_json)
    found = list(operation.api(key_stdin=api_key_stdin).listing(_PATH, {}))
    columns = ("name", "latest_version", "published_version", "updated_at", "description")

    def human(out: Console) -> None:
        if found:
            out.print(table(columns, ([each.get(name) for name in columns] for each in found)))
        else:
            out.print("No templates. Push some with `mailbearer templates push DIR`.")

    operation.out.show(found, human)


@app.command("preview")
def preview(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The template.")],
    variables: Annotated[
        str, typer.Option(metavar="FILE", help="A JSON object with the variables; - reads standard input.")
    ] = "",
    version: Annotated[int | None, typer.Option(min=1, help="A version. (default: the newest)")] = None,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Show what a message of this template would say; nothing is sent."""
    if variables == "-" and api_key_stdin:
        raise typer.BadParameter("only one can read standard input.", param_hint="--variables")
    operation = begin(ctx, stage, as_json=as_json)
    body: dict[str, Any] = {"variables": _read_variables(variables)} | ({"version": version} if version else {})
    seen = operation.api(key_stdin=api_key_stdin).post(
        f"{_PATH}/{segment(name)}/preview", body, if_lost="The same command again is safe."
    )

    def human(out: Console) -> None:
        out.print(Text.assemble(("Subject: ", "bold"), plain(seen.get("subject") or "")))
        for part in ("text", "html"):
            if seen.get(part) is not None:
                out.print(Text(f"\n--- {part}", style="bold"))
                for line in str(seen[part]).splitlines():
                    out.print(Text(plain(line)))

    operation.out.show(seen, human)


def _pushed(
    api: Api, folder: Folder, known: Mapping[str, Any] | None, *, publish: bool, dry_run: bool
) -> dict[str, Any]:
    """Push one template if it has to be; give its row."""
    path = f"{_PATH}/{segment(folder.name)}"
    stands = api.get(path) if known else {}
    change = "same" if _is(folder.content, stands.get("latest")) else ("changed" if known else "new")
    unpublished = publish and stands.get("published_version") != stands.get("latest_version")
    if change == "same" and not unpublished:
        return {"name": folder.name, "change": change} | _numbers(stands)
    if change == "same":
        change = "published"
    if not dry_run:
        given = {part: text for part, text in folder.content.items() if text is not None}
        stands = api.put(path, given | {"publish": publish})
    return {"name": folder.name, "change": change} | _numbers(stands)


def _is(content: Content | None, version: Mapping[str, Any] | None) -> bool:
    return content is not None and version is not None and all(content[part] == version.get(part) for part in FILES)


def _stands_there(content: Content, template: Mapping[str, Any]) -> bool:
    """Tell whether nothing would be lost by writing over it."""
    return _is(content, template.get("latest")) or _is(content, template.get("published"))


def _numbers(template: Mapping[str, Any]) -> dict[str, Any]:
    return {name: template.get(name) for name in ("latest_version", "published_version")}


def _read_variables(file: str) -> dict[str, Any]:
    if not file:
        return {}
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
        variables = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Refused(f"{file} holds no variables: {why}.", remedy='Give a JSON object: {"name": "Ann"}') from error
    if not isinstance(variables, dict):
        raise Refused(f"{file} holds no JSON object.", remedy='Write it like {"name": "Ann"}.')
    return variables
