"""What people paste, what hostile servers send, and what must never be shown again."""

# ruff: noqa: E501 - a paste is a line

from __future__ import annotations

import json
import time
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbearer.diagnosis import Evidence, by_code, explain
from mailbearer.diagnosis.cleaning import LONGEST
from mailbearer.diagnosis.guessing import PROVIDERS, SURFACES
from mailbearer.diagnosis.pasting import NotEvidence, from_line, from_paste

CHALLENGE = "eyJzdGF0dXMiOiI0MDMiLCJzY2hlbWVzIjoiQmVhcmVyIn0="
PASTES = {
    "json": ('{"error": "invalid_grant"}', "grant_expired_or_revoked", "token"),
    "json-in-json": (json.dumps('{"error": "invalid_grant"}'), "grant_expired_or_revoked", "token"),
    "json-in-array": ('[{"error": {"code": 403, "errors": [{"reason": "domainPolicy"}]}}]', "domain_policy", "gmail"),
    "http": (
        'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n{"error":{"code":"ApplicationThrottled"}}',
        "throttled",
        "graph",
    ),
    "http-with-lf": ("HTTP/2 504\nrequest-id: x\n\n", "server_error", "graph"),
    "http-after-a-redirect": (
        'HTTP/1.1 302 Found\nLocation: /x\n\nHTTP/1.1 400 Bad Request\nContent-Type: text/json\n\n{"error":"invalid_scope"}',
        "scope_refused",
        "token",
    ),
    "curl": (
        (
            "* Connected\n> POST /token HTTP/1.1\n> Authorization: Basic c2VjcmV0OnNlY3JldA==\n>\n< HTTP/1.1 401 Unauthorized\n"
            '< Content-Type: application/json\n<\n{"error":"invalid_client","error_codes":[7000222]}\n* left intact'
        ),
        "client_secret_expired",
        "token",
    ),
    "google-auth": (
        (
            "google.auth.exceptions.RefreshError: ('invalid_grant: Token has been expired or revoked.', "
            "{'error': 'invalid_grant', 'error_description': 'Token has been expired or revoked.'})"
        ),
        "grant_expired_or_revoked",
        "token",
    ),
    "google-api-client": (
        (
            "<HttpError 403 when requesting https://gmail.googleapis.com/gmail/v1/users/me/messages/send?alt=json returned "
            "\"Request had insufficient authentication scopes.\". Details: \"[{'message': 'Insufficient Permission', "
            "'domain': 'global', 'reason': 'insufficientPermissions'}]\">"
        ),
        "scope_missing",
        "gmail",
    ),
    "msal": (
        "AADSTS700016: Application with identifier 'x' was not found in the directory 'y'.",
        "tenant_or_app_not_found",
        "token",
    ),
    "authlib": ("OAuthError: invalid_client: The OAuth client was not found.", "registration_refused", "token"),
    "smtplib": (
        (
            "smtplib.SMTPAuthenticationError: (535, b'5.7.139 Authentication unsuccessful, SmtpClientAuthentication is "
            "disabled for the Tenant.')"
        ),
        "smtp_auth_disabled",
        "smtp",
    ),
    "nodemailer": (
        (
            "Error: Invalid login: 535-5.7.8 Username and Password not accepted. For more information, go to\n"
            "535 5.7.8  https://support.google.com/mail/?p=BadCredentials x - gsmtp\n    at SMTPConnection._formatError"
        ),
        "smtp_token_rejected",
        "smtp",
    ),
    "bounce": ("Remote Server returned '550 5.7.708 Service unavailable. Access denied'", "sender_banned", "smtp"),
    "bounce-without-a-reply-code": ("Reason: #5.7.233 tenant has exceeded its limit", "tenant_limit", "smtp"),
    "dialogue": (
        (
            "S: 220 smtp.example.com\nC: EHLO x\nS: 250 AUTH XOAUTH2\nC: AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHNlY3JldAEB\n"
            f"S: 334 {CHALLENGE}\nC:\nS: 535 5.7.8 Authentication failed"
        ),
        "scope_missing",
        "smtp",
    ),
    "arrows": (
        f"-> AUTH XOAUTH2 c2VjcmV0\n<- 334 {CHALLENGE}\n-> \n<- 535-5.7.8 Authentication\n<- 535 5.7.8 failed",
        "scope_missing",
        "smtp",
    ),
    "smtplib-debug": (
        "send: 'AUTH XOAUTH2 c2VjcmV0\\r\\n'\nreply: b'535 5.7.3 Authentication unsuccessful [X.PROD.OUTLOOK.COM]\\r\\n'",
        "smtp_identity_mismatch",
        "smtp",
    ),
    "callback": (
        "https://app.example.com/oauth/callback?error=access_denied&state=abcdef123",
        "consent_declined",
        "callback",
    ),
    "callback-without-host": ("?error=invalid_scope&state=x", "scope_refused", "callback"),
    "page": (
        "Authorization Error\nError 403: org_internal\nThis client is restricted",
        "app_internal_only",
        "callback",
    ),
    "nothing-known": ("It does not work.", "unknown_refusal", ""),
}


