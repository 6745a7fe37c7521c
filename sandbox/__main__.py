"""`python -m sandbox run|stop`, which `make run` and `make stop` call."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import requests
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from sandbox import local
from sandbox.demo import show
from sandbox.deploy import DeployError
from sandbox.engine import EngineError
from sandbox.package import PackageError

HIGHEST_PORT = 65_535
FORESEEN = (
    *(DeployError, EngineError, PackageError, local.LocalError),
    *(BotoCoreError, ClientError, requests.RequestException, subprocess.TimeoutExpired),
)


def main() -> int:
    """Run the command line and give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The local world of this checkout.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="start it and show the main job")
    run.add_argument("--once", action="store_true", help="end after the main job; status 0 only if every step worked")
    run.add_argument("--no-demo", action="store_true", help="only start it")
    commands.add_parser("stop", help="stop it")
    arguments = parser.parse_args()

    # Nothing here may reach the caller's own AWS account, or fail for a profile of theirs.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    # A proxy from the environment is for the way out; everything here is on the loopback, for what is started as well.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    places = local.Places(Path(__file__).resolve().parents[1])
    console = Console(highlight=False)
    local.stop_on_signals()
    try:
        if arguments.command == "stop":
            console.print(local.stop(places))
            return 0
        return _run(places, console, once=arguments.once, with_demo=not arguments.no_demo)
    except local.Stopped:
        console.print("Stopped.")
        return 0
    except FORESEEN as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
        return 1


def _run(places: local.Places, console: Console, *, once: bool, with_demo: bool) -> int:
    port = os.environ.get("MAILBEARER_PORT", "0")
    if not port.isascii() or not port.isdigit() or int(port) > HIGHEST_PORT:
        raise local.LocalError(f"MAILBEARER_PORT is {port!r}, and no port.")
    with local.only_one(places), local.started(places, console, int(port)) as world:
        worked = show(world, console) if with_demo else True
        if not once:
            local.announce(world, console)
            local.stay_up(world)
        return 0 if worked else 1


if __name__ == "__main__":
    sys.exit(main())
