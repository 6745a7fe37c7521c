"""Which stack a command talks to, and what it says when that stack or the way to it is not as it has to be."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cli.main import main
from tests.integration.cli.conftest import API_KEY, write_state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli import stacks
    from tests.integration.cli.conftest import Operator, ScriptedApi

pytestmark = [pytest.mark.slow, pytest.mark.once]  # moto, AWS clients that try again, and processes of their own

EMPTY: dict[str, Any] = {"data": [], "next_cursor": None}
# What a console script does.
COMMAND = (sys.executable, "-c", f"from {main.__module__} import main; main()")
TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
ENVIRON = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def with_environ(operator: Operator, **environ: str) -> Operator:
    return replace(operator, surroundings=replace(operator.surroundings, environ=environ))


def test_a_deployed_stage_needs_a_key(deployed: Operator) -> None:
    result = deployed("accounts", "list")
    assert result.exit_code == 1
    assert "There is no API key for stage prod." in result.stderr
    assert "MAILBEARER_API_KEY" in result.stderr


def test_the_api_of_a_deployed_stage_is_the_stacks_with_the_key_of_the_environment(
    deployed: Operator, api: ScriptedApi, aws: stacks.AwsEndpoint
) -> None:
    aws.stacks["mailbearer-prod"]["ApiUrl"] = f"{api.url}/"
    api.answer("GET", "/v1/accounts", 200, EMPTY)
    assert with_environ(deployed, MAILBEARER_API_KEY="mb_key_env").json("accounts", "list") == []
    assert api.requests[0].headers["Authorization"] == "Bearer mb_key_env"


def test_a_key_of_the_environment_never_goes_to_the_local_stack(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, EMPTY)
    with_environ(local, MAILBEARER_API_KEY="mb_key_env").json("accounts", "list")
    assert api.requests[0].headers["Authorization"] == f"Bearer {API_KEY}"


def test_no_key_goes_out_without_tls(deployed: Operator, aws: stacks.AwsEndpoint) -> None:
    aws.stacks["mailbearer-prod"]["ApiUrl"] = "http://api.example.org"
    result = with_environ(deployed, MAILBEARER_API_KEY="mb_key_env")("accounts", "list")
    assert result.exit_code == 1
    assert "is not https" in result.stderr


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (("accounts", "list", "--stage", "staging"), {}),
        (("--stage", "staging", "accounts", "list"), {}),
        (("accounts", "list"), {"MAILBEARER_STAGE": "staging"}),
        (("--stage", "staging", "accounts", "list"), {"MAILBEARER_STAGE": "prod"}),
        (("--stage", "prod", "accounts", "list", "--stage", "staging"), {}),
    ],
)
def test_a_stage_is_named_after_the_command_before_it_or_in_the_environment(
    deployed: Operator, words: tuple[str, ...], environ: dict[str, str]
) -> None:
    result = with_environ(deployed, MAILBEARER_API_KEY="mb_key_env", **environ)(*words)
    assert result.exit_code == 1
    assert "There is no stack mailbearer-staging in eu-west-1." in result.stderr


def test_going_to_prod_because_the_local_stack_died_is_said(deployed: Operator) -> None:
    write_state(deployed.surroundings.directory, "http://127.0.0.1:1", pid=2**22 + 1)
    result = deployed("accounts", "list")
    assert "is not running any more, so this goes to stage prod" in result.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredToken", "AWS does not take these credentials [ExpiredToken]."),
        ("InvalidClientTokenId", "AWS does not take these credentials"),
        ("AccessDenied", "may not call DescribeStacks [AccessDenied]."),
        ("Odd", "AWS refused DescribeStacks: No. [Odd]"),
    ],
)
def test_what_aws_says_becomes_one_sentence(deployed: Operator, aws: stacks.AwsEndpoint, code: str, said: str) -> None:
    aws.denied["cloudformation"] = code
    result = deployed("providers", "list", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert said in result.stderr


def test_a_refusal_inside_an_adapter_is_explained_too(local_on_aws: Operator, aws: stacks.AwsEndpoint) -> None:
    aws.denied["dynamodb"] = "AccessDeniedException"
    result = local_on_aws("providers", "list")
    assert result.exit_code == 1
    assert "may not call Scan [AccessDeniedException]." in result.stderr


def test_a_stack_of_another_make_is_named(deployed: Operator, aws: stacks.AwsEndpoint) -> None:
    del aws.stacks["mailbearer-prod"]["KeysTableName"]
    result = deployed("keys", "create", "x", "--scope", "admin")
    assert result.exit_code == 1
    assert "The stack mailbearer-prod has no output KeysTableName." in result.stderr


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "There are no usable AWS credentials."),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_PROFILE": "missing"}, "There are no usable AWS credentials."),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, "No AWS Region is set."),
        (
            {
                "AWS_ACCESS_KEY_ID": "a",
                "AWS_SECRET_ACCESS_KEY": "b",
                "AWS_DEFAULT_REGION": "eu-west-1",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            },
            "AWS could not be reached",
        ),
    ],
)
def test_an_aws_setting_that_is_missing_is_named(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], said: str
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    result = operator("audit", "tail")
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_the_process_finds_its_own_directory_and_stage(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/accounts", 200, EMPTY)
    done = subprocess.run(
        (*COMMAND, "accounts", "list", "--json"),
        cwd=local.surroundings.directory,
        env=ENVIRON,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_a_secret_typed_on_a_terminal_is_not_echoed(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    # A new session, so that this terminal becomes the one whose /dev/tty is asked.
    process = subprocess.Popen(
        (sys.executable, "-c", f"{TAKE_TERMINAL}; {COMMAND[-1]}", "providers", "add", "x", "--stage", "prod"),
        cwd=tmp_path,
        env=ENVIRON | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "eu-west-1"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    shown = _read_until(leader, b"Kind of provider")
    os.write(leader, b"google\n")
    shown += _read_until(leader, b"Client id")
    os.write(leader, b"app\n")
    shown += _read_until(leader, b"Client secret")
    while termios.tcgetattr(leader)[3] & termios.ECHO:
        # What is typed before the prompt has hidden it would be thrown away.
        time.sleep(0.01)
    os.write(leader, b"hidden-secret\n")
    shown += _read_until(leader, b"Error: ")
    assert process.wait(timeout=30) == 1
    os.close(follower)
    os.close(leader)
    assert b"app" in shown
    assert b"hidden-secret" not in shown


def _read_until(terminal: int, end: bytes) -> bytes:
    """Read what is shown up to `end`, for at most 30 seconds."""
    shown = b""
    while end not in shown:
        assert select.select([terminal], [], [], 30)[0], shown
        shown += os.read(terminal, 1024)
    return shown
