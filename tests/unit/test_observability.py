from __future__ import annotations

import io
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger

from mailbearer.observability import SecretFilter, blacken

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "aB3-dE6_gH9.jK2lM5nO8"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"  # pragma: allowlist secret
STATE = "Zx9" + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"


@pytest.mark.parametrize(
    "text",
    [
        "key mb_key_01ARYZ6S410000000000000000_{}",
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        "{{'authorization': 'Bearer {}'}}",
        "Authorization: Basic {}",
        "user=ann\x01auth=Bearer {}\x01\x01",
        "AUTH XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIg{}",
        "access_token={}",
        "access_token={}&token_type=Bearer",
        '{{"access_token": "{}", "expires_in": 3600}}',
        "{{'refresh_token': '{}'}}",
        '{{\\"refresh_token\\":\\"{}\\"}}',
        "client_secret = {}",
        "code_verifier={}&x=1",
        "client_assertion: {}",
        "id_token={}",
        "GET /oauth/callback?code={}&scope=mail",
        "GET /oauth/callback?scope=mail&state={}",
        "'queryStringParameters': {{'code': '{}'}}",
        "GET /connect/{} 200",
    ],
)
def test_a_secret_is_blackened_in_every_form_it_comes_in(text: str) -> None:
    for secret in (SECRET.replace(".", "0"), STATE):
        line = text.format(secret.replace("-", "x").replace("_", "y") if "XOAUTH2" in text else secret)
        black = blacken(line)
        assert "[secret]" in black
        for piece in range(0, len(secret) - 6, 3):
            assert secret[piece : piece + 6] not in black


def test_a_long_token_without_a_digit_is_blackened_too() -> None:
    assert blacken("Bearer " + "abcdefghijklmnopqrstuvwx") == "Bearer [secret]"


def test_a_webhooks_signing_secret_is_blackened() -> None:
    assert blacken("sent whsec_c2VjcmV0IG9mIGEgd2ViaG9vaw==.") == "sent whsec_[secret]."


@pytest.mark.parametrize("token", [JWT, "ya29.a0AfH6SMBx", "ya29.A-0_b.c"])
def test_a_token_that_shows_itself_is_blackened_wherever_it_stands(token: str) -> None:
    assert token[6:] not in blacken(f"the provider said {token}!")


@pytest.mark.parametrize(
    "text",
    [
        "message stays on the queue",
        "the answer had status code: 550",
        "code: consent_required",
        '{"code": "idempotency_conflict", "detail": "used"}',
        "'state': 'pending_consent'",
        "state=active",
        "error code: AADSTS700016",
        "code: ErrorSubmissionQuotaExceeded",
        "problem_code=attempts_exhausted",
        "SMTP code=5.7.139 refused",
        "Basic authentication is disabled",
        "a Bearer token is needed",
        "Bearer authentication failed",
        'www-authenticate: Bearer realm="mailbearer"',
        "msg_01ARYZ6S410000000000000000 for acc_01ARYZ6S410000000000000000",
        "key_01ARYZ6S410000000000000000 may not do that",
        "token 3f2a91c07d55 was refused",
        "postcode=12345678901234567890",
        "/v1/accounts/acc_01ARYZ6S410000000000000000/consent",
        "nothing at /connect",
    ],
)
def test_nothing_else_is_blackened(text: str) -> None:
    assert blacken(text) == text


NUMBERS = itertools.count()


def logged(write: Callable[[Logger], None]) -> dict[str, Any]:
    """Log through Powertools as the functions do and give the line that comes out."""
    stream = io.StringIO()
    # A name of its own, because loggers of one name share their handlers.
    logger = Logger(service=f"test-{next(NUMBERS)}", stream=stream)
    logger.addFilter(SecretFilter())
    write(logger)
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


def refuse(why: str) -> None:
    raise ValueError(why)


def fail(logger: Logger) -> None:
    try:
        try:
            refuse(f"access_token={SECRET}")
        except ValueError as error:
            raise RuntimeError(f"Bearer {SECRET}") from error
    except RuntimeError:
        logger.exception("it failed")


@pytest.mark.parametrize(
    "write",
    [
        lambda logger: logger.info("access_token=%s&x=1", SECRET),
        lambda logger: logger.info("sent %s", f"Bearer {SECRET}"),
        lambda logger: logger.info({"answer": {"access_token": SECRET}}),
        lambda logger: logger.info("x", extra={"reason": f"refresh_token={SECRET}"}),
        lambda logger: logger.info("x", extra={"refresh_token": SECRET}),
        lambda logger: logger.info("x", extra={"answer": {"list": [{"id_token": SECRET}, (f"Bearer {SECRET}",)]}}),
        fail,
    ],
)
def test_no_secret_gets_through_the_logger(write: Callable[[Logger], None]) -> None:
    line = json.dumps(logged(write))
    assert SECRET not in line
    assert "[secret]" in line


def test_a_traceback_stays_readable_without_its_secrets() -> None:
    line = logged(fail)
    assert (line["message"], line["exception_name"]) == ("it failed", "RuntimeError")
    assert "Traceback (most recent call last)" in line["exception"]
    assert "ValueError: access_token=[secret]" in line["exception"]


def test_a_line_without_secrets_comes_out_as_it_went_in() -> None:
    def write(logger: Logger) -> None:
        logger.info("sent %d of %s", 3, "5", extra={"account": "acc_1", "counts": {"sent": 3}, "codes": [1, "x"]})

    line = logged(write)
    assert (line["message"], line["account"], line["counts"], line["codes"]) == (
        "sent 3 of 5",
        "acc_1",
        {"sent": 3},
        [1, "x"],
    )


def test_a_traceback_without_secrets_is_left_to_powertools() -> None:
    def write(logger: Logger) -> None:
        try:
            refuse("plain")
        except ValueError:
            logger.exception("it failed")

    line = logged(write)
    assert line["exception_name"] == "ValueError"
    assert line["stack_trace"]["value"] == "plain"
