"""The deployed stack from an inspector's side: what AWS says of it, read and never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedFunction:
    """A function as it runs: its environment variables, and the log group it writes to."""

    name: str
    log_group: str
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm; `state` is `OK`, `ALARM` or `INSUFFICIENT_DATA`, `targets` hear of it while it is `enabled`."""

    name: str
    state: str
    enabled: bool
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFacts:
    """A secret without its value; `key_id` is empty if the service's own key encrypts it."""

    key_id: str = ""
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicPage:
    """What the API answered to a GET without a key; names of header fields are in small letters."""

    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)


class StackInspector(Protocol):
    """What AWS says of the stack.

    Every call raises `Unavailable`, which names the permission that is missing if one is.
    """

    def function(self, name: str) -> DeployedFunction | None:
        """Read a function's configuration; None if there is no such function."""

    def alarms(self, prefix: str) -> tuple[Alarm, ...]:
        """List the alarms whose names begin so, at most 500."""

    def retention(self, log_group: str) -> int | None:
        """Give for how many days a log group keeps its lines, 0 = for ever; None if there is no such group."""

    def wrote(self, log_group: str, *, since: float) -> bool:
        """Tell whether anything was logged since a moment (epoch seconds)."""

    def rule_enabled(self, name: str) -> bool | None:
        """Tell whether a schedule is on; None if there is no such rule."""

    def dashboard(self, name: str) -> bool:
        """Tell whether there is such a dashboard."""

    def secret(self, name: str) -> SecretFacts | None:
        """Describe a secret without reading its value; None if there is none."""

    def sample(self, table: str, *, limit: int) -> tuple[str, ...]:
        """Give some items of a table, each as JSON."""

    def queue_policy(self, queue_url: str) -> tuple[Mapping[str, Any], ...]:
        """Give the statements of a queue's policy, none if it has no policy."""

    def bucket_policy(self, bucket: str) -> tuple[Mapping[str, Any], ...]:
        """Give the statements of a bucket's policy, none if it has no policy."""


class PublicPages(Protocol):
    """The stack's own API as anybody meets it who has no key."""

    def get(self, path: str) -> PublicPage:
        """Ask for a path, following nothing. Raises `Unavailable` if no whole answer comes in time."""