@pytest.mark.parametrize(("text", "code", "surface"), PASTES.values(), ids=PASTES)
def test_what_is_pasted_is_understood(text: str, code: str, surface: str) -> None:
    found = explain(from_paste(text))
    assert (found.code, found.surface) == (code, surface)


@pytest.mark.parametrize("name", ["http", "curl"])
def test_line_ends_and_a_byte_order_mark_change_nothing(name: str) -> None:
    text, code, _ = PASTES[name]
    assert explain(from_paste("\ufeff" + text.replace("\r\n", "\n").replace("\n", "\r\n"))).code == code


def test_when_to_come_again_is_told() -> None:
    assert explain(from_paste(PASTES["http"][0])).retry_after == 7
    dated = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert explain(Evidence(surface="graph", http_status=429, headers=dated)).retry_at == "2026-10-21T07:28:00Z"
    body = '{"error":{"code":429,"message":"User-rate limit exceeded.  Retry after 2026-02-01T10:00:00.5Z"}}'
    assert explain(Evidence(surface="gmail", http_status=429, body=body)).retry_at == "2026-02-01T10:00:00.5Z"


def test_an_unknown_code_is_kept_as_it_came() -> None:
    found = explain(Evidence(body='{"error":"Some_New_Word","error_codes":[123456],"suberror":"odd"}'))
    assert (found.code, found.raw) == ("unknown_refusal", "Some_New_Word/123456/odd")
    assert explain(Evidence(smtp="554 5.9.9 Odd")).raw == "554 5.9.9"
    assert explain(Evidence(surface="graph", http_status=418)).raw == "HTTP 418"


def test_googles_own_link_is_part_of_the_remedy_and_no_other_address_is() -> None:
    def remedy(url: str) -> str:
        details = [{"@type": "type.googleapis.com/google.rpc.Help", "links": [{"description": "x", "url": url}]}]
        error = {"code": 403, "message": "Off.", "details": [{"reason": "SERVICE_DISABLED"}, *details]}
        return explain(Evidence(body=json.dumps({"error": error}))).remedy

    link = "https://console.developers.google.com/apis/api/gmail.googleapis.com/overview?project=12"
    assert remedy(link).endswith(link)
    assert "evil" not in remedy("https://evil.example/console.cloud.google.com/x")


def test_the_administrators_text_decides_nothing_and_is_shown_without_markup() -> None:
    text = "invalid_grant AADSTS50173 <script>alert(1)</script> &amp;lt;b&amp;gt; &amp;#39;x&amp;#39;"
    found = explain(Evidence(body=json.dumps({"error": "admin_policy_enforced", "error_description": text})))
    assert found.code == "admin_policy"
    assert "'x'" in found.said
    assert not set("<>&") & set(found.said)


SECRETS = {
    "code": "4/0AdeuSecretCode-12",
    "access_token": "ya29.a0AfSecret",
    "refresh_token": "1//0gSecretRefresh",
    "client_secret": "abc~Q8SecretValue",
    "password": "hunter2!",
}


