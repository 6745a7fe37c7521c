"""How a registration proves to the provider that it is itself."""

from __future__ import annotations

from dataclasses import dataclass, field

OVERLAP = 7 * 86_400.0
"""Seconds for which a credential that was replaced stays good, unless the operator says otherwise."""

_LONG_SECRET = 16
_HINT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A client secret, or a private key with its certificate; a public client's holds neither.

    `id` is the provider's word for it where it has one (Entra's keyId, Google's private_key_id). `private_key` and
    `certificate` are PEM. `expires_at` is in epoch seconds, 0 if it is not known. After `retire_at` (epoch seconds) a
    credential that was replaced is taken away; 0 = it stays.
    """

    id: str = ""
    client_secret: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    created_at: float = 0
    expires_at: float = 0
    retire_at: float = 0

    @property
    def name(self) -> str:
        """Give the word by which an operator and the audit log call it."""
        return self.id or "unnamed"

    @property
    def kind(self) -> str:
        """Tell what it is: `certificate`, `private_key`, `client_secret` or `none`."""
        if self.private_key:
            return "certificate" if self.certificate else "private_key"
        return "client_secret" if self.client_secret else "none"

    @property
    def hint(self) -> str:
        """Give the beginning of a long client secret, which is what Entra shows of it too."""
        return self.client_secret[:_HINT] if len(self.client_secret) >= _LONG_SECRET else ""

    def is_same(self, other: Credential) -> bool:
        """Tell whether both prove the same way, whatever is known about them beside that."""
        return (self.client_secret, self.private_key, self.certificate) == (
            other.client_secret,
            other.private_key,
            other.certificate,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSet:
    """What the secret of a registration holds, in the order in which to try it.

    `overlap` (seconds) is how long a rotation leaves the replaced ones in place; `rotation` is the token of the
    rotation that made this set. `version` is where it was read.
    """

    credentials: tuple[Credential, ...]
    overlap: float = OVERLAP
    rotation: str = ""
    version: str = field(default="", compare=False)
