"""`mailbearer providers`: register this application's entry at a provider."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli import credential_files, guidance
from cli import provider_options as options
from cli.enrolling import enrol, resource
from cli.operation import Operation, begin, read_secret
from cli.options import AsJson, StageName
from cli.output import details, table
from cli.refusal import Refused
from mailbearer.credential import Credential
from mailbearer.errors import Fault, InvalidInput
from mailbearer.ids import rfc3339
from mailbearer.providers import DEFINITIONS, register
from mailbearer.registration import Discovery, Flow, Registration

app = typer.Typer(no_args_is_help=True, help="Register this application's entry at a provider.")

# Where a parameter of `register` and the option for it differ in more than dashes.
_OPTIONS = {"name": "NAME", "ca_pem": "--ca-file", "scopes": "--scope"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """What the operator gives to prove the application; `client_number` is how Google's administrators know it."""

    from_stdin: bool
    expires: str
    id: str
    certificate_file: Path | None
    private_key_file: Path | None
    service_account: credential_files.ServiceAccount | None

    @property
    def by_key(self) -> bool:
        return bool(self.certificate_file or self.private_key_file or self.service_account)


@app.command("add")
def add(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Your word for the registration.")],
    kind: options.Kind = "",
    flow: options.FlowName = "",
    cloud: options.CloudName = "",
    tenant: options.Tenant = "",
    client_id: options.ClientId = "",
    client_secret_stdin: options.ClientSecretStdin = False,
    secret_expires: options.SecretExpires = "",
    secret_id: options.SecretId = "",
    certificate_file: options.CertificateFile = None,
    private_key_file: options.PrivateKeyFile = None,
    service_account_file: options.ServiceAccountFile = None,
    token_auth_method: options.TokenAuthMethod = "",
    issuer: options.Issuer = "",
    authorize_url: options.AuthorizeUrl = "",
    token_url: options.TokenUrl = "",
    device_authorization_url: options.DeviceAuthorizationUrl = "",
    revoke_url: options.RevokeUrl = "",
    userinfo_url: options.UserinfoUrl = "",
    introspection_url: options.IntrospectionUrl = "",
    tokeninfo_url: options.TokeninfoUrl = "",
    ca_file: options.CaFile = None,
    scope: options.Scope = None,
    transport: options.TransportName = "",
    smtp_host: options.SmtpHost = "",
    smtp_port: options.SmtpPort = 0,
    smtp_security: options.SmtpSecurity = "",
    api_base_url: options.ApiBaseUrl = "",
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Add a registration: the client id under which a provider knows this application, and what proves it.

    The same command again repairs one that was broken off.
    """
    operation = begin(ctx, stage, as_json=as_json)
    now = operation.surroundings.clock()
    given: dict[str, Any] = {
        "kind": kind,
        "flow": flow,
        "cloud": cloud,
        "tenant": tenant,
        "client_id": client_id,
        "issuer": issuer,
        "authorize_url": authorize_url,
        "token_url": token_url,
        "device_authorization_url": device_authorization_url,
        "revoke_url": revoke_url,
        "userinfo_url": userinfo_url,
        "introspection_url": introspection_url,
        "tokeninfo_url": tokeninfo_url,
        "scopes": tuple(scope or ()),
        "transport": transport,
        "smtp_host": smtp_host,
        "smtp_port": smtp_port,
        "smtp_security": smtp_security,
        "ca_pem": credential_files.read_text(ca_file) if ca_file else "",
        "api_base_url": api_base_url,
        "token_auth_method": token_auth_method,
    }
    proof = _Proof(
        from_stdin=client_secret_stdin,
        expires=secret_expires,
        id=secret_id,
        certificate_file=certificate_file,
        private_key_file=private_key_file,
        service_account=(
            credential_files.read_service_account(service_account_file, now=now) if service_account_file else None
        ),
    )
    given |= _implied(given, proof)
    if operation.surroundings.interactive:
        given |= _ask(given)
    wanted = _registration(operation, name, given)
    credential = _credential(operation, wanted, proof, now)
    _show(operation, enrol(operation, wanted, credential), credential, proof)


@app.command("list")
def list_(ctx: typer.Context, *, stage: StageName = "", as_json: AsJson = False) -> None:
    """List the registrations."""
    operation = begin(ctx, stage, as_json=as_json)
    found = [resource(operation, registration) for registration in operation.cloud.wiring.registrations.listing()]
    columns = ("name", "kind", "transport", "flow", "client_id", "scopes")

    def human(console: Console) -> None:
        console.print(table(columns, ([registration[name] for name in columns] for registration in found)))
        if len(found) == 1:
            console.print("\nThe sandbox is built in. Add a provider with `mailbearer providers add NAME --kind ...`.")

    operation.out.show(found, human)


def _show(operation: Operation, registration: Registration, credential: Credential, proof: _Proof) -> None:
    """Show what is kept here and what is left to do at the provider."""
    kept = resource(operation, registration)
    number = proof.service_account.client_number if proof.service_account else ""
    todo = guidance.steps(registration, client_number=number)
    warnings = guidance.warnings(registration)
    setup_guide, provider_guide = guidance.pages(registration)
    expires_at = rfc3339(credential.expires_at) if credential.expires_at else None
    for warning in warnings:
        operation.out.note(f"Warning: {warning}")

    def human(console: Console) -> None:
        smtp = kept["smtp"]
        server = f"{smtp['host']}:{smtp['port']} {smtp['security']}" if smtp else ""
        shown = kept | {"smtp": server, "redirect_uri": "", "credential_expires_at": expires_at}
        console.print(details(shown.items()))
        if registration.flow is Flow.AUTHORIZATION_CODE:
            console.print("\nRegister this redirect URI with the provider, exactly:")
            console.print(kept["redirect_uri"])
        if todo:
            console.print("\nTo do at the provider:")
        for step in todo:
            console.print(f"  {step}")
        console.print(f"\nThe page to follow: {setup_guide}\nThe provider's own: {provider_guide}")
        console.print(f"Next: mailbearer providers verify {registration.name}")

    more = {
        "credential_expires_at": expires_at,
        "steps": todo,
        "warnings": warnings,
        "setup_guide": setup_guide,
        "provider_guide": provider_guide,
    }
    operation.out.show(kept | more, human)


def _implied(given: dict[str, Any], proof: _Proof) -> dict[str, Any]:
    """Give what follows from the files: a service account's client id and flow, a key's authentication method."""
    if proof.service_account:
        if given["client_id"] or proof.certificate_file or proof.private_key_file or proof.from_stdin:
            raise Refused(
                "--service-account-file holds client id and key already.",
                remedy="Leave out --client-id and every other secret, key or certificate.",
                exit_code=2,
            )
        return {
            "kind": given["kind"] or "google",
            "flow": given["flow"] or Flow.JWT_BEARER,
            "client_id": proof.service_account.client_email,
        }
    if proof.by_key and given["flow"] != Flow.JWT_BEARER and not given["token_auth_method"]:
        return {"token_auth_method": "private_key_jwt"}
    return {}


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
    asked["kind"] = given["kind"] or typer.prompt(f"Kind of provider ({options.KINDS})", err=True)
    asked["client_id"] = given["client_id"] or typer.prompt("Client id", err=True)
    definition = DEFINITIONS.get(asked["kind"])
    if definition is None:
        return asked
    elsewhere = given["issuer"] or given["token_url"]
    unattended = given["flow"] in {Flow.CLIENT_CREDENTIALS, Flow.JWT_BEARER}
    if not (definition.endpoints.token_url or elsewhere):
        asked["issuer"] = typer.prompt("Issuer (URL)", err=True)
    if definition.usual_tenant and unattended and not (given["tenant"] or elsewhere):
        asked["tenant"] = typer.prompt("Tenant (its id or a domain of it)", err=True)
    transport = given["transport"] or definition.default_transport
    if transport == "smtp" and not (definition.smtp or given["smtp_host"]):
        asked["smtp_host"] = typer.prompt("SMTP host", err=True)
    if unattended and not (given["scopes"] or definition.app_scopes.get(transport)):
        asked["scopes"] = tuple(typer.prompt("Scopes that send (by blanks)", err=True).split())
    return asked


def _credential(operation: Operation, wanted: Registration, proof: _Proof, now: float) -> Credential:
    """Read what proves the application. Raises `Refused` if that does not fit the registration."""
    key_wanted = wanted.flow is Flow.JWT_BEARER or wanted.token_auth_method == "private_key_jwt"  # noqa: S105 - a method
    public = not key_wanted and wanted.token_auth_method == "none"  # noqa: S105 - the name of a method, not a secret
    if proof.from_stdin and (proof.by_key or public):
        raise Refused(
            "A public client has no secret." if public else "A key takes the place of a secret.",
            remedy="Leave out --client-secret-stdin"
            + (", or give --token-auth-method client_secret_post." if public else "."),
            exit_code=2,
        )
    if proof.service_account:
        return proof.service_account.credential
    if proof.certificate_file:
        if proof.expires:
            raise Refused("--secret-expires: the certificate itself says when it expires.", exit_code=2)
        key_file = proof.private_key_file or proof.certificate_file
        return credential_files.read_certificate(proof.certificate_file, key_file, key_id=proof.id, now=now)
    expires_at = credential_files.read_expiry(proof.expires, "--secret-expires", now=now) if proof.expires else 0
    if proof.private_key_file:
        return credential_files.read_private_key(
            proof.private_key_file, key_id=proof.id, expires_at=expires_at, now=now
        )
    if key_wanted:
        raise Refused(
            "The private key is missing.",
            remedy="Give --service-account-file, or --private-key-file with --certificate-file where there is one.",
            exit_code=2,
        )
    secret = "" if public else _client_secret(operation, from_stdin=proof.from_stdin)
    return Credential(id=proof.id, client_secret=secret, created_at=now, expires_at=expires_at)


def _client_secret(operation: Operation, *, from_stdin: bool) -> str:
    if from_stdin:
        return read_secret("--client-secret-stdin")
    if operation.surroundings.interactive:
        return str(typer.prompt("Client secret (it is not shown)", hide_input=True, err=True))
    raise Refused(
        "The client secret is missing.",
        remedy="Pipe it in with --client-secret-stdin, or give --token-auth-method none for a public client.",
        exit_code=2,
    )
