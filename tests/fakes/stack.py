"""A deployed stack as an inspector sees it, and its API as anybody sees it, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.errors import Unavailable
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.ports.stack import Alarm, DeployedFunction, PublicPage, SecretFacts


class FakeStackInspector:
    """What a test says that there is. `logged` holds when (epoch seconds) each log group was written to."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.functions: dict[str, DeployedFunction] = {}
        self.standing_alarms: dict[str, Alarm] = {}
        self.retentions: dict[str, int] = {}
        self.logged: dict[str, list[float]] = {}
        self.rules: dict[str, bool] = {}
        self.dashboards: set[str] = set()
        self.secrets: dict[str, SecretFacts] = {}
        self.items: dict[str, list[str]] = {}
        self.queue_policies: dict[str, tuple[Mapping[str, Any], ...]] = {}
        self.bucket_policies: dict[str, tuple[Mapping[str, Any], ...]] = {}

    def function(self, name: str) -> DeployedFunction | None:
        with self.faults.around("function"):
            return self.functions.get(name)

    def alarms(self, prefix: str) -> tuple[Alarm, ...]:
        with self.faults.around("alarms"):
            return tuple(alarm for name, alarm in sorted(self.standing_alarms.items()) if name.startswith(prefix))

    def retention(self, log_group: str) -> int | None:
        with self.faults.around("retention"):
            return self.retentions.get(log_group)

    def wrote(self, log_group: str, *, since: float) -> bool:
        with self.faults.around("wrote"):
            return any(moment >= since for moment in self.logged.get(log_group, ()))

    def rule_enabled(self, name: str) -> bool | None:
        with self.faults.around("rule_enabled"):
            return self.rules.get(name)

    def dashboard(self, name: str) -> bool:
        with self.faults.around("dashboard"):
            return name in self.dashboards

    def secret(self, name: str) -> SecretFacts | None:
        with self.faults.around("secret"):
            return self.secrets.get(name)

    def sample(self, table: str, *, limit: int) -> tuple[str, ...]:
        with self.faults.around("sample"):
            return tuple(self.items.get(table, ())[:limit])

    def queue_policy(self, queue_url: str) -> tuple[Mapping[str, Any], ...]:
        with self.faults.around("queue_policy"):
            return self.queue_policies.get(queue_url, ())

    def bucket_policy(self, bucket: str) -> tuple[Mapping[str, Any], ...]:
        with self.faults.around("bucket_policy"):
            return self.bucket_policies.get(bucket, ())


class FakePublicPages:
    """Pages by path; what is not there does not answer."""

    def __init__(self) -> None:
        self.pages: dict[str, PublicPage] = {}

    def get(self, path: str) -> PublicPage:
        if path not in self.pages:
            raise Unavailable(f"{path} does not answer: ConnectionRefusedError.")
        return self.pages[path]
