"""Warnings of credentials that are about to expire."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from mailbearer.credential import Credential
from mailbearer.errors import Unavailable
from tests.unit.grants import registration
from tests.unit.rotating import DAY, NAME, Rotating


def certified(ends_at: float) -> Credential:
    """Give a private key with a certificate that ends then."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mailbearer")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime.fromtimestamp(ends_at - 400 * DAY, dt.UTC))
        .not_valid_after(dt.datetime.fromtimestamp(ends_at, dt.UTC))
        .sign(key, hashes.SHA256())
    )
    return Credential(
        id="cert",
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
    )


def hours(rotating: Rotating, days: float) -> None:
    """Let the schedule run once an hour for so many days."""
    for _ in range(round(days * 24)):
        rotating.watch().run()
        rotating.clock.advance(3600)
    rotating.trail.flush()


def warnings(rotating: Rotating) -> list[tuple[str, str]]:
    """Give the credential and the days of each warning in the audit log."""
    found = [dict(event.facts) for event in rotating.log.events if event.action == "credential.expiring"]
    return [(facts["credential"], facts["days"]) for facts in found]


def test_a_credential_is_warned_of_at_30_14_7_and_1_days_and_when_it_has_expired_and_never_again() -> None:
    rotating = Rotating()
    hours(rotating, 400)
    assert warnings(rotating) == [("key-1", days) for days in ("30", "14", "7", "1", "0")]
    assert [event.outcome for event in rotating.log.events] == ["expiring"] * 4 + ["expired"]
    assert [kind for kind, _ in rotating.events.published] == ["credential.expiring"] * 5
    assert [detail["days"] for _, detail in rotating.events.published] == [30, 14, 7, 1, 0]


def test_a_new_credential_is_warned_of_anew() -> None:
    rotating = Rotating()
    hours(rotating, 360)
    rotating.edits().add(NAME, rotating.minter.give(lives=40 * DAY))
    hours(rotating, 40)
    assert [days for name, days in warnings(rotating) if name == "key-2"] == ["30", "14", "7", "1"]


def test_what_is_first_seen_late_is_warned_of_once_and_then_at_the_thresholds_to_come() -> None:
    rotating = Rotating()
    rotating.clock.advance(rotating.first.expires_at - rotating.clock() - 5 * DAY)
    hours(rotating, 10)
    assert warnings(rotating) == [("key-1", "5"), ("key-1", "1"), ("key-1", "0")]


def test_a_certificate_is_warned_of_by_its_own_date() -> None:
    rotating = Rotating()
    rotating.edits().add(NAME, certified(rotating.clock() + 20 * DAY))
    hours(rotating, 21)
    assert [days for name, days in warnings(rotating) if name == "cert"] == ["20", "14", "7", "1", "0"]


def test_a_certificate_that_cannot_be_read_and_a_secret_without_a_date_are_passed_over() -> None:
    rotating = Rotating()
    broken = Credential(id="cert", private_key="KEY", certificate="no certificate")
    rotating.edits().change(
        NAME,
        lambda kept: replace(kept, credentials=(broken, replace(rotating.first, expires_at=0))),
    )
    assert (rotating.watch().run().warned, rotating.watch().run().days_left) == (0, None)


def test_a_registration_is_looked_at_once_an_hour() -> None:
    rotating = Rotating()
    for _ in range(11):
        rotating.watch().run()
        rotating.clock.advance(300)
    assert rotating.secrets_manager.calls.count("GetSecretValue") == 1
    assert rotating.watch().run().days_left == 365


def test_two_runs_at_once_warn_once() -> None:
    rotating = Rotating()
    rotating.clock.advance(rotating.first.expires_at - rotating.clock() - 5 * DAY)

    def another_run() -> None:
        rotating.clock.advance(0.001)
        rotating.watch().run()

    rotating.registrations.faults.before("replace", another_run)
    rotating.watch().run()
    assert len(warnings(rotating)) == 1


def test_what_was_replaced_is_not_warned_of() -> None:
    rotating = Rotating()
    rotating.clock.advance(rotating.first.expires_at - rotating.clock() - 5 * DAY)
    rotating.rotate()
    assert rotating.watch().run().warned == 0


def test_a_warning_says_whether_another_credential_lasts_longer() -> None:
    rotating = Rotating()
    rotating.edits().add(NAME, rotating.minter.give(lives=5 * DAY))
    rotating.watch().run()
    ((_, detail),) = rotating.events.published
    assert (detail["registration"], detail["credential"], detail["has_successor"]) == (NAME, "key-2", True)


def test_the_days_left_are_those_of_the_registration_that_ends_first() -> None:
    rotating = Rotating()
    rotating.registrations.create(registration(name="other"))
    rotating.vault.create("other", rotating.minter.give(lives=12.5 * DAY))
    assert rotating.watch().run().days_left == 13


def test_one_registrations_trouble_never_stops_the_rest() -> None:
    rotating = Rotating()
    rotating.registrations.create(registration(name="aaa-without-a-secret"))
    watched = rotating.watch().run()
    assert watched.problems == {"aaa-without-a-secret": "secret_missing"}
    assert watched.days_left == 365


def test_a_bus_that_is_down_costs_no_warning() -> None:
    rotating = Rotating()
    rotating.clock.advance(rotating.first.expires_at - rotating.clock() - 5 * DAY)
    rotating.events.faults.before("publish", Unavailable("throttled"))
    rotating.watch().run()
    assert rotating.actions() == ["credential.expiring expiring", "event.unpublished failed"]


@pytest.mark.parametrize("kind", ["oidc", "google"])
def test_a_public_client_has_nothing_that_could_expire(kind: str) -> None:
    rotating = Rotating(kind=kind)
    rotating.edits().change(NAME, lambda kept: replace(kept, credentials=(Credential(),)))
    assert rotating.watch().run().days_left is None
