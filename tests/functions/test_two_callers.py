"""Two callers, each bound to an account of its own, on every route of every function.

Whatever is another's looks exactly like what does not exist: the same status, the same header fields, the same bytes.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from functions.accounts_api import app as accounts_api
from functions.admin_api import app as admin_api
from functions.messages_api import app as messages_api
from mailbearer.caller import ApiKey, hash_secret
from mailbearer.config import Settings
from mailbearer.ids import derived_id, new_id
from mailbearer.webhook import Webhook
from mailbearer.wiring import Wiring
from tests.functions.stack import Answer, request

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.http import Route
    from tests.functions.stack import Stack

APPS = {"messages_api": messages_api, "accounts_api": accounts_api, "admin_api": admin_api}
OPEN = {"GET /health", "GET /openapi.json", "GET /docs", "GET /connect/{ticket}", "GET /oauth/callback"}
ADMIN = {"key_id": "key_01JD0000000000000000000000", "scopes": "admin", "accounts": ""}
MESSAGE = {"to": "carla@customer.example", "subject": "Hello", "text": "Hello."}
HOOK = {"url": "https://hooks.example/mail", "events": ["*"]}
REPLAY = {"since": "2026-11-22T09:30:00Z"}


@dataclass(frozen=True)
class Probe:
    """A request that names something; `{X}` stands for it, `{own}` for the caller's own account."""

    kinds: tuple[str, ...]
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    path: str = ""


ACCOUNT = ("account", "address", "twins")
IN_PATH = {kind: Probe((kind,), path="{X}") for kind in ("message", "key", "webhook")}
ACCOUNT_IN_PATH = Probe(ACCOUNT, path="{X}")
# What stands for no account is everybody's: templates and registrations belong to the stack.
SHARED: tuple[Probe, ...] = ()

PROBES: dict[str, tuple[Probe, ...]] = {
    "POST /v1/messages": (
        Probe(ACCOUNT, body=MESSAGE | {"account": "{X}"}),
        Probe(ACCOUNT, query={"dry_run": "true"}, body=MESSAGE | {"account": "{X}"}),
        Probe(("upload",), body=MESSAGE | {"account": "{own}", "attachments": [{"filename": "a", "upload_id": "{X}"}]}),
    ),
    "POST /v1/messages/batch": (
        Probe(ACCOUNT, body={"messages": [MESSAGE | {"account": "{X}"}]}),
        Probe(
            ("upload",),
            body={"messages": [MESSAGE | {"account": "{own}", "attachments": [{"filename": "a", "upload_id": "{X}"}]}]},
        ),
    ),
    "POST /v1/messages/merge": (
        Probe(
            ACCOUNT,
            body={
                "message": {"account": "{X}", "subject": "Hello", "text": "Hello."},
                "recipients": [{"to": "carla@customer.example"}],
            },
        ),
    ),
    "GET /v1/messages": (Probe(ACCOUNT, query={"account": "{X}"}),),
    "GET /v1/messages/{id}": (IN_PATH["message"],),
    "PATCH /v1/messages/{id}": (Probe(("message",), path="{X}", body={"send_at": None}),),
    "POST /v1/messages/{id}/cancel": (IN_PATH["message"],),
    "POST /v1/messages/{id}/retry": (IN_PATH["message"],),
    "POST /v1/uploads": SHARED,
    "GET /v1/suppressions": (Probe(ACCOUNT, query={"account": "{X}"}),),
    "POST /v1/suppressions": (
        Probe(ACCOUNT, body={"address": "gone@customer.example", "account": "{X}"}),
        Probe(ACCOUNT, body={"suppressions": [{"address": "gone@customer.example", "account": "{X}"}]}),
    ),
    "GET /v1/suppressions/{address}": (Probe(ACCOUNT, query={"account": "{X}"}, path="carla@customer.example"),),
    "DELETE /v1/suppressions/{address}": (Probe(ACCOUNT, query={"account": "{X}"}, path="carla@customer.example"),),
    "GET /v1/templates": SHARED,
    "POST /v1/templates": SHARED,
    "GET /v1/templates/{name}": SHARED,
    "PUT /v1/templates/{name}": SHARED,
    "DELETE /v1/templates/{name}": SHARED,
    "GET /v1/templates/{name}/versions": SHARED,
    "GET /v1/templates/{name}/versions/{version}": SHARED,
    "POST /v1/templates/{name}/publish": SHARED,
    "POST /v1/templates/{name}/preview": SHARED,
    "POST /v1/accounts": (Probe(("address", "twins"), body={"provider": "google-main", "address": "{X}"}),),
    "GET /v1/accounts": (),
    "GET /v1/accounts/{id}": (ACCOUNT_IN_PATH,),
    "PATCH /v1/accounts/{id}": (Probe(ACCOUNT, path="{X}", body={"display_name": "Mine"}),),
    "DELETE /v1/accounts/{id}": (ACCOUNT_IN_PATH,),
    "POST /v1/accounts/{id}/consent": (ACCOUNT_IN_PATH,),
    "POST /v1/accounts/{id}/import": (Probe(ACCOUNT, path="{X}", body={"refresh_token": "r"}),),
    "POST /v1/accounts/{id}/rotate": (ACCOUNT_IN_PATH,),
    "POST /v1/accounts/{id}/validate": (ACCOUNT_IN_PATH,),
    "POST /v1/accounts/{id}/revoke": (ACCOUNT_IN_PATH,),
    "POST /v1/accounts/{id}/pause": (ACCOUNT_IN_PATH,),
    "POST /v1/accounts/{id}/resume": (ACCOUNT_IN_PATH,),
    "GET /v1/accounts/{id}/health": (ACCOUNT_IN_PATH,),
    "GET /v1/providers": SHARED,
    "POST /v1/keys": (Probe(ACCOUNT, body={"name": "k", "scopes": ["admin"], "accounts": ["{own}", "{X}"]}),),
    "GET /v1/keys": (),
    "GET /v1/keys/{id}": (IN_PATH["key"],),
    "PATCH /v1/keys/{id}": (
        Probe(("key",), path="{X}", body={"name": "mine"}),
        Probe(ACCOUNT, path="{key}", body={"accounts": ["{X}"]}),
    ),
    "DELETE /v1/keys/{id}": (IN_PATH["key"],),
    "POST /v1/keys/{id}/disable": (IN_PATH["key"],),
    "POST /v1/keys/{id}/enable": (IN_PATH["key"],),
    "POST /v1/keys/{id}/rotate": (Probe(("key",), path="{X}", body={"overlap": 0}),),
    "GET /v1/webhooks": (Probe(("webhook",), query={"cursor": "{X}"}),),
    "POST /v1/webhooks": (Probe(ACCOUNT, body=HOOK | {"accounts": ["{own}", "{X}"]}),),
    "GET /v1/webhooks/{id}": (IN_PATH["webhook"],),
    "PATCH /v1/webhooks/{id}": (Probe(("webhook",), path="{X}", body={"description": "mine"}),),
    "DELETE /v1/webhooks/{id}": (IN_PATH["webhook"],),
    "POST /v1/webhooks/{id}/rotate": (IN_PATH["webhook"],),
    "POST /v1/webhooks/{id}/test": (IN_PATH["webhook"],),
    "POST /v1/webhooks/{id}/replay": (Probe(("webhook",), path="{X}", body=REPLAY),),
    "GET /v1/audit": (Probe(("account", "message", "key", "webhook"), query={"subject": "{X}"}),),
}


