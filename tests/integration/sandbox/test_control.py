"""The control API itself: who may use it, and what it refuses."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox.control.visitor import read_form
from sandbox.mail_hosts.capture import MailStore, Submission
from sandbox.mail_hosts.header_fields import shown_headers
from sandbox.world import Control
from tests.integration.sandbox.application import RAW, Application, bearer

if TYPE_CHECKING:
    from sandbox.world import World


@pytest.mark.parametrize("path", ["/", "/_sandbox/mail", "/inbox/state", "/google/authorize"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::2]"])
def test_another_host_name_is_refused(world: World, path: str, host: str) -> None:
    response = requests.get(f"{world.url}{path}", headers={"Host": host}, timeout=5)
    assert response.status_code == 421


def test_localhost_is_as_good_as_its_number(world: World) -> None:
    url = world.control_url.replace("127.0.0.1", "localhost")
    assert requests.get(f"{url}/mail", timeout=5).status_code == 200


def test_a_page_of_another_site_cannot_steer(world: World) -> None:
    for origin in ("https://evil.example", "null"):
        response = requests.post(f"{world.control_url}/clear", json={}, headers={"Origin": origin}, timeout=5)
        assert response.status_code == 403
    own = {"Origin": world.url}
    assert requests.post(f"{world.control_url}/clear", json={}, headers=own, timeout=5).status_code == 200


def test_a_body_that_a_form_could_send_is_refused(world: World) -> None:
    body = '{"tenant": "google", "address": "a@b.example"}'
    response = requests.post(f"{world.control_url}/mailboxes", data=body, timeout=5)
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clients", {"tenant": "nowhere", "client_id": "x", "client_secret": "y"}),
        ("/clients", {"tenant": "google", "client_id": "", "client_secret": "y"}),
        ("/clients", {"tenant": "google", "client_id": "x"}),
        ("/clients", {"tenant": "google", "client_id": "x", "client_secret": "y", "public": True}),
        ("/clients", {"tenant": "google", "client_id": "x", "client_secret": "y", "redirect_uris": "http://x"}),
        ("/clients", {"tenant": "google", "client_id": "x", "client_secret": "y", "redirects": []}),
        ("/clients", {"tenant": "oidc", "client_id": "x", "certificate": "no PEM"}),
        ("/clients", {"tenant": "oidc", "client_id": "x", "certificate": "y", "public": True}),
        ("/clients/secrets", {"tenant": "oidc", "client_id": "nobody"}),
        ("/clients/secrets", {"tenant": "oidc", "client_id": "nobody", "expires_in": "1"}),
        ("/clients/secrets", {"tenant": "oidc", "client_id": "nobody", "client_secret": ""}),
        ("/clients/certificates", {"tenant": "oidc", "client_id": "nobody", "certificate": "no PEM"}),
        ("/clients/application", {"tenant": "oidc", "client_id": "nobody", "app_mailboxes": []}),
        ("/clients/credentials/expire", {"tenant": "oidc", "client_id": "nobody", "id": "x"}),
        ("/clients/credentials/remove", {"tenant": "nowhere", "client_id": "nobody", "id": "x"}),
        ("/service-accounts", {"email": "r@p.example", "client_id": "1", "domain": "x.example"}),
        ("/service-accounts", {"email": "r@p", "client_id": "1", "domain": "x", "public_key": "no PEM"}),
        ("/settings", {"tenant": "google", "access_tokens_per_window": [1]}),
        ("/settings", {"tenant": "google", "access_tokens_per_window": [0, 600]}),
        ("/settings", {"tenant": "google", "live_refresh_tokens": "100"}),
        ("/settings", {"tenant": "google", "refresh_token_expires_in": 1.5}),
        ("/mailboxes", {"tenant": "google", "address": "nobody"}),
        ("/mailboxes", {"tenant": "google"}),
        ("/settings", {"tenant": "google", "ttl": 1}),
        ("/settings", {"tenant": "google", "access_token_ttl": "1"}),
        ("/settings", {"tenant": "google", "access_token_ttl": True}),
        ("/settings", {"tenant": "google", "expires_in_style": "roman"}),
        ("/settings", {"tenant": "google", "refresh_token_rule": "never"}),
        ("/settings", {"tenant": "google", "refresh_token_ttl": "1"}),
        ("/settings", {"tenant": "smtp", "sasl_mechanisms": ["PLAIN"]}),
        ("/settings", {"tenant": "smtp", "size_limit": "1"}),
        ("/settings", {"access_token_ttl": 1}),
        ("/faults", {"endpoint": "token", "fault": "503", "times": 0}),
        ("/faults", {"endpoint": "token", "fault": "503", "tenant": "nowhere"}),
        ("/faults", {"endpoint": "token", "fault": "503", "match": {"colour": "red"}}),
        ("/faults", {"endpoint": "token", "fault": "503", "params": []}),
        ("/tokens/expire", {}),
        ("/tokens/expire", {"mailbox": "a@b.example", "kinds": ["id_token"]}),
        ("/tokens/revoke", {}),
        ("/mailboxes", []),
    ],
)
def test_a_wrong_request_is_a_400_that_says_why(world: World, path: str, body: object) -> None:
    response = requests.post(f"{world.control_url}{path}", json=body, timeout=5)
    assert response.status_code == 400
    assert len(response.json()["error"]) > 10


def test_the_client_raises_the_apis_own_words(world: World) -> None:
    with pytest.raises(ValueError, match="unknown setting: ttl; known: access_token_ttl"):
        world.control.change_settings("google", ttl=1)


def test_the_client_takes_the_url_with_or_without_its_path(world: World) -> None:
    for url in (world.url, f"{world.url}/", world.control_url):
        control = Control(url)
        assert control.mail() == []
        control.close()


def test_secrets_of_clients_are_not_listed_with_them(google: Application) -> None:
    response = requests.get(f"{google.world.control_url}/clients", timeout=5)
    assert response.json()["data"][0]["client_id"] == "app"
    assert "app-secret" not in response.text


def test_settings_hold_until_changed_and_are_told(world: World) -> None:
    world.control.change_settings("google", access_token_ttl=5, refresh_token_rule="always")
    told = world.control.settings()["google"]
    assert (told["access_token_ttl"], told["refresh_token_rule"]) == (5, "always")
    assert (told["rotate_refresh_tokens"], told["request_limit"]) == (False, 5_000_000)


def test_mail_is_found_by_what_it_is(google: Application) -> None:
    control, url = google.world.control, f"{google.tenant.api_base_url}/gmail/v1/users/me/messages/send"
    headers = bearer(google.connect()["access_token"])
    for number in (b"1", b"2", b"3"):
        raw = RAW.replace(b"<1@app>", b"<" + number + b"@app>").replace(b"bob@", b"bob" + number + b"@")
        requests.post(url, json={"raw": base64.urlsafe_b64encode(raw).decode()}, headers=headers, timeout=5)
    (second,) = control.mail(message_id="<2@app>")
    assert control.mail(rcpt_to="BOB2@example.com") == [second]
    assert len(control.mail(after=second["id"])) == 1
    assert len(control.mail(mailbox=google.mailbox, tenant="google", via="gmail")) == 3
    assert control.mail(via="smtp") == []
    assert len(control.mail(limit=2)) == 2
    assert control.wait_for_mail(3, mailbox=google.mailbox)
    with pytest.raises(TimeoutError):
        control.wait_for_mail(4, seconds=0.1)
    control.clear_mail()
    counts = control.mail_counts()
    assert (counts["accepted"], counts["kept"], counts["last_id"]) == (0, 0, second["id"] + 1)
    with pytest.raises(ValueError, match="no such mail"):
        control.mail_source(second["id"])


def test_only_the_newest_mail_is_kept_and_the_counts_stay_right(google: Application) -> None:
    google.connect()
    token = google.world.tokens.find(google.world.control.secrets()[1])
    assert token is not None
    store = MailStore(clock=lambda: 0.0, read_headers=shown_headers, most_mails=3, most_bytes=250)

    def add(size: int) -> None:
        source = b"x" * size
        mail: dict[str, Any] = {"via": "smtp", "mailbox": "a@b", "mail_from": "a@b", "rcpt_to": ("c@d",)}
        store.add(Submission(token=token, source=source, **mail))

    for _ in range(5):
        add(50)
    assert [mail.id for mail in store.newest()] == [5, 4, 3]
    assert store.counts() == {"accepted": 5, "kept": 3, "kept_bytes": 150, "last_id": 5}
    add(200)
    assert [mail.id for mail in store.newest()] == [6, 5]
    add(9_000)
    assert [mail.id for mail in store.newest()] == [7], "one mail is kept, however large"


def test_a_form_is_read_as_a_browser_would_send_it() -> None:
    form = read_form(
        '<form action="/go?a=1&amp;b=2"><input name=h type=hidden value="&lt;&quot;">'
        "<input type=checkbox name=c value=1><input type=checkbox name=c value=2 checked><select name=s>"
        "<option value=x>X<option value=y selected>Y</select>"
        "<button name=b value=1>Go</button></form>"
    )
    assert form is not None
    assert form.action == "/go?a=1&b=2"
    assert form.fields == [("h", '<"'), ("c", "2"), ("s", "y")]
    assert read_form("<p>no form</p>") is None
