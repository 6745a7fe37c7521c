"""`mailbearer providers verify`: test a registration live, before anyone consents."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.operation import Operation, begin
from cli.options import AsJson, StageName
from cli.output import console, plain, write_json
from cli.refusal import Refused
from mailbearer.account import Account, AccountState
from mailbearer.providers import definition_of
from mailbearer.registration import Discovery, Registration
from mailbearer.verifying import Finding, Verdict, Verification

_STYLES = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def verify(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The registration.")],
    mailbox: Annotated[
        str, typer.Option(metavar="ADDRESS", help="A mailbox on which to try an unattended registration.")
    ] = "",
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Test a registration step by step: endpoints, credentials, redirect URI, scopes, mail side.

    Every step is a real call from this machine; nothing is stored, granted or sent. Ends with 1 if a step fails.
    """
    operation = begin(ctx, stage, as_json=as_json)
    wiring = operation.cloud.wiring
    registration = wiring.registrations.get(name)
    if registration is None:
        raise Refused(f"There is no registration {name}.", remedy="See `mailbearer providers list`.")
    verification = verification_of(operation)
    now = operation.surroundings.clock()
    account = _mailbox(mailbox, registration, now) if mailbox else None
    findings: list[Finding] = []
    for finding in verification.run(registration, mailbox=account):
        findings.append(finding)
        if not as_json:
            _print(console(), finding)
    if as_json:
        write_json([_as_json(finding) for finding in findings], indent=2)
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise typer.Exit(1)


def verification_of(operation: Operation) -> Verification:
    """Give what tests a stage's registrations from this machine."""
    wiring = operation.cloud.wiring
    return Verification(
        client=wiring.client,
        credentials=wiring.credentials,
        definitions=definition_of,
        server=wiring.server,
        transport=wiring.transport,
        discover=lambda asked: _discover(operation, asked),
        clock=operation.surroundings.clock,
        redirect_uri=f"{operation.api_url}/oauth/callback",
    )


def _print(out: Console, finding: Finding) -> None:
    head = Text.assemble((f"{finding.verdict:<5}", _STYLES[finding.verdict]), (f"{plain(finding.step)}  ", "bold"))
    code = f" [{finding.code}]" if finding.code else ""
    out.print(head + Text(f"{plain(finding.detail)}{code}"))
    if finding.remedy and finding.verdict is not Verdict.PASS:
        out.print(Text(f"     {plain(finding.remedy)}", style="dim"))


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "step": finding.step,
        "outcome": str(finding.verdict),
        "detail": finding.detail,
        "code": finding.code or None,
        "remedy": finding.remedy or None,
    }


def _mailbox(address: str, registration: Registration, now: float) -> Account:
    return Account(
        id="",
        provider=registration.name,
        address=address,
        transport=registration.transport,
        state=AccountState.PENDING_CONSENT,
        created_at=now,
        updated_at=now,
    )


def _discover(operation: Operation, registration: Registration) -> Discovery:
    from mailbearer.oauth import discover  # noqa: PLC0415 - Authlib takes its time

    with operation.cloud.wiring.egress.session(registration.ca_pem) as session:
        return discover(registration.endpoints.issuer, session)
