"""A browser to test pages with: Chromium without a window, steered over a pipe by the Chrome DevTools Protocol."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60.0
"""How long one command, or what a page does by itself, may take."""
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
)


def installed() -> str | None:
    """Give the path of the first Chromium there is."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def opened(program: str, profile: Path) -> Iterator[Tab]:
    """Start the browser with an empty profile and give its one tab; both end with the block."""
    commands, answers = os.pipe(), os.pipe()
    # The browser reads commands from descriptor 3 and writes answers to 4.
    wiring = f'exec "$0" "$@" 3<&{commands[0]} 4>&{answers[1]}'
    flags = (*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else []), f"--user-data-dir={profile}", "about:blank")
    with (
        (profile.parent / "chromium.log").open("wb") as log,
        subprocess.Popen(
            ["/bin/bash", "-c", wiring, program, *flags],
            pass_fds=(commands[0], answers[1]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        os.close(commands[0])
        os.close(answers[1])
        try:
            yield Tab.attached(commands[1], answers[0])
        finally:
            process.terminate()
            os.close(commands[1])
            os.close(answers[0])


@dataclass
class Tab:
    """One tab; `seen` is every event of the page, in order."""

    commands: int
    answers: int
    session: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)
    _asked: int = 0
    _rest: bytes = b""

    @classmethod
    def attached(cls, commands: int, answers: int) -> Tab:
        """Take hold of the tab that the browser opened with."""
        tab = cls(commands, answers)
        (target,) = [each for each in tab.ask("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        attached = tab.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.ask(f"{domain}.enable")
        return tab

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer."""
        self._asked += 1
        asked = self._asked
        command: dict[str, Any] = {"id": asked, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            told = self._read()
            if told.get("id") == asked:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result
            self.seen.append(told)

    def open(self, url: str) -> None:
        """Go to a page."""
        self.ask("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page and give its JSON value."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, script: str) -> Any:
        """Evaluate an expression again and again until it is true, and give its value."""
        deadline = time.monotonic() + SECONDS
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"{script} stayed {value!r}"
            time.sleep(0.1)
        return value

    def asked_for(self) -> list[str]:
        """Give the URL of everything that the page asked for, in order."""
        return [told["params"]["request"]["url"] for told in self._events("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Give what the page or the browser complained of: errors, warnings, exceptions."""
        found = [
            entry["text"] for told in self._events("Log.entryAdded") if (entry := told["params"]["entry"])["level"]
        ]
        found += [str(told["params"]["exceptionDetails"]) for told in self._events("Runtime.exceptionThrown")]
        return found + [
            str(told["params"]["args"])
            for told in self._events("Runtime.consoleAPICalled")
            if told["params"]["type"] in {"error", "warning", "assert"}
        ]

    def _events(self, method: str) -> list[dict[str, Any]]:
        return [told for told in self.seen if told.get("method") == method]

    def _read(self) -> dict[str, Any]:
        with DefaultSelector() as selector:
            selector.register(self.answers, EVENT_READ)
            while b"\0" not in self._rest:
                assert selector.select(SECONDS), "the browser says nothing"
                chunk = os.read(self.answers, 1 << 16)
                assert chunk, "the browser ended"
                self._rest += chunk
        text, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(text)
        return told
