from __future__ import annotations

import json

import pytest

from mailbearer.errors import ClientRefused, GrantRefused, InvalidInput, TokenEndpointBusy, TokenError
from mailbearer.oauth_answers import Reply, discovery, token_answer

ISSUER = "https://as.example.com/tenant"


def refused(body: object, *, status: int = 400, secrets: tuple[str, ...] = ()) -> TokenError:
    reply = Reply(status=status, headers={}, body=json.dumps(body).encode(), secrets=secrets, received_at=0)
    with pytest.raises(TokenError) as caught:
        token_answer(reply, with_claims=False)
    return caught.value


def test_a_number_before_the_prose_counts_where_the_list_is_missing() -> None:
    error = refused({"error": "invalid_grant", "error_description": "AADSTS50173: The provided grant has expired."})
    assert isinstance(error, GrantRefused)
    assert error.error_codes == (50173,)


def test_a_number_elsewhere_in_the_prose_counts_for_nothing() -> None:
    error = refused({"error": "invalid_grant", "error_description": "See AADSTS50196."})
    assert isinstance(error, GrantRefused)
    assert error.error_codes == ()


def test_a_grant_refused_by_another_word_carries_that_word_as_subtype() -> None:
    error = refused({"error": "consent_required"})
    assert isinstance(error, GrantRefused)
    assert error.subtype == "consent_required"


@pytest.mark.parametrize(
    "body",
    [
        {"error": 5},
        {"error": ["invalid_grant"]},
        {"error": {"code": 400}},
        {"error_codes": "50173"},
        {"error": "invalid_request", "error_codes": [None, "x"], "suberror": 7, "error_description": {}},
        {"error": "x" * 50_000},
    ],
)
def test_an_oddly_shaped_refusal_is_still_one(body: object) -> None:
    error = refused(body)
    assert type(error) is TokenError
    assert len(error.detail) < 300


def test_deeply_nested_json_is_no_answer() -> None:
    reply = Reply(status=400, headers={}, body=b"[" * 60_000, received_at=0)
    with pytest.raises(TokenEndpointBusy):
        token_answer(reply, with_claims=False)


@pytest.mark.parametrize("form", ["se cret/1", "se%20cret%2F1", "c2UgY3JldC8x"])
def test_a_secret_is_struck_out_in_every_form(form: str) -> None:
    error = refused({"error": "invalid_client", "error_description": f"Got <{form}>."}, secrets=("", "se cret/1"))
    assert isinstance(error, ClientRefused)
    assert error.detail == "invalid_client (HTTP 400): Got <[…]>."


def test_a_secret_that_begins_like_another_leaves_no_rest_of_it() -> None:
    body = {"error": "invalid_client", "error_description": "Got <key-1-more>."}
    assert refused(body, secrets=("key-1", "key-1-more")).detail == "invalid_client (HTTP 400): Got <[…]>."


def test_a_trace_id_survives_and_a_long_opaque_run_does_not() -> None:
    trace = "11111111-1111-4111-8111-1111111111a1"
    error = refused({"error": "invalid_request", "error_description": f"Trace ID: {trace} at {'Ab1' * 10}"})
    assert error.detail.endswith(f"Trace ID: {trace} at […]")


def test_control_characters_and_line_breaks_are_blanks_in_a_detail() -> None:
    error = refused({"error": "invalid_request", "error_description": "a\r\nb\x1b[31m\u2028c"})
    assert error.detail == "invalid_request (HTTP 400): a b [31m c"


def document(**fields: object) -> bytes:
    names = ("authorization", "token")
    return json.dumps({"issuer": ISSUER} | {f"{name}_endpoint": f"{ISSUER}/{name}" for name in names} | fields).encode()


def test_a_discovery_document_gives_endpoints_and_what_both_specifications_assume() -> None:
    found = discovery(200, document(revocation_endpoint=f"{ISSUER}/revoke", userinfo_endpoint=None), ISSUER)
    assert found is not None
    assert (found.endpoints.authorize_url, found.endpoints.token_url) == (f"{ISSUER}/authorization", f"{ISSUER}/token")
    assert (found.endpoints.revoke_url, found.endpoints.userinfo_url) == (f"{ISSUER}/revoke", "")
    assert found.endpoints.issuer == ISSUER
    assert found.token_auth_methods == ("client_secret_basic",)
    assert found.issuer_in_callback is False


@pytest.mark.parametrize(("said", "expected"), [(True, True), (False, False), ("true", False)])
def test_only_a_promise_of_iss_counts_as_one(said: object, expected: bool) -> None:
    found = discovery(200, document(authorization_response_iss_parameter_supported=said), ISSUER)
    assert found is not None
    assert found.issuer_in_callback is expected


@pytest.mark.parametrize("other", [ISSUER + "/", ISSUER.upper(), "https://as.example.com", "", 5, None])
def test_another_issuers_document_is_refused(other: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        discovery(200, document(issuer=other), ISSUER)
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/issuer", "issuer_mismatch")]


@pytest.mark.parametrize(
    ("status", "body"), [(404, b"{}"), (404, document()), (200, b"<html>"), (200, b"[]"), (302, b""), (200, b"{}")]
)
def test_anything_but_a_document_is_none(status: int, body: bytes) -> None:
    assert discovery(status, body, ISSUER) is None
