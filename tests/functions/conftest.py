from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.loaders import Loader
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from sandbox.world import World
from tests import permissions
from tests.functions import described
from tests.functions.deployment import ACCOUNT
from tests.functions.stack import Stack
from tests.moto_kms import sign_digests

if TYPE_CHECKING:
    from collections.abc import Iterator

_DENIED = "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"


class DescribedStack(Stack):
    """A stack whose every HTTP answer is held against the OpenAPI document."""

    def invoke(self, folder: str, sent: dict[str, Any], *, remaining: float = 300) -> dict[str, Any]:
        """Call a function's handler with an event, and look at what it answered."""
        given = super().invoke(folder, sent, remaining=remaining)
        if folder.endswith("_api"):
            described.check(sent, given)
        return given


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give the providers: real servers on loopback."""
    with World(directory=tmp_path_factory.mktemp("functions-world")) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(world: World, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Give the stack of template.yaml on moto."""
    stack = DescribedStack(world)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("MOTO_ACCOUNT_ID", ACCOUNT)
        # moto checks a condition and writes in two steps that threads can come between; AWS does it in one.
        one_at_a_time = threading.Lock()
        answer = BotocoreStubber.__call__

        def watched(stubber: BotocoreStubber, event_name: str, request: Any, **named: Any) -> Any:
            with one_at_a_time:
                stack.watch(event_name, request)
                if stack.refuses(event_name, request):
                    return AWSResponse(request.url, 403, HTTPHeaders(), MockRawResponse(_DENIED))
                return answer(stubber, event_name, request, **named)

        patch.setattr(BotocoreStubber, "__call__", watched)
        # Every process of ours makes a session of its own; the models of AWS's services are the same for all.
        models: dict[Any, Any] = {}
        begin = Loader.__init__

        def begin_with_models(loader: Loader, *arguments: Any, **named: Any) -> None:
            begin(loader, *arguments, **named)
            vars(loader)["_cache"] = models

        patch.setattr(Loader, "__init__", begin_with_models)
        sign_digests(patch)
        with mock_aws():
            stack.create()
            yield stack
            stack.restart()
            permissions.keep(stack.used, f"handlers-{request.module.__name__}")


@pytest.fixture
def stack(deployed: Stack) -> Stack:
    """Give the stack, empty but for one key and one registration."""
    deployed.fresh()
    return deployed
