from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cli.credential_files import read_certificate, read_expiry, read_private_key, read_service_account, read_text
from cli.refusal import Refused
from tests.unit.cli.keys import EXPIRES, certificate_pem, key_pem, rsa_key, service_account, written

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_a_certificate_says_itself_when_it_expires(tmp_path: Path) -> None:
    certificate, key = written(tmp_path, "c.pem", certificate_pem()), written(tmp_path, "k.pem", key_pem())
    found = read_certificate(certificate, key, key_id="kid", now=NOW)
    assert (found.id, found.created_at, found.expires_at) == ("kid", NOW, EXPIRES.timestamp())
    assert (found.certificate, found.private_key) == (certificate_pem(), key_pem())
    assert found.kind == "certificate"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_certificate_and_key_may_stand_in_one_file_and_are_kept_apart(tmp_path: Path, order: tuple[int, int]) -> None:
    parts = (certificate_pem(), key_pem())
    both = written(tmp_path, "both.pem", "".join(parts[at] for at in order))
    found = read_certificate(both, both, key_id="", now=NOW)
    assert (found.certificate, found.private_key) == parts


def test_of_a_chain_the_first_certificate_is_taken(tmp_path: Path) -> None:
    chain = written(tmp_path, "chain.pem", certificate_pem() + certificate_pem(rsa_key(1)))
    found = read_certificate(chain, written(tmp_path, "k.pem", key_pem()), key_id="", now=NOW)
    assert found.certificate == certificate_pem()


def test_a_certificate_of_another_key_is_refused(tmp_path: Path) -> None:
    certificate = written(tmp_path, "c.pem", certificate_pem(rsa_key(1)))
    with pytest.raises(Refused, match="does not belong to the private key"):
        read_certificate(certificate, written(tmp_path, "k.pem", key_pem()), key_id="", now=NOW)


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    certificate = written(tmp_path, "c.pem", certificate_pem(expires=datetime(2025, 12, 31, tzinfo=UTC)))
    with pytest.raises(Refused, match="expired on 2025-12-31"):
        read_certificate(certificate, written(tmp_path, "k.pem", key_pem()), key_id="", now=NOW)


def test_a_locked_key_is_refused_with_the_way_to_unlock_it(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="passphrase") as caught:
        read_private_key(written(tmp_path, "k.pem", key_pem(passphrase=b"secret")), key_id="", expires_at=0, now=NOW)
    assert "openssl pkey" in caught.value.remedy
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("hello", "no private key"),
        # pragma: allowlist nextline secret
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
        (key_pem(ec.generate_private_key(ec.SECP256R1())), "no RSA key"),
        (key_pem(rsa_key(0, 1024)), "no RSA key"),
        ("x" * 70_000, "too large"),
    ],
    ids=["text", "broken", "elliptic", "short", "long"],
)
def test_what_cannot_sign_is_refused_and_not_shown(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        read_private_key(written(tmp_path, "k.pem", content), key_id="", expires_at=0, now=NOW)
    shown = f"{caught.value.sentence} {caught.value.remedy} {caught.value.__cause__}"
    assert not any(line in shown for line in content.splitlines())


def test_a_key_is_the_same_text_whatever_form_it_had(tmp_path: Path) -> None:
    first = read_private_key(written(tmp_path, "a.pem", key_pem()), key_id="k", expires_at=7, now=NOW)
    other = read_private_key(written(tmp_path, "b.pem", f"\n\n{key_pem()}\n"), key_id="k", expires_at=7, now=NOW)
    assert first == other
    assert (first.kind, first.expires_at) == ("private_key", 7)


def test_a_service_account_is_known_by_its_address_and_to_administrators_by_a_number(tmp_path: Path) -> None:
    found = read_service_account(written(tmp_path, "key.json", service_account()), now=NOW)
    assert (found.client_email, found.client_number) == ("robot@project.iam.gserviceaccount.com", "108123456789")
    assert (found.credential.id, found.credential.private_key) == ("key-1", key_pem())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("not json", "no JSON"),
        ("[]", "its type is None"),
        (service_account(type="authorized_user"), "its type is 'authorized_user'"),
        (service_account(private_key_id=""), "lacks private_key_id"),
        (service_account(private_key="x"), "no private key"),
    ],
    ids=["text", "list", "user", "incomplete", "broken"],
)
def test_another_file_of_google_is_refused(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_service_account(written(tmp_path, "key.json", content), now=NOW)


def test_a_day_of_expiry_is_its_beginning() -> None:
    assert read_expiry("2027-01-31", "--secret-expires", now=NOW) == datetime(2027, 1, 31, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("day", ["31.1.2027", "2027-02-30", "2025-12-31", "soon", ""])
def test_what_is_no_day_to_come_is_refused(day: str) -> None:
    with pytest.raises(Refused, match="--secret-expires") as caught:
        read_expiry(day, "--secret-expires", now=NOW)
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"gone\.pem cannot be read"):
        read_text(tmp_path / "gone.pem")
