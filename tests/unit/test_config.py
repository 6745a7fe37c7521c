from __future__ import annotations

import pytest

from mailbearer.config import read_settings
from mailbearer.errors import ConfigurationInvalid


def test_settings_are_read_from_the_environment() -> None:
    settings = read_settings(
        {
            "MAILBEARER_STAGE": "prod",
            "API_URL": " https://api.example/ ",
            "MESSAGES_TABLE": "messages",
            "KMS_KEY_ID": "alias/mail",
            "AWS_LAMBDA_FUNCTION_NAME": "worker",
            "MAILBEARER_LOCAL": "TRUE",
        },
        "messages_table",
        "api_url",
    )
    assert (settings.stage, settings.api_url, settings.messages_table) == ("prod", "https://api.example", "messages")
    assert (settings.kms_key_id, settings.function, settings.local) == ("alias/mail", "worker", True)


def test_what_a_function_does_not_need_may_be_missing_and_a_stage_is_not_local_by_itself() -> None:
    settings = read_settings({})
    assert (settings.messages_table, settings.function, settings.local) == ("", "mailbearer", False)


def test_the_number_of_workers_is_a_number() -> None:
    assert read_settings({"WORKERS": " 25 "}).workers == 25
    assert read_settings({}).workers == 10
    for wrong in ("0", "-1", "many", "", "1.5", "²"):
        with pytest.raises(ConfigurationInvalid, match="WORKERS"):
            read_settings({"WORKERS": wrong})


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        read_settings({"KEYS_TABLE": "  ", "MAILBEARER_LOCAL": "yes"}, "keys_table", "queue_url", "event_bus")
    assert caught.value.detail == (
        "KEYS_TABLE is not set; QUEUE_URL is not set; EVENT_BUS is not set; MAILBEARER_LOCAL is neither true nor false."
    )


@pytest.mark.parametrize("alone", ["JWT_ISSUER", "JWT_AUDIENCE"])
def test_an_issuer_without_its_audience_is_told_and_the_reverse(alone: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="JWT_ISSUER and JWT_AUDIENCE need each other"):
        read_settings({alone: "https://id.example"})
