"""`mailbearer doctor`: what is wrong with which mailbox and registration, who has to act, and how."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.api import Api, segment
from cli.cloud import refusals_of_aws
from cli.operation import Operation, begin
from cli.options import ApiKeyStdin, AsJson, StageName
from cli.output import plain
from cli.refusal import Refused
from mailbearer.diagnosis import by_code
from mailbearer.errors import SecretMissing
from mailbearer.registration import Registration

_SOON_DAYS = 30
_HEALTHY = Text("ok   ", style="green")
_ILL = Text("ill  ", style="bold red")
_WATCH = Text("watch", style="yellow")


def doctor(
    ctx: typer.Context,
    *,
    account: Annotated[
        str, typer.Argument(metavar="[ACCOUNT]", help="One account's id or address. (default: all, and registrations)")
    ] = "",
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Say how each mailbox and registration stands: what is wrong, why, who has to act, and how.

    It reads what is recorded and asks no provider; `accounts validate` and `providers verify` do. Ends with 1 if
    somebody has to act.
    """
    operation = begin(ctx, stage, as_json=as_json)
    api = operation.api(key_stdin=api_key_stdin)
    accounts = [_health(api, account)] if account else list(_all(api))
    registrations = [] if account else _registrations(operation)
    report = {"accounts": accounts, "registrations": registrations}

    def human(console: Console) -> None:
        for one in accounts:
            print_standing(console, f"{one['address']} ({one['account']})", str(one["state"]), one.get("diagnosis"))
        for one in registrations:
            print_standing(console, f"registration {one['name']}", _days(one["days_left"]), one["diagnosis"])
        if not accounts and not account:
            console.print("No accounts. Add one with `mailbearer accounts add ADDRESS --provider NAME`.")

    operation.out.show(report, human)
    if any(_acts(one.get("diagnosis")) for one in (*accounts, *registrations)):
        raise typer.Exit(1)


def _all(api: Api) -> Iterator[dict[str, Any]]:
    for one in api.listing("/v1/accounts", {}):
        yield _health(api, str(one.get("id")), one)


def _health(api: Api, reference: str, account: Mapping[str, Any] | None = None) -> dict[str, Any]:
    path = f"/v1/accounts/{segment(reference)}"
    known = account or api.get(path)
    return {"address": known.get("address"), **api.get(f"/v1/accounts/{segment(str(known.get('id')))}/health")}


def _registrations(operation: Operation) -> list[dict[str, Any]]:
    """Look at the registrations with the operator's own credentials; without any, only the mailboxes are shown."""
    try:
        with refusals_of_aws():
            found = operation.cloud.wiring.registrations.listing()
            return [_registration(operation, registration) for registration in found if registration.flow.has_token]
    except Refused as error:
        operation.out.note(f"Registrations were not looked at: {error.sentence}")
        return []


def _registration(operation: Operation, registration: Registration) -> dict[str, Any]:
    now = operation.surroundings.clock()
    diagnosis, days = None, None
    try:
        credentials = operation.cloud.wiring.credentials.read(registration.name)
    except SecretMissing as error:
        remedy = f"Run `mailbearer providers add {registration.name}` again with the same values."
        diagnosis = {"code": error.code, "cause": error.detail, "remedy": remedy, "who": "operator"}
    else:
        # The last to end counts: while a newer one is there, an older may lapse.
        ends = [credential.expires_at for credential in credentials]
        if all(ends):
            days = int((max(ends) - now) // 86_400)
        if days is not None and days < _SOON_DAYS:
            code = "client_secret_expired" if days < 0 else "credential_expiring"
            found = by_code(code)
            remedy = found.remedy_for(
                registration=registration.name, client_id=registration.client_id, tenant=registration.tenant
            )
            diagnosis = {"code": code, "cause": found.cause, "remedy": remedy, "who": str(found.who)}
    return {"name": registration.name, "kind": registration.kind, "days_left": days, "diagnosis": diagnosis}


def print_standing(console: Console, subject: str, state: str, diagnosis: Mapping[str, Any] | None) -> None:
    """Print how a mailbox or registration stands, and what is to be done."""
    sign = _HEALTHY if diagnosis is None else _ILL if _acts(diagnosis) else _WATCH
    console.print(Text.assemble(sign, " ", (plain(subject), "bold"), f"  {plain(state)}"))
    if diagnosis:
        raw = f", the provider says {diagnosis['raw']}" if diagnosis.get("raw") else ""
        console.print(Text(f"      {plain(diagnosis['cause'])} [{plain(diagnosis['code'])}{plain(raw)}]"))
        console.print(Text(f"      {plain(diagnosis['who'])}: {plain(diagnosis['remedy'])}"))


def _acts(diagnosis: Mapping[str, Any] | None) -> bool:
    """Tell whether somebody has to act."""
    return diagnosis is not None and diagnosis.get("who") != "nobody"


def _days(days: int | None) -> str:
    return "end of the credential not known" if days is None else f"{days} days left"
