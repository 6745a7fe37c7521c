"""Every definition is complete, its page says what it says, and a registration can be made of all that it offers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

import pytest

from mailbearer.definition import Cloud, Definition, ProbeBy, RefreshTokens
from mailbearer.providers import DEFINITIONS, definition_of, register
from mailbearer.providers.checks import TOKEN_AUTH_METHODS
from mailbearer.public_hosts import host_fault, url_fault
from mailbearer.registration import Flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.registration import Endpoints

ROOT = Path(__file__).parents[3]
DAY = 86_400
EACH = pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=list(DEFINITIONS))
GIVEN = {
    "authorize_url": "https://as.example.com/authorize",
    "token_url": "https://as.example.com/token",
    "device_authorization_url": "https://as.example.com/device",
    "scopes": ("send",),
    "smtp_host": "mail.example.com",
    "api_base_url": "https://api.example.com",
}
"""What a kind without endpoints of its own has to be told."""


def worlds(definition: Definition) -> list[Definition]:
    """Give the definition as it is in each of its clouds."""
    return [definition.at(cloud) for cloud in definition.cloud_names or ("",)]


def urls(endpoints: Endpoints) -> list[str]:
    return [url for url in asdict(endpoints).values() if url]


def test_the_kinds_are_these() -> None:
    assert list(DEFINITIONS) == ["google", "microsoft", "yahoo", "zoho", "fastmail", "oidc"]
    assert all(kind == definition.kind for kind, definition in DEFINITIONS.items())
    assert definition_of("gone") is DEFINITIONS["oidc"]


@EACH
def test_a_definition_says_everything_that_one_has_to_say(definition: Definition) -> None:
    assert definition.title
    assert definition.default_transport in definition.scopes
    assert set(definition.flows) <= set(Flow)
    assert all(len(reason) > 30 for reason in definition.flows.values())
    assert definition.default_flow is Flow.AUTHORIZATION_CODE
    assert {definition.auth_method(flow) for flow in definition.flows} <= set(TOKEN_AUTH_METHODS)
    assert definition.probes
    assert len(set(definition.probes)) == len(definition.probes)
    assert definition.identity_claims
    assert definition.refresh_tokens in RefreshTokens
    assert definition.refresh_note
    assert len(definition.revoke_by_hand) > 30
    assert definition.idle_life or "idle_life" in definition.unverified
    assert definition.limits or "limits" in definition.unverified
    assert all(name and limit > 0 for name, limit in definition.limits)
    assert definition.provider_guide.startswith("https://")
    assert definition.setup_guide == f"docs/providers/{definition.kind}.md"
    assert definition.error_table == "docs/reference/diagnosis.md"


@EACH
def test_every_transport_has_its_scopes_and_its_server(definition: Definition) -> None:
    for world in worlds(definition):
        if not world.endpoints.token_url:
            continue
        assert all(world.scopes.values())
        for transport in world.scopes:
            assert world.smtp if transport == "smtp" else world.api_base_urls[transport]
        if any(flow.unattended for flow in world.flows):
            assert world.app_scopes.keys() == world.scopes.keys()
            assert all(world.app_scopes.values())


@EACH
def test_every_flow_has_the_endpoint_that_it_begins_at(definition: Definition) -> None:
    for world in worlds(definition):
        if not world.endpoints.token_url:
            continue
        assert bool(world.endpoints.authorize_url) is (Flow.AUTHORIZATION_CODE in world.flows)
        assert bool(world.endpoints.device_authorization_url) is (Flow.DEVICE_CODE in world.flows)


@EACH
def test_every_probe_can_be_asked(definition: Definition) -> None:
    for world in worlds(definition):
        for probe, url in (
            (ProbeBy.TOKENINFO, world.endpoints.tokeninfo_url),
            (ProbeBy.USERINFO, world.endpoints.userinfo_url),
            (ProbeBy.INTROSPECTION, world.endpoints.introspection_url),
        ):
            assert probe not in world.probes or url or not world.endpoints.token_url


@EACH
def test_every_address_is_https_and_public(definition: Definition) -> None:
    for world in worlds(definition):
        for url in (*urls(world.endpoints), *world.api_base_urls.values()):
            assert url_fault(url.replace("{tenant}", world.usual_tenant), local=False) is None
        assert world.smtp is None or host_fault(world.smtp.host, local=False) is None
        assert "{" not in "".join(urls(world.endpoints)).replace("{tenant}", "")


@EACH
def test_clouds_share_no_authorization_server_but_where_one_serves_two(definition: Definition) -> None:
    token_urls = [world.endpoints.token_url for world in worlds(definition)]
    shared = {url for url in token_urls if token_urls.count(url) > 1}
    assert shared <= {"https://login.microsoftonline.us/{tenant}/oauth2/v2.0/token"}
    locations = [world.location for world in worlds(definition) if world.location]
    assert len(set(locations)) == len(locations)
    assert bool(definition.usual_cloud) is bool(definition.clouds)


@EACH
def test_everything_unverified_is_a_field_or_an_entry_of_one(definition: Definition) -> None:
    known = {field.name for field in fields(Definition)}
    for world in worlds(definition):
        assert len(set(definition.unverified)) == len(definition.unverified)
        for fact in world.unverified:
            name, _, entry = fact.partition(".")
            assert name in known
            if entry:
                value = getattr(world, name)
                entries = asdict(value) if name == "endpoints" else dict(value)
                assert entry in entries, fact


def test_a_cloud_names_as_unverified_only_what_it_has_itself() -> None:
    own = {field.name for field in fields(Cloud)}
    for definition in DEFINITIONS.values():
        for cloud in definition.clouds.values():
            assert {fact.partition(".")[0] for fact in cloud.unverified} <= own


@EACH
def test_steps_and_cautions_are_about_what_is_offered(definition: Definition) -> None:
    offered = {(flow, transport) for flow in definition.flows for transport in definition.scopes}
    assert definition.admin_steps.keys() <= offered
    assert definition.cautions.keys() <= definition.scopes.keys()
    if definition.endpoints.token_url:
        assert {way for way in offered if way[0].unattended} <= definition.admin_steps.keys()
    places = {
        place
        for steps in definition.admin_steps.values()
        for step in steps
        for _, place, _, _ in Formatter().parse(step)
        if place
    }
    assert places <= {"client_id", "delegation_id", "scopes", "tenant"}


WAYS = [
    (definition.kind, cloud, flow, transport)
    for definition in DEFINITIONS.values()
    for cloud in definition.cloud_names or ("",)
    for flow in definition.flows
    for transport in definition.scopes
]


@pytest.mark.parametrize(("kind", "cloud", "flow", "transport"), WAYS)
def test_a_registration_can_be_made_of_everything_offered(kind: str, cloud: str, flow: Flow, transport: str) -> None:
    definition = DEFINITIONS[kind].at(cloud)
    given: dict[str, object] = {} if definition.endpoints.token_url else dict(GIVEN)
    if definition.usual_tenant:
        given["tenant"] = "contoso.example"
    made = register(
        kind,
        name="n",
        client_id="c",
        now=1,
        cloud=cloud,
        flow=flow,
        transport=transport,
        **given,  # type: ignore[arg-type]
    )
    assert (made.kind, made.flow, made.transport) == (kind, flow, transport)
    assert made.cloud == ("" if cloud == definition.usual_cloud else cloud)
    assert made.scopes == given.get("scopes", definition.scopes_for(flow, transport))
    assert made.token_auth_method == definition.auth_method(flow)
    assert made.smtp if transport == "smtp" else made.api_base_url
    assert "{" not in "".join(urls(made.endpoints))
    if definition.endpoints.token_url:
        assert made.smtp == definition.smtp


def said(definition: Definition) -> Iterator[str]:
    """Give everything that the page of a definition has to say, as it has to say it."""
    yield from (f"`{flow}`" for flow in definition.flows)
    yield from (f"`{probe}`" for probe in definition.probes)
    yield from (f"`{name}={value}`" for name, value in definition.authorize_params)
    yield f"`{definition.refresh_tokens}`"
    yield f"({definition.provider_guide})"
    yield from (f"| `{name}` | {limit:,} |" for name, limit in definition.limits)
    if definition.idle_life:
        yield f"{definition.idle_life / DAY:.0f} days"
    if definition.live_refresh_tokens:
        yield f"{definition.live_refresh_tokens} live refresh tokens"
    if definition.token_calls[0]:
        calls, seconds = definition.token_calls
        yield f"{calls} access tokens in {seconds / 60:.0f} minutes"
    yield from (f"`{flow_method}`" for flow_method in {definition.auth_method(flow) for flow in definition.flows})
    yield from (f"`{cloud}`" for cloud in definition.cloud_names)
    yield from (step for steps in definition.admin_steps.values() for step in steps)
    for world in worlds(definition):
        yield from (f"`{url}`" for url in (*urls(world.endpoints), *world.api_base_urls.values()))
        yield from (
            f"`{scope}`" for offered in (world.scopes, world.app_scopes) for s in offered.values() for scope in s
        )
        yield from (f"`{fact}`" for fact in world.unverified)
        if world.smtp:
            yield f"`{world.smtp.host}:{world.smtp.port}`"


@EACH
def test_the_page_of_a_definition_says_all_of_it(definition: Definition) -> None:
    page = (ROOT / definition.setup_guide).read_text("utf-8")
    assert [words for words in said(definition) if words not in page] == []


@EACH
def test_the_reference_leads_to_the_page_of_every_kind(definition: Definition) -> None:
    page = (ROOT / "docs" / "reference" / "providers.md").read_text("utf-8")
    assert f"[`{definition.kind}`](../providers/{definition.kind}.md)" in page
    assert [flow for flow in definition.flows if f"`{flow}`" not in page] == []


def test_definitions_load_neither_requests_nor_authlib() -> None:
    heavy = "{'requests', 'authlib', 'urllib3', 'ssl', 'email'}"
    script = f"import sys, mailbearer.providers, mailbearer.diagnosis; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 0
