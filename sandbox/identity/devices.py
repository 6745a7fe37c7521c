"""Device authorization (RFC 8628): the codes, the endpoint that gives them, and the grant that redeems them.

Authlib ships no types, hence the ignores on its base classes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import AccessDeniedError
from authlib.oauth2.rfc8628 import (
    AuthorizationPendingError,
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    ExpiredTokenError,
    SlowDownError,
)

from sandbox.identity.grants import CLIENT_AUTH_METHODS
from sandbox.identity.refusals import GrantRefusedError, Reason
from sandbox.identity.tenants import RefreshTokenRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authlib.oauth2 import OAuth2Error

    from sandbox.identity.records import Mailbox
    from sandbox.identity.server import IdentityServer

MOST_DEVICES = 2_000
SLOWER = 5
"""Seconds that each `slow_down` adds to the interval (RFC 8628, section 3.5)."""
_REASON_OF: dict[type[OAuth2Error], Reason] = {
    AuthorizationPendingError: Reason.DEVICE_PENDING,
    SlowDownError: Reason.DEVICE_TOO_FAST,
    ExpiredTokenError: Reason.DEVICE_EXPIRED,
    AccessDeniedError: Reason.DEVICE_DENIED,
}


@dataclass(slots=True, kw_only=True)
class Device:
    """One device that waits for its person."""

    tenant: str
    client_id: str
    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    scope: str
    """As asked; as granted once the person has decided."""
    expires_at: float
    interval: int
    clock: Callable[[], float] = field(repr=False)
    polled_at: float | None = None
    allowed: bool | None = None
    """None while the person has not decided."""
    mailbox: str | None = None
    redeemed: bool = False

    def get_client_id(self) -> str:
        """Return the client's identifier."""
        return self.client_id

    def get_scope(self) -> str:
        """Return the granted scope."""
        return self.scope

    def get_user_code(self) -> str:
        """Return what the person types."""
        return self.user_code

    def is_expired(self) -> bool:
        """Tell whether the code is too old now."""
        return self.clock() >= self.expires_at


