from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailbearer.aws.signer import KmsSigner
from mailbearer.errors import Unavailable
from tests.fakes import FakeSigner

if TYPE_CHECKING:
    from mailbearer.ports.proof import Signer
    from tests.contract.conftest import World


@pytest.fixture(params=["fake", "aws"])
def signer(request: pytest.FixtureRequest) -> Signer:
    if request.param == "fake":
        return FakeSigner()
    kms = request.getfixturevalue("world").clients.kms
    return KmsSigner(kms, kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"])


@pytest.mark.parametrize("message", [b"", b"a digest", b"x" * 5000])
def test_the_public_key_alone_tells_what_was_signed(signer: Signer, message: bytes) -> None:
    key = load_der_public_key(signer.public_key())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    signature = signer.sign(message)
    key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(signature, message + b" ", ec.ECDSA(hashes.SHA256()))


def test_a_key_that_is_not_there_is_unavailable(world: World) -> None:
    signer = KmsSigner(world.clients.kms, "arn:aws:kms:eu-central-1:123456789012:key/none")
    with pytest.raises(Unavailable, match=r"kms:Sign failed: NotFoundException\."):
        signer.sign(b"")
