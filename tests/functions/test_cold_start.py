"""What happens before the first event: nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from mailbearer.errors import ConfigurationInvalid
from sandbox.deploy import load_template
from tests.functions.deployment import FOLDERS, ROOT

TEMPLATE = load_template(ROOT / "template.yaml")

# Runs alone, with an environment that must not be looked at and modules that must not be loaded.
PROBE = """
import importlib, os, socket, sys, threading
sys.path[:0] = [{core!r}, {root!r}]
looked = []
class Watched(type(os.environ)):
    def __getitem__(self, name):
        looked.append(name)
        return super().__getitem__(name)
kept = os.environ
os.environ = Watched({{}}, kept.encodekey, kept.decodekey, kept.encodevalue, kept.decodevalue)
def refuse(*arguments, **named):
    raise AssertionError("a socket was opened")
socket.socket.connect = refuse
threads = threading.active_count()
importlib.import_module("functions.{folder}.app")
ours = [name for name in looked if name in {names!r}]
assert not ours, ours
assert threading.active_count() == threads
heavy = [name for name in ("boto3", "botocore.session", "authlib", "requests") if name in sys.modules]
assert not heavy, heavy
"""


@pytest.mark.parametrize("folder", FOLDERS)
def test_importing_a_function_reads_no_setting_and_makes_no_client(folder: str) -> None:
    own = TEMPLATE["Resources"][f"{FOLDERS[folder]}Function"]["Properties"]["Environment"]["Variables"]
    names = sorted(own.keys() | {"MAILBEARER_STAGE", "MAILBEARER_LOCAL"})
    probe = PROBE.format(core=str(ROOT / "layers" / "core"), root=str(ROOT), folder=folder, names=names)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_without_its_settings_names_every_one_that_is_missing(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = TEMPLATE["Resources"][f"{FOLDERS[folder]}Function"]["Properties"]["Environment"]["Variables"]
    for name in own:
        monkeypatch.delenv(name, raising=False)
    app = importlib.import_module(f"functions.{folder}.app")
    app.wiring.cache_clear()
    with pytest.raises(ConfigurationInvalid) as invalid:
        app.wiring()
    # The template gives what the function needs, and no name that it does not read.
    needless = {name for name in own if f"{name} is not set" not in str(invalid.value)}
    # These have a value of their own where nobody gives one.
    optional = {"JWT_AUDIENCE", "JWT_ISSUER", "KMS_KEY_ID", "MESSAGE_EVENTS", "OWNER_TOPIC_ARN", "WORKERS"}
    assert needless <= optional | {"POWERTOOLS_SERVICE_NAME"}
    assert str(invalid.value).count("is not set") == len(own.keys() - needless)
