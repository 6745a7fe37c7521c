"""Keys, certificates and service account files as an operator has them on disk."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

EXPIRES = datetime(2099, 5, 31, 12, tzinfo=UTC)


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Give one of several keys, each made once."""
    del number
    return rsa.generate_private_key(65537, bits)


def key_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None, *, passphrase: bytes = b"") -> str:
    """Write a private key."""
    locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return (key or rsa_key()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()


def certificate_pem(key: rsa.RSAPrivateKey | None = None, *, expires: datetime = EXPIRES) -> str:
    """Write a self-signed certificate."""
    key = key or rsa_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mailbearer")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(expires - timedelta(days=365))
        .not_valid_after(expires)
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def service_account(**other: Any) -> str:
    """Write the JSON file of a service account's key."""
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "robot@project.iam.gserviceaccount.com",
            "client_id": "108123456789",
            "private_key_id": "key-1",
            "private_key": key_pem(),
            "token_uri": "https://evil.example/token",
        }
        | other
    )


def written(directory: Path, name: str, content: str) -> Path:
    """Write a file."""
    path = directory / name
    path.write_text(content, encoding="utf-8")
    return path
