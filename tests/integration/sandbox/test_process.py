"""`python -m sandbox.world` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator


ROOT = Path(__file__).parents[3]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    state_file = tmp_path / "deep" / "world.json"
    command = [sys.executable, "-W", "error", "-m", "sandbox.world", "--state-file", str(state_file)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as running:
        yield running, state_file
        running.kill()


def ready(running: subprocess.Popen[bytes], state_file: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while not state_file.exists():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    state: dict[str, Any] = json.loads(state_file.read_text())
    return state


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_writes_its_state_when_ready_and_leaves_nothing_behind_when_told_to_end(
    process: tuple[subprocess.Popen[bytes], Path], end: signal.Signals
) -> None:
    running, state_file = process
    state = ready(running, state_file)
    assert stat.S_IMODE(state_file.stat().st_mode) == 0o600
    assert state["pid"] == running.pid
    assert set(state) == {"url", "inbox_url", "control_url", "smtp", "tenants", "pid"}
    assert set(state["smtp"]) == {"host", "port", "tls_port", "ca_file"}
    for name, tenant in state["tenants"].items():
        metadata = requests.get(f"{tenant['issuer']}/.well-known/openid-configuration", timeout=5).json()
        assert metadata["token_endpoint"] == tenant["token_url"], name
    assert requests.get(state["inbox_url"], timeout=5).status_code == 200
    assert requests.get(f"{state['control_url']}/mail", timeout=5).json()["accepted"] == 0
    private = [path for path in state_file.parent.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o600]

    ports = {state["smtp"]["port"], state["smtp"]["tls_port"], int(state["url"].rpartition(":")[2])}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {int(row[1].split(":")[1], 16): row[1].split(":")[0] for row in rows if row[3] == "0A"}
    assert {listening[port] for port in ports} == {"0100007F"}, "loopback only"

    os.kill(running.pid, end)
    _, errors = running.communicate(timeout=10)
    assert (running.returncode, errors) == (0, b"")
    assert list(state_file.parent.iterdir()) == []


def test_a_taken_port_is_a_clear_failure(process: tuple[subprocess.Popen[bytes], Path], tmp_path: Path) -> None:
    running, state_file = process
    state = ready(running, state_file)
    second = tmp_path / "second.json"
    for option, port in (("--port", state["url"].rpartition(":")[2]), ("--smtp-port", str(state["smtp"]["port"]))):
        command = [sys.executable, "-m", "sandbox.world", "--state-file", str(second), option, port]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=20, check=False)
        assert answer.returncode == 1
        assert b"in use" in answer.stderr
        assert b"Traceback" not in answer.stderr
        assert not second.exists()
