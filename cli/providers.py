"""`mailbearer providers`: register this application's entry at a provider."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.operation import Operation, begin, read_secret
from cli.options import AsJson, StageName
from cli.output import details, table
from cli.refusal import Refused
from mailbearer.credential import Credential
from mailbearer.errors import Conflict, Fault, InvalidInput, MailbearerError
from mailbearer.providers import DEFINITIONS, register
from mailbearer.registration import Discovery, Registration
from mailbearer.resources import registration_resource

app = typer.Typer(no_args_is_help=True, help="Register this application's entry at a provider.")

_KINDS = ", ".join(DEFINITIONS)
# Where a parameter of `register` and the option for it differ in more than dashes.
_OPTIONS = {"name": "NAME", "ca_pem": "--ca-file", "scopes": "--scope"}


@app.command("add")
def add(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Your word for the registration.")],
    kind: Annotated[str, typer.Option(help=f"The kind of provider: {_KINDS}.")] = "",
    client_id: Annotated[str, typer.Option(metavar="ID", help="The client id that the provider shows.")] = "",
    client_secret_stdin: Annotated[
        bool,
        typer.Option("--client-secret-stdin", help="Read the client secret from standard input."),
    ] = False,
    issuer: Annotated[str, typer.Option(metavar="URL", help="The issuer; its endpoints are discovered.")] = "",
    authorize_url: Annotated[str, typer.Option(metavar="URL", help="The authorization endpoint.")] = "",
    token_url: Annotated[str, typer.Option(metavar="URL", help="The token endpoint.")] = "",
    revoke_url: Annotated[str, typer.Option(metavar="URL", help="The revocation endpoint.")] = "",
    userinfo_url: Annotated[str, typer.Option(metavar="URL", help="The userinfo endpoint.")] = "",
    introspection_url: Annotated[str, typer.Option(metavar="URL", help="The introspection endpoint.")] = "",
    token_auth_method: Annotated[
        str,
        typer.Option(
            metavar="METHOD",
            help="client_secret_basic, client_secret_post or none (a public client). (default: what the server takes)",
        ),
    ] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="A scope to ask for, in place of the kind's own. (default: the least that sends)"),
    ] = None,
    transport: Annotated[str, typer.Option(help="gmail, graph or smtp. (default: the kind's own)")] = "",
    smtp_host: Annotated[str, typer.Option(metavar="HOST", help="Where mail is submitted.")] = "",
    smtp_port: Annotated[int, typer.Option(min=0, max=65535, help="Its port. (default: 587, or 465 for tls)")] = 0,
    smtp_security: Annotated[str, typer.Option(help="starttls or tls. (default: starttls, or tls on port 465)")] = "",
    ca_file: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Certificates to trust for this provider beside the system's."),
    ] = None,
    api_base_url: Annotated[str, typer.Option(metavar="URL", help="Where the Gmail or Graph API is.")] = "",
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Add a registration: the client id and secret under which a provider knows this application.

    The same command again repairs one that was broken off.
    """
    operation = begin(ctx, stage, as_json=as_json)
    given: dict[str, Any] = {
        "kind": kind,
        "client_id": client_id,
        "issuer": issuer,
        "authorize_url": authorize_url,
        "token_url": token_url,
        "revoke_url": revoke_url,
        "userinfo_url": userinfo_url,
        "introspection_url": introspection_url,
        "scopes": tuple(scope or ()),
        "transport": transport,
        "smtp_host": smtp_host,
        "smtp_port": smtp_port,
        "smtp_security": smtp_security,
        "ca_pem": _read_pem(ca_file) if ca_file else "",
        "api_base_url": api_base_url,
        "token_auth_method": token_auth_method,
    }
    if operation.surroundings.interactive:
        given |= _ask(given)
    wanted = _registration(operation, name, given)
    secret = _client_secret(operation, wanted, from_stdin=client_secret_stdin)
    kept = resource(operation, _enrol(operation, wanted, secret))

    def human(console: Console) -> None:
        smtp = kept["smtp"]
        shown = kept | {"smtp": f"{smtp['host']}:{smtp['port']} {smtp['security']}" if smtp else "", "redirect_uri": ""}
        console.print(details(shown.items()))
        console.print("\nRegister this redirect URI with the provider, exactly:")
        console.print(kept["redirect_uri"])

    operation.out.show(kept, human)


@app.command("list")
def list_(ctx: typer.Context, *, stage: StageName = "", as_json: AsJson = False) -> None:
    """List the registrations."""
    operation = begin(ctx, stage, as_json=as_json)
    found = [resource(operation, registration) for registration in operation.cloud.wiring.registrations.listing()]
    columns = ("name", "kind", "transport", "flow", "client_id", "scopes")

    def human(console: Console) -> None:
        if found:
            console.print(table(columns, ([registration[name] for name in columns] for registration in found)))
        else:
            console.print("No registrations. Add one with `mailbearer providers add NAME --kind ...`.")

    operation.out.show(found, human)