@pytest.mark.parametrize(("name", "secret"), SECRETS.items(), ids=SECRETS)
@pytest.mark.parametrize(
    "paste",
    [
        'POST /token HTTP/1.1\n\ngrant_type=x&{name}={secret}\n\nHTTP/1.1 400 Bad\n\n{{"error":"invalid_grant","error_description":"Bad {secret}"}}',
        '{{"{name}": "{secret}", "error": "invalid_grant", "error_description": "Got {secret} here"}}',
        "https://x.example/callback?error=access_denied&error_description=Not+{secret}&{name}={secret}",
        "Error: {{'{name}': '{secret}', 'error': 'invalid_grant', 'error_description': 'what {secret}'}}",
        "C: AUTH PLAIN {secret}\nS: 535 5.7.8 Not {secret}\n{name}={secret}",
        "{name}: {secret}\nerror invalid_grant: {secret}",
        '{{"error": "{secret}", "{name}": "{secret}"}}',
    ],
)
def test_no_secret_of_a_paste_is_shown_again(paste: str, name: str, secret: str) -> None:
    found = explain(from_paste(paste.format(name=name, secret=secret)))
    assert secret not in repr(asdict(found))


def test_a_long_opaque_run_is_struck_out_and_a_trace_id_is_not() -> None:
    trace = "11111111-1111-4111-8111-1111111111a1"
    text = f"AADSTS50173: Gone {'aB3' * 20} Trace ID: {trace}"
    found = explain(Evidence(body=json.dumps({"error": "invalid_grant", "error_description": text})))
    assert found.said == f"AADSTS50173: Gone […] Trace ID: {trace}"


HOSTILE = {
    "deep-array": "[" * 500_000,
    "deep-object": '{"error":' * 100_000,
    "deep-python": "{'error': " * 3_000 + "}" * 3_000,
    "large": '{"error":"invalid_grant","error_description":"' + "x" * 1_000_000 + '"}',
    "many-braces": "{ [ " * 250_000,
    "blanks": "{" + " " * 1_000_000,
    "nul": "\0" * 1000 + '{"error":"invalid_grant"}',
    "surrogate": '{"error":"\\ud800","error_description":"\\udfff"}',
    "numbers": '{"error":"invalid_grant","error_codes":[1e999,' + "9" * 5000 + ",-1,true,null]}",
    "wrong-types": '{"error":["x"],"error_codes":"x","error_description":{},"suberror":7,"status":"x"}',
    "wrong-error": '{"error":{"code":{},"message":[],"errors":{"x":1},"details":[1,null],"innerError":{"innerError":3}}}',
    "zoho": '{"data":{"errorCode":5},"status":[]}',
    "query": "error=" + "a&error=" * 100_000,
    "lines": "535-x\r\n" * 100_000,
    "challenge": "334 " + "A" * 500_000,
    "colons": "a:" * 300_000,
    "parameters": "code=" * 200_000,
}


@pytest.mark.parametrize("surface", ["", *SURFACES])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.timeout(20)
@pytest.mark.slow  # megabytes, for every surface
def test_hostile_input_is_explained_too(text: str, surface: str) -> None:
    for evidence in (from_paste(text, surface=surface), Evidence(surface=surface, body=text, smtp=text)):
        found = explain(evidence)
        assert found.code
        assert len(found.said) <= LONGEST
        assert len(found.raw) < 1000


@given(
    provider=st.sampled_from(["", "nobody", *PROVIDERS]),
    surface=st.sampled_from(["", "nowhere", *SURFACES]),
    http_status=st.integers(0, 999),
    headers=st.dictionaries(st.sampled_from(["WWW-Authenticate", "retry-after", "x"]), st.text()),
    body=st.text()
    | st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.dictionaries(
                st.sampled_from(
                    ["error", "code", "status", "errors", "details", "data", "errorCode", "active", "message"]
                ),
                inner,
            )
            | st.lists(inner)
        ),
    ).map(json.dumps),
    smtp=st.text(),
)
def test_nothing_that_may_come_raises(
    *, provider: str, surface: str, http_status: int, headers: dict[str, str], body: str, smtp: str
) -> None:
    evidence = Evidence(
        provider=provider, surface=surface, http_status=http_status, headers=headers, body=body, smtp=smtp
    )
    found = explain(evidence)
    assert (bool(found.code), found.surface in {"", *SURFACES}, found.provider in PROVIDERS) == (True, True, True)


