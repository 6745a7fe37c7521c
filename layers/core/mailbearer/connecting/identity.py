"""Whose mailbox a token opens (docs/decisions/0008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import ConsentRefused, TokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.account import Account
    from mailbearer.client import Client
    from mailbearer.definition import Definitions
    from mailbearer.ports import Clock
    from mailbearer.ports.mail import Transport
    from mailbearer.ports.provider import TokenAnswer
    from mailbearer.registration import Registration

_CLOCKS_DIFFER = 60.0


class AnotherMailbox(ConsentRefused):
    """Somebody consented for another mailbox; `address` is that one's where it is known."""

    def __init__(self, account: Account, *, address: str = "") -> None:
        msg = f"Another mailbox consented. Sign in as {account.address} and try again."
        super().__init__(msg, reason="identity_mismatch", status=403)
        self.address = address


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Pin a token to the mailbox of an account."""

    client: Client
    definitions: Definitions
    transport: Callable[[str], Transport]
    clock: Clock

    def pin(self, account: Account, registration: Registration, answer: TokenAnswer, *, nonce: str = "") -> None:
        """Refuse a token of any mailbox but the account's, and one of which nobody can say whose it is.

        By id token, else userinfo, else by what the mail side lets the token open. `nonce` is what was sent, if it was.
        Raises `ConsentRefused`.
        """
        self._check_id_token(answer.claims, registration, nonce)
        definition = self.definitions(registration.kind)
        claims, silence = answer.claims or {}, None
        if not definition.mailbox_in(claims):
            told, silence = self._ask(registration, answer.access_token)
            # What userinfo says of another subject is not of this token (OpenID Connect Core section 5.3.2).
            claims = told if claims.get("sub") in (None, told.get("sub")) else {}
        if address := definition.mailbox_in(claims):
            if address != account.address.lower():
                raise AnotherMailbox(account, address=address)
            return
        proven = self.opens(account, registration, answer)
        if proven is False:
            raise AnotherMailbox(account)
        if proven is None and silence is not None and silence.retryable:
            msg = f"The provider cannot say now whose mailbox this is. Try again in a few minutes. ({silence.detail})"
            raise ConsentRefused(msg, reason="identity_unproven", status=503)
        if proven is None:
            said = f" ({silence.detail})" if silence is not None else ""
            msg = (
                f"Nothing proves that this is {account.address}: register the provider with the scopes openid "
                f"and email, or with its issuer{said}."
            )
            raise ConsentRefused(msg, reason="identity_unproven", status=409)

    def _ask(self, registration: Registration, access_token: str) -> tuple[Mapping[str, object], TokenError | None]:
        """Ask userinfo, a second time if it could not answer, for a grant hangs on it; gives also why it says nothing.

        A token without the scope `openid` may not ask there; the mail side may still know.
        """
        silence: TokenError | None = None
        for _ in range(2):
            try:
                return self.client.userinfo(registration, access_token) or {}, None
            except TokenError as error:
                silence = error
                if not error.retryable:
                    break
        return {}, silence

    def opens(self, account: Account, registration: Registration, answer: TokenAnswer) -> bool | None:
        """Ask the mail side, sending nothing, whether the token opens the mailbox; None if it cannot tell."""
        return self.transport(account.transport).verify(
            account=account, registration=registration, access_token=answer.access_token
        )

    def _check_id_token(self, claims: Mapping[str, object] | None, registration: Registration, nonce: str) -> None:
        """Check an id token that came straight from the token endpoint (OpenID Connect Core section 3.1.3.7)."""
        if claims is None:
            return
        issuer = registration.endpoints.issuer
        audience, expiry = claims.get("aud"), claims.get("exp")
        audiences = audience if isinstance(audience, list) else [audience]
        issuers = (issuer, issuer.removeprefix("https://"))
        # A nonce goes with the scope openid, and then it has to come back.
        nonces = (nonce,) if "openid" in registration.scopes else (nonce, None)
        wrong = {
            "iss": bool(issuer) and "{" not in issuer and claims.get("iss") not in issuers,
            "aud": registration.client_id not in audiences,
            "azp": claims.get("azp") not in (None, registration.client_id),
            "exp": not isinstance(expiry, (int, float)) or expiry < self.clock() - _CLOCKS_DIFFER,
            "nonce": bool(nonce) and claims.get("nonce") not in nonces,
        }
        if faults := [name for name, is_wrong in wrong.items() if is_wrong]:
            msg = f"The id token does not belong to this consent ({', '.join(faults)})."
            raise ConsentRefused(msg, reason="id_token_invalid")
