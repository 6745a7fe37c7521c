"""Testing a registration step by step, before anybody consents: nothing is stored, sent or granted."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from mailbearer.definition import IDENTITY_SCOPES
from mailbearer.diagnosis import Evidence, by_code, explain
from mailbearer.errors import ClientRefused, GrantRefused, MailbearerError, SecretMissing, TokenError, Unavailable
from mailbearer.ports.provider import AuthorizationRequest
from mailbearer.registration import Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailbearer.account import Account
    from mailbearer.client import Client
    from mailbearer.credential import Credential
    from mailbearer.definition import Definition, Definitions
    from mailbearer.ports import Clock
    from mailbearer.ports.mail import Transport
    from mailbearer.ports.provider import AuthorizationServer, WebPage
    from mailbearer.ports.vaults import CredentialVault
    from mailbearer.registration import Discovery, Registration

EXPIRES_SOON = 30 * 86_400.0
_PROBED = {"issuer", "authorize_url"}
_MECHANISMS = frozenset({"XOAUTH2", "OAUTHBEARER"})
_REFUSED = 400
_FOUND = range(300, 400)
# Entra shows a refusal as a page of its own; the number on it is its code for it.
_AADSTS = re.compile(r"AADSTS\d{5,8}")


class Verdict(StrEnum):
    """What a step came to."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One step: what was looked at, what was found, and what to do about it; `code` is the diagnosis' for it."""

    step: str
    verdict: Verdict
    detail: str
    code: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Test a registration live, each step by a real call."""

    client: Client
    credentials: CredentialVault
    definitions: Definitions
    server: Callable[[], AuthorizationServer]
    transport: Callable[[str], Transport]
    discover: Callable[[Registration], Discovery]
    clock: Clock
    redirect_uri: str

    def run(self, registration: Registration, *, mailbox: Account | None = None) -> Iterator[Finding]:
        """Give each finding as soon as it is made; one that fails does not stop the rest.

        With `mailbox` an unattended registration is tried on that mailbox too.
        """
        if not registration.flow.has_token:
            detail = "It is built in: there is nothing that could be registered wrongly, and no mail leaves."
            yield Finding(step=registration.name, verdict=Verdict.PASS, detail=detail)
            return
        definition = self.definitions(registration.kind)
        yield from self._endpoints(registration)
        yield from self._discovery(registration)
        yield from self._credentials(registration, mailbox)
        if registration.flow is Flow.AUTHORIZATION_CODE:
            yield self._authorize(registration)
        if registration.flow is Flow.DEVICE_CODE:
            yield self._device(registration)
        yield _scopes(registration, definition)
        yield self._mail(registration)
        if registration.flow.unattended and mailbox is not None:
            yield self._mailbox(registration, mailbox)
        if registration.kind == "google" and registration.flow is Flow.AUTHORIZATION_CODE:
            detail = "Whether the app is still in Testing cannot be asked; the first consent shows it."
            yield _found("publishing status", registration, Verdict.WARN, detail, "registration_in_testing")

    def _endpoints(self, registration: Registration) -> Iterator[Finding]:
        for field in fields(registration.endpoints):
            url = getattr(registration.endpoints, field.name)
            if not url or field.name in _PROBED:
                continue
            step = f"endpoint {field.name.removesuffix('_url')}"
            try:
                page = self.server().visit(registration, url)
            except TokenError as error:
                yield _failed(step, registration, error, remedy=f"Check the address {url} and its certificate.")
            else:
                gone = page.status in {404, 410}
                detail = f"{url} answers {_carried(url)} (HTTP {page.status})."
                yield Finding(step=step, verdict=Verdict.WARN if gone else Verdict.PASS, detail=detail)

    def _discovery(self, registration: Registration) -> Iterator[Finding]:
        endpoints = registration.endpoints
        if not endpoints.issuer or "{" in endpoints.issuer:
            return
        try:
            published = self.discover(registration).endpoints
        except MailbearerError as error:
            yield Finding(step="discovery", verdict=Verdict.WARN, detail=error.detail, code=error.code)
            return
        differing = [
            field.name
            for field in fields(endpoints)
            if getattr(endpoints, field.name)
            and getattr(published, field.name)
            and getattr(endpoints, field.name) != getattr(published, field.name)
        ]
        if differing:
            detail = f"The issuer publishes another {', '.join(differing)} than is registered."
            yield Finding(
                step="discovery",
                verdict=Verdict.WARN,
                detail=detail,
                remedy="If the server has moved, add the registration anew with --issuer.",
            )
        else:
            detail = f"{endpoints.issuer} publishes the endpoints that are registered."
            yield Finding(step="discovery", verdict=Verdict.PASS, detail=detail)

    def _credentials(self, registration: Registration, mailbox: Account | None) -> Iterator[Finding]:
        try:
            credentials = self.credentials.read(registration.name)
        except (SecretMissing, Unavailable) as error:
            remedy = f"Run `mailbearer providers add {registration.name}` again."
            yield _failed("credential", registration, error, remedy=remedy)
            return
        for position, credential in enumerate(credentials, start=1):
            step = f"credential {credential.id or position}"
            if expiry := self._expiry(step, registration, credential):
                yield expiry
            yield self._prove(step, registration, credential, mailbox)

    def _expiry(self, step: str, registration: Registration, credential: Credential) -> Finding | None:
        left = credential.expires_at - self.clock()
        if not credential.expires_at or left > EXPIRES_SOON:
            return None
        days = int(left // 86_400)
        if left <= 0:
            return _found(step, registration, Verdict.FAIL, "It has expired.", "client_secret_expired")
        return _found(step, registration, Verdict.WARN, f"It expires in {days} days.", "credential_expiring")

    def _prove(self, step: str, registration: Registration, credential: Credential, mailbox: Account | None) -> Finding:
        if registration.flow is Flow.JWT_BEARER and mailbox is None:
            return Finding(
                step=step,
                verdict=Verdict.WARN,
                detail="A service account is tested by speaking for a mailbox.",
                remedy="Name one: --mailbox ADDRESS",
            )
        if not (credential.client_secret or credential.private_key):
            return Finding(step=step, verdict=Verdict.PASS, detail="A public client has none to be tested.")
        try:
            proven = self.client.prove(registration, credential, subject=mailbox.address if mailbox else "")
        except TokenError as error:
            return _failed(step, registration, error)
        if proven:
            return Finding(step=step, verdict=Verdict.PASS, detail="The provider takes client id and credential.")
        detail = "The provider's answer does not tell whether it takes the credential; the first consent will."
        return Finding(step=step, verdict=Verdict.WARN, detail=detail)

    def _authorize(self, registration: Registration) -> Finding:
        """Open the authorization endpoint as the owner's browser would, and see whether it goes on to a sign-in."""
        step = "authorize"
        request = AuthorizationRequest(
            state="mailbearer-providers-verify",
            verifier="mailbearer-looks-whether-the-client-is-known",
            nonce="mailbearer-providers-verify",
            redirect_uri=self.redirect_uri,
            login_hint="",
        )
        try:
            page = self.server().visit(registration, self.server().authorization_url(registration, request))
        except TokenError as error:
            return _failed(step, registration, error, remedy="Check the address of the authorization endpoint.")
        refusal = _refusal_of(page, self.redirect_uri)
        if refusal is None:
            detail = f"The provider goes on to a sign-in with the redirect URI {self.redirect_uri}."
            return Finding(step=step, verdict=Verdict.PASS, detail=detail)
        found = explain(
            Evidence(provider=registration.kind, surface="callback", http_status=page.status, headers={}, body=refusal),
            registration=registration.name,
            client_id=registration.client_id,
        )
        detail = f"The provider refuses the request (HTTP {page.status}). {found.cause}"
        remedy = f"{found.remedy} The redirect URI is {self.redirect_uri}"
        return Finding(step=step, verdict=Verdict.FAIL, detail=detail, code=found.code, remedy=remedy)

    def _device(self, registration: Registration) -> Finding:
        try:
            given = self.client.begin_device(registration)
        except (TokenError, SecretMissing, Unavailable) as error:
            return _failed("device code", registration, error)
        detail = f"The provider gives a code to be entered at {given.verification_uri}; it is left to lapse."
        return Finding(step="device code", verdict=Verdict.PASS, detail=detail)

    def _mail(self, registration: Registration) -> Finding:
        greeting = self.transport(registration.transport).greet(registration)
        if not greeting.reached:
            return Finding(
                step="mail",
                verdict=Verdict.FAIL,
                detail=greeting.detail,
                code=greeting.code,
                remedy="Check host, port, --smtp-security and --ca-file, or --api-base-url, of the registration.",
            )
        if registration.transport != "smtp":
            detail = f"The mail API answers {_carried(registration.api_base_url)}."
            return Finding(step="mail", verdict=Verdict.PASS, detail=detail)
        offered = {word for offer in greeting.offers if offer.startswith("AUTH ") for word in offer.upper().split()}
        if usable := sorted(offered & _MECHANISMS):
            detail = f"The server offers {' and '.join(usable)} behind verified TLS."
            return Finding(step="mail", verdict=Verdict.PASS, detail=detail)
        return Finding(
            step="mail",
            verdict=Verdict.FAIL,
            detail=f"The server offers no OAuth2 sign-in: {' '.join(sorted(offered)) or 'no AUTH at all'}.",
            code="mechanism_not_offered",
            remedy="Turn OAuth2 on for SMTP at the server, or use the provider's mail API.",
        )

    def _mailbox(self, registration: Registration, mailbox: Account) -> Finding:
        step = f"mailbox {mailbox.address}"
        try:
            answer = self.client.mint(registration, subject=mailbox.address)
        except (TokenError, SecretMissing, Unavailable) as error:
            return _failed(step, registration, error)
        opened = self.transport(registration.transport).verify(
            account=mailbox, registration=registration, access_token=answer.access_token
        )
        if opened is None:
            detail = "A token was given; whether it opens the mailbox cannot be asked without sending."
            return Finding(step=step, verdict=Verdict.WARN, detail=detail)
        if opened:
            return Finding(step=step, verdict=Verdict.PASS, detail="A token was given, and it opens the mailbox.")
        detail = "A token was given, but it does not open the mailbox."
        return _found(step, registration, Verdict.FAIL, detail, "mailbox_not_opened")


