"""One Protocol for each thing we do not own. Adapters and the tests' fakes are held to the same contract tests.

Two rules hold for every store. `replace(new, expected=old)` writes `new` only if the item still is as `old` says, and
gives back the item as it stands afterwards: the caller has won exactly if that equals `new` (also when the SDK
retried a write that had already gone through). Reads by key are consistent; reads through an index are not. Values are
kept exactly, but for `created_at` of messages (whole milliseconds) and every `expires_at` (whole seconds, rounded up).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Give the time in epoch seconds."""

RandomBytes: TypeAlias = Callable[[int], bytes]
"""Give that many unpredictable bytes."""