@given(st.text())
def test_no_paste_raises(text: str) -> None:
    assert explain(from_paste(text)).code


@pytest.mark.parametrize(
    "line",
    [
        *("", "x", "[]", "null", "{}", "[" * 100_000, '{"provider":"google"}', '{"body":"x","http_status":"many"}'),
        *(
            '{"body":"x","http_status":true}',
            '{"body":"x","provider":5}',
            '{"body":"x","headers":"x"}',
            '{"smtp":{"a":1}}',
        ),
    ],
)
def test_a_line_that_is_no_evidence_is_refused(line: str) -> None:
    with pytest.raises(NotEvidence):
        from_line(line)


def test_a_line_may_hold_numbers_as_text_a_body_as_an_object_and_headers_as_pairs() -> None:
    line = {"http_status": "429", "headers": [["Retry-After", "3"]], "body": {"error": "slow_down"}, "smtp": None}
    found = explain(from_line(json.dumps(line)))
    assert (found.code, found.retry_after) == ("provider_throttles", 3)


@pytest.mark.parametrize(
    "paste", ["(535,'" * 150_000, "\n" * 1_000_000, "<\n" * 500_000, " \n" * 500_000, "{" * 1_000_000]
)
def test_a_paste_of_a_mebibyte_is_read_in_a_moment(paste: str) -> None:
    began = time.perf_counter()
    explain(from_paste(paste))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "said", ["bad password=swordfish for ann", "client_secret=correcthorsebattery", "password=12345678 is wrong"]
)
def test_a_secret_that_looks_like_a_word_or_a_number_is_not_shown(said: str) -> None:
    secret = said.partition("=")[2].split()[0]
    found = explain(from_paste(json.dumps({"error": "invalid_grant", "error_description": said})))
    assert secret not in str(asdict(found))


@pytest.mark.parametrize(
    "body", [{"error": "letters" * 20}, {"error": "invalid_grant", "suberror": "M.C5x12345dABCDEFGH98765"}]
)
def test_a_token_in_the_place_of_a_code_is_not_shown(body: dict[str, str]) -> None:
    found = explain(from_paste(json.dumps(body)))
    assert found.raw in {"", "invalid_grant"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"errorId": "INVALID_REFRESH_TOKEN", "localizedMessage": "not acceptable"}, "grant_expired_or_revoked"),
        (
            {"code": 403, "status": "PERMISSION_DENIED", "details": [{"reason": "IAM_PERMISSION_DENIED"}]},
            "signing_not_allowed",
        ),
    ],
)
def test_a_token_endpoints_structured_refusal_is_not_taken_for_the_mail_sides(
    error: dict[str, object], code: str
) -> None:
    found = explain(from_paste(json.dumps({"error": error})))
    assert (found.code, found.surface) == (code, "token")


@pytest.mark.parametrize(
    ("provider", "said"), [("google", "An app in Testing"), ("microsoft", ""), ("", "Google: an app in Testing")]
)
def test_what_concerns_one_provider_is_said_of_that_one_only(provider: str, said: str) -> None:
    remedy = by_code("grant_expired_or_revoked").remedy_for(provider=provider)
    assert ("Testing" in remedy) is bool(said)
    assert said in remedy


def test_a_number_that_is_not_in_the_table_is_said_to_be_new() -> None:
    body = '{"error": "invalid_grant", "error_codes": [999999], "error_description": "AADSTS999999: new"}'
    found = explain(Evidence(provider="microsoft", surface="token", http_status=400, body=body))
    assert (found.code, "999999 is not in the table" in found.cause) == ("grant_expired_or_revoked", True)
    known = explain(
        Evidence(provider="microsoft", surface="token", http_status=400, body=body.replace("999999", "50173"))
    )
    assert "not in the table" not in known.cause
