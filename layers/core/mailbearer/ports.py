"""One Protocol for each thing we do not own. Adapters and the tests' fakes are held to the same contract tests.

Two rules hold for every store. `replace(new, expected=old)` writes `new` only if the item still is as `old` says, and
gives back the item as it stands afterwards: the caller has won exactly if that equals `new` (also when the SDK
retried a write that had already gone through). Reads by key are consistent; reads through an index are not. Values are
kept exactly, but for `created_at` of messages (whole milliseconds) and every `expires_at` (whole seconds, rounded up).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from mailbearer.account import Account, Consent
    from mailbearer.audit import AuditEvent
    from mailbearer.caller import ApiKey
    from mailbearer.credential import Credential, CredentialSet
    from mailbearer.errors import Fault
    from mailbearer.message import Address, Message, MessageRecord, Outcome, Outgoing
    from mailbearer.registration import Registration
    from mailbearer.token import StoredToken, TokenSet

Clock: TypeAlias = Callable[[], float]
"""Give the time in epoch seconds."""

RandomBytes: TypeAlias = Callable[[int], bytes]
"""Give that many unpredictable bytes."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of ids, newest first; `cursor` is empty on the last."""

    ids: tuple[str, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """An account with work for the schedule since `at` (epoch seconds)."""

    at: float
    account_id: str


class MessageStore(Protocol):
    """The status of every message."""

    def create(self, record: MessageRecord) -> MessageRecord:
        """Put the record if its id is new; give the record that stands there."""

    def get(self, message_id: str) -> MessageRecord | None:
        """Read one record."""

    def get_many(self, message_ids: Sequence[str]) -> dict[str, MessageRecord]:
        """Read up to 100 records by id; missing ones are left out."""

    def replace(self, new: MessageRecord, *, expected: MessageRecord) -> MessageRecord:
        """Write `new` if status, attempt and owner are still those of `expected`; give the record that stands there.

        Raises `NotFound` if there is none.
        """

    def by_account(self, account_id: str, *, since: float, limit: int, cursor: str) -> Page:
        """List an account's messages created at or after `since`, newest first."""


class AccountStore(Protocol):
    """Every mailbox, with the lease on its token."""

    def create(self, account: Account) -> bool:
        """Put the account if its id is new; tell whether it was."""

    def get(self, account_id: str, *, consistent: bool = True) -> Account | None:
        """Read one account; without `consistent` for half the price, perhaps as it was a moment ago."""

    def replace(self, new: Account, *, expected: Account) -> Account:
        """Write `new`, the next revision of `expected`, if the stored revision still is that of `expected`.

        Gives the account that stands there afterwards.

        Raises `NotFound` if there is none.
        """

    def delete(self, account: Account) -> None:
        """Remove the account if nobody has changed it since it was read. Raises `Conflict` if somebody has."""

    def by_address(self, address: str) -> list[Account]:
        """Find the accounts of an address, compared without case."""

    def listing(self, *, limit: int, cursor: str) -> tuple[list[Account], str]:
        """List accounts; the second value continues the list, empty at its end."""

    def due(self, now: float) -> Iterator[Due]:
        """Give the accounts whose `due_at` has come, the longest overdue first; each once, read as they are asked for.

        Only active and paused accounts are ever due, and those whose revocation is pending.
        """


class ConsentStore(Protocol):
    """Consents under way."""

    def put(self, consent: Consent) -> None:
        """Keep a consent."""

    def get(self, state_hash: str) -> Consent | None:
        """Read a consent without consuming it."""

    def replace(self, new: Consent, *, expected: Consent) -> Consent | None:
        """Write `new` if the consent still is as `expected` and nobody took it; give the one that stands, if any."""

    def take(self, state_hash: str) -> Consent | None:
        """Consume a consent: exactly one of many callers gets it, also if an answer is lost and the call repeated."""


class RegistrationStore(Protocol):
    """Registrations, without their secrets."""

    def create(self, registration: Registration) -> bool:
        """Put the registration if its name is new; tell whether it was."""

    def replace(self, new: Registration, *, expected: Registration) -> Registration:
        """Write `new`, the next revision of `expected`, if the stored revision still is that of `expected`.

        Gives the registration that stands there afterwards. Raises `NotFound` if there is none.
        """

    def get(self, name: str) -> Registration | None:
        """Read one registration."""

    def listing(self) -> list[Registration]:
        """List all registrations by name."""


class KeyStore(Protocol):
    """API keys, hashed."""

    def create(self, key: ApiKey) -> bool:
        """Put the key if its id is new; tell whether it was."""

    def get(self, key_id: str) -> ApiKey | None:
        """Read one key."""


class TokenVault(Protocol):
    """The secrets of mailboxes, one each."""

    def read(self, account_id: str) -> StoredToken | None:
        """Read the current token set, or None if there is none."""

    def store(self, account_id: str, tokens: TokenSet, version: str) -> None:
        """Make `tokens` current as version `version`; the same call again changes nothing.

        Raises `Unavailable` when the vault cannot take it now, `SecretMissing` if the mailbox has no secret, and
        `LeaseLost` if that version holds other tokens: somebody else wrote, so read again.
        """

    def open(self, account_id: str, tokens: TokenSet, version: str) -> None:
        """Store as `store` does, making the mailbox's secret if it is not there (or bringing it back)."""

    def retire(self, account_id: str) -> None:
        """Overwrite the value with a tombstone, strip its labels and schedule the secret's deletion; safe to repeat."""


class CredentialVault(Protocol):
    """The secrets of registrations, one each, holding one credential or more."""

    def read(self, registration: str) -> tuple[Credential, ...]:
        """Read the credentials, at least one, in the order in which to try them. Raises `SecretMissing`."""

    def create(self, registration: str, credential: Credential) -> None:
        """Keep a first credential; the same again changes nothing.

        Raises `Conflict` if the registration has others.
        """

    def stored(self, registration: str) -> CredentialSet:
        """Read all that the secret holds, with its version. Raises `SecretMissing`."""

    def replace(self, registration: str, new: CredentialSet, *, expected: CredentialSet) -> CredentialSet:
        """Make `new` current if the secret still stands as `expected` was read; give what stands there afterwards.

        Raises `SecretMissing`.
        """

    def schedule(self, registration: str, *, function: str, every: float, at_once: bool) -> None:
        """Let Secrets Manager rotate: by calling `function` (an ARN), `every` so many seconds, and `at_once` too.

        Raises `Conflict` if a rotation is under way.
        """

    def stages(self, registration: str, token: str) -> RotationStages:
        """Tell how far Secrets Manager is with the rotation `token`. Raises `SecretMissing`."""

    def pending(self, registration: str, token: str) -> CredentialSet | None:
        """Read what a rotation has put forward, None if nothing yet."""

    def propose(self, registration: str, token: str, new: CredentialSet) -> CredentialSet:
        """Put a set forward as the outcome of a rotation; give the one that stands there, perhaps another's.

        The same call again changes nothing.
        """

    def promote(self, registration: str, token: str, *, expected: CredentialSet) -> None:
        """Make what the rotation put forward current; safe to repeat.

        Raises `Conflict` if the secret no longer stands as `expected` was read.
        """

    def settle(self, registration: str, token: str) -> None:
        """Take the rotation's mark off, which ends it; safe to repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationStages:
    """Where Secrets Manager stands with one rotation: what its version is marked as.

    `every` is the time between rotations in seconds, 0 if none is set.
    """

    enabled: bool
    current: bool
    pending: bool
    every: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCredential:
    """A credential as the provider lists it; `thumbprint` is that of a certificate (SHA-1, small hex digits).

    Times are in epoch seconds, 0 if the provider does not say.
    """

    id: str
    label: str = ""
    hint: str = ""
    thumbprint: str = ""
    created_at: float = 0
    expires_at: float = 0


class CredentialMinter(Protocol):
    """The provider's own way to make and remove client secrets of a registration.

    Every call raises `RotationRefused` if the provider does not let the registration do that, `Unavailable` if it
    cannot answer now (then the call may have had its effect), and the `TokenError` family.
    """

    def listing(self, registration: Registration) -> tuple[ListedCredential, ...]:
        """List the credentials that the provider knows."""

    def mint(self, registration: Registration, *, label: str, expires_at: float) -> Credential:
        """Make a client secret; the provider shows it this once."""

    def remove(self, registration: Registration, credential_id: str) -> None:
        """Remove a client secret; no error if there is none of this id."""


class MessageQueue(Protocol):
    """The one queue behind both front doors, and its dead-letter queue."""

    def send(self, body: str, *, group: str, delay: int = 0) -> None:
        """Queue a body for `group` (an account) after `delay` seconds (0-900). Raises `Unavailable`."""

    def refuse(self, body: str, *, problem: Mapping[str, object], message_id: str) -> None:
        """Keep a body that can never be sent on the dead-letter queue, with its problem document.

        Raises `Unavailable`.
        """


class RotationQueue(Protocol):
    """Where the schedule puts the accounts that are more than one run should take."""

    most: int
    """How many accounts one call takes."""

    def put(self, due: Sequence[Due]) -> None:
        """Queue accounts, each by itself.

        The same account with the same time is queued once in five minutes. Raises `Unavailable`: then some may be
        queued all the same.
        """


class ContentStore(Protocol):
    """The content bucket: content that does not fit a queue, or that waits."""

    def put(self, message_id: str, body: str) -> None:
        """Keep a message's content. Raises `Unavailable`."""

    def get(self, message_id: str) -> str | None:
        """Read a message's content; None if it is gone."""

    def delete(self, message_id: str) -> None:
        """Remove a message's content; no error if there is none."""


class AuditLog(Protocol):
    """The append-only log of what was done."""

    def write(self, events: Iterable[AuditEvent]) -> None:
        """Append events to this writer's chain. Raises `AuditUnavailable`."""


class AuditSpool(Protocol):
    """Where events wait while the audit log cannot be written."""

    def keep(self, events: Sequence[AuditEvent]) -> None:
        """Keep events durably. Raises `Unavailable`."""

    def waiting(self, limit: int) -> list[tuple[str, list[AuditEvent]]]:
        """Give up to `limit` kept lots, oldest first, each with the name to remove it by."""

    def remove(self, name: str) -> None:
        """Remove a lot that has been written."""


class EventBus(Protocol):
    """Where others hear what happened."""

    def publish(self, detail_type: str, detail: Mapping[str, object]) -> None:
        """Publish one event. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """A checked token answer: `expires_in` in seconds, `refresh_token` empty if none came, `scope` None if unsaid.

    `claims` are those of the id token, if one came (and, with a refresh, could be read). `grant_ends_in` (seconds) is
    there if the provider says that it will end the grant, as Google does for an app in Testing.
    """

    access_token: str = field(repr=False)
    expires_in: float
    refresh_token: str = field(default="", repr=False)
    scope: str | None = None
    claims: Mapping[str, object] | None = field(default=None, repr=False)
    grant_ends_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """What a server says of an access token (RFC 7662 section 2.2, or Google's tokeninfo).

    `scope` is None if it does not say; `claims` hold what it says of the mailbox.
    """

    active: bool
    scope: str | None = None
    claims: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAuthorization:
    """A device authorization answer (RFC 8628 section 3.2); `expires_in` and `interval` are in seconds."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: float
    interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """What goes to the authorization endpoint (RFC 6749 section 4.1.1, RFC 7636 section 4.3)."""

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    redirect_uri: str
    login_hint: str


class AuthorizationServer(Protocol):
    """The provider's authorization server, reached for one registration.

    Every call is one HTTP request with a total deadline, no redirect and no retry.
    """

    def authorization_url(self, registration: Registration, request: AuthorizationRequest) -> str:
        """Give the URL to which the owner of the mailbox is sent."""

    def redeem(
        self, registration: Registration, credential: Credential, *, code: str, verifier: str, redirect_uri: str
    ) -> TokenAnswer:
        """Exchange an authorization code. Raises the `TokenError` family."""

    def refresh(
        self, registration: Registration, credential: Credential, *, refresh_token: str, scope: str
    ) -> TokenAnswer:
        """Use a refresh token once, asking for exactly `scope`. Raises the `TokenError` family."""

    def client_credentials(self, registration: Registration, credential: Credential) -> TokenAnswer:
        """Get a token for the registration itself (RFC 6749 section 4.4). Raises the `TokenError` family."""

    def assertion(self, registration: Registration, credential: Credential, *, subject: str) -> TokenAnswer:
        """Get a token for `subject` by a signed assertion (RFC 7523 section 2.1). Raises the `TokenError` family."""

    def device_authorization(self, registration: Registration, credential: Credential) -> DeviceAuthorization:
        """Ask for a device code (RFC 8628 section 3.1). Raises the `TokenError` family."""

    def device_token(self, registration: Registration, credential: Credential, *, device_code: str) -> TokenAnswer:
        """Ask once for the tokens (RFC 8628 section 3.4).

        Raises `AuthorizationPending` while nobody has answered, else the `TokenError` family.
        """

    def revoke(self, registration: Registration, credential: Credential, *, token: str, hint: str) -> bool:
        """Revoke a token (RFC 7009); False if the provider has no endpoint for it. Raises the `TokenError` family."""

    def introspect(self, registration: Registration, credential: Credential, access_token: str) -> TokenFacts | None:
        """Ask for what the server knows of a token (RFC 7662); None if it has no endpoint for it.

        Raises the `TokenError` family.
        """

    def tokeninfo(self, registration: Registration, access_token: str) -> TokenFacts | None:
        """Ask Google's tokeninfo endpoint; None if there is none. Raises the `TokenError` family."""

    def userinfo(self, registration: Registration, access_token: str) -> Mapping[str, object] | None:
        """Ask whose token it is; None if the provider has no endpoint for it. Raises the `TokenError` family."""

    def visit(self, registration: Registration, url: str) -> WebPage:
        """Look at a page of the server as a browser would first see it. Raises the `TokenError` family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """Whether the mail side answers over verified TLS; `offers` are an SMTP server's keywords, `AUTH` with its values.

    `code` and `detail` say what went wrong, as those of an `Outcome` do.
    """

    reached: bool
    code: str = ""
    detail: str = ""
    offers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPage:
    """What a URL answered to a GET: nothing of it is followed or run."""

    status: int
    location: str = ""
    text: str = field(default="", repr=False)


class Transport(Protocol):
    """One way of carrying mail. An instance may be used by several threads."""

    per_mailbox: int
    """How many calls may run at once for one mailbox."""

    deadline: float
    """The longest one call can take, in seconds."""

    size_limit: int
    """The largest MIME message this transport carries, in bytes."""

    names_recipients_in_headers: bool
    """Whether the provider reads the recipients in the header, so that Bcc has to be there (it strips it)."""

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:
        """Make one call and classify its answer; never raises for anything the provider does."""

    def verify(self, *, account: Account, registration: Registration, access_token: str) -> bool | None:
        """Prove that the token opens this very mailbox, sending nothing; None if this transport cannot tell."""

    def greet(self, registration: Registration) -> Greeting:
        """Look whether the mail side answers, with no token and no mail."""

    def close(self) -> None:
        """Let go of kept connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHeaders:
    """What a raw message says of itself; `message_id` is empty if it says none. `faults` point at `/raw`."""

    sender: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    message_id: str = ""
    faults: tuple[Fault, ...] = ()


class RawReader(Protocol):
    """Reads the header of a raw RFC 5322 message."""

    def __call__(self, data: bytes, /) -> RawHeaders:
        """Give sender and recipients; never raises."""


class Composer(Protocol):
    """Writes a message as MIME."""

    def __call__(self, message: Message, *, bcc_header: bool) -> bytes:
        """Give the RFC 5322 bytes: CRLF, 7bit-clean, byte for byte the same each time."""
