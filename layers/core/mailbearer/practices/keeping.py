"""Keeping reports where nobody can change them, and finding the newest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbearer.ports.proof import Archive
    from mailbearer.practices.practice import Report

PREFIX = "practices/"
_LOOKED_BACK = 60 * 86_400.0
_MOST = 1000


def keep(archive: Archive, report: Report) -> str:
    """Keep a report under its time, and give its name. Raises `Unavailable`."""
    name = f"{PREFIX}{_stamp(report.at)}.json"
    archive.put(name, json.dumps(report.as_dict()))
    return name


def newest_report(archive: Archive, now: float) -> str | None:
    """Give the newest report of the last 60 days as it was kept, None if there is none. Raises `Unavailable`."""
    names = archive.names(PREFIX, after=f"{PREFIX}{_stamp(now - _LOOKED_BACK)}", limit=_MOST)
    return archive.get(names[-1]) if names else None


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
