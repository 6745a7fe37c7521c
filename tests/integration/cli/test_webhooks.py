from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Operator, ScriptedApi

PATH = "/v1/webhooks"
ID = "whk_01JD8M3V7Q0000000000000000"
STANDS: dict[str, Any] = {
    "id": ID,
    "url": "https://hooks.acme.example/in",
    "events": ["message.failed", "message.unknown"],
    "disabled": False,
    "failures": 2,
    "last_failure": "http_500",
}
SECRET = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}


def test_makes_one_and_shows_its_secret_once(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", PATH, 201, STANDS | SECRET)
    result = local("webhooks", "create", STANDS["url"], "--event", "message.failed", "--account", "acc_1")
    assert SECRET["secret"] in result.stdout
    assert "shown this once" in result.stderr
    assert api.requests[0].body == {"url": STANDS["url"], "events": ["message.failed"], "accounts": ["acc_1"]}
    assert local.json("webhooks", "create", STANDS["url"], "--description", "desk") == STANDS | SECRET
    assert api.requests[1].body == {"url": STANDS["url"], "events": ["*"], "description": "desk"}


def test_lists_them_without_secrets(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", PATH, 200, {"data": [STANDS], "next_cursor": None})
    result = local("webhooks", "list")
    assert ID in result.stdout
    assert "http_500" in result.stdout


def test_an_empty_list_is_said_to_be_empty(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", PATH, 200, {"data": [], "next_cursor": None})
    assert "No webhooks" in local("webhooks", "list").stdout


def test_shows_one(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", f"{PATH}/{ID}", 200, STANDS)
    assert "message.failed, message.unknown" in local("webhooks", "show", ID).stdout


@pytest.mark.parametrize(
    ("options", "body"),
    [
        (("--disable",), {"disabled": True}),
        (("--enable", "--event", "*"), {"disabled": False, "events": ["*"]}),
        (("--url", "https://new.example/"), {"url": "https://new.example/"}),
        (("--description", ""), {"description": ""}),
    ],
)
def test_changes_what_is_said(local: Operator, api: ScriptedApi, options: tuple[str, ...], body: object) -> None:
    api.answer("PATCH", f"{PATH}/{ID}", 200, STANDS)
    assert local.json("webhooks", "update", ID, *options) == STANDS
    assert api.requests[0].body == body


def test_a_change_of_nothing_is_no_command(local: Operator) -> None:
    assert local("webhooks", "update", ID).exit_code == 2


@pytest.mark.parametrize(("options", "seconds"), [((), 86400), (("--overlap", "2h"), 7200), (("--overlap", "0"), 0)])
def test_rotates_with_an_overlap(local: Operator, api: ScriptedApi, options: tuple[str, ...], seconds: int) -> None:
    api.answer("POST", f"{PATH}/{ID}/rotate", 200, STANDS | SECRET)
    assert local.json("webhooks", "rotate", ID, *options) == STANDS | SECRET
    assert api.requests[0].body == {"overlap": seconds}


def test_sends_a_test_event(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", f"{PATH}/{ID}/test", 202, {"event": "evt_1", "type": "webhook.test"})
    assert "evt_1 is on its way" in local("webhooks", "test", ID).stdout


def test_replays_and_says_if_there_is_more(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", f"{PATH}/{ID}/replay", 202, {"replayed": 3, "looked_at": 1000, "more": True})
    result = local("webhooks", "replay", ID, "--since", "2026-01-31T12:00:00Z", "--until", "2026-02-01T12:00:00Z")
    assert "3 on their way" in result.stdout
    assert "two minutes" in result.stdout
    assert api.requests[0].body == {"since": "2026-01-31T12:00:00.000Z", "until": "2026-02-01T12:00:00.000Z"}


def test_forgets_one(local: Operator, api: ScriptedApi) -> None:
    api.answer("DELETE", f"{PATH}/{ID}", 204, b"")
    assert local.json("webhooks", "delete", ID, "--yes") == {"deleted": ID}
    assert "is forgotten" in local("webhooks", "delete", ID).stdout


def test_what_the_api_refuses_is_told(local: Operator, api: ScriptedApi) -> None:
    result = local("webhooks", "show", ID)
    assert (result.exit_code, len(api.requests)) == (1, 1)
