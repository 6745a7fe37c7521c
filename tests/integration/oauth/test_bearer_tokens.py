"""Tokens of an issuer, which is a real server on loopback."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.bearer_tokens import ASK_AGAIN, ASK_EVERY, KEYS_LIFE, KEYS_LONGEST, LEEWAY, MAX_TOKEN, OidcTokens
from mailbearer.egress import Egress
from mailbearer.errors import Unauthenticated, Unavailable
from tests.fakes import FakeClock
from tests.integration.oauth.issuers import (
    AUDIENCE,
    CONFIGURATION,
    JWKS,
    SECRET,
    Issuer,
    claims_of,
    signing_key,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Case:
    def __init__(self, issuer: Issuer) -> None:
        self.issuer, self.clock = issuer, FakeClock()
        self.egress = Egress(local=True)
        self.tokens = self.fresh()

    def fresh(self) -> OidcTokens:
        """Give the verifier as another process has it."""
        return OidcTokens(self.egress, self.clock, issuer=self.issuer.url, audience=AUDIENCE)

    def token(self, *, key: Any = None, alg: str = "RS256", header: Any = None, **claims: Any) -> str:
        return self.issuer.sign(claims_of(self.issuer, self.clock.now, **claims), key=key, alg=alg, header=header)

    def refused(self, token: str) -> str:
        with pytest.raises(Unauthenticated) as error:
            self.tokens.claims(token)
        return error.value.detail


@pytest.fixture
def case() -> Iterator[Case]:
    with Issuer().running() as issuer:
        made = Case(issuer)
        yield made
        made.egress.close()


# --- signatures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("RS256", ("one",)),
        ("PS256", ("one",)),
        ("ES256", ("p256", "EC", "P-256")),
        ("EdDSA", ("ed", "OKP", "Ed25519")),
    ],
)
def test_a_token_by_each_algorithm_is_known(case: Case, alg: str, key: tuple[Any, ...]) -> None:
    made = signing_key(*key)
    case.issuer.publish(signing_key("two"), made)
    assert case.tokens.claims(case.token(key=made, alg=alg))["sub"] == "shop"


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("RS384", ("one",)),
        ("PS512", ("one",)),
        ("ES384", ("p384", "EC", "P-384")),
        ("EdDSA", ("ed448", "OKP", "Ed448")),
        ("RS256", ("weak", "RSA", 1024)),
    ],
)
def test_another_algorithm_curve_or_a_weak_key_is_refused_though_published(
    case: Case, alg: str, key: tuple[Any, ...]
) -> None:
    made = signing_key(*key)
    case.issuer.publish(made)
    case.refused(case.token(key=made, alg=alg))


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_weak_key_is_not_strengthened_by_zeros_in_front(case: Case) -> None:
    made = signing_key("weak", "RSA", 1024)
    case.issuer.publish(made)
    (published,) = case.issuer.documents[JWKS]["keys"]
    modulus = base64.urlsafe_b64decode(published["n"] + "==")
    published["n"] = base64.urlsafe_b64encode(b"\0" * 256 + modulus).decode().rstrip("=")
    case.refused(case.token(key=made))


@pytest.mark.parametrize("number", range(5))
def test_an_unsigned_token_is_refused(case: Case, number: int) -> None:
    case.refused(list(unsigned(claims_of(case.issuer, case.clock.now)))[number])
    assert case.issuer.asked == []


def test_a_public_key_is_no_shared_secret(case: Case) -> None:
    case.issuer.publish(signing_key("one"), SECRET.as_dict(private=True) | {"kid": "hs"})
    case.refused(case.token(key=SECRET, alg="HS256", header={"kid": "hs"}))
    case.refused(case.token(key=SECRET, alg="HS256", header={"kid": "one"}))
    assert case.issuer.asked == []


def test_anothers_signature_under_a_published_id_is_refused(case: Case) -> None:
    assert "signature" in case.refused(case.token(key=signing_key("two"), header={"kid": "one"}))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_changed_anywhere_is_refused(case: Case, part: int) -> None:
    token = case.token()
    case.tokens.claims(token)
    parts = token.split(".")
    parts[part] = parts[part][:9] + ("A" if parts[part][9] != "A" else "B") + parts[part][10:]
    case.refused(".".join(parts))


def test_a_key_is_taken_for_what_it_was_published_for(case: Case) -> None:
    public = dict(signing_key("one").as_dict(private=False))
    for other in ({"use": "enc"}, {"alg": "PS256"}, {"kty": "EC"}, {"n": "AQAB"}, {"n": 5}, {"kid": "other"}):
        case.issuer.publish(public | other)
        case.tokens = case.fresh()
        assert "does not publish" in case.refused(case.token())
    case.issuer.publish(public | {"alg": "RS256"})
    case.tokens = case.fresh()
    case.tokens.claims(case.token())


def test_without_an_id_the_only_key_of_the_kind_serves(case: Case) -> None:
    case.issuer.publish(signing_key("one"), signing_key("p256", "EC", "P-256"))
    case.tokens.claims(case.token(header={"kid": None}))
    case.issuer.publish(signing_key("one"), signing_key("two"))
    case.tokens = case.fresh()
    assert "does not publish" in case.refused(case.token(header={"kid": None}))


# --- the form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "..",
        "a.b.c",
        "a.b.c.d.e",
        "e30.e30.",
        "W10.e30.x",
        "ü.e30.x",
        base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.x",
        base64.urlsafe_b64encode(b"\xff\xfe").decode() + ".e30.x",
        "x" * 200_000,
        ".".join(["e30"] * 50_000),
    ],
)
def test_what_is_no_token_is_refused_without_asking_anybody(case: Case, token: str) -> None:
    case.refused(token)
    assert case.issuer.asked == []


def test_a_token_that_is_too_long_is_refused(case: Case) -> None:
    short = case.token(pad="x" * 5000)
    assert len(short) < MAX_TOKEN
    case.tokens.claims(short)
    assert "too long" in case.refused(case.token(pad="x" * 6000))


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": "application/at+jwt"}, {"typ": None}, {"nonce": "x"}])
def test_a_header_of_an_access_token_is_taken(case: Case, header: dict[str, Any]) -> None:
    case.tokens.claims(case.token(header=header))


def test_a_header_of_something_else_is_refused(case: Case) -> None:
    case.refused(case.token(header={"typ": "logout+jwt"}))
    case.refused(case.token(header={"crit": ["b64"], "b64": True}))
    head = {"alg": "RS256", "kid": "one", "crit": ["b64"], "b64": False}
    _, *rest = case.token().split(".")
    written = base64.urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("=")
    case.refused(".".join([written, *rest]))


# --- claims -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"iss": None},
        {"iss": "https://another.example"},
        {"iss": ["x"]},
        {"aud": None},
        {"aud": "https://mail.example/test"},
        {"aud": AUDIENCE + "/"},
        {"aud": ["a", "b"]},
        {"aud": {AUDIENCE: 1}},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "x" * 256},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1 << 60},
        {"nbf": "now"},
        {"nbf": True},
        {"iat": False},
        {"iat": "now"},
        {"iat": None, "nbf": [1]},
    ],
)
def test_a_claim_that_is_wrong_or_missing_is_refused(case: Case, change: dict[str, Any]) -> None:
    case.refused(case.token(**change))


def test_one_audience_of_several_is_enough(case: Case) -> None:
    case.tokens.claims(case.token(aud=["other", AUDIENCE]))


def test_a_token_is_good_until_the_second_it_expires(case: Case) -> None:
    token = case.token(exp=case.clock.now + 10.5)
    case.clock.advance(10)
    case.tokens.claims(token)
    case.clock.advance(0.5)
    assert "expired" in case.refused(token)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_the_issuers_clock_may_be_a_minute_ahead(case: Case, name: str) -> None:
    last: dict[str, Any] = {name: case.clock.now + LEEWAY}
    case.tokens.claims(case.token(**last))
    case.clock.advance(-1)
    assert "not valid yet" in case.refused(case.token(**last))


def test_a_number_that_is_none_is_no_time(case: Case) -> None:
    token = case.issuer.sign(claims_of(case.issuer, case.clock.now) | {"exp": float("inf")})
    case.refused(token)


# --- the issuer's keys ------------------------------------------------------------------------------------------------


def test_the_issuer_is_asked_once_for_many_tokens(case: Case) -> None:
    for _ in range(5):
        case.tokens.claims(case.token())
    assert case.issuer.asked == [CONFIGURATION, JWKS]


def test_a_new_key_is_found_and_one_taken_away_forgotten(case: Case) -> None:
    case.tokens.claims(case.token())
    case.clock.advance(ASK_EVERY)
    case.issuer.publish(signing_key("two"))
    case.tokens.claims(case.token(key=signing_key("two")))
    case.refused(case.token())
    assert len(case.issuer.asked) == 4


def test_a_key_taken_away_serves_an_hour_at_most(case: Case) -> None:
    case.tokens.claims(case.token())
    case.issuer.publish(signing_key("two"))
    case.clock.advance(KEYS_LIFE - 1)
    case.tokens.claims(case.token())
    case.clock.advance(1)
    case.refused(case.token())


def test_invented_keys_do_not_make_us_a_burden_to_the_issuer(case: Case) -> None:
    case.tokens.claims(case.token())
    for number in range(100):
        case.clock.advance(5)
        case.refused(case.token(key=signing_key("two"), header={"kid": f"invented-{number}"}))
    assert case.issuer.asked.count(JWKS) == 1 + 500 // ASK_EVERY


def test_keys_serve_while_the_issuer_is_down_for_a_day(case: Case) -> None:
    case.tokens.claims(case.token())
    case.issuer.documents[CONFIGURATION] = 503
    case.clock.advance(KEYS_LONGEST - 1)
    case.tokens.claims(case.token())
    case.clock.advance(1)
    with pytest.raises(Unavailable):
        case.tokens.claims(case.token())
    case.clock.advance(ASK_EVERY)
    case.issuer.documents[CONFIGURATION] = {"issuer": case.issuer.url, "jwks_uri": case.issuer.url + JWKS}
    case.tokens.claims(case.token())


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (CONFIGURATION, 404),
        (CONFIGURATION, {}),
        (CONFIGURATION, []),
        (CONFIGURATION, b"<html>"),
        (CONFIGURATION, b"[" * 5000),
        (CONFIGURATION, {"issuer": "https://another.example", "jwks_uri": JWKS}),
        (CONFIGURATION, {"jwks_uri": 5}),
        (JWKS, 500),
        (JWKS, {"keys": {}}),
        (JWKS, b" " * ((1 << 20) + 1)),
    ],
)
def test_an_issuer_that_publishes_nothing_of_use_is_no_ones_fault_and_asked_again_soon(
    case: Case, path: str, answer: Any
) -> None:
    if isinstance(answer, dict) and answer.get("jwks_uri") == JWKS:
        answer = answer | {"jwks_uri": case.issuer.url + JWKS}
    good, case.issuer.documents[path] = case.issuer.documents[path], answer
    for _ in range(3):
        with pytest.raises(Unavailable):
            case.tokens.claims(case.token())
    assert case.issuer.asked.count(CONFIGURATION) == 1
    case.issuer.documents[path] = good
    case.clock.advance(ASK_AGAIN)
    case.tokens.claims(case.token())


def test_keys_are_read_by_the_guarded_way_out_alone(case: Case) -> None:
    case.issuer.documents[CONFIGURATION] = {"issuer": case.issuer.url, "jwks_uri": "http://169.254.169.254/keys"}
    with pytest.raises(Unavailable):
        case.tokens.claims(case.token())
    elsewhere = OidcTokens(Egress(local=False), case.clock, issuer=case.issuer.url, audience=AUDIENCE)
    with pytest.raises(Unavailable):
        elsewhere.claims(case.token())
    assert case.issuer.asked == [CONFIGURATION]


def test_of_many_keys_the_first_hundred_count(case: Case) -> None:
    public = dict(signing_key("two").as_dict(private=False))
    case.issuer.publish(*({**public, "kid": str(number)} for number in range(100)), signing_key("one"))
    case.refused(case.token())
    case.tokens.claims(case.token(key=signing_key("two"), header={"kid": "99"}))
