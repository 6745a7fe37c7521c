"""What a token endpoint can do wrong, and the state in which each of it has to end: the table, as data.

The source is semantics.md (Refreshing, 4 to 7) as docs/explanation/how-a-token-stays-alive.md tells it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LIFE = 3600.0
"""What the sandbox's access tokens live, in seconds."""
ASSUMED = 300.0
"""What is assumed where the answer says nothing that can be believed."""

BUSY, LOST, INVALID = "token_endpoint_unavailable", "token_answer_lost", "token_answer_invalid"
FAILED = "token.refresh_failed failed"
NARROWED = "token.scope_narrowed narrowed"
REFRESHED = ("token.refresh intended", "token.refreshed refreshed")
DEAD = "consent_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where a mailbox stands after a fault.

    `pause` is for how long nobody asks again, in seconds, from and to. `lost` says that the answer may have been lost,
    `serves` that the old access token goes on sending. `audit` names the events the fault brought, `life` the
    seconds of the access token that is stored. `after` is what the next try comes to once the provider is well again.
    """

    state: str = "active"
    pause: tuple[float, float] = (0, 0)
    failures: int = 0
    lost: bool = False
    serves: bool = True
    token_calls: int = 1
    audit: tuple[str, ...] = REFRESHED
    life: float | None = None
    after: str = "refreshed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFault:
    """One thing that goes wrong: how the sandbox plays it at which provider, and how it has to end."""

    name: str
    provider: str
    kind: str
    end: End
    times: int = 1
    params: Callable[[], Mapping[str, Any]] = field(default=dict)


def failed(code: str, pause: tuple[float, float], **changes: Any) -> End:
    """Say that a refresh failed for now."""
    values: dict[str, Any] = {"failures": 1, "audit": ("token.refresh intended", f"{FAILED} ({code})")}
    return End(pause=pause, **(values | changes))


def refused_for_good(reason: str) -> End:
    """Say that the grant is dead, and why."""
    return End(
        state=f"{DEAD} ({reason})",
        failures=1,
        serves=False,
        audit=("token.refresh intended", f"token.rejected rejected ({reason})"),
        after=f"{DEAD} ({reason})",
    )


BUSY_PAUSE, LOST_PAUSE, CLIENT_PAUSE = (7.5, 15.0), (30.0, 30.0), (300.0, 300.0)
REVOKED = f"{DEAD} (rotation_lost_or_revoked)"
_A_TOKEN = {"access_token": "a-token-of-nobody", "expires_in": 3600, "token_type": "Bearer"}


def _in_two_minutes() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)


def _entra(number: int) -> Callable[[], Mapping[str, Any]]:
    description = f"AADSTS{number}: Words that nobody decides by. Trace ID: 0 Correlation ID: 0"
    body = {"error": "invalid_grant", "error_description": description, "error_codes": [number]}
    return lambda: {"status": 400, "body": body}


FAULTS: tuple[TokenFault, ...] = (
    # --- nothing was given: back-off, and the old token serves --------------------------------------------------------
    TokenFault(name="503", provider="rotated", kind="503", end=failed(BUSY, BUSY_PAUSE)),
    TokenFault(
        name="429, Retry-After: 120",
        provider="rotated",
        kind="429",
        params=lambda: {"retry_after": 120},
        end=failed(BUSY, (119, 120)),
    ),
    TokenFault(
        name="429, Retry-After: a date",
        provider="rotated",
        kind="429",
        params=lambda: {"retry_after": _in_two_minutes()},
        end=failed(BUSY, (115, 120)),
    ),
    TokenFault(
        name="HTML with 503",
        provider="rotated",
        kind="html",
        params=lambda: {"status": 503},
        end=failed(BUSY, BUSY_PAUSE),
    ),
    TokenFault(
        name="HTML with 200",
        provider="rotated",
        kind="html",
        params=lambda: {"status": 200},
        end=failed(BUSY, BUSY_PAUSE),
    ),
    # --- the answer is lost: once more after a pause; only a rotated token is gone then -------------------------------
    TokenFault(
        name="no answer within the deadline",
        provider="kept",
        kind="hang",
        params=lambda: {"seconds": 200},
        end=failed(LOST, LOST_PAUSE, lost=True),
    ),
    TokenFault(
        name="cut before the work was done",
        provider="rotated",
        kind="cut_before",
        end=failed(LOST, LOST_PAUSE, lost=True),
    ),
    TokenFault(
        name="answer lost after the work",
        provider="kept",
        kind="answer_lost",
        end=failed(LOST, LOST_PAUSE, lost=True),
    ),
    TokenFault(
        name="answer lost after the work",
        provider="renewed",
        kind="answer_lost",
        end=failed(LOST, LOST_PAUSE, lost=True),
    ),
    TokenFault(
        name="answer lost after the work",
        provider="rotated",
        kind="answer_lost",
        end=failed(LOST, LOST_PAUSE, lost=True, after=REVOKED),
    ),
    TokenFault(
        name="JSON breaks off, connection cut",
        provider="renewed",
        kind="truncated",
        end=failed(LOST, LOST_PAUSE, lost=True),
    ),
    TokenFault(
        name="JSON breaks off, connection cut",
        provider="rotated",
        kind="truncated",
        end=failed(LOST, LOST_PAUSE, lost=True, after=REVOKED),
    ),
    TokenFault(
        name="JSON breaks off, length honest",
        provider="rotated",
        kind="truncated",
        params=lambda: {"honest_length": True},
        end=failed(LOST, LOST_PAUSE, lost=True, after=REVOKED),
    ),
    TokenFault(
        name="answer longer than 64 KiB",
        provider="rotated",
        kind="status",
        params=lambda: {"status": 200, "body": _A_TOKEN | {"padding": "x" * 70_000}},
        end=failed(LOST, LOST_PAUSE, lost=True),
    ),
    # --- the answer came and cannot be used ---------------------------------------------------------------------------
    TokenFault(
        name="200 without access_token",
        provider="kept",
        kind="no_access_token",
        end=failed(INVALID, LOST_PAUSE, lost=True),
    ),
    TokenFault(
        name="200 without access_token",
        provider="renewed",
        kind="no_access_token",
        end=failed(INVALID, LOST_PAUSE, lost=True),
    ),
    TokenFault(
        name="200 without access_token",
        provider="rotated",
        kind="no_access_token",
        # The provider has rotated, so the old refresh token is gone: the window that stays.
        end=failed(INVALID, LOST_PAUSE, lost=True, after=REVOKED),
    ),
    TokenFault(
        name="token_type is mac",
        provider="rotated",
        kind="status",
        params=lambda: {"status": 200, "body": _A_TOKEN | {"token_type": "mac"}},
        end=failed(INVALID, LOST_PAUSE, lost=True),
    ),
    TokenFault(
        name="200 that says invalid_grant",
        provider="rotated",
        kind="status",
        params=lambda: {"status": 200, "body": {"error": "invalid_grant"}},
        end=refused_for_good("grant_expired_or_revoked"),
    ),
    # --- the answer is odd, and is used -------------------------------------------------------------------------------
    TokenFault(
        name="expires_in is a numeric string",
        provider="rotated",
        kind="expires_in",
        params=lambda: {"value": "3600"},
        end=End(life=LIFE),
    ),
    TokenFault(
        name="expires_in is a word",
        provider="rotated",
        kind="expires_in",
        params=lambda: {"value": "soon"},
        end=End(life=ASSUMED),
    ),
    TokenFault(name="expires_in is missing", provider="rotated", kind="expires_in", end=End(life=ASSUMED)),
    TokenFault(
        name="expires_in is negative",
        provider="rotated",
        kind="expires_in",
        params=lambda: {"value": -3600},
        end=End(life=ASSUMED),
    ),
    TokenFault(
        name="expires_in is huge",
        provider="rotated",
        kind="expires_in",
        params=lambda: {"value": 10**300},
        end=End(life=ASSUMED),
    ),
    TokenFault(name="no refresh_token", provider="renewed", kind="no_refresh_token", end=End(life=LIFE)),
    TokenFault(
        name="narrowed scope",
        provider="rotated",
        kind="narrowed_scope",
        params=lambda: {"scope": "openid email offline_access"},
        end=End(
            life=LIFE, audit=(REFRESHED[0], *(f"{event}, scope_missing=smtp" for event in (REFRESHED[1], NARROWED)))
        ),
    ),
    # --- refusals -----------------------------------------------------------------------------------------------------
    TokenFault(
        name="invalid_client",
        provider="rotated",
        kind="invalid_client",
        end=failed(
            "registration_refused",
            CLIENT_PAUSE,
            audit=(
                "token.refresh intended",
                "registration.refused refused (registration_refused)",
                f"{FAILED} (registration_refused)",
            ),
        ),
    ),
    TokenFault(
        name="invalid_grant",
        provider="rotated",
        kind="invalid_grant",
        end=refused_for_good("grant_expired_or_revoked"),
    ),
    TokenFault(
        name="AADSTS50196, our own loop",
        provider="renewed",
        kind="status",
        params=_entra(50196),
        end=failed("invalid_grant", (3600, 3600)),
    ),
    TokenFault(
        name="AADSTS70000, other scopes",
        provider="renewed",
        kind="status",
        params=_entra(70000),
        end=failed("invalid_grant", (300, 300)),
    ),
    TokenFault(
        name="AADSTS70000, and once more",
        provider="renewed",
        kind="status",
        times=2,
        params=_entra(70000),
        end=failed("invalid_grant", (300, 300), after=f"{DEAD} (token_not_taken)"),
    ),
    TokenFault(
        name="AADSTS50013, a bad assertion",
        provider="renewed",
        kind="status",
        params=_entra(50013),
        end=failed("invalid_grant", (900, 900)),
    ),
)
