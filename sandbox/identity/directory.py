"""The clients, service accounts and mailboxes each tenant knows, and how the tenant behaves now."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from sandbox.identity.credentials import ClientSecret, read_certificate
from sandbox.identity.records import Client, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.identity.credentials import ClientCertificate
    from sandbox.identity.service_accounts import ServiceAccount
    from sandbox.identity.tenants import Settings, Tenant

SECRET_LIFE = 2 * 365 * 86_400
"""Seconds until a secret expires unless said otherwise; Entra ID's longest."""


class Directory:
    """Clients, service accounts, mailboxes and settings by tenant; safe to use from several threads."""

    def __init__(
        self, tenants: Mapping[str, Tenant], *, clock: Callable[[], float], random_id: Callable[[], str]
    ) -> None:
        self._lock = threading.RLock()
        self._tenants = tenants
        self._clock = clock
        self._random_id = random_id
        self._clients: dict[tuple[str, str], Client] = {}
        self._service_accounts: dict[str, ServiceAccount] = {}
        self._mailboxes: dict[tuple[str, str], Mailbox] = {}
        self._settings = {name: tenant.defaults for name, tenant in tenants.items()}

    def clear(self) -> None:
        """Forget clients and mailboxes, and go back to each tenant's default settings."""
        with self._lock:
            self._clients.clear()
            self._service_accounts.clear()
            self._mailboxes.clear()
            self._settings = {name: tenant.defaults for name, tenant in self._tenants.items()}

    def tenant(self, name: str) -> Tenant:
        """Return the tenant, or raise ValueError."""
        if name not in self._tenants:
            raise ValueError(f"no tenant {name!r}; there are {', '.join(self._tenants)}")
        return self._tenants[name]

    def settings(self, tenant: str) -> Settings:
        """Return how the tenant behaves now."""
        with self._lock:
            return self._settings[tenant]

    def change_settings(self, tenant: str, changes: Mapping[str, Any]) -> Settings:
        """Change some of a tenant's settings; raise ValueError on a wrong one."""
        self.tenant(tenant)
        with self._lock:
            self._settings[tenant] = self._settings[tenant].changed(changes)
            return self._settings[tenant]

    # --- clients

    def register_client(
        self,
        *,
        tenant: str,
        client_id: str,
        client_secret: str = "",
        certificate: str = "",
        redirect_uris: Sequence[str] = (),
        public: bool = False,
        app_mailboxes: Sequence[str] | None = None,
        app_roles: Sequence[str] | None = None,
    ) -> Client:
        """Add a client, or replace the one with this id; its first secret lives two years."""
        if not client_id:
            raise ValueError("client_id is needed")
        if public == bool(client_secret or certificate):
            raise ValueError("a public client has no client_secret and no certificate, and any other has one of them")
        now = self._clock()
        client = Client(
            tenant=tenant,
            client_id=client_id,
            object_id=str(uuid5(NAMESPACE_URL, f"{self.tenant(tenant).name}:application:{client_id}")),
            secrets=(self._secret(client_secret, now=now),) if client_secret else (),
            certificates=(read_certificate(certificate, credential_id=self._guid()),) if certificate else (),
            redirect_uris=tuple(redirect_uris),
            public=public,
            grant_types=self.tenant(tenant).grant_types,
            app_mailboxes=None if app_mailboxes is None else frozenset(name.casefold() for name in app_mailboxes),
            app_roles=self.tenant(tenant).default_app_roles if app_roles is None else tuple(app_roles),
        )
        with self._lock:
            self._clients[tenant, client_id] = client
        return self._known(tenant, client_id)

    def change_client(self, tenant: str, client_id: str, **changes: Any) -> Client:
        """Replace `app_mailboxes` or `app_roles` of a client."""
        with self._lock:
            self._clients[tenant, client_id] = replace(self._known(tenant, client_id), **changes)
        return self._known(tenant, client_id)

    def add_secret(
        self,
        tenant: str,
        client_id: str,
        value: str,
        *,
        name: str = "",
        delay: float = 0.0,
        expires_at: float | None = None,
    ) -> ClientSecret:
        """Give a client one more secret, good in `delay` seconds, until `expires_at` (two years if left out)."""
        if not value:
            raise ValueError("a secret is not empty")
        secret = self._secret(value, now=self._clock(), name=name, delay=delay, expires_at=expires_at)
        with self._lock:
            client = self._known(tenant, client_id)
            self._clients[tenant, client_id] = replace(client, secrets=(*client.secrets, secret))
        return secret

    def add_certificate(
        self, tenant: str, client_id: str, pem: str, *, name: str = "", expires_at: float | None = None
    ) -> ClientCertificate:
        """Give a client one more certificate; raise ValueError if it cannot be read."""
        certificate = read_certificate(pem, credential_id=self._guid(), name=name, expires_at=expires_at)
        with self._lock:
            client = self._known(tenant, client_id)
            self._clients[tenant, client_id] = replace(client, certificates=(*client.certificates, certificate))
        return certificate

    def remove_credential(self, tenant: str, client_id: str, credential_id: str) -> bool:
        """Take a secret or certificate away; False if the client has none with this id."""
        return self._each_credential(tenant, client_id, credential_id, lambda _: [])

    def expire_credential(self, tenant: str, client_id: str, credential_id: str) -> bool:
        """Let a secret or certificate expire now; False if the client has none with this id."""
        now = self._clock()
        return self._each_credential(tenant, client_id, credential_id, lambda item: [replace(item, expires_at=now)])

    def _each_credential(
        self, tenant: str, client_id: str, credential_id: str, become: Callable[[Any], list[Any]]
    ) -> bool:
        def changed(items: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(new for item in items for new in (become(item) if item.id == credential_id else [item]))

        with self._lock:
            client = self._known(tenant, client_id)
            held = {item.id for item in client.secrets} | {item.id for item in client.certificates}
            self._clients[tenant, client_id] = replace(
                client, secrets=changed(client.secrets), certificates=changed(client.certificates)
            )
            return credential_id in held

    def _secret(
        self, value: str, *, now: float, name: str = "", delay: float = 0.0, expires_at: float | None = None
    ) -> ClientSecret:
        return ClientSecret(
            id=self._guid(),
            value=value,
            name=name,
            issued_at=now,
            effective_at=now + delay,
            expires_at=now + SECRET_LIFE if expires_at is None else expires_at,
        )

    def _guid(self) -> str:
        return str(uuid5(NAMESPACE_URL, self._random_id()))

    def _known(self, tenant: str, client_id: str) -> Client:
        client = self.client(tenant, client_id)
        if client is None:
            raise ValueError(f"no client {client_id!r} at {self.tenant(tenant).name}")
        return client

    def client(self, tenant: str, client_id: str) -> Client | None:
        """Return the client as it is now, or None."""
        with self._lock:
            client = self._clients.get((tenant, client_id))
        return None if client is None else replace(client, now=self._clock())

    def clients(self) -> list[Client]:
        """Return every client of every tenant."""
        with self._lock:
            return list(self._clients.values())

    def application_may_use(self, tenant: str, client_id: str, address: str) -> bool:
        """Tell whether this client may use the mailbox without a person."""
        client = self.client(tenant, client_id)
        return client is not None and client.may_use(address)

    # --- service accounts

    def register_service_account(self, account: ServiceAccount) -> None:
        """Add a service account of Google's, or replace the one with this address."""
        with self._lock:
            self._service_accounts[account.email.casefold()] = account

    def service_account(self, email: str) -> ServiceAccount | None:
        """Return the service account with this address, or None."""
        with self._lock:
            return self._service_accounts.get(email.casefold())

    # --- mailboxes

    def add_mailbox(self, *, tenant: str, address: str, name: str = "", aliases: Sequence[str] = ()) -> Mailbox:
        """Add a mailbox, or change the one with this address; its `sub` never changes."""
        if "@" not in address.strip("@"):
            raise ValueError("address must be an e-mail address")
        subject = uuid5(NAMESPACE_URL, f"{self.tenant(tenant).name}:{address.casefold()}")
        mailbox = Mailbox(
            tenant=tenant,
            address=address,
            name=name or address.partition("@")[0],
            aliases=tuple(aliases),
            subject=str(subject),
        )
        with self._lock:
            self._mailboxes[tenant, address.casefold()] = mailbox
        return mailbox

    def mailbox(self, tenant: str, address: str | None) -> Mailbox | None:
        """Return the mailbox with this address (not an alias), or None."""
        with self._lock:
            return self._mailboxes.get((tenant, (address or "").casefold()))

    def mailboxes(self, tenant: str | None = None) -> list[Mailbox]:
        """Return the mailboxes of one tenant, or of all."""
        with self._lock:
            return [box for box in self._mailboxes.values() if tenant in {None, box.tenant}]
