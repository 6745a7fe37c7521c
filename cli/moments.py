"""Spans and moments as an operator writes them."""

from __future__ import annotations

import re
from datetime import datetime

import typer

_SPAN = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def read_span(text: str, option: str) -> float:
    """Read `90d`, `12h`, `30m`, `45s` or `2w` as seconds."""
    match = _SPAN.fullmatch(text.strip())
    if not match:
        raise typer.BadParameter("write a number and s, m, h, d or w, like 90d or 12h.", param_hint=option)
    return float(match[1]) * _SECONDS[match[2]]


def read_since(text: str, option: str, now: float) -> float:
    """Read a span back from `now`, or an RFC 3339 time with its offset, as epoch seconds."""
    if _SPAN.fullmatch(text.strip()):
        return now - read_span(text, option)
    return max(0.0, _read_moment(text, option))


def read_ahead(text: str, option: str, now: float) -> float:
    """Read a span from `now` on, or an RFC 3339 time with its offset, as epoch seconds."""
    return now + read_span(text, option) if _SPAN.fullmatch(text.strip()) else _read_moment(text, option)


def _read_moment(text: str, option: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter("write a span like 1h or 2d, or a time like 2026-01-31T12:00:00Z.", param_hint=option)
    return moment.timestamp()
