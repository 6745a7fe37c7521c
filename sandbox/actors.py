"""Those who deal with Mailbearer from outside: its operator, the mailboxes' owners, and an application that sends."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from html.parser import HTMLParser
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests

from sandbox.control.client import Control

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from sandbox.local import LocalWorld

SECONDS = 30.0
"""How long something may take that happens by itself, such as a message coming off the queue."""


class UnseenError(Exception):
    """What a step should have brought about was not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mailbox of the demonstration; `tenant` is the sandbox's provider, `registration` our name for it."""

    tenant: str
    registration: str
    kind: str
    transport: str
    address: str
    name: str


ORDERS = Mailbox(
    tenant="google",
    registration="google-workspace",
    kind="google",
    transport="gmail",
    address="orders@acme.example",
    name="Acme Orders",
)
BILLING = Mailbox(
    tenant="microsoft",
    registration="microsoft-365",
    kind="microsoft",
    transport="graph",
    address="billing@acme.example",
    name="Acme Billing",
)
SUPPORT = Mailbox(
    tenant="oidc",
    registration="own-mail-host",
    kind="oidc",
    transport="smtp",
    address="support@acme.example",
    name="Acme Support",
)


class Actors:
    """What they do, by the command, the consent pages, HTTP and the sandbox's control API.

    Each act ends with a look at what came of it; `UnseenError` if that is not to be seen.
    """

    def __init__(self, world: LocalWorld) -> None:
        """Open the ways to the sandbox and to the API."""
        self.world = world
        self.control = Control(world.sandbox["url"])
        self.api = requests.Session()
        self.api.headers["Authorization"] = f"Bearer {world.api_key}"

    def _provider_options(self, mailbox: Mailbox) -> tuple[str, ...]:
        tenant, smtp = self.world.sandbox["tenants"][mailbox.tenant], self.world.sandbox["smtp"]
        if mailbox.transport == "smtp":
            return (
                *("--issuer", tenant["issuer"], "--scope", "openid", "--scope", "email"),
                *("--scope", "offline_access", "--scope", "smtp"),
                *("--smtp-host", smtp["host"], "--smtp-port", str(smtp["port"]), "--smtp-security", "starttls"),
                *("--ca-file", smtp["ca_file"]),
            )
        return (
            *("--issuer", tenant["issuer"], "--authorize-url", tenant["authorize_url"]),
            *("--token-url", tenant["token_url"], "--revoke-url", tenant["revoke_url"]),
            *("--api-base-url", tenant["api_base_url"]),
        )

    def register_provider(self, mailbox: Mailbox) -> None:
        """Register an OAuth client at the sandbox's provider, and that provider with Mailbearer."""
        client_id, client_secret = f"mailbearer-at-{mailbox.tenant}", f"secret-of-{mailbox.tenant}"
        self.control.register_client(
            mailbox.tenant, client_id, client_secret, redirect_uris=[f"{self.world.api_url}/oauth/callback"]
        )
        self.operate(
            *("providers", "add", mailbox.registration, "--kind", mailbox.kind),
            *("--client-id", client_id, "--client-secret-stdin", "--transport", mailbox.transport),
            *self._provider_options(mailbox),
            stdin=client_secret,
        )

    def connect_mailbox(self, mailbox: Mailbox) -> None:
        """Add a mailbox, walk its consent pages as its owner would, and see it become active."""
        self.control.add_mailbox(mailbox.tenant, mailbox.address, name=mailbox.name)
        added = json.loads(
            self.operate(
                *("accounts", "add", mailbox.address, "--provider", mailbox.registration),
                *("--display-name", mailbox.name, "--json"),
            ).stdout
        )
        page = requests.get(added["consent_url"], timeout=SECONDS)
        page.raise_for_status()
        sign_in = way_on(page.text, to=self.world.sandbox["tenants"][mailbox.tenant]["authorize_url"])
        callback = self.control.consent(sign_in, mailbox=mailbox.address)
        result = requests.get(callback.url, timeout=SECONDS)
        result.raise_for_status()
        status = self.get(f"/v1/accounts/{added['id']}")["status"]
        see(status == "active", f"{mailbox.address} is {status} after its owner consented")

    def post_message(self, mailbox: Mailbox, subject: str) -> dict[str, Any]:
        """Post a message and see it accepted; return the resource."""
        answer = self.api.post(f"{self.world.api_url}/v1/messages", json=a_message(mailbox, subject), timeout=SECONDS)
        see(answer.status_code == HTTPStatus.ACCEPTED, f"{mailbox.address}: {answer.status_code} {answer.text[:500]}")
        message: dict[str, Any] = answer.json()
        return message

    def see_sent(self, message_id: str) -> None:
        """Wait until a message is `sent`."""

        def settled() -> bool:
            message = self.get(f"/v1/messages/{message_id}")
            see(
                message["status"] not in {"failed", "unknown", "held"},
                f"{message_id} is {message['status']}: {message}",
            )
            return bool(message["status"] == "sent")

        self.until(f"{message_id} sent", settled)

    def see_mail(self, **filters: str) -> dict[str, Any]:
        """Wait for the one captured mail that fits the filters of `Control.mail`."""
        wanted: dict[str, Any] = dict(filters)
        found = self.control.wait_for_mail(seconds=SECONDS, **wanted)
        see(len(found) == 1, f"{len(found)} mails for {filters}")
        return found[0]

    def grant(self, mailbox: Mailbox) -> dict[str, Any]:
        """Return the state of a mailbox's newest grant, as its provider has it."""
        grants = [grant for grant in self.control.tokens() if grant["mailbox"] == mailbox.address]
        see(grants, f"{mailbox.address} has no grant at its provider")
        return grants[0]

    def get(self, path: str) -> dict[str, Any]:
        """Read from the API."""
        answer = self.api.get(f"{self.world.api_url}{path}", timeout=SECONDS)
        see(answer.ok, f"GET {path}: {answer.status_code} {answer.text[:500]}")
        body: dict[str, Any] = answer.json()
        return body

    def operate(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the `mailbearer` command and see it succeed."""
        done = self.world.operate(*arguments, stdin=stdin)
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        see(done.returncode == 0, f"mailbearer {' '.join(arguments[:3])}: {' '.join(said)}")
        return done

    def until(self, what: str, seen: Callable[[], bool]) -> None:
        """Wait until something is seen."""
        deadline = time.monotonic() + SECONDS
        while not seen():
            if time.monotonic() > deadline:
                raise UnseenError(f"{what} was not seen within {SECONDS:.0f} s")
            time.sleep(0.1)


def way_on(page: str, *, to: str) -> str:
    """Find the address behind the consent page's one button, which must lead to the provider's sign-in page."""
    reader = _Addresses()
    reader.feed(page)
    found = [address for address in reader.addresses if address.partition("?")[0] == to]
    see(len(found) == 1, f"the consent page has {len(found)} ways to {to}")
    return found[0]


class _Addresses(HTMLParser):
    """Collects where a page's links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.addresses.append(str(given["href"]))


def a_message(mailbox: Mailbox, subject: str) -> dict[str, Any]:
    """Write a message, as the body of a POST."""
    return {
        "account": mailbox.address,
        "to": "Carla Customer <carla@customer.example>",
        "subject": subject,
        "text": f"This is {mailbox.name}. Nothing of this left your machine.",
        "html": f"<p>This is <b>{mailbox.name}</b>. Nothing of this left your machine.</p>",
    }


def see(truth: object, otherwise: str) -> None:
    """Raise `UnseenError` unless `truth` is true."""
    if not truth:
        raise UnseenError(otherwise)
