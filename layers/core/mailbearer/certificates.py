"""What a certificate says of itself."""

from __future__ import annotations

import hashlib


def expiry(certificate: str) -> float:
    """Give the end of a PEM certificate's life in epoch seconds. Raises `ValueError`."""
    from cryptography import x509  # noqa: PLC0415 - 100 ms that only certificates need

    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc.timestamp()


def sha1_thumbprint(certificate: str) -> str:
    """Give the SHA-1 of a PEM certificate's DER in small hex digits, by which Entra names it. Raises `ValueError`."""
    from cryptography import x509  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - as above

    der = x509.load_pem_x509_certificate(certificate.encode()).public_bytes(Encoding.DER)
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()
