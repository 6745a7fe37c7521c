"""Real in-memory implementations of the ports, held to the contract tests that the AWS adapters pass as well.

Each has `faults`, with which a test lets one call fail, lose its answer, or be overtaken by somebody else.
"""

from tests.fakes.captures import FakeCaptureStore
from tests.fakes.channels import (
    FakeAuditLog,
    FakeAuditSpool,
    FakeContentStore,
    FakeEventBus,
    FakeMessageQueue,
    FakeRotationQueue,
    FakeSchedules,
)
from tests.fakes.clock import CountedBytes, FakeClock
from tests.fakes.faults import Faults
from tests.fakes.ledgers import FakeLedgerStore
from tests.fakes.pointed import FakePointedContent
from tests.fakes.providers import FakeComposer, ScriptedAuthorizationServer, ScriptedTransport
from tests.fakes.secrets import FakeCredentialVault, FakeTokenVault
from tests.fakes.stores import (
    FakeAccountStore,
    FakeConsentStore,
    FakeKeyStore,
    FakeMessageStore,
    FakeRegistrationStore,
)
from tests.fakes.suppressions import FakeSuppressionStore
from tests.fakes.templates import FakeTemplateStore
from tests.fakes.uploads import FakeUploadStore

__all__ = [
    "CountedBytes",
    "FakeAccountStore",
    "FakeAuditLog",
    "FakeAuditSpool",
    "FakeCaptureStore",
    "FakeClock",
    "FakeComposer",
    "FakeConsentStore",
    "FakeContentStore",
    "FakeCredentialVault",
    "FakeEventBus",
    "FakeKeyStore",
    "FakeLedgerStore",
    "FakeMessageQueue",
    "FakeMessageStore",
    "FakePointedContent",
    "FakeRegistrationStore",
    "FakeRotationQueue",
    "FakeSchedules",
    "FakeSuppressionStore",
    "FakeTemplateStore",
    "FakeTokenVault",
    "FakeUploadStore",
    "Faults",
    "ScriptedAuthorizationServer",
    "ScriptedTransport",
]
