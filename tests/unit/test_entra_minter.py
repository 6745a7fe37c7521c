"""What Graph's answers about an application's secrets mean."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.errors import RotationRefused, Unavailable
from mailbearer.minters.entra import EntraMinter
from mailbearer.providers import definition_of
from mailbearer.registration import Endpoints
from tests.unit.grants import registration

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRA = registration(
    kind="microsoft",
    client_id="app-1",
    endpoints=Endpoints(
        authorize_url="https://login.microsoftonline.com/contoso.example/oauth2/v2.0/authorize",
        token_url="https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token",
    ),
)


class Scripted:
    """A way out that plays answers: a status and a body, or an error; `asked` holds the requests."""

    def __init__(self, *answers: tuple[int, Any] | OSError) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []
        self.scopes: list[tuple[str, ...]] = []

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> tuple[int, Mapping[str, str], bytes, bool]:
        assert (headers["Authorization"], ca_pem, deadline) == ("Bearer own-token", "", 15)
        self.asked.append((method, url, json.loads(body) if body else None))
        answer = self._answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        status, content = answer
        return status, {}, content if isinstance(content, bytes) else json.dumps(content).encode(), status != 0

    def minter(self) -> EntraMinter:
        def own_token(_: object, scopes: tuple[str, ...]) -> str:
            self.scopes.append(scopes)
            return "own-token"

        return EntraMinter(self, definition_of, own_token)


def error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "Words that decide nothing."}}


@pytest.mark.parametrize(
    ("cloud", "graph"),
    [
        ("", "https://graph.microsoft.com"),
        ("usgov", "https://graph.microsoft.us"),
        ("china", "https://microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_each_cloud_has_its_own_graph_and_its_own_scope(cloud: str, graph: str) -> None:
    way = Scripted((200, {"keyId": "k", "secretText": "s", "endDateTime": "2027-01-31T00:00:00.1234567Z"}))
    made = way.minter().mint(registration_in(cloud), label="mailbearer t", expires_at=1_800_000_000)
    assert (made.id, made.client_secret, made.expires_at) == ("k", "s", 1_801_353_600.123456)
    assert way.scopes == [(f"{graph}/.default",)]
    wanted = {"passwordCredential": {"displayName": "mailbearer t", "endDateTime": "2027-01-15T08:00:00Z"}}
    assert way.asked == [("POST", f"{graph}/v1.0/applications(appId='app-1')/addPassword", wanted)]


def registration_in(cloud: str) -> Any:
    return ENTRA.changed(cloud=cloud)


def test_secrets_and_certificates_are_listed_and_thumbprints_read_in_both_ways() -> None:
    sha1 = bytes(range(20))
    keys = [
        {"keyId": "c", "customKeyIdentifier": text} for text in (sha1.hex().upper(), base64.b64encode(sha1).decode())
    ]
    body = {"passwordCredentials": [{"keyId": "a", "displayName": None, "hint": "abc"}], "keyCredentials": keys}
    listed = Scripted((200, body)).minter().listing(ENTRA)
    assert [(entry.id, entry.label, entry.hint, entry.thumbprint) for entry in listed] == [
        ("a", "", "abc", ""),
        ("c", "", "", sha1.hex()),
        ("c", "", "", sha1.hex()),
    ]


@pytest.mark.parametrize(
    "answer", [(429, {}), (500, b"<html>"), (503, error("ServiceUnavailable")), (409, {}), (0, b"")]
)
def test_an_answer_that_says_nothing_of_the_matter_is_worth_another_try(answer: tuple[int, Any]) -> None:
    with pytest.raises(Unavailable):
        Scripted(answer).minter().mint(ENTRA, label="mailbearer t", expires_at=1_800_000_000)


def test_a_graph_that_cannot_be_reached_and_a_secret_that_is_not_told_are_worth_another_try() -> None:
    answers: list[tuple[int, Any] | OSError] = [ConnectionRefusedError(), (200, {"keyId": "k"}), (200, [])]
    for answer in answers:
        with pytest.raises(Unavailable):
            Scripted(answer).minter().mint(ENTRA, label="mailbearer t", expires_at=1_800_000_000)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_names_graphs_code_and_the_permission_that_is_needed(status: int) -> None:
    way = Scripted((status, error("Authorization_RequestDenied")))
    with pytest.raises(RotationRefused, match=r"Authorization_RequestDenied.*Application\.ReadWrite\.OwnedBy"):
        way.minter().listing(ENTRA)


def test_removing_what_is_not_there_any_more_is_done() -> None:
    way = Scripted((400, error("Request_BadRequest")), (200, {"passwordCredentials": []}))
    way.minter().remove(ENTRA, "k")
    assert [method for method, _, _ in way.asked] == ["POST", "GET"]


def test_removing_what_is_there_still_and_is_refused_says_so() -> None:
    way = Scripted((400, error("Request_BadRequest")), (200, {"passwordCredentials": [{"keyId": "k"}]}))
    with pytest.raises(RotationRefused, match="Request_BadRequest"):
        way.minter().remove(ENTRA, "k")


@pytest.mark.parametrize("tenant", ["common", "organizations", "consumers"])
def test_a_registration_that_names_no_tenant_is_told_to(tenant: str) -> None:
    url = f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
    with pytest.raises(RotationRefused, match="--tenant"):
        Scripted().minter().listing(ENTRA.changed(endpoints=Endpoints(authorize_url=url, token_url=url)))
