from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

from mailbearer.account import DeviceCode
from mailbearer.pages import connected_page, consent_page, device_page, page_headers, refused_page
from tests.contract.nouns import account, registration

NASTY = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&amp;$title${content}"


class Elements(HTMLParser):
    """Takes a page apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


PAGES = (
    consent_page(
        account(address=NASTY), registration(name=NASTY, scopes=(NASTY, "mail.send")), f"https://id/?x={NASTY}"
    ),
    device_page(
        account(address=NASTY),
        registration(name=NASTY, scopes=(NASTY, "mail.send")),
        DeviceCode(code="secret", user_code=NASTY, verification_uri=f"https://id/?x={NASTY}", interval=5, ask_at=0),
        again_in=6,
    ),
    connected_page(account(address=NASTY), (NASTY,), (NASTY,)),
    refused_page(NASTY),
)


def test_whatever_comes_from_outside_is_shown_and_never_run() -> None:
    for page in PAGES:
        elements = Elements(page)
        assert not {"script", "img", "iframe", "object", "form", "link"} & set(elements.tags)
        assert not [name for name, _ in elements.attributes if name.startswith("on")]
        assert NASTY in elements.text


def test_the_one_button_leads_to_the_provider() -> None:
    elements = Elements(PAGES[0])
    assert [value for name, value in elements.attributes if name == "href"] == [f"https://id/?x={NASTY}"]
    assert ("rel", "noreferrer") in elements.attributes
    assert elements.tags.count("a") == 1


def test_the_consent_page_says_what_is_asked_and_what_is_not() -> None:
    text = Elements(consent_page(account(), registration(), "https://id/")).text
    assert "It does not ask to read, search, change or delete your mail" in text
    assert "openid mail.send" in text
    assert "Ann@Example.org" in text
    assert "google-main" in text


def test_a_permission_for_the_whole_mailbox_is_called_that() -> None:
    text = Elements(consent_page(account(), registration(scopes=("https://mail.google.com/",)), "https://id/")).text
    assert "covers the whole mailbox" in text
    assert "does not ask to read" not in text


def test_the_result_says_what_was_not_granted() -> None:
    assert "Not granted" not in connected_page(account(), (), ())
    assert "Not granted: mail.send other" in Elements(connected_page(account(), ("mail.send", "other"), ())).text


def test_the_result_says_what_was_granted_beyond_what_was_asked() -> None:
    assert "nobody asked" not in connected_page(account(), (), ())
    text = Elements(connected_page(account(), (), ("mail.read",))).text
    assert "Granted although nobody asked for it: mail.read" in text
    assert "there is nothing else to do" in text


DEVICE = DeviceCode(code="secret", user_code="WDJB-MJHT", verification_uri="https://id/device", interval=5, ask_at=0)


def test_the_page_of_a_device_code_shows_it_leads_to_where_it_is_typed_and_renews_itself() -> None:
    page = device_page(account(), registration(), DEVICE, again_in=6)
    elements = Elements(page)
    assert [value for name, value in elements.attributes if name == "href"] == ["https://id/device"]
    assert ("http-equiv", "refresh") in elements.attributes
    assert ("content", "6") in elements.attributes
    assert "WDJB-MJHT" in elements.text
    assert "openid mail.send" in elements.text
    assert "Keep this page open" in elements.text
    assert "secret" not in page


def test_an_address_that_holds_the_code_is_where_the_link_leads() -> None:
    complete = replace(DEVICE, verification_uri_complete="https://id/device?user_code=WDJB-MJHT")
    elements = Elements(device_page(account(), registration(), complete, again_in=6))
    assert ("href", "https://id/device?user_code=WDJB-MJHT") in elements.attributes
    assert "https://id/device?" not in elements.text


def test_only_the_page_that_waits_renews_itself() -> None:
    others = (PAGES[0], *PAGES[2:])
    assert not [page for page in others if "http-equiv" in page]


def test_a_page_may_load_its_own_style_and_nothing_else() -> None:
    headers = page_headers()
    policy = dict(part.strip().split(" ", 1) for part in headers.pop("content-security-policy").split(";"))
    assert headers == {"content-type": "text/html; charset=utf-8"}
    assert {name: value for name, value in policy.items() if name != "style-src"} == dict.fromkeys(
        ("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'"
    )


def test_the_style_of_every_page_is_the_one_its_policy_allows() -> None:
    for page in PAGES:
        (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page_headers()["content-security-policy"]
        assert 'style="' not in page
