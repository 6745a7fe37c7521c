"""What is kept secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mailbearer.credential import Credential, CredentialSet
    from mailbearer.registration import Registration
    from mailbearer.token import StoredToken, TokenSet
    from mailbearer.webhook import SigningSecrets


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


class WebhookVault(Protocol):
    """The webhooks' signing secrets, one secret for each webhook."""

    def put(self, webhook_id: str, secrets: SigningSecrets) -> None:
        """Keep a webhook's secrets, the first or later ones. Raises `Unavailable`."""

    def read(self, webhook_id: str) -> SigningSecrets | None:
        """Read them. Raises `Unavailable`."""

    def retire(self, webhook_id: str) -> None:
        """Remove them; no error if there are none. Raises `Unavailable`."""
