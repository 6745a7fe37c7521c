from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Operator, ScriptedApi

URL = "https://api.example.org/connect/" + "t" * 120
PENDING: dict[str, Any] = {
    "id": "acc_01JD0000000000000000000001",
    "address": "Ann@example.org",
    "provider": "google",
    "transport": "gmail",
    "status": "pending_consent",
    "aliases": [],
    "consent_url": URL,
}
ACTIVE = {name: value for name, value in PENDING.items() if name != "consent_url"} | {"status": "active"}
ADD = ("accounts", "add", "ann@example.org", "--provider", "google")


def test_adds_a_mailbox_and_prints_the_whole_consent_url_on_one_line(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/accounts", 201, PENDING)
    result = local(*ADD, "--transport", "gmail", "--display-name", "Ann", "--alias", "a@x.org", "--alias", "b@x.org")
    assert result.exit_code == 0
    assert URL in result.stdout.splitlines()
    assert api.requests[0].body == {
        "provider": "google",
        "address": "ann@example.org",
        "transport": "gmail",
        "display_name": "Ann",
        "aliases": ["a@x.org", "b@x.org"],
    }


def test_json_holds_the_consent_url(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/accounts", 201, PENDING)
    assert local.json(*ADD) == PENDING


def test_opens_the_consent_page_only_when_asked(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/accounts", 201, PENDING)
    local(*ADD)
    assert local.opened == []
    local(*ADD, "--open")
    assert local.opened == [URL]


def test_opens_nothing_that_is_no_web_page(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/accounts", 201, PENDING | {"consent_url": "file:///etc/passwd"})
    assert "open the address yourself" in local(*ADD, "--open").stderr
    assert local.opened == []


def test_waiting_shows_the_url_first_and_the_account_at_the_end(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/accounts", 201, PENDING)
    api.answer("GET", f"/v1/accounts/{PENDING['id']}", 200, PENDING)
    api.answer("GET", f"/v1/accounts/{PENDING['id']}", 200, ACTIVE)
    result = local(*ADD, "--wait", "--json")
    assert result.exit_code == 0
    assert URL in result.stderr.splitlines()
    assert json.loads(result.stdout) == ACTIVE


def test_waiting_for_a_mailbox_that_is_cut_off_exits_1(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/accounts", 201, PENDING)
    api.answer("GET", f"/v1/accounts/{PENDING['id']}", 200, ACTIVE | {"status": "revoked"})
    result = local(*ADD, "--wait", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "is revoked, not connected" in result.stderr


def test_waiting_for_consent_has_a_limit(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/accounts", 201, PENDING)
    api.answer("GET", f"/v1/accounts/{PENDING['id']}", 200, PENDING)
    result = local(*ADD, "--wait", "--timeout", "3")
    assert result.exit_code == 1
    assert "is still pending_consent after 3 s" in result.stderr


def test_lists_the_mailboxes(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, {"data": [ACTIVE], "next_cursor": "x"})
    api.answer("GET", "/v1/accounts", 200, {"data": [PENDING], "next_cursor": None})
    rows = [line.split() for line in local("accounts", "list").stdout.splitlines()]
    assert rows == [
        ["id", "address", "provider", "transport", "status"],
        [ACTIVE["id"], "Ann@example.org", "google", "gmail", "active"],
        [ACTIVE["id"], "Ann@example.org", "google", "gmail", "pending_consent"],
    ]


def test_an_empty_list_says_how_to_fill_it(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, {"data": [], "next_cursor": None})
    assert "mailbearer accounts add" in local("accounts", "list").stdout
    assert local.json("accounts", "list") == []


def test_an_address_stands_for_its_account(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, {"data": [ACTIVE], "next_cursor": None})
    api.answer("GET", f"/v1/accounts/{ACTIVE['id']}", 200, ACTIVE)
    assert local.json("accounts", "show", "ANN@example.org") == ACTIVE


def test_an_address_means_the_account_that_is_in_use(local: Operator, api: ScriptedApi) -> None:
    old = ACTIVE | {"id": "acc_old", "status": "revoked"}
    api.answer("GET", "/v1/accounts", 200, {"data": [old, ACTIVE], "next_cursor": None})
    api.answer("GET", f"/v1/accounts/{ACTIVE['id']}", 200, ACTIVE)
    assert local.json("accounts", "show", "ann@example.org") == ACTIVE


def test_an_address_of_two_accounts_is_refused_with_their_ids(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, {"data": [ACTIVE, ACTIVE | {"id": "acc_two"}], "next_cursor": None})
    result = local("accounts", "revoke", "ann@example.org")
    assert result.exit_code == 1
    assert f"{ACTIVE['id']}, acc_two" in result.stderr


def test_an_unknown_address_is_refused(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, {"data": [ACTIVE], "next_cursor": None})
    assert "There is no account bob@example.org." in local("accounts", "show", "bob@example.org").stderr


def test_a_new_consent_page_is_printed_for_a_mailbox_that_keeps_its_id(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", f"/v1/accounts/{ACTIVE['id']}/consent", 200, ACTIVE | {"consent_url": URL})
    result = local("accounts", "consent", ACTIVE["id"], "--open")
    assert result.exit_code == 0
    assert URL in result.stdout.splitlines()
    assert local.opened == [URL]


def test_revokes_at_once_when_nobody_can_be_asked(local: Operator, api: ScriptedApi) -> None:
    revoked = ACTIVE | {"status": "revoked"}
    api.answer("POST", f"/v1/accounts/{ACTIVE['id']}/revoke", 200, revoked)
    assert local.json("accounts", "revoke", ACTIVE["id"]) == revoked


@pytest.mark.parametrize(("words", "stdin", "posts"), [((), "n\n", 0), ((), "y\n", 1), (("--yes",), "", 1)])
def test_asks_before_revoking_on_a_terminal(
    local: Operator, api: ScriptedApi, words: tuple[str, ...], stdin: str, posts: int
) -> None:
    api.answer("POST", f"/v1/accounts/{ACTIVE['id']}/revoke", 200, ACTIVE)
    result = local.on_a_terminal()("accounts", "revoke", ACTIVE["id"], *words, stdin=stdin)
    assert len(api.requests) == posts
    assert result.exit_code == (0 if posts else 1)


# --- importing --------------------------------------------------------------------------------------------------------

IMPORT = ("accounts", "import", "ANN@example.org", "--provider", "google")
SCOPES = {"wanted": ["a"], "granted": ["b"], "missing": ["a"], "excessive": ["b"]}


def test_an_unattended_mailbox_is_shown_connected_with_what_its_scopes_lack(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/accounts", 201, ACTIVE | {"scopes": SCOPES})
    result = local(*ADD, "--wait")
    assert "consent" not in result.stdout + result.stderr
    assert "active" in result.stdout


def test_imports_a_token_into_the_account_that_waits_for_it(local: Operator, api: ScriptedApi) -> None:
    others = [
        PENDING | {"id": "acc_other", "provider": "else"},
        PENDING | {"id": "acc_old", "status": "revoked"},
    ]
    api.answer("GET", "/v1/accounts", 200, {"data": [*others, PENDING], "next_cursor": None})
    api.answer("POST", f"/v1/accounts/{PENDING['id']}/import", 200, ACTIVE | {"scopes": SCOPES})
    result = local(*IMPORT, "--refresh-token-stdin", stdin="1//token\n")
    assert result.exit_code == 0, result.stderr
    assert api.requests[-1].body == {"refresh_token": "1//token"}
    assert "Not granted, though it is needed: a" in result.stdout
    assert "Granted, though nobody asked: b" in result.stdout
    assert "1//token" not in result.stdout + result.stderr


def test_imports_into_an_account_that_was_revoked_if_there_is_no_other(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, {"data": [PENDING | {"status": "revoked"}], "next_cursor": None})
    api.answer("POST", f"/v1/accounts/{PENDING['id']}/import", 200, ACTIVE)
    assert local.json(*IMPORT, "--refresh-token-stdin", stdin="1//token") == ACTIVE


def test_imports_into_a_new_account_where_there_is_none(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, {"data": [], "next_cursor": None})
    api.answer("POST", "/v1/accounts", 201, PENDING)
    api.answer("POST", f"/v1/accounts/{PENDING['id']}/import", 200, ACTIVE)
    assert local.json(*IMPORT, "--refresh-token-stdin", stdin="1//token") == ACTIVE
    assert api.requests[1].body == {"provider": "google", "address": "ANN@example.org"}


def test_asks_for_the_token_on_a_terminal_and_does_not_show_it(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, {"data": [PENDING], "next_cursor": None})
    api.answer("POST", f"/v1/accounts/{PENDING['id']}/import", 200, ACTIVE)
    result = local.on_a_terminal()(*IMPORT, stdin="1//token\n")
    assert api.requests[-1].body == {"refresh_token": "1//token"}
    assert "1//token" not in result.stdout + result.stderr


def test_without_a_token_nothing_is_asked(local: Operator, api: ScriptedApi) -> None:
    result = local(*IMPORT)
    assert result.exit_code == 1
    assert "--refresh-token-stdin" in result.stderr
    assert api.requests == []


def test_a_refused_token_says_why(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, {"data": [PENDING], "next_cursor": None})
    problem = {"code": "consent_refused", "title": "The mailbox was not connected", "detail": "Another mailbox."}
    api.answer("POST", f"/v1/accounts/{PENDING['id']}/import", 403, problem)
    result = local(*IMPORT, "--refresh-token-stdin", stdin="1//token")
    assert result.exit_code == 1
    assert "Another mailbox" in result.stderr


HEALTH: dict[str, Any] = {
    "account": ACTIVE["id"],
    "state": "active",
    "token": {"expires_at": "2027-01-01T00:00:00.000Z", "failures": 0},
    "last_probe": {"outcome": "valid"},
    "diagnosis": None,
}


@pytest.mark.parametrize("verb", ["rotate", "validate", "pause", "resume"])
def test_does_one_thing_to_an_account(local: Operator, api: ScriptedApi, verb: str) -> None:
    answer = ACTIVE if verb in {"pause", "resume"} else HEALTH | {"valid": True}
    api.answer("POST", f"/v1/accounts/{ACTIVE['id']}/{verb}", 200, answer)
    assert local.json("accounts", verb, ACTIVE["id"]) == answer
    shown = local("accounts", verb, ACTIVE["id"])
    assert (shown.exit_code, "active" in shown.stdout) == (0, True)


def test_a_token_that_does_not_open_its_mailbox_is_a_failure_with_its_remedy(local: Operator, api: ScriptedApi) -> None:
    finding = {"code": "fresh_token_refused", "cause": "It is refused.", "remedy": "Connect it anew.", "who": "user"}
    ill = HEALTH | {"valid": False, "diagnosis": finding}
    api.answer("POST", f"/v1/accounts/{ACTIVE['id']}/validate", 200, ill)
    result = local("accounts", "validate", ACTIVE["id"])
    assert (result.exit_code, "user: Connect it anew." in result.stdout) == (1, True)


def test_changes_what_is_named_and_nothing_else(local: Operator, api: ScriptedApi) -> None:
    api.answer("PATCH", f"/v1/accounts/{ACTIVE['id']}", 200, ACTIVE)
    result = local(
        *("accounts", "update", ACTIVE["id"], "--contact", "it@x.org", "--contact", "boss@x.org", "--carries-notices")
    )
    assert result.exit_code == 0
    assert api.requests[0].body == {"contacts": ["it@x.org", "boss@x.org"], "carries_notices": True}


def test_takes_aliases_contacts_and_carrying_away(local: Operator, api: ScriptedApi) -> None:
    api.answer("PATCH", f"/v1/accounts/{ACTIVE['id']}", 200, ACTIVE)
    local("accounts", "update", ACTIVE["id"], "--no-aliases", "--no-contacts", "--no-carries-notices")
    assert api.requests[0].body == {"aliases": [], "contacts": [], "carries_notices": False}


def test_an_update_of_nothing_is_refused_before_anybody_is_asked(local: Operator, api: ScriptedApi) -> None:
    result = local("accounts", "update", ACTIVE["id"])
    assert (result.exit_code, api.requests) == (1, [])
    assert "Nothing is to be changed" in result.stderr


def test_a_mailbox_is_added_with_its_contacts(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/accounts", 201, PENDING)
    local(*ADD, "--contact", "it@x.org")
    assert api.requests[0].body == {"provider": "google", "address": "ann@example.org", "contacts": ["it@x.org"]}
