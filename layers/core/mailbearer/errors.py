"""Every error Mailbearer raises on purpose, each with a stable code and the fact whether trying again may help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class MailbearerError(Exception):
    """The root: `code` is part of the contract, `title` is for people, `detail` says what to do."""

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: where (RFC 6901 pointer), a stable code, and what to do about it."""

    pointer: str
    code: str
    detail: str


class InvalidInput(MailbearerError):
    """Carry every fault found in one input."""

    code = "invalid_request"
    title = "The request is not valid"

    most: ClassVar[int] = 100
    """So many faults are named: an answer has to stay far below what Lambda can give back."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        count = len(faults)
        self.faults = faults[: self.most]
        super().__init__(f"{count} fault{'s' if count != 1 else ''}: " + "; ".join(f.detail for f in self.faults))


class MalformedBody(MailbearerError):
    """The body is not the JSON object it has to be."""

    code = "malformed_body"
    title = "The body could not be read"


class PointerUnreadable(MalformedBody):
    """A body on the queue points at content that is gone, too large, or not where it has to be."""

    code = "pointer_unreadable"
    title = "The content that the body points at could not be read"


class Unauthenticated(MailbearerError):
    """No valid API key came with the request."""

    code = "unauthenticated"
    title = "A valid API key is needed"


class Forbidden(MailbearerError):
    """The key is valid but may not do this."""

    code = "forbidden"
    title = "This key may not do that"


class NotFound(MailbearerError):
    """The thing does not exist, or is not the caller's to see."""

    code = "not_found"
    title = "There is no such thing"


class MethodNotAllowed(MailbearerError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    title = "The method is not allowed here"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"Use {' or '.join(allowed)}.")
        self.allowed = allowed


class Conflict(MailbearerError):
    """The request does not fit the present state of its target."""

    code = "conflict"
    title = "The request does not fit the present state"


class IdempotencyConflict(Conflict):
    """The key was used before with another body."""

    code = "idempotency_conflict"
    title = "This idempotency key was used with another body"


class UnknownAccount(Conflict):
    """The account a message names does not exist."""

    code = "unknown_account"
    title = "There is no such account"


class TooManyGrants(Conflict):
    """One more refresh token would make the provider end the oldest of this mailbox and client, in silence."""

    code = "too_many_grants"
    title = "The provider keeps no more grants for this mailbox"


class AccountPending(Conflict):
    """Nobody has consented yet for this mailbox."""

    code = "account_pending_consent"
    title = "The mailbox is not connected yet"


class AccountRevoked(Conflict):
    """The mailbox was cut off on purpose."""

    code = "account_revoked"
    title = "The mailbox was revoked"


class IncidentDeclared(Conflict):
    """An incident that is not resolved yet shuts the mailbox."""

    code = "incident_declared"
    title = "The mailbox is shut by an incident"


