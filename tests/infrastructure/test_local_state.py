"""One stack to a checkout, a private state file, and nothing left of a dead one."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sandbox import engine, local
from sandbox.deploy import load_template

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def places(tmp_path: Path) -> local.Places:
    places = local.Places(tmp_path)
    places.directory.mkdir()
    return places


def test_a_state_file_is_for_its_owner_only(places: local.Places) -> None:
    local.write_private(places.state_file, {"api_key": "secret"})
    assert stat.S_IMODE(places.state_file.stat().st_mode) == 0o600
    assert [path.name for path in places.directory.iterdir()] == ["local.json"]


def test_the_second_in_a_checkout_is_told_of_the_first(places: local.Places) -> None:
    with local.only_one(places):
        local.write_private(places.state_file, {"pid": 7, "api_url": "http://here", "inbox_url": "http://there"})
        with pytest.raises(local.LocalError, match=r"(?s)process 7.*http://here.*make stop"), local.only_one(places):
            pytest.fail("two hold the lock")


def test_the_state_file_of_a_dead_process_is_removed(places: local.Places) -> None:
    local.write_private(places.state_file, {"pid": 1})
    places.lock_file.write_text("1\n")
    with local.only_one(places):
        assert not places.state_file.exists()


def test_the_lock_names_the_process_that_runs(places: local.Places) -> None:
    assert local.running_pid(places) is None
    with local.only_one(places):
        assert local.running_pid(places) == os.getpid()
    assert local.running_pid(places) is None


def test_stopping_where_nothing_runs_clears_up_and_says_so(places: local.Places) -> None:
    local.write_private(places.state_file, {"pid": 1})
    assert local.stop(places) == "Nothing runs in this checkout."
    assert not places.state_file.exists()


def test_the_lock_is_not_inherited_by_what_is_started(places: local.Places) -> None:
    with local.only_one(places):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with places.lock_file.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        child.communicate(b"\n", timeout=10)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((engine.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(engine.EngineError, match=rf"Port {port} is taken"),
            engine.Engine(directory=tmp_path, port=port),
        ):
            pytest.fail("the engine started")


def test_the_short_forms_of_a_template_are_read_as_their_long_ones(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("a: !Ref B\nb: !GetAtt C.D.E\nc: !Sub [x, {y: !If [z, 1, 2]}]\nd: !Condition F\n")
    assert load_template(template) == {
        "a": {"Ref": "B"},
        "b": {"Fn::GetAtt": ["C", "D.E"]},
        "c": {"Fn::Sub": ["x", {"y": {"Fn::If": ["z", 1, 2]}}]},
        "d": {"Condition": "F"},
    }
