"""The clients and mailboxes each tenant knows, and how the tenant behaves now."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from sandbox.identity.records import Client, Mailbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.identity.tenants import Settings, Tenant


class Directory:
    """Clients, mailboxes and settings by tenant; safe to use from several threads."""

    def __init__(self, tenants: Mapping[str, Tenant]) -> None:
        self._lock = threading.Lock()
        self._tenants = tenants
        self._clients: dict[tuple[str, str], Client] = {}
        self._mailboxes: dict[tuple[str, str], Mailbox] = {}
        self._settings = {name: tenant.defaults for name, tenant in tenants.items()}

    def clear(self) -> None:
        """Forget clients and mailboxes, and go back to each tenant's default settings."""
        with self._lock:
            self._clients.clear()
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

    def register_client(
        self, *, tenant: str, client_id: str, client_secret: str, redirect_uris: Sequence[str], public: bool
    ) -> Client:
        """Add a client, or replace the one with this id."""
        if not client_id:
            raise ValueError("client_id is needed")
        if public == bool(client_secret):
            raise ValueError("a public client has no client_secret, and any other client has one")
        client = Client(
            tenant=tenant,
            client_id=client_id,
            client_secret=client_secret,
            redirect_uris=tuple(redirect_uris),
            public=public,
            grant_types=self.tenant(tenant).grant_types,
        )
        with self._lock:
            self._clients[tenant, client_id] = client
        return client

    def client(self, tenant: str, client_id: str) -> Client | None:
        """Return the client, or None."""
        with self._lock:
            return self._clients.get((tenant, client_id))

    def clients(self) -> list[Client]:
        """Return every client of every tenant."""
        with self._lock:
            return list(self._clients.values())

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
