"""Signatures of digests, checked without AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from mailbearer.digest import SignedDigest

_NO_KEY = "It is not the public key that signs digests: an elliptic curve key in PEM."

Fits: TypeAlias = Callable[["SignedDigest"], bool]
"""Tells whether a digest's signature is one of the key's."""


def checker(public_key: bytes) -> Fits:
    """Give what checks signatures against a public key (DER SubjectPublicKeyInfo). Raises `ValueError`."""
    key = _load(public_key)

    def fits(signed: SignedDigest) -> bool:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - loaded with the key
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above

        try:
            key.verify(signed.signature, signed.text.encode(errors="surrogatepass"), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    return fits


def to_pem(public_key: bytes) -> str:
    """Write a public key (DER) as PEM."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - few processes need it

    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return _load(public_key).public_bytes(encoding, form).decode()


def from_pem(text: str) -> bytes:
    """Read a public key in PEM as DER. Raises `ValueError`."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - few processes need it

    try:
        key = serialization.load_pem_public_key(text.encode(errors="replace"))
    except ValueError as error:
        raise ValueError(_NO_KEY) from error
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _load(public_key: bytes) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - few processes need it
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above

    try:
        key = serialization.load_der_public_key(public_key)
    except ValueError as error:
        raise ValueError(_NO_KEY) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError(_NO_KEY)  # noqa: TRY004 - what is wrong is what somebody handed in
    return key