class Devices:
    """Every device that asked, in memory; safe to use from several threads."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._devices: dict[str, Device] = {}

    def clear(self) -> None:
        """Forget every device."""
        with self._lock:
            self._devices.clear()

    def add(self, *, tenant: str, client_id: str, scope: str, data: dict[str, Any]) -> None:
        """Remember a device by the answer it is about to get."""
        device = Device(
            tenant=tenant,
            client_id=client_id,
            device_code=data["device_code"],
            user_code=data["user_code"],
            scope=scope,
            expires_at=self._clock() + data["expires_in"],
            interval=data["interval"],
            clock=self._clock,
        )
        with self._lock:
            self._devices[device.device_code] = device
            while len(self._devices) > MOST_DEVICES:
                del self._devices[next(iter(self._devices))]

    def by_device_code(self, value: str, *, tenant: str) -> Device | None:
        """Return the device with this code, decided or not, or None."""
        with self._lock:
            device = self._devices.get(value)
            return device if device is not None and device.tenant == tenant else None

    def by_user_code(self, typed: str, *, tenant: str) -> Device | None:
        """Return the undecided device whose code the person typed, in either case and with or without its dash."""
        with self._lock:
            for device in self._devices.values():
                same = device.tenant == tenant and _bare(device.user_code) == _bare(typed)
                if same and device.allowed is None and not device.is_expired():
                    return device
            return None

    def decide(self, device: Device, *, mailbox: str | None, scope: str) -> bool:
        """Set down what the person decided (no mailbox: denied); False if that was done before."""
        with self._lock:
            if device.allowed is not None:
                return False
            if mailbox is not None:
                device.mailbox, device.scope = mailbox, scope
            device.allowed = mailbox is not None
            return True

    def polls_too_fast(self, device: Device) -> bool:
        """Count one poll; True if it came before the interval was over, which then grows."""
        with self._lock:
            now, before = self._clock(), device.polled_at
            device.polled_at = now
            if before is None or now - before >= device.interval:
                return False
            device.interval += SLOWER
            return True

    def redeem(self, device: Device) -> bool:
        """Use the code up; False if it was used before."""
        with self._lock:
            first, device.redeemed = not device.redeemed, True
            return first

    def secrets(self) -> Iterator[tuple[str, str]]:
        """Yield (kind, value) of every code, for tests that look for leaks."""
        with self._lock:
            devices = list(self._devices.values())
        yield from (("device_code", device.device_code) for device in devices)


def _bare(user_code: str) -> str:
    return "".join(letter for letter in user_code.upper() if letter.isalnum())


class DeviceAuthorization(DeviceAuthorizationEndpoint):  # type: ignore[misc]
    """The endpoint that a device asks first (RFC 8628, section 3.1)."""

    CLIENT_AUTH_METHODS = CLIENT_AUTH_METHODS
    server: IdentityServer

    @property
    def EXPIRES_IN(self) -> int:  # noqa: N802 - Authlib's name
        """Return how many seconds the codes live."""
        return self.server.settings.device_code_ttl

    @property
    def INTERVAL(self) -> int:  # noqa: N802 - Authlib's name
        """Return how many seconds lie between two polls."""
        return self.server.settings.device_interval

    def authenticate_client(self, request: Any) -> Any:
        """Return the client, if it asks for nothing that this provider keeps from devices."""
        client = super().authenticate_client(request)
        allowed = self.server.tenant.device_scopes
        if allowed is not None and not set((request.payload.scope or "").split()) <= allowed:
            raise GrantRefusedError(Reason.DEVICE_SCOPE)
        return client

    def generate_device_code(self) -> str:
        """Make a device code."""
        return self.server.new_token()

    def get_verification_uri(self) -> str:
        """Return the page where the person types the code."""
        return f"{self.server.tenant.url}/device"

    def save_device_credential(self, client_id: str, scope: str | None, data: dict[str, Any]) -> None:
        """Remember the device."""
        self.server.devices.add(tenant=self.server.tenant.name, client_id=client_id, scope=scope or "", data=data)


class DeviceGrant(DeviceCodeGrant):  # type: ignore[misc]
    """Device code grant (RFC 8628, section 3.4); its tokens are those of the code flow."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS
    server: IdentityServer

    def query_device_credential(self, device_code: str) -> Device:
        """Return the device, or refuse a code that was never given."""
        device = self.server.devices.by_device_code(device_code, tenant=self.server.tenant.name)
        if device is None:
            raise GrantRefusedError(Reason.DEVICE_UNKNOWN)
        self._device = device
        return device

    def validate_device_credential(self, credential: Device) -> Mailbox:
        """Return the mailbox that the person chose; refuse in the provider's words while there is none."""
        try:
            mailbox: Mailbox = super().validate_device_credential(credential)
        except tuple(_REASON_OF) as error:
            raise GrantRefusedError(_REASON_OF[type(error)]) from error
        if not self.server.devices.redeem(credential):
            raise GrantRefusedError(Reason.DEVICE_USED)
        return mailbox

    def query_user_grant(self, _user_code: str) -> tuple[Mailbox | None, bool] | None:
        """Return the mailbox and the decision, or None while there is none."""
        if self._device.allowed is None:
            return None
        return self.server.directory.mailbox(self._device.tenant, self._device.mailbox), self._device.allowed

    def should_slow_down(self, credential: Device) -> bool:
        """Tell whether the device polls faster than it was told."""
        return self.server.devices.polls_too_fast(credential)

    def generate_token(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Make the tokens; a refresh token where the code flow would give one."""
        kwargs["include_refresh_token"] = (
            self.server.settings.refresh_token_rule is not RefreshTokenRule.OFFLINE_ACCESS
            or "offline_access" in kwargs["scope"].split()
        )
        token: dict[str, Any] = super().generate_token(*args, **kwargs)
        return token