class Unavailable(MailbearerError):
    """A part we depend on did not do its work; the same request again is safe."""

    code = "temporarily_unavailable"
    title = "Try again shortly"
    retryable = True

    def __init__(self, detail: str, *, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ConfigurationInvalid(MailbearerError):
    """The settings of a function do not hold together; `detail` names every problem."""

    code = "configuration_invalid"
    title = "The settings are not valid"


class LeaseLost(MailbearerError):
    """A conditional write found that somebody else owns the record now."""

    code = "lease_lost"
    title = "Somebody else is working on this"
    retryable = True


class SecretMissing(MailbearerError):
    """Secrets Manager holds no value where one has to be."""

    code = "secret_missing"
    title = "A secret is missing"


class RotationRefused(MailbearerError):
    """A registration's credentials cannot be rotated as things stand; `detail` says what an operator has to do."""

    code = "rotation_refused"
    title = "The credentials cannot be rotated"


class CredentialUnproven(MailbearerError):
    """The provider does not take a new credential yet; the same step again is safe."""

    code = "credential_unproven"
    title = "The provider does not take the new credential yet"
    retryable = True


class AuditUnavailable(Unavailable):
    """The audit log cannot be written, so no new access is granted."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"


class UnsafeEndpoint(MailbearerError):
    """A URL or host may not be used on this stage."""

    code = "unsafe_endpoint"
    title = "This address may not be used"


# --- the token endpoint and consent -------------------------------------------------------------------------------


class TokenError(MailbearerError):
    """The root of what can go wrong between us and an authorization server.

    `finding` is the diagnosis' code for it, `raw` what the provider itself said (`invalid_client/7000222`); both may be
    empty.
    """

    code = "token_error"
    title = "The authorization server did not give a token"

    def __init__(self, detail: str, *, finding: str = "", raw: str = "") -> None:
        super().__init__(detail)
        self.finding = finding
        self.raw = raw


class GrantDead(TokenError):
    """The grant is gone for good; somebody has to consent again."""

    code = "consent_required"
    title = "The mailbox has to be connected again"

    def __init__(self, detail: str, *, reason: str, raw: str = "") -> None:
        super().__init__(detail, finding=reason, raw=raw)
        self.reason = reason


class GrantRefused(TokenError):
    """The token endpoint answered `invalid_grant` (RFC 6749 section 5.2).

    Whether the grant is dead is judged elsewhere.
    """

    code = "invalid_grant"

    def __init__(
        self, detail: str, *, error_codes: tuple[int, ...] = (), subtype: str = "", finding: str = "", raw: str = ""
    ) -> None:
        super().__init__(detail, finding=finding, raw=raw)
        self.error_codes = error_codes
        self.subtype = subtype


class TokenRefused(TokenError):
    """The userinfo endpoint does not take the access token (RFC 6750 section 3.1)."""

    code = "token_refused"


class ClientRefused(TokenError):
    """The registration itself is refused (`invalid_client`, `unauthorized_client`).

    The operator must act, no user can.
    """

    code = "registration_refused"
    title = "The provider refuses this registration"


class TokenEndpointBusy(TokenError):
    """The token endpoint could not answer now: 5xx, 429, HTML, or no connection; the grant may be well."""

    code = "token_endpoint_unavailable"
    retryable = True

    def __init__(self, detail: str, *, retry_after: float | None = None, finding: str = "", raw: str = "") -> None:
        super().__init__(detail, finding=finding, raw=raw)
        self.retry_after = retry_after


class TokenAnswerLost(TokenEndpointBusy):
    """The request may have been acted upon, but its answer never came; a rotated refresh token may be lost."""

    code = "token_answer_lost"


class TokenAnswerInvalid(TokenError):
    """The token endpoint said yes with something that is no token answer (RFC 6749 section 5.1)."""

    code = "token_answer_invalid"
    retryable = True


class AuthorizationPending(TokenError):
    """The person has not yet answered at the provider's device page (RFC 8628 section 3.5).

    With `slow_down` the provider wants five seconds more between two questions from now on.
    """

    code = "authorization_pending"
    title = "Nobody has answered yet"
    retryable = True

    def __init__(self, detail: str, *, slow_down: bool = False) -> None:
        super().__init__(detail)
        self.slow_down = slow_down


class RefreshDeferred(TokenError):
    """No usable token now, but one is expected at `retry_at` (epoch seconds)."""

    code = "token_refresh_deferred"
    title = "The token cannot be refreshed right now"
    retryable = True

    def __init__(self, detail: str, *, retry_at: float) -> None:
        super().__init__(detail)
        self.retry_at = retry_at


class ConsentRefused(MailbearerError):
    """The consent did not come to a good end; `reason` is stable and goes to the audit log."""

    code = "consent_refused"
    title = "The mailbox was not connected"

    def __init__(self, detail: str, *, reason: str, status: int = 400) -> None:
        super().__init__(detail)
        self.reason = reason
        self.status = status
