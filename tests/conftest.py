"""What several tiers share: the one local stack on which the end-to-end tests and the documentation's examples run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.local_stack import LocalStack


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Give the stack; it is started by the first test that asks and stopped at the end of the session."""
    from tests.e2e.local_stack import started  # noqa: PLC0415 - fast tests should not wait for the sandbox's imports

    with started(tmp_path_factory.mktemp("local-stack")) as stack:
        yield stack
