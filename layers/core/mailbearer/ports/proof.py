"""What proves the audit log: reading it, signing what it held, and keeping that where nobody can change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.audit import AuditLine


class AuditReader(Protocol):
    """The audit log from the reader's side."""

    def lines(self, *, since: int, until: int) -> Iterator[AuditLine]:
        """Give the lines filed from `since` until before `until` (epoch milliseconds), of all streams, by time.

        They are read as they are asked for. Lines of one time come in no particular order. Raises `Unavailable`.
        """

    def page(self, *, since: int, until: int, cursor: str) -> tuple[list[AuditLine], str]:
        """Give some of those lines, and where to go on, empty at their end. Raises `Unavailable`, `InvalidInput`.

        A page may be empty and yet not the last. The same cursor gives the same page.
        """


class Archive(Protocol):
    """Documents that nobody can change or remove before their time: digests and reports."""

    def put(self, name: str, body: str) -> None:
        """Keep a document; under a name that is taken it stands beside the older one. Raises `Unavailable`."""

    def create(self, name: str, body: str) -> bool:
        """Keep a document unless its name is taken; tells whether it was kept. Raises `Unavailable`.

        When two create the same name at once, one of them is told that it was not.
        """

    def get(self, name: str) -> str | None:
        """Read the newest document of this name. Raises `Unavailable`."""

    def names(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        """Name documents below a prefix in the order of their names, from after `after` on. Raises `Unavailable`."""

    def replaced(self, prefix: str, *, after: str = "") -> list[str]:
        """Name those of which more than one version is kept, or that were removed, from after `after` on.

        A lock keeps versions, not names: whoever may can put another version, or a marker that hides all of them, on
        top. Raises `Unavailable`.
        """


class Signer(Protocol):
    """The key that signs digests; its private half never leaves KMS."""

    key_id: str

    def sign(self, message: bytes) -> bytes:
        """Sign (ECDSA on P-256 over SHA-256, DER). Raises `Unavailable`."""

    def public_key(self) -> bytes:
        """Give the public key (DER SubjectPublicKeyInfo). Raises `Unavailable`."""
