"""What moto leaves out of KMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms.utils import ECDSAPrivateKey

if TYPE_CHECKING:
    import pytest


def sign_digests(patch: pytest.MonkeyPatch) -> None:
    """Let moto sign a digest as it is (MessageType DIGEST), where it would hash it once more."""

    def sign(key: Any, message: bytes, signing_algorithm: str) -> bytes:
        assert signing_algorithm == "ECDSA_SHA_256"
        signature: bytes = key.private_key.sign(message, ec.ECDSA(Prehashed(hashes.SHA256())))
        return signature

    patch.setattr(ECDSAPrivateKey, "sign", sign)
