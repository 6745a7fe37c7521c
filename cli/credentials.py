"""`mailbearer providers credentials`: the secrets and certificates by which a registration proves that it is itself."""

from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.console import Console

from cli import credential_files
from cli import provider_options as options
from cli.operation import Operation, begin, read_secret
from cli.options import AsJson, StageName, Yes
from cli.output import details, table
from cli.refusal import Refused
from mailbearer.certificates import sha1_thumbprint
from mailbearer.credential import Credential, CredentialSet
from mailbearer.credentials.edits import OWN_IDS
from mailbearer.errors import MailbearerError
from mailbearer.ids import new_id, rfc3339
from mailbearer.ports.vaults import CredentialMinter
from mailbearer.registration import Registration

app = typer.Typer(no_args_is_help=True, help="Replace a registration's secret or certificate before it expires.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The registration.")]

_DAY = 86_400.0
_USUAL_DAYS = 90


@app.command("list")
def list_(ctx: typer.Context, *, name: Name, stage: StageName = "", as_json: AsJson = False) -> None:
    """List a registration's credentials in the order in which they are tried; no secret is shown."""
    operation = begin(ctx, stage, as_json=as_json)
    _registration(operation, name)
    _show(operation, operation.cloud.wiring.credentials.stored(name))


@app.command("add")
def add(
    ctx: typer.Context,
    *,
    name: Name,
    client_secret_stdin: options.ClientSecretStdin = False,
    secret_expires: options.SecretExpires = "",
    secret_id: options.SecretId = "",
    certificate_file: options.CertificateFile = None,
    private_key_file: options.PrivateKeyFile = None,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Add a secret or certificate, which is tried first from now on; the others stay behind it."""
    operation = begin(ctx, stage, as_json=as_json)
    registration = _registration(operation, name)
    now = operation.surroundings.clock()
    if client_secret_stdin == bool(certificate_file or private_key_file):
        raise Refused(
            "Give either a client secret or a key.",
            remedy="Pipe a secret in with --client-secret-stdin, or name --certificate-file and --private-key-file.",
            exit_code=2,
        )
    key_id = secret_id or new_id(OWN_IDS, now, operation.surroundings.random_bytes)
    if certificate_file:
        if secret_expires:
            raise Refused("--secret-expires: the certificate itself says when it expires.", exit_code=2)
        credential = credential_files.read_certificate(
            certificate_file, private_key_file or certificate_file, key_id=key_id, now=now
        )
    else:
        expires_at = credential_files.read_expiry(secret_expires, "--secret-expires", now=now) if secret_expires else 0
        if private_key_file:
            credential = credential_files.read_private_key(
                private_key_file, key_id=key_id, expires_at=expires_at, now=now
            )
        else:
            secret = read_secret("--client-secret-stdin")
            credential = Credential(id=key_id, client_secret=secret, created_at=now, expires_at=expires_at)
    wiring = operation.cloud.wiring
    try:
        after = wiring.credential_edits.add(registration.name, credential, actor=operation.cloud.actor)
    finally:
        wiring.trail.flush()
    # Mailboxes that wait because the old one was refused need not wait on.
    if woken := wiring.lifecycle.wake(registration.name):
        operation.out.note(f"{woken} mailboxes that had to wait are refreshed with the next run.")
    _show(operation, after)


@app.command("remove")
def remove(
    ctx: typer.Context,
    *,
    name: Name,
    credential: Annotated[str, typer.Argument(metavar="ID", help="The credential, as `list` names it.")],
    also_at_provider: Annotated[
        bool, typer.Option("--also-at-provider", help="Remove the client secret at Entra too, and there first.")
    ] = False,
    yes: Yes = False,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Take a credential away; the last one is refused."""
    operation = begin(ctx, stage, as_json=as_json)
    registration = _registration(operation, name)
    minter = _minter(operation, registration) if also_at_provider else None
    if operation.surroundings.interactive and not yes:
        typer.confirm(f"Remove the credential {credential} of {name}?", abort=True, err=True)
    wiring = operation.cloud.wiring
    try:
        after = wiring.credential_edits.remove(registration, credential, actor=operation.cloud.actor, minter=minter)
    finally:
        wiring.trail.flush()
    _show(operation, after)


@app.command("rotate")
def rotate(
    ctx: typer.Context,
    *,
    name: Name,
    now: Annotated[bool, typer.Option("--now", help="Rotate at once, also with --every.")] = False,
    every: Annotated[
        int, typer.Option(min=0, max=1000, metavar="DAYS", help="Rotate each so many days. (default: as set, else 90)")
    ] = 0,
    overlap: Annotated[
        int, typer.Option(min=0, max=365, metavar="DAYS", help="Keep the old secret so long. (default: as set, else 7)")
    ] = 0,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Let Secrets Manager rotate the client secret: it makes a new one at the provider, tests it and puts it first.

    It does so at once, unless only --every is given, and from then on each so many days.
    """
    operation = begin(ctx, stage, as_json=as_json)
    registration = _registration(operation, name)
    _minter(operation, registration)
    wiring, actor = operation.cloud.wiring, operation.cloud.actor
    interval = every * _DAY or wiring.credentials.stages(name, "").every or _USUAL_DAYS * _DAY
    lasting = overlap * _DAY or wiring.credentials.stored(name).overlap
    if lasting >= interval:
        raise Refused("The overlap has to be shorter than the time between two rotations.", exit_code=2)
    at_once = now or not every
    facts = {
        "every_days": f"{interval / _DAY:g}",
        "overlap_days": f"{lasting / _DAY:g}",
        "at_once": "yes" if at_once else "no",
    }
    wiring.trail.intend("credential.schedule", name, actor=actor, **facts)
    try:
        wiring.credential_edits.change(name, lambda kept: replace(kept, overlap=lasting))
        function = operation.cloud.output("CredentialRotatorArn")
        wiring.credentials.schedule(name, function=function, every=interval, at_once=at_once)
    except MailbearerError as error:
        wiring.trail.note("credential.scheduled", name, "failed", actor=actor, reason=error.code, **facts)
        raise
    else:
        wiring.trail.note("credential.scheduled", name, "scheduled", actor=actor, **facts)
    finally:
        wiring.trail.flush()
    result = {
        "registration": name,
        "every_days": interval / _DAY,
        "overlap_days": lasting / _DAY,
        "rotation_begun": at_once,
    }

    def human(console: Console) -> None:
        console.print(details(result.items()))
        if at_once:
            console.print(f"\nIt takes some minutes; see `mailbearer providers credentials list {name}`.")

    operation.out.show(result, human)


def _show(operation: Operation, kept: CredentialSet) -> None:
    entries = [
        _resource(credential, position, now=operation.surroundings.clock())
        for position, credential in enumerate(kept.credentials, start=1)
    ]
    columns = ("order", "id", "kind", "hint", "created_at", "expires_at", "days_left", "retire_at")

    def human(console: Console) -> None:
        shown = [entry | {"expires_at": entry["expires_at"] or "not known"} for entry in entries]
        console.print(table(columns, ([entry[name] for name in columns] for entry in shown)))

    operation.out.show(entries, human)


def _resource(credential: Credential, position: int, *, now: float) -> dict[str, Any]:
    """Write what may be known of a credential: for a certificate, `hint` is the beginning of its SHA-1 thumbprint."""
    expires_at = credential.expires_at
    return {
        "order": position,
        "id": credential.name,
        "kind": credential.kind,
        "hint": sha1_thumbprint(credential.certificate)[:8].upper() if credential.certificate else credential.hint,
        "created_at": _moment(credential.created_at),
        "expires_at": _moment(expires_at),
        "days_left": int((expires_at - now) // _DAY) if expires_at else None,
        "retire_at": _moment(credential.retire_at),
    }


def _moment(seconds: float) -> str | None:
    return rfc3339(seconds) if seconds else None


def _registration(operation: Operation, name: str) -> Registration:
    registration = operation.cloud.wiring.registrations.get(name)
    if registration is None:
        raise Refused(f"There is no registration {name}.", remedy="See `mailbearer providers list`.")
    if not registration.flow.has_token:
        raise Refused(f"{name} is built in and has no credentials.")
    return registration


def _minter(operation: Operation, registration: Registration) -> CredentialMinter:
    minter = operation.cloud.wiring.minter(registration.kind)
    if minter is None:
        raise Refused(
            f"Client secrets of kind {registration.kind} cannot be made or removed by software.",
            remedy=f"Make one at the provider, then: mailbearer providers credentials add {registration.name} "
            "--client-secret-stdin",
        )
    return minter
