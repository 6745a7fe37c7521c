"""The signing key in KMS."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mailbearer.aws.failures import calling

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient


class KmsSigner:
    """An ECC_NIST_P256 key, named by its ARN; `key_id` is that ARN.

    Messages are hashed here: KMS itself takes no more than 4096 bytes, and to a verifier it makes no difference.
    """

    def __init__(self, client: KMSClient, key_arn: str) -> None:
        self._client = client
        self.key_id = key_arn

    def sign(self, message: bytes) -> bytes:
        """Sign (ECDSA on P-256 over SHA-256, DER). Raises `Unavailable`."""
        with calling("kms:Sign"):
            answer = self._client.sign(
                KeyId=self.key_id,
                Message=hashlib.sha256(message).digest(),
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
        return answer["Signature"]

    def public_key(self) -> bytes:
        """Give the public key (DER SubjectPublicKeyInfo). Raises `Unavailable`."""
        with calling("kms:GetPublicKey"):
            return self._client.get_public_key(KeyId=self.key_id)["PublicKey"]