def _refusal_of(page: WebPage, redirect_uri: str) -> str | None:
    """Give what the authorization endpoint refused with, None if it did not."""
    if page.status in _FOUND:
        query = parse_qs(urlsplit(page.location).query)
        if page.location.startswith(redirect_uri) or {"error", "authError"} & query.keys():
            return urlsplit(page.location).query
        return None
    if number := _AADSTS.search(page.text):
        return f"error_description={number[0]}"
    return page.text[:4096] if page.status >= _REFUSED else None


def _scopes(registration: Registration, definition: Definition) -> Finding:
    """Compare what will be asked for with the least that sends."""
    by_transport = definition.app_scopes if registration.flow.unattended else definition.scopes
    least = by_transport.get(registration.transport, ())
    missing, excessive = definition.scope_drift(least, " ".join(registration.scopes))
    # What a server of one's own calls its sending scope is not known; then no scope is one too many.
    if excessive and set(least) - IDENTITY_SCOPES:
        detail = f"More is asked for than sending needs: {' '.join(excessive)}."
        return _found("scopes", registration, Verdict.WARN, detail, "scope_excessive")
    if missing:
        detail = f"The scopes for sending are not asked for: {' '.join(missing)}."
        return _found("scopes", registration, Verdict.WARN, detail, "scope_missing")
    return Finding(step="scopes", verdict=Verdict.PASS, detail=f"Asked for: {' '.join(registration.scopes)}.")


def _carried(url: str) -> str:
    """Say how an address is reached; one that is left out is the provider's own."""
    return "without TLS, on this machine" if url.startswith("http://") else "over verified TLS"


def _failed(step: str, registration: Registration, error: MailbearerError, *, remedy: str = "") -> Finding:
    code = (error.finding if isinstance(error, TokenError) else "") or error.code
    if not remedy and isinstance(error, (ClientRefused, GrantRefused)):
        remedy = _remedy(code, registration)
    verdict = Verdict.WARN if error.retryable else Verdict.FAIL
    return Finding(step=step, verdict=verdict, detail=error.detail, code=code, remedy=remedy)


def _found(step: str, registration: Registration, verdict: Verdict, detail: str, code: str) -> Finding:
    return Finding(step=step, verdict=verdict, detail=detail, code=code, remedy=_remedy(code, registration))


def _remedy(code: str, registration: Registration) -> str:
    return by_code(code).remedy_for(
        provider=registration.kind,
        registration=registration.name,
        client_id=registration.client_id,
        tenant=registration.tenant,
    )
