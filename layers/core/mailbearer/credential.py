"""How a registration proves to the provider that it is itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A client secret, or a private key with its certificate; a public client's holds neither.

    `id` is the provider's word for it where it has one (Entra's keyId, Google's private_key_id). `private_key` and
    `certificate` are PEM. `expires_at` is in epoch seconds, 0 if it is not known.
    """

    id: str = ""
    client_secret: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    created_at: float = 0
    expires_at: float = 0
