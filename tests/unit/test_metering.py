from __future__ import annotations

import random
from collections import Counter

import pytest

from mailbearer.diagnosis.catalogue import rows
from mailbearer.metering import MESSAGES, PROVIDERS, REASONS, REFRESHES, Metric, ends, metered
from mailbearer.providers import DEFINITIONS
from mailbearer.trail import Noted
from tests.docs import source


def test_what_became_of_messages_is_counted_by_provider_and_outcome() -> None:
    noted = {
        Noted("message.sent", "sent", "", "google"): 3,
        Noted("message.failed", "failed", "recipient_rejected", "google"): 1,
        Noted("message.refused", "refused", "malformed_body"): 2,
        Noted("message.accepted", "accepted"): 9,
    }
    assert metered(noted) == {
        Metric("messages", (("provider", "google"), ("outcome", "sent"))): 3,
        Metric("messages", (("provider", "google"), ("outcome", "failed"))): 1,
        Metric("messages", (("provider", "none"), ("outcome", "failed"))): 2,
        Metric("message_problems", (("reason", "recipient_rejected"),)): 1,
        Metric("message_problems", (("reason", "malformed_body"),)): 2,
    }
    assert ends(noted) == {"sent": 3, "failed": 3}


def test_what_became_of_refreshes_and_circuits_is_counted() -> None:
    noted = {
        Noted("token.refreshed", "refreshed", "", "microsoft"): 5,
        Noted("token.rejected", "rejected", "session_policy", "google"): 1,
        Noted("account.circuit_opened", "opened", "connect_failed", "oidc"): 2,
    }
    assert metered(noted) == {
        Metric("token_refreshes", (("provider", "microsoft"), ("outcome", "refreshed"))): 5,
        Metric("token_refreshes", (("provider", "google"), ("outcome", "rejected"))): 1,
        Metric("grants_lost"): 1,
        Metric("circuits_opened"): 2,
    }


def test_a_reason_of_what_was_sent_is_no_problem() -> None:
    assert "message_problems" not in {metric.name for metric in metered({Noted("message.sent", "sent", "ok", "x"): 1})}


@pytest.mark.slow
def test_a_thousand_hostile_values_make_no_more_metrics_than_there_are_words() -> None:
    dice = random.Random(5)  # noqa: S311 - dice of a test

    def word(*known: str) -> str:
        return dice.choice((*known, "".join(chr(dice.choice((0, 10, 34, 123, 0xD800, 0x1F600))) for _ in range(9))))

    actions = (*MESSAGES, *REFRESHES, "account.circuit_opened", "message.accepted")
    noted = Counter(
        Noted(word(*actions), word("sent", "failed"), word(*REASONS), word(*PROVIDERS)) for _ in range(100_000)
    )
    assert len(noted) > 1000
    found = metered(noted)
    providers = len(PROVIDERS) + 2
    most = providers * len(set(MESSAGES.values())) + len(REASONS) + 1 + providers * len(set(REFRESHES.values())) + 2
    assert len(found) <= most <= 120
    words = {value for metric in found for _, value in metric.dimensions}
    assert words <= {*PROVIDERS, *REASONS, *MESSAGES.values(), *REFRESHES.values(), "other", "none"}


def test_every_word_for_a_provider_is_a_kind_and_a_kind_without_a_word_counts_as_other() -> None:
    assert {*DEFINITIONS, "sandbox"} >= PROVIDERS


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_reason_is_a_code_that_is_documented(reason: str) -> None:
    assert reason in {*rows(), *source.codes(), "quota"}


def test_the_reasons_are_forty_at_the_most_with_other() -> None:
    assert len(REASONS) < 40


def test_every_action_that_is_counted_is_one_that_is_noted() -> None:
    assert {*MESSAGES, *REFRESHES, "account.circuit_opened"} <= source.actions()
