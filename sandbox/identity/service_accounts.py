"""Google's service accounts: a signed assertion in exchange for a mailbox's access token.

Authlib ships no types, hence the ignores on its base classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc7523 import JWTBearerGrant
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from sandbox.identity.refusals import GrantRefusedError, Reason
from sandbox.identity.tenants import JWT_BEARER

if TYPE_CHECKING:
    from sandbox.identity.records import Mailbox
    from sandbox.identity.server import IdentityServer

LONGEST_LIFE = 3_600
"""Seconds between an assertion's `iat` and `exp`."""
LEEWAY = 300
"""Seconds that the client's clock may be off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A robot, and what an administrator lets it do in the name of a domain's people."""

    email: str
    client_id: str
    key: RSAKey = field(repr=False)
    key_id: str
    """Compared with the header's `kid` where both are there."""
    domain: str
    scopes: tuple[str, ...]
    """Delegated for the whole domain to this client id."""
    disabled: bool = False

    def get_allowed_scope(self, scope: str) -> str:
        """Return the scopes as asked: the grant has compared them with the delegated ones."""
        return scope

    def check_grant_type(self, grant_type: str) -> bool:
        """Allow the assertion grant only."""
        return grant_type == JWT_BEARER


def read_public_key(pem: str) -> RSAKey:
    """Read a PEM public key; raise ValueError if it is not RSA."""
    try:
        return RSAKey.import_key(pem)
    except (JoseError, UnsupportedAlgorithm, TypeError) as error:
        raise ValueError(f"public_key must be an RSA key as PEM: {error}") from error


class ServiceAccountGrant(JWTBearerGrant):  # type: ignore[misc]
    """JWT bearer grant (RFC 7523, section 2.1) with domain-wide delegation, refused in Google's words."""

    server: IdentityServer

    def process_assertion_claims(self, assertion: str) -> dict[str, Any]:
        """Return the claims of a good assertion, and ask for the scope it names."""
        try:
            header, claims = self.extract_assertion(assertion)
        except InvalidGrantError as error:
            raise GrantRefusedError(Reason.JWT_MALFORMED) from error
        account = self.resolve_issuer_client(claims.get("iss"))
        if account.key_id and header.get("kid") and header["kid"] != account.key_id:
            raise GrantRefusedError(Reason.JWT_NO_VERIFIER)
        try:
            token = jwt.decode(assertion, account.key, algorithms=["RS256"])
        except (JoseError, ValueError) as error:
            raise GrantRefusedError(Reason.JWT_SIGNATURE) from error
        self.verify_claims(token.claims)
        if account.disabled:
            raise GrantRefusedError(Reason.ROBOT_DISABLED)
        asked = str(token.claims.get("scope") or "").split()
        if not asked:
            raise GrantRefusedError(Reason.NO_SCOPE)
        subject = str(token.claims.get("sub") or "")
        # Whether the person exists is told only to a client that the person's domain trusts.
        if subject and (subject.casefold().rpartition("@")[2] != account.domain or not set(asked) <= {*account.scopes}):
            raise GrantRefusedError(Reason.NOT_DELEGATED)
        self._scope = " ".join(asked)
        return dict(token.claims)

    def verify_claims(self, claims: dict[str, Any]) -> None:
        """Refuse an assertion for somebody else, or one that is not fresh and short-lived."""
        named = claims.get("aud")
        if self.server.tenant.token_url not in (named if isinstance(named, list) else [named]):
            raise GrantRefusedError(Reason.JWT_AUDIENCE)
        now, begins, ends = self.server.store.now(), claims.get("iat"), claims.get("exp")
        if (
            not isinstance(begins, (int, float))
            or not isinstance(ends, (int, float))
            or not begins - LEEWAY <= now < ends + LEEWAY
            or not 0 < ends - begins <= LONGEST_LIFE
        ):
            raise GrantRefusedError(Reason.JWT_TIME)

    def resolve_issuer_client(self, issuer: object) -> ServiceAccount:
        """Return the service account with this address."""
        account = self.server.directory.service_account(str(issuer))
        if account is None:
            raise GrantRefusedError(Reason.ACCOUNT_NOT_FOUND)
        return account

    def authenticate_user(self, subject: str) -> Mailbox:
        """Return the mailbox that `sub` names."""
        mailbox = self.server.directory.mailbox(self.server.tenant.name, subject)
        if mailbox is None:
            raise GrantRefusedError(Reason.SUBJECT_UNKNOWN)
        return mailbox

    def has_granted_permission(self, _account: ServiceAccount, _mailbox: Mailbox) -> bool:
        """Agree: the delegation was checked with the assertion."""
        return True

    def generate_token(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Make the access token for the scope of the assertion."""
        token: dict[str, Any] = super().generate_token(*args, **{**kwargs, "scope": self._scope})
        return token