def resource(operation: Operation, registration: Registration) -> dict[str, Any]:
    """Write a registration as the API does, with what only its operator needs."""
    endpoints = registration.endpoints
    return registration_resource(registration) | {
        "authorize_url": endpoints.authorize_url,
        "token_url": endpoints.token_url,
        "revoke_url": endpoints.revoke_url or None,
        "userinfo_url": endpoints.userinfo_url or None,
        "introspection_url": endpoints.introspection_url or None,
        "token_auth_method": registration.token_auth_method,
        "api_base_url": registration.api_base_url or None,
        "redirect_uri": f"{operation.api_url}/oauth/callback",
    }


def _enrol(operation: Operation, wanted: Registration, secret: str) -> Registration:
    """Keep secret and registration, and say so in the audit log before and after.

    The secret goes first, so that a registration which can be seen is whole. What a crash leaves behind is a secret
    that the same command finds in its place, or an outcome missing after its intent.
    """
    wiring, actor = operation.cloud.wiring, operation.cloud.actor
    stands = wiring.registrations.get(wanted.name)
    if stands:
        wanted = replace(wanted, created_at=stands.created_at)
    if stands and stands != wanted:
        raise _taken(operation, stands, wanted)
    facts = {"kind": wanted.kind, "transport": wanted.transport, "client_id": wanted.client_id}
    wiring.trail.intend("registration.create", wanted.name, actor=actor, **facts)
    try:
        wiring.credentials.create(wanted.name, Credential(client_secret=secret))
        if not stands and not wiring.registrations.create(wanted):
            raise Conflict(f"Somebody else has just added {wanted.name}; see `mailbearer providers list`.")
    except MailbearerError as error:
        wiring.trail.note("registration.created", wanted.name, "failed", actor=actor, reason=error.code, **facts)
        wiring.trail.flush()
        raise
    outcome = "repeated" if stands else "created"
    wiring.trail.note("registration.created", wanted.name, outcome, actor=actor, **facts)
    wiring.trail.flush()
    return wanted


def _taken(operation: Operation, stands: Registration, wanted: Registration) -> Refused:
    there, here = resource(operation, stands), resource(operation, wanted)
    names = [name for name in there if there[name] != here[name]] or ["certificates"]
    return Refused(
        f"There is a registration {wanted.name} already, with other values in: {', '.join(names)}.",
        remedy="Choose another name, or give the values that it was added with.",
    )


def _registration(operation: Operation, name: str, given: dict[str, Any]) -> Registration:
    """Make the registration, with faults named after the options."""
    local = operation.stage.local is not None
    try:
        discovery = None
        if given["issuer"] and not (given["authorize_url"] and given["token_url"]):
            discovery = _discover(given["issuer"], given["ca_pem"], local=local)
        return register(name=name, now=operation.surroundings.clock(), discovery=discovery, local=local, **given)
    except InvalidInput as error:
        faults = tuple(Fault(_option(fault.pointer), fault.code, fault.detail) for fault in error.faults)
        raise Refused("The registration is not valid.", faults=faults, exit_code=2) from error


def _discover(issuer: str, ca_pem: str, *, local: bool) -> Discovery:
    """Read what the issuer publishes about itself."""
    from mailbearer.egress import Egress  # noqa: PLC0415 - only a discovery needs these, and Authlib takes its time
    from mailbearer.oauth import discover  # noqa: PLC0415 - as above

    with Egress(local=local).session(ca_pem) as session:
        return discover(issuer, session)


def _option(pointer: str) -> str:
    field = pointer.split("/")[1]
    return _OPTIONS.get(field, "--" + field.replace("_", "-"))


def _ask(given: dict[str, Any]) -> dict[str, Any]:
    """Ask on the terminal for what no registration of this kind can be without."""
    asked: dict[str, Any] = {}
    asked["kind"] = given["kind"] or typer.prompt(f"Kind of provider ({_KINDS})", err=True)
    asked["client_id"] = given["client_id"] or typer.prompt("Client id", err=True)
    definition = DEFINITIONS.get(asked["kind"])
    if definition is None:
        return asked
    if not (definition.endpoints.token_url or given["issuer"] or given["token_url"]):
        asked["issuer"] = typer.prompt("Issuer (URL)", err=True)
    if (given["transport"] or definition.default_transport) == "smtp" and not (definition.smtp or given["smtp_host"]):
        asked["smtp_host"] = typer.prompt("SMTP host", err=True)
    return asked


def _client_secret(operation: Operation, wanted: Registration, *, from_stdin: bool) -> str:
    if wanted.token_auth_method == "none":  # noqa: S105 - the name of a method, not a secret
        return ""
    if from_stdin:
        return read_secret("--client-secret-stdin")
    if operation.surroundings.interactive:
        return str(typer.prompt("Client secret (it is not shown)", hide_input=True, err=True))
    raise Refused(
        "The client secret is missing.",
        remedy="Pipe it in with --client-secret-stdin, or give --token-auth-method none for a public client.",
        exit_code=2,
    )


def _read_pem(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is no PEM file.", remedy="Convert it: openssl x509 -inform DER -in FILE") from error