def routes() -> dict[str, tuple[str, Route]]:
    """Give every route with its function's folder."""
    joined = Wiring(Settings())
    return {
        f"{route.method} {route.path}": (folder, route)
        for folder, app in APPS.items()
        for route in app.routes_of(joined)
    }


ROUTES = routes()
SCOPED = {name: route for name, (_, route) in ROUTES.items() if route.scope}
EVERY_PROBE = [
    pytest.param(name, probe, kind, id=f"{name} {kind} {number}")
    for name, probes in PROBES.items()
    for number, probe in enumerate(probes)
    for kind in probe.kinds
]


@dataclass
class Tenants:
    """What the two callers have; `theirs` and `missing` by kind."""

    stack: Stack
    own: Account
    caller: dict[str, str]
    theirs: dict[str, str]
    missing: dict[str, str]

    def ask(self, name: str, path: str, caller: Any = None, **changes: Any) -> Answer:
        folder, route = ROUTES[name]
        sent = request("keys-post", method=route.method, path=path, caller=caller or self.caller, **changes)
        if changes.get("body") is None:
            sent["body"] = ""
        return Answer(self.stack.invoke(folder, sent))

    def probe(self, name: str, probe: Probe, named: str) -> Answer:
        """Ask with this in the place of X."""

        def filled(value: Any) -> Any:
            text = json.dumps(value).replace("{X}", named).replace("{own}", self.own.id)
            return json.loads(text.replace("{key}", self.caller["key_id"]))

        before, brace, rest = ROUTES[name][1].path.partition("{")
        path = before + filled(probe.path) + rest.partition("}")[2] if brace else before
        changes = {"query": filled(probe.query)} | ({} if probe.body is None else {"body": filled(probe.body)})
        return self.ask(name, path, **changes)

    def state(self) -> list[object]:
        """Give everything that is the other's."""
        wiring = self.stack.wiring
        return [
            wiring.accounts.get(self.theirs["account"]),
            wiring.messages.get(self.theirs["message"]),
            wiring.keys.get(self.theirs["key"]),
            wiring.webhooks.get(self.theirs["webhook"]),
            wiring.suppression_store.get(self.theirs["account"], "carla@customer.example"),
        ]


def bound_key(stack: Stack, account: Account) -> dict[str, str]:
    key = ApiKey(
        id=derived_id("key_", account.id),
        name="bound",
        secret_hash=hash_secret("s"),
        scopes=frozenset({"admin"}),
        accounts=frozenset({account.id}),
        created_at=1,
    )
    stack.wiring.keys.create(key)
    return {"key_id": key.id, "scopes": "admin", "accounts": account.id}


