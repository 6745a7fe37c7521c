"""Authorization servers that remember what they gave to whom, and take time to answer."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import GrantRefused, TokenEndpointBusy, TokenRefused
from mailbearer.ports.provider import TokenAnswer

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from mailbearer.credential import Credential
    from mailbearer.registration import Registration
    from tests.fakes import FakeClock

SCOPE = "openid mail.send"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a provider does with a refresh token that is used, and how long (seconds) its access tokens live.

    `kept`: no new one comes. `renewed`: a new one comes and the old one stays good. `rotated`: the old one dies.
    """

    refresh_tokens: str
    life: float

    @property
    def name(self) -> str:
        """Name the registration."""
        return f"{self.refresh_tokens}-{self.life:.0f}"


class Providers:
    """All authorization servers; a refresh takes 0.15 to 1.2 s, a look at userinfo 0.05 to 0.3 s."""

    def __init__(self, clock: FakeClock, chance: random.Random, sleep: Callable[[float], None]) -> None:
        self.down: set[str] = set()
        self.calls: defaultdict[str, list[float]] = defaultdict(list)
        """When a token was asked for with a refresh token of each mailbox."""
        self.refused: list[str] = []
        self._clock, self._chance, self._sleep = clock, chance, sleep
        self._profiles: dict[str, Profile] = {}
        self._grants: dict[str, tuple[str, Profile]] = {}
        self._access: dict[str, tuple[str, float]] = {}
        self._newest: defaultdict[str, list[str]] = defaultdict(list)
        self._numbers = itertools.count(1)

    def grant(self, account_id: str, profile: Profile, *, ends_at: float) -> TokenAnswer:
        """Give a mailbox its first tokens."""
        return self._give(account_id, profile, f"refresh-{next(self._numbers)}", ends_at)

    def takes(self, access_token: str) -> bool:
        """Tell whether the mail side takes an access token now."""
        return self._access.get(access_token, ("", 0.0))[1] > self._clock()

    def holds(self, account_id: str, refresh_token: str) -> bool:
        """Tell whether a refresh token of a mailbox is good."""
        return self._grants.get(refresh_token, ("", None))[0] == account_id

    def withdraw(self, access_token: str) -> None:
        """Let the mail side refuse an access token from now on."""
        self._access.pop(access_token, None)

    def refresh(
        self,
        registration: Registration,
        credential: Credential,  # noqa: ARG002
        *,
        refresh_token: str,
        scope: str,  # noqa: ARG002
    ) -> TokenAnswer:
        """Use a refresh token, as its provider does."""
        self._sleep(self._chance.uniform(0.15, 1.2))
        if registration.name in self.down:
            raise TokenEndpointBusy("HTTP 503")
        if refresh_token not in self._grants:
            self.refused.append(refresh_token)
            raise GrantRefused("invalid_grant (HTTP 400)")
        account_id, profile = self._grants[refresh_token]
        self.calls[account_id].append(self._clock())
        if profile.refresh_tokens == "kept":
            given = self._give(account_id, profile, refresh_token, self._clock() + profile.life)
            return TokenAnswer(access_token=given.access_token, expires_in=profile.life, scope=SCOPE)
        if profile.refresh_tokens == "rotated":
            del self._grants[refresh_token]
        return self._give(account_id, profile, f"refresh-{next(self._numbers)}", self._clock() + profile.life)

    def userinfo(self, registration: Registration, access_token: str) -> Mapping[str, object] | None:
        """Say whose an access token is."""
        self._sleep(self._chance.uniform(0.05, 0.3))
        if registration.name in self.down:
            raise TokenEndpointBusy("HTTP 503")
        if not self.takes(access_token):
            raise TokenRefused("HTTP 401")
        return {"email": f"{self._access[access_token][0]}"}

    def introspect(self, registration: Registration, credential: Credential, access_token: str) -> None:
        """Have no such endpoint."""

    def tokeninfo(self, registration: Registration, access_token: str) -> None:
        """Have no such endpoint."""

    def _give(self, account_id: str, profile: Profile, refresh_token: str, ends_at: float) -> TokenAnswer:
        access_token = f"access-{next(self._numbers)}"
        self._grants[refresh_token] = (account_id, profile)
        self._access[access_token] = (account_id, ends_at)
        self._forget(account_id, access_token)
        return TokenAnswer(access_token=access_token, refresh_token=refresh_token, expires_in=profile.life, scope=SCOPE)

    def _forget(self, account_id: str, access_token: str) -> None:
        """Keep a mailbox's last few access tokens: a week gives hundreds of thousands."""
        newest = self._newest[account_id]
        newest.append(access_token)
        if len(newest) > 4:  # noqa: PLR2004 - more than anybody can hold
            self._access.pop(newest.pop(0), None)
