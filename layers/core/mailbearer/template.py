"""Stored templates: each has versions that never change, of which one is published."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersion:
    """One version of a template, as it was written; `text` or `html` may be None, not both.

    Versions count from 1. `variables` are the names that it cannot do without. `created_at` is epoch seconds.
    """

    template: str
    version: int
    subject: str = field(repr=False)
    text: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
    variables: tuple[str, ...] = ()
    created_at: float
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template by its name; `published` is the version that is sent if none is named, 0 = none yet.

    `latest` is the newest version: a draft while it is not `published`. `revision` grows by one with every change.
    """

    name: str
    published: int = 0
    latest: int = 0
    description: str = ""
    created_at: float
    updated_at: float
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What a template gives with its variables filled in."""

    subject: str = field(repr=False)
    text: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
