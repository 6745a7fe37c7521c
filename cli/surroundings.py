"""What a command finds around itself, handed in so that a test can hand in something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cli.stage import LocalStack

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The process as a command sees it: `user` is its user's id, `clock` gives epoch seconds.

    `stage` is what was said before the command's name.
    """

    environ: Mapping[str, str] = field(repr=False)
    directory: Path
    user: int
    interactive: bool
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    random_bytes: Callable[[int], bytes]
    open_browser: Callable[[str], bool]
    aws_session: Callable[[LocalStack | None], boto3.Session]
    stage: str = ""