@pytest.fixture(scope="module")
def tenants(deployed: Stack) -> Tenants:
    """Give both callers and what they have; whoever is refused changes none of it, so all tests share it."""
    stack = deployed
    stack.fresh()
    own, other = stack.mailbox("ann@tenant.example"), stack.mailbox("ben@tenant.example")
    for _ in range(2):
        stack.mailbox("twins@tenant.example")
    caller, others = bound_key(stack, own), bound_key(stack, other)
    sent = stack.messages("messages-post", body=MESSAGE | {"account": other.id}, caller=others)
    assert sent.status == 202, sent.text
    begun = stack.messages(
        "uploads-post", body={"filename": "a", "content_type": "text/plain", "size": 1}, caller=others
    )
    assert begun.status == 201, begun.text
    put = stack.clients.s3.put_object
    put(Bucket=stack.names["ContentBucket"], Key=f"uploads/{begun.json['upload_id']}", Body=b"x")
    stood = stack.messages(
        "suppressions-post", body={"address": "carla@customer.example", "account": other.id}, caller=others
    )
    assert stood.status == 201, stood.text
    hook = Webhook(
        id=new_id("whk_", time.time(), os.urandom),
        url="https://hooks.example/theirs",
        events=("*",),
        accounts=frozenset({other.id}),
        created_at=1,
        created_by=others["key_id"],
        updated_at=1,
    )
    stack.wiring.webhooks.create(hook)
    theirs = {
        "account": other.id,
        "address": "ben@tenant.example",
        "twins": "twins@tenant.example",
        "message": sent.json["id"],
        "upload": begun.json["upload_id"],
        "key": others["key_id"],
        "webhook": hook.id,
    }
    missing = {kind: derived_id(f"{named.partition('_')[0]}_", "nothing") for kind, named in theirs.items()}
    missing |= {"address": "nobody@tenant.example", "twins": "nobody@tenant.example"}
    return Tenants(stack, own, caller, theirs, missing)


def told(answer: Answer, named: str) -> tuple[int, str, str]:
    """Give an answer as its bytes, with X for what was named."""
    shown = (json.dumps(answer.headers), answer.text)
    headers, body = (text.replace(named, "X") for text in shown)
    return answer.status, headers, body


def test_every_route_is_looked_at() -> None:
    assert PROBES.keys() == SCOPED.keys()


def test_every_id_in_a_path_is_somebodys_or_everybodys() -> None:
    for name, probes in PROBES.items():
        if "{" in name and probes is not SHARED:
            assert any("{X}" in probe.path or "{X}" in probe.query.values() for probe in probes), name


def test_the_routes_without_a_scope_are_the_five_open_ones() -> None:
    assert {name for name, (_, route) in ROUTES.items() if not route.scope} == OPEN


@pytest.mark.parametrize(("name", "probe", "kind"), EVERY_PROBE)
def test_anothers_looks_like_what_is_not_there(tenants: Tenants, name: str, probe: Probe, kind: str) -> None:
    before = tenants.state()
    theirs, missing = tenants.theirs[kind], tenants.missing[kind]
    answers = [told(tenants.probe(name, probe, named), named) for named in (theirs, missing)]
    assert answers[0] == answers[1]
    assert tenants.state() == before


@pytest.mark.parametrize("name", [name for name, route in SCOPED.items() if route.method == "GET" and "{" not in name])
def test_a_list_never_shows_what_is_anothers(tenants: Tenants, name: str) -> None:
    query = {"account": tenants.own.id} if name in {"GET /v1/messages", "GET /v1/suppressions"} else {}
    answer = tenants.ask(name, SCOPED[name].path, query=query)
    assert answer.status == 200, answer.text
    for kind, named in tenants.theirs.items():
        assert named not in answer.text, kind


@pytest.mark.parametrize("name", SCOPED)
def test_nobody_and_whoever_lacks_the_scope_get_nowhere(tenants: Tenants, name: str) -> None:
    path = SCOPED[name].path
    for kind, named in (("{id}", tenants.theirs["account"]), ("{address}", "carla@customer.example")):
        path = path.replace(kind, named)
    scopes = " ".join(
        {"messages:send", "messages:read", "accounts:read", "accounts:write", "templates:read", "templates:write"}
        - {SCOPED[name].scope}
    )
    before = tenants.state()
    refused = tenants.ask(name, path, {"key_id": "key_x", "scopes": scopes, "accounts": ""}, body={})
    assert (refused.status, refused.json["code"]) == (403, "forbidden")
    nobody = tenants.ask(name, path, {"key_id": ""}, body={})
    assert (nobody.status, nobody.json["code"]) == (401, "unauthenticated")
    assert tenants.state() == before


@pytest.mark.parametrize("folder", APPS)
def test_whoever_has_no_key_learns_nothing_of_what_paths_there_are(stack: Stack, folder: str) -> None:
    paths = ("/v1/keys", "/v1/messages", "/v1/accounts", "/v1/nothing", "/v1/keys/x/y/z")
    answers = set()
    for path in paths:
        for method in ("PUT", "TRACE"):
            sent = request("keys-post", method=method, path=path, caller={"key_id": ""})
            answers.add(told(Answer(stack.invoke(folder, sent)), path))
    assert len(answers) == 1
