"""The files of an incident's report: a page for people, the whole as JSON, and each message as a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from cli.refusal import Refused
from mailbearer.incidents.text import markdown


class ReportFiles:
    """`FILE`, and beside it the same name with `.json` and `.jsonl`; opened at once, so that a wrong path shows.

    What they hold names mailboxes and callers, so nobody else may read them.
    """

    def __init__(self, page: Path) -> None:
        if page.suffix in {".json", ".jsonl"}:
            raise Refused(
                f"{page} would be overwritten by the files beside it.",
                remedy="Name the page for people, such as incident.md.",
                exit_code=2,
            )
        self.page, self.whole, self.messages = page, page.with_suffix(".json"), page.with_suffix(".jsonl")
        try:
            for path in self.paths:
                path.touch(mode=0o600)
            self._lines = self.messages.open("w", encoding="utf-8")
        except OSError as error:
            raise Refused(f"The report cannot be written to {page}: {error.strerror}.", exit_code=2) from error

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """Give all three."""
        return self.page, self.whole, self.messages

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def keep(self, row: Mapping[str, Any]) -> None:
        """Write one message."""
        self._lines.write(json.dumps(row) + "\n")

    def finish(self, report: Mapping[str, Any]) -> None:
        """Write the report itself."""
        self._lines.flush()
        self.page.write_text(markdown(report), encoding="utf-8")
        self.whole.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
