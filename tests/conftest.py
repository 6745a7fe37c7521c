"""What several tiers share: the one local stack on which the end-to-end tests and the documentation's examples run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.local_stack import LocalStack

ON_THE_STACK = ("tests/e2e/", "tests/docs/test_examples.py")


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Give the stack; it is started by the first test that asks and stopped at the end of the session."""
    from tests.e2e.local_stack import started  # noqa: PLC0415 - fast tests should not wait for the sandbox's imports

    with started(tmp_path_factory.mktemp("local-stack")) as stack:
        yield stack


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give a file to one worker, as `--dist loadfile` does, and to the same one all files that need the local stack.

    A session is a worker's own: without this each worker would start a stack.
    """
    if config.getvalue("dist") != "loadfile":
        return None
    # It ships no types. Imported here, because it is needed only where several workers run.
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # noqa: PLC0415

    class OneStack(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "the local stack" if nodeid.startswith(ON_THE_STACK) else str(super()._split_scope(nodeid))

    return OneStack(config, log)
