"""Signing assertions (RFC 7523): of who we are, and of the mailbox that a service account speaks for."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from mailbearer.errors import ClientRefused

if TYPE_CHECKING:
    from mailbearer.credential import Credential
    from mailbearer.registration import Registration

LIFE = 300.0
"""Seconds for which an assertion is good: servers take no long ones, and clocks differ."""


def client_assertion(registration: Registration, credential: Credential, *, now: float, jti: str) -> str:
    """Sign who we are, for the token endpoint.

    With a certificate by PS256 and `x5t#S256`, which is what Entra asks for; with a bare key by RS256 and its id, which
    every server that takes private_key_jwt knows. Raises `ClientRefused` if the key cannot sign.
    """
    claims: dict[str, Any] = {
        "iss": registration.client_id,
        "sub": registration.client_id,
        "aud": registration.endpoints.token_url,
        "jti": jti,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now + LIFE),
    }
    if credential.certificate:
        try:
            digest = thumbprint(credential.certificate)
        except ValueError:
            raise ClientRefused(
                f"The certificate of {registration.name} cannot be read; it has to be in PEM form.",
                finding="credential_unusable",
            ) from None
        return _sign({"alg": "PS256", "x5t#S256": digest}, claims, registration, credential)
    return _sign({"alg": "RS256", **_key_id(credential)}, claims, registration, credential)


def mailbox_assertion(registration: Registration, credential: Credential, *, subject: str, now: float, jti: str) -> str:
    """Sign, as a service account, that a token for `subject` is wanted. Raises `ClientRefused`."""
    claims = {
        "iss": registration.client_id,
        "sub": subject,
        "scope": " ".join(registration.scopes),
        "aud": registration.endpoints.token_url,
        "jti": jti,
        "iat": int(now),
        "exp": int(now + LIFE),
    }
    return _sign({"alg": "RS256", **_key_id(credential)}, claims, registration, credential)


def thumbprint(certificate: str) -> str:
    """Give the base64url SHA-256 of a PEM certificate's DER (RFC 7515 section 4.1.8). Raises `ValueError`."""
    from cryptography import x509  # noqa: PLC0415 - 100 ms that only signing needs
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - as above

    der = x509.load_pem_x509_certificate(certificate.encode()).public_bytes(Encoding.DER)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def _key_id(credential: Credential) -> dict[str, str]:
    return {"kid": credential.id} if credential.id else {}


def _sign(header: dict[str, str], claims: dict[str, Any], registration: Registration, credential: Credential) -> str:
    from joserfc import jwt  # noqa: PLC0415 - 100 ms that only signing needs
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above
    from joserfc.jwk import RSAKey  # noqa: PLC0415 - as above

    try:
        key = RSAKey.import_key(credential.private_key)
        return str(jwt.encode({"typ": "JWT", **header}, claims, key, algorithms=["PS256", "RS256"]))
    except (JoseError, ValueError, TypeError):
        # An encrypted key is a TypeError. The cause could show a part of the key, so it is not chained.
        raise ClientRefused(
            f"The private key of {registration.name} cannot sign; "
            "it has to be an RSA key in PEM form, without passphrase.",
            finding="credential_unusable",
        ) from None
