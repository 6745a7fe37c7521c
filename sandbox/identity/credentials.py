"""What a client proves itself with: secrets and certificates, several at once, each with its dates."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """One password of a client; times are epoch seconds."""

    id: str
    value: str = field(repr=False)
    name: str
    issued_at: float
    effective_at: float
    """Later than `issued_at` while the provider's replicas have not heard of it."""
    expires_at: float

    @property
    def hint(self) -> str:
        """Return the first three characters, which is what Entra ID shows of a secret."""
        return self.value[:3]

    def matches(self, value: str) -> bool:
        """Compare in constant time."""
        return secrets.compare_digest(self.value.encode(), value.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """One certificate of a client, with its key for `private_key_jwt`."""

    id: str
    name: str
    key: RSAKey = field(repr=False)
    sha1: bytes
    sha256: bytes
    issued_at: float
    expires_at: float

    @property
    def x5t(self) -> str:
        """Return the header field `x5t` (RFC 7515, section 4.1.7)."""
        return _base64url(self.sha1)

    @property
    def x5t_s256(self) -> str:
        """Return the header field `x5t#S256` (RFC 7515, section 4.1.8)."""
        return _base64url(self.sha256)


def read_certificate(
    pem: str, *, credential_id: str, name: str = "", expires_at: float | None = None
) -> ClientCertificate:
    """Read a PEM certificate; raise ValueError if it is none or its key is not RSA.

    `expires_at` (epoch seconds) takes the place of the certificate's own end.
    """
    certificate = x509.load_pem_x509_certificate(pem.encode())
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the certificate's key must be RSA")  # noqa: TRY004 - the caller's text was wrong
    return ClientCertificate(
        id=credential_id,
        name=name or certificate.subject.rfc4514_string(),
        key=RSAKey.import_key(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
        sha1=certificate.fingerprint(hashes.SHA1()),  # noqa: S303 - x5t is SHA-1 # nosec B303
        sha256=certificate.fingerprint(hashes.SHA256()),
        issued_at=certificate.not_valid_before_utc.timestamp(),
        expires_at=certificate.not_valid_after_utc.timestamp() if expires_at is None else expires_at,
    )


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
