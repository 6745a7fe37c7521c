"""Practices 2 and 3: each registration uses a flow that fits, and is one that its provider takes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from mailbearer.account import AccountState
from mailbearer.ports.provider import AuthorizationRequest
from mailbearer.practices.picture import mailboxes, plural
from mailbearer.practices.practice import Seen, failed, passed, some, warned
from mailbearer.registration import Flow
from mailbearer.verifying import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.practices.picture import Picture
    from mailbearer.registration import Registration

_SILENT = 7200.0
"""Seconds without a token answer after which a registration with mailboxes counts as unproven: two lives of a token."""

_UNWATCHED = 7200.0
_DAYS_AHEAD = 30


def flows(picture: Picture) -> Iterator[Seen]:
    """See that each registration's flow is one that its kind has, and the one to be preferred."""
    for each in picture.registered:
        definition = picture.sources.definitions(each.kind)
        if each.flow not in definition.flows:
            yield failed(
                f"{each.name} uses {each.flow}, which {definition.title} does not have for mail.",
                f"Add it anew with --flow {definition.default_flow}.",
            )
        elif each.flow is Flow.DEVICE_CODE and Flow.AUTHORIZATION_CODE in definition.flows:
            yield warned(
                f"{each.name} uses {each.flow}, whose codes can be phished; {Flow.AUTHORIZATION_CODE} is there too.",
                "Keep it only where a browser cannot come back to this API.",
            )
        else:
            yield passed(f"{each.name}: {each.flow}. {definition.flows[each.flow]}")
    if not picture.registered:
        yield passed("0 of 0 registrations: there is nothing to check yet.")


def proof_keys(picture: Picture) -> Iterator[Seen]:
    """Write the request that an owner's browser would carry, and see that it asks for a code, with PKCE."""
    wanted = AuthorizationRequest(
        state="practices",
        verifier="practices-look-at-how-the-owner-is-sent-to-the-provider",
        nonce="practices",
        redirect_uri=f"{picture.place.api_url}/oauth/callback",
        login_hint="",
    )
    asking = [each for each in picture.registered if each.flow is Flow.AUTHORIZATION_CODE]
    for each in asking:
        query = parse_qs(urlsplit(picture.sources.server().authorization_url(each, wanted)).query)
        if query.get("response_type") != ["code"]:
            yield failed(f"{each.name} asks for {query.get('response_type')}, not for a code.", _anew(each))
        elif query.get("code_challenge_method") != ["S256"] or not query.get("code_challenge"):
            yield failed(f"{each.name} sends owners to the provider without PKCE (RFC 7636).", _anew(each))
    if asking:
        yield passed(f"{plural(len(asking), 'registration')} send owners to sign in; requests were written and read.")


def belonging(picture: Picture) -> Iterator[Seen]:
    """See that each mailbox's registration is there."""
    known = picture.registrations
    orphans = [
        one.address for one in picture.accounts if one.state is not AccountState.REVOKED and one.provider not in known
    ]
    if orphans:
        yield failed(
            f"{mailboxes(len(orphans))} without their registration: {some(orphans)}.",
            "Add the registration again under the same name, or revoke and delete the mailboxes.",
        )
    else:
        yield passed(f"Each of {picture.all_accounts} has its registration.")


def credentials(picture: Picture) -> Iterator[Seen]:
    """See that each registration's credential is in the vault, will last, and is looked after."""
    sound = 0
    for each in picture.registered:
        secret = picture.sources.inspector.secret(f"{picture.place.secrets_prefix}/registrations/{each.name}")
        if secret is None or secret.deleted:
            yield failed(
                f"{each.name} has no credential in the vault.",
                f"Run `mailbearer providers add {each.name}` again with the same values.",
            )
            continue
        left = _days_left(each)
        remedy = f"Put a new one beside it: mailbearer providers credentials add {each.name}"
        if left == 0:
            yield failed(f"A credential of {each.name} has expired.", remedy)
        elif left is not None and left <= _DAYS_AHEAD:
            yield warned(f"A credential of {each.name} expires within {left} days.", remedy)
        else:
            sound += 1
        if picture.now - max(each.checked_at, each.created_at) > _UNWATCHED:
            yield warned(
                f"The end of {each.name}'s credential was last looked for {_ago(picture, each.checked_at)}.",
                "See the alarms token-rotator-silent and token-rotator-errors.",
            )
    if sound:
        yield passed(f"{plural(sound, 'registration')} of {len(picture.registered)} with a credential that lasts.")


def answered(picture: Picture) -> Iterator[Seen]:
    """See that each registration's provider has lately given it tokens."""
    for each in picture.registered:
        own = [one for one in picture.active if one.provider == each.name]
        refusals = picture.day.registrations_refused[each.name]
        last = max((one.token.refreshed_at for one in own), default=0.0)
        verify = f"Run `mailbearer providers verify {each.name}`: it says what is wrong and how to mend it."
        if not own:
            yield warned(f"{each.name} has no mailbox yet that proves it.", verify)
        elif refusals:
            yield failed(f"Its provider refused {each.name} {refusals} times in {picture.day.span}.", verify)
        elif picture.now - last > _SILENT:
            yield failed(f"{each.name} last got a token {_ago(picture, last)}.", verify)
        else:
            yield passed(f"{each.name} got its last token {_ago(picture, last)}, for {mailboxes(len(own))}.")
    if not picture.registered:
        yield warned(
            "No provider is registered yet.",
            "mailbearer providers add NAME --kind KIND, then mailbearer providers verify NAME",
        )


def verified(picture: Picture) -> Iterator[Seen]:
    """Test each registration at its provider, if that is asked for."""
    verify = picture.sources.verify
    if verify is None:
        return
    for each in picture.registered:
        for finding in verify(each):
            text = f"{each.name}, {finding.step}: {finding.detail}"
            if finding.verdict is Verdict.PASS:
                yield passed(text)
            else:
                yield Seen(finding.verdict, text, finding.remedy or f"mailbearer providers verify {each.name}")


def redirected(picture: Picture) -> Iterator[Seen]:
    """See that owners are sent back to this very API."""
    function = picture.functions["accounts-api"]
    given = (function.environment.get("API_URL", "") if function else "").rstrip("/")
    redirect_uri = f"{picture.place.api_url}/oauth/callback"
    if given != picture.place.api_url:
        yield failed(
            f"accounts_api sends owners back to {given or 'nowhere'}, and the API is at {picture.place.api_url}.",
            "Set PublicUrl to where people reach the API, deploy, and register the redirect URI at each provider.",
        )
    else:
        yield passed(f"The redirect URI is {redirect_uri}.")


def _days_left(registration: Registration) -> int | None:
    """Give the least of the thresholds that a warning was given for, None if there was none."""
    given = [mark.rpartition(":")[2] for mark in registration.warned]
    return min((int(days) for days in given if days.isdigit()), default=None)


def _ago(picture: Picture, moment: float) -> str:
    return f"{picture.age(moment)} ago" if moment else "never"


def _anew(registration: Registration) -> str:
    return f"Add {registration.name} anew; nothing but its endpoints may be given for the authorization request."
