from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cli.refusal import Refused
from cli.stage import find_stage

if TYPE_CHECKING:
    from pathlib import Path


def write_state(directory: Path, **other: Any) -> Path:
    state = {
        "api_url": "http://127.0.0.1:4000/",
        "api_key": "mb_key_x_secret",
        "aws": {
            "endpoint_url": "http://localhost:4000",
            "region": "eu-west-1",
            "access_key_id": "id",
            "secret_access_key": "hidden",
        },
        "stack": "mailbearer-local",
        "pid": os.getpid(),
    }
    path = directory / ".mailbearer" / "local.json"
    path.parent.mkdir()
    path.write_text(json.dumps(state | other), encoding="utf-8")
    return path


def pid_of_the_dead() -> int:
    """Give the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def test_without_a_name_the_local_stack_that_runs_here_is_meant(tmp_path: Path) -> None:
    write_state(tmp_path)
    stage = find_stage("", tmp_path, user=os.getuid())
    assert (stage.name, stage.stack) == ("local", "mailbearer-local")
    assert stage.local
    assert stage.local.api_url == "http://127.0.0.1:4000"


def test_the_local_stack_of_a_parent_directory_counts(tmp_path: Path) -> None:
    write_state(tmp_path)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_stage("", below, user=os.getuid()).name == "local"
    assert find_stage("local", below, user=os.getuid()).name == "local"


def test_the_nearest_local_stack_wins(tmp_path: Path) -> None:
    write_state(tmp_path, stack="outer")
    inner = tmp_path / "inner"
    inner.mkdir()
    write_state(inner, stack="inner")
    assert find_stage("", inner, user=os.getuid()).stack == "inner"


def test_where_nothing_runs_prod_is_meant(tmp_path: Path) -> None:
    stage = find_stage("", tmp_path, user=os.getuid())
    assert (stage.name, stage.stack, stage.local, stage.note) == ("prod", "mailbearer-prod", None, "")


def test_a_stage_by_name_goes_before_the_local_stack(tmp_path: Path) -> None:
    write_state(tmp_path)
    stage = find_stage("staging", tmp_path, user=os.getuid())
    assert (stage.stack, stage.local) == ("mailbearer-staging", None)


def test_the_state_file_of_a_dead_process_means_prod_and_says_so(tmp_path: Path) -> None:
    write_state(tmp_path, pid=pid_of_the_dead())
    stage = find_stage("", tmp_path, user=os.getuid())
    assert stage.local is None
    assert "not running any more" in stage.note


def test_the_local_stage_by_name_has_to_run(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No local stack runs"):
        find_stage("local", tmp_path, user=os.getuid())
    write_state(tmp_path, pid=pid_of_the_dead())
    with pytest.raises(Refused, match="No local stack runs"):
        find_stage("local", tmp_path, user=os.getuid())


@pytest.mark.parametrize("name", ["Prod", "a_b", "-a", "a" * 21, "../x", "prod "])
def test_a_name_that_no_stack_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="is no name of a stage"):
        find_stage(name, tmp_path, user=os.getuid())


@pytest.mark.parametrize(
    "other",
    [
        {"api_url": "https://evil.example.org"},
        {"api_url": "http://127.0.0.1.evil.example.org"},
        {"api_url": 7},
        {"aws": {}},
        {"aws": None},
        {"pid": "none"},
        {"pid": None},
    ],
)
def test_a_damaged_state_file_or_one_that_leads_away_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    write_state(tmp_path, **other)
    with pytest.raises(Refused, match=r"local\.json cannot be used"):
        find_stage("", tmp_path, user=os.getuid())


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_state_file_that_is_no_object_is_refused(tmp_path: Path, content: str) -> None:
    write_state(tmp_path).write_text(content, encoding="utf-8")
    with pytest.raises(Refused, match=r"local\.json cannot be used"):
        find_stage("", tmp_path, user=os.getuid())


def test_a_state_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path)
    with pytest.raises(Refused, match=r"local\.json cannot be used"):
        find_stage("", tmp_path, user=os.getuid() + 1)


def test_no_secret_of_the_local_stack_shows_when_it_is_printed(tmp_path: Path) -> None:
    write_state(tmp_path)
    shown = repr(find_stage("", tmp_path, user=os.getuid()))
    assert "hidden" not in shown
    assert "mb_key" not in shown
