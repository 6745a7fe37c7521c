"""Reading what proves a registration from files: private keys, certificates, Google's service accounts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.refusal import Refused
from mailbearer.credential import Credential

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

# `cryptography` is imported where it is used: 100 ms that commands without a key do not need.

_LARGEST = 64 * 1024
_LEAST_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Google's service account: its address, which is the client id here, and the number that administrators enter."""

    client_email: str
    client_number: str
    credential: Credential


def read_service_account(path: Path, *, now: float) -> ServiceAccount:
    """Read the JSON file that the Google Cloud console gives for a service account's key. Raises `Refused`."""
    remedy = "Google Cloud console > IAM & Admin > Service Accounts > Keys > Add key > JSON gives the right file."
    try:
        content: Any = json.loads(read_text(path))
    except ValueError as error:
        raise Refused(f"{path} is no JSON file.", remedy=remedy) from error
    if not isinstance(content, dict) or content.get("type") != "service_account":
        found = content.get("type") if isinstance(content, dict) else None
        raise Refused(f"{path} is no service account's key: its type is {found!r}.", remedy=remedy)
    missing = [name for name in ("client_email", "private_key", "private_key_id") if not content.get(name)]
    if missing:
        raise Refused(f"{path} lacks {', '.join(missing)}.", remedy=remedy)
    return ServiceAccount(
        client_email=str(content["client_email"]),
        client_number=str(content.get("client_id", "")),
        credential=Credential(
            id=str(content["private_key_id"]),
            private_key=_write_key(_load_key(str(content["private_key"]).encode(), path)),
            created_at=now,
        ),
    )


def read_private_key(path: Path, *, key_id: str, expires_at: float, now: float) -> Credential:
    """Read a private key (RSA, PEM, without passphrase) that has no certificate. Raises `Refused`."""
    key = _load_key(read_text(path).encode(), path)
    return Credential(id=key_id, private_key=_write_key(key), created_at=now, expires_at=expires_at)


def read_certificate(path: Path, key_path: Path, *, key_id: str, now: float) -> Credential:
    """Read a certificate and its private key, which may stand in one file; it says itself when it expires.

    Raises `Refused`.
    """
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - see above

    certificate = _load_certificate(path)
    key = _load_key(read_text(key_path).encode(), key_path)
    if certificate.public_key() != key.public_key():
        raise Refused(
            f"The certificate in {path} does not belong to the private key in {key_path}.",
            remedy="Give the key from which the certificate was made.",
        )
    expires_at = certificate.not_valid_after_utc.timestamp()
    if expires_at <= now:
        raise Refused(
            f"The certificate in {path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}.",
            remedy="Make a new one and upload it at the provider first.",
        )
    return Credential(
        id=key_id,
        private_key=_write_key(key),
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        created_at=now,
        expires_at=expires_at,
    )


def read_expiry(day: str, option: str, *, now: float) -> float:
    """Read the day on which a secret expires (ISO 8601) as the epoch seconds of its beginning in UTC.

    Raises `Refused` for what is no day or is over.
    """
    try:
        begins = datetime.combine(date.fromisoformat(day), time(), UTC).timestamp()
    except ValueError as error:
        raise Refused(f"{option}: write the day like 2027-01-31.", exit_code=2) from error
    if begins <= now:
        raise Refused(f"{option}: {day} is over; a secret that has expired proves nothing.", exit_code=2)
    return begins


def read_text(path: Path) -> str:
    """Read a small text file. Raises `Refused`."""
    try:
        content = path.read_bytes()[: _LARGEST + 1]
        if len(content) > _LARGEST:
            raise Refused(f"{path} is too large for a key or a certificate.")
        return content.decode("ascii")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Refused(
            f"{path} is no text in ASCII.", remedy="A certificate is converted so: openssl x509 -inform DER -in FILE"
        ) from error


def _load_key(pem: bytes, path: Path) -> RSAPrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - see above

    # The causes could show a part of the key, so they are not chained.
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise Refused(
            f"The private key in {path} is locked by a passphrase, which no unattended process could type.",
            remedy="Unlock it: openssl pkey -in FILE -out KEY.pem  (Secrets Manager encrypts it from here on)",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise Refused(f"{path} holds no private key in PEM form.", remedy="Convert it: openssl pkey -in FILE") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_BITS:
        raise Refused(
            f"The private key in {path} is no RSA key of at least {_LEAST_BITS} bits.",
            remedy="Assertions are signed with RSA: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072",
        )
    return key


def _write_key(key: RSAPrivateKey) -> str:
    """Write a key in one form, so that the same key is the same text whatever else stood in its file."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - see above
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load_certificate(path: Path) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - see above

    try:
        return load_pem_x509_certificate(read_text(path).encode())
    except ValueError as error:
        raise Refused(
            f"{path} holds no certificate in PEM form.", remedy="Convert it: openssl x509 -inform DER -in FILE"
        ) from error
