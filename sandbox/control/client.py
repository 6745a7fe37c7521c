"""A small client of the control API, for tests and demonstrations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests

from sandbox.control.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.control.visitor import Callback

TIMEOUT = 10.0
"""Seconds for one call."""


class Control:
    """Steer a sandbox world through its control API.

    Every method raises ValueError with the API's own words when a request is refused.
    """

    def __init__(self, url: str) -> None:
        """Take the world's address, with or without `/_sandbox` at its end."""
        self._url = f"{url.rstrip('/').removesuffix('/_sandbox')}/_sandbox"
        self._session = requests.Session()

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def register_client(
        self,
        tenant: str,
        client_id: str,
        client_secret: str | None = None,
        *,
        redirect_uris: Sequence[str] = (),
        public: bool = False,
        certificate: str | None = None,
        app_mailboxes: Sequence[str] | None = None,
        app_roles: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Register an OAuth client, or replace it.

        `certificate` is PEM. `app_mailboxes`: those it may use without a person (None: all). `app_roles`: what it may
        do so at Microsoft (None: Mail.Send, User.Read.All, SMTP.SendAsApp).
        """
        body = {
            "tenant": tenant,
            "client_id": client_id,
            "client_secret": client_secret,
            "certificate": certificate,
            "redirect_uris": list(redirect_uris),
            "public": public,
            "app_mailboxes": None if app_mailboxes is None else list(app_mailboxes),
            "app_roles": None if app_roles is None else list(app_roles),
        }
        return self._call("POST", "/clients", body)

    def clients(self) -> list[dict[str, Any]]:
        """Return every client with its credentials' ids, hints and dates, without any value."""
        return self._rows("/clients")

    def allow_application(self, tenant: str, client_id: str, **changes: Sequence[str] | None) -> dict[str, Any]:
        """Replace a client's `app_mailboxes` (None: all) or `app_roles`."""
        return self._call("POST", "/clients/application", {"tenant": tenant, "client_id": client_id, **changes})

    def add_secret(
        self,
        tenant: str,
        client_id: str,
        client_secret: str | None = None,
        *,
        name: str = "",
        delay: float = 0,
        expires_in: float | None = None,
    ) -> dict[str, Any]:
        """Give a client one more secret; the answer has `id`, `hint`, `expires_at` and `client_secret`.

        `delay` and `expires_in` are seconds; a negative `expires_in` makes one that has expired.
        """
        body = {
            "tenant": tenant,
            "client_id": client_id,
            "client_secret": client_secret,
            "name": name,
            "delay": delay,
            "expires_in": expires_in,
        }
        return self._call("POST", "/clients/secrets", body)

    def add_certificate(
        self, tenant: str, client_id: str, certificate: str, *, name: str = "", expires_in: float | None = None
    ) -> dict[str, Any]:
        """Give a client one more certificate (PEM); the answer has `id`, `hint`, `x5t`, `x5t#S256`, `expires_at`."""
        body = {
            "tenant": tenant,
            "client_id": client_id,
            "certificate": certificate,
            "name": name,
            "expires_in": expires_in,
        }
        return self._call("POST", "/clients/certificates", body)

    def expire_credential(self, tenant: str, client_id: str, credential_id: str) -> bool:
        """Let a secret or certificate expire now; False if there is none with this id."""
        body = {"tenant": tenant, "client_id": client_id, "id": credential_id}
        return bool(self._call("POST", "/clients/credentials/expire", body)["expired"])

    def remove_credential(self, tenant: str, client_id: str, credential_id: str) -> bool:
        """Take a secret or certificate away; False if there is none with this id."""
        body = {"tenant": tenant, "client_id": client_id, "id": credential_id}
        return bool(self._call("POST", "/clients/credentials/remove", body)["removed"])

    def register_service_account(
        self,
        email: str,
        *,
        client_id: str,
        public_key: str,
        domain: str,
        scopes: Sequence[str] = (),
        key_id: str = "",
        disabled: bool = False,
    ) -> dict[str, Any]:
        """Register a service account of Google's, or replace it; `scopes` are delegated for the whole `domain`."""
        body = {
            "email": email,
            "client_id": client_id,
            "public_key": public_key,
            "domain": domain,
            "scopes": list(scopes),
            "key_id": key_id,
            "disabled": disabled,
        }
        return self._call("POST", "/service-accounts", body)

    def add_mailbox(self, tenant: str, address: str, *, name: str = "", aliases: Sequence[str] = ()) -> dict[str, Any]:
        """Add a mailbox, or change its name and aliases."""
        body = {"tenant": tenant, "address": address, "name": name, "aliases": list(aliases)}
        return self._call("POST", "/mailboxes", body)

    def settings(self) -> dict[str, Any]:
        """Return the settings of each tenant and of `smtp`."""
        return self._call("GET", "/settings")

    def change_settings(self, tenant: str, **changes: Any) -> dict[str, Any]:
        """Change settings of a tenant, or of `smtp`."""
        return self._call("POST", "/settings", {"tenant": tenant, **changes})

    def plan_fault(
        self,
        endpoint: str,
        fault: str,
        *,
        tenant: str | None = None,
        times: int | None = 1,
        match: dict[str, str] | None = None,
        **params: Any,
    ) -> int:
        """Plan a fault; return its id. `times=None` plays it until it is deleted."""
        body = {
            "tenant": tenant,
            "endpoint": endpoint,
            "fault": fault,
            "times": times,
            "match": match or {},
            "params": params,
        }
        planned: int = self._call("POST", "/faults", body)["id"]
        return planned

    def faults(self) -> list[dict[str, Any]]:
        """Return every planned fault and how often it was played."""
        return self._rows("/faults")

    def clear_faults(self, fault_id: int | None = None) -> int:
        """Delete one fault, or all."""
        deleted: int = self._call("DELETE", "/faults" if fault_id is None else f"/faults/{fault_id}")["deleted"]
        return deleted

    def tokens(self) -> list[dict[str, Any]]:
        """Return each grant's state, newest first."""
        return self._rows("/tokens")

    def expire_tokens(
        self,
        *,
        mailbox: str | None = None,
        tenant: str | None = None,
        client_id: str | None = None,
        kinds: Sequence[str] = ("access_token",),
    ) -> int:
        """Let tokens expire now; return how many."""
        body = {"mailbox": mailbox, "tenant": tenant, "client_id": client_id, "kinds": list(kinds)}
        expired: int = self._call("POST", "/tokens/expire", body)["expired"]
        return expired

    def revoke_tokens(
        self, *, mailbox: str | None = None, tenant: str | None = None, client_id: str | None = None
    ) -> int:
        """Revoke grants as their owner would at the provider; return how many."""
        body = {"mailbox": mailbox, "tenant": tenant, "client_id": client_id}
        revoked: int = self._call("POST", "/tokens/revoke", body)["revoked"]
        return revoked

    def secrets(self) -> list[str]:
        """Return every code, token, client secret, state and verifier: what must never be found in a log."""
        return [row["value"] for row in self._rows("/secrets")]

    def secrets_by_kind(self) -> dict[str, list[str]]:
        """Return the same, by what each is."""
        found: dict[str, list[str]] = {}
        for row in self._rows("/secrets"):
            found.setdefault(row["kind"], []).append(row["value"])
        return found

    def mail(self, **filters: str | int) -> list[dict[str, Any]]:
        """Return captured mail, newest first; filters: mailbox, tenant, via, message_id, rcpt_to, after, limit."""
        found: list[dict[str, Any]] = self._call("GET", "/mail", params=filters)["data"]
        return found

    def mail_counts(self) -> dict[str, int]:
        """Return `accepted`, `kept`, `kept_bytes` and `last_id`."""
        answer = self._call("GET", "/mail", params={"limit": 0})
        return {name: answer[name] for name in ("accepted", "kept", "kept_bytes", "last_id")}

    def mail_source(self, mail_id: int) -> bytes:
        """Return one mail byte for byte."""
        response = self._session.get(f"{self._url}/mail/{mail_id}/source", timeout=TIMEOUT)
        if not response.ok:
            raise ValueError(response.text)
        return response.content

    def wait_for_mail(self, count: int = 1, *, seconds: float = 10.0, **filters: str | int) -> list[dict[str, Any]]:
        """Return at least `count` mails that fit the filters, waiting for them; raise TimeoutError."""
        deadline = time.monotonic() + seconds
        while len(found := self.mail(**filters)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} mails after {seconds} s for {filters}")
            time.sleep(0.05)
        return found

    def clear_mail(self) -> None:
        """Forget captured mail."""
        self._call("DELETE", "/mail")

    def counters(self) -> list[dict[str, Any]]:
        """Return how often each endpoint was asked, and how it went."""
        return self._rows("/counters")

    def count(self, **wanted: str) -> int:
        """Return how many requests fit: `tenant`, `endpoint`, `grant_type`, `outcome`."""
        return sum(
            int(row["count"]) for row in self.counters() if all(row[name] == value for name, value in wanted.items())
        )

    def clear(self) -> None:
        """Put the world back to how it was at its start."""
        self._call("POST", "/clear")

    def consent(
        self,
        authorize_url: str,
        *,
        mailbox: str | None = None,
        allow: bool = True,
        untick: Sequence[str] = (),
    ) -> Callback:
        """Walk the sign-in page as a person would; return the address the browser is sent back to, unvisited."""
        with Visitor() as visitor:
            return visitor.consent(authorize_url, mailbox=mailbox, allow=allow, untick=untick)

    def verify_device(
        self,
        verification_uri: str,
        user_code: str | None = None,
        *,
        mailbox: str | None = None,
        allow: bool = True,
        untick: Sequence[str] = (),
    ) -> None:
        """Walk the device page as a person would; without `user_code`, by `verification_uri_complete`."""
        with Visitor() as visitor:
            visitor.verify_device(verification_uri, user_code, mailbox=mailbox, allow=allow, untick=untick)

    def _rows(self, path: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._call("GET", path)["data"]
        return rows

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        response = self._session.request(
            method,
            f"{self._url}{path}",
            json=body if body is not None else ({} if method == "POST" else None),
            params=params,
            timeout=TIMEOUT,
        )
        answer: dict[str, Any] = response.json()
        if not response.ok:
            raise ValueError(answer.get("error", response.text))
        return answer
