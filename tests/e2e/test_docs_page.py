"""The page that shows the API and tries it, in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.browser import Tab
    from tests.e2e.local_stack import LocalStack

PROGRAM = browser.installed()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.timeout(180),
    pytest.mark.skipif(PROGRAM is None, reason=f"needs one of {', '.join(browser.PROGRAMS)}"),
]


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    """Give a browser's tab."""
    assert PROGRAM is not None
    with browser.opened(PROGRAM, tmp_path / "profile") as opened:
        yield opened


def shown(local_stack: LocalStack, tab: Tab) -> int:
    """Open the page, wait until all operations are there, and give how many that is."""
    described = local_stack.call("GET", "/openapi.json", key="").json()
    methods = {"get", "post", "put", "patch", "delete"}
    items = [*described["paths"].values(), *described["webhooks"].values()]
    operations = sum(len(methods & item.keys()) for item in items)
    tab.open(f"{local_stack.world.api_url}/docs")
    tab.wait(f"document.querySelectorAll('.opblock').length === {operations}")
    return operations


def test_the_page_shows_every_operation_without_a_complaint_or_a_request_elsewhere(
    local_stack: LocalStack, tab: Tab
) -> None:
    assert shown(local_stack, tab) > 30
    assert tab.complaints() == []
    places = [url for url in tab.asked_for() if not url.startswith("data:")]
    assert places == [f"{local_stack.world.api_url}/{name}" for name in ("docs", "openapi.json")]


def test_an_operation_is_tried_with_a_key(local_stack: LocalStack, tab: Tab) -> None:
    shown(local_stack, tab)
    tab.run("document.querySelector('.btn.authorize').click()")
    tab.wait("document.querySelector('.auth-container input') !== null")
    tab.run("document.querySelector('.auth-container input').focus()")
    tab.ask("Input.insertText", text=local_stack.world.api_key)
    tab.run("document.querySelector('.auth-btn-wrapper .authorize').click()")
    tab.run("document.querySelector('.btn-done').click()")
    block = "document.querySelector('#operations-Accounts-list_accounts')"
    for button in (".opblock-summary-control", ".try-out__btn", ".execute"):
        tab.wait(f"{block}.querySelector('{button}') !== null")
        tab.run(f"{block}.querySelector('{button}').click()")
    answer = ".live-responses-table .response"
    status = tab.wait(f"{block}.querySelector('{answer} .response-col_status')?.textContent")
    assert status.startswith("200")
    assert "orders@acme.example" in tab.run(f"{block}.querySelector('{answer}').textContent")
    assert tab.complaints() == []


def test_the_browser_tells_of_what_the_policy_forbids(local_stack: LocalStack, tab: Tab) -> None:
    shown(local_stack, tab)
    tab.run("document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))")
    assert tab.run("window.ran === undefined")
    assert any("Content Security Policy" in complaint for complaint in tab.complaints())
