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
    FakeOwnerTopic,
    FakeRotationQueue,
    FakeSchedules,
)
from tests.fakes.clock import CountedBytes, FakeClock
from tests.fakes.faults import Faults
from tests.fakes.incidents import FakeIncidentStore
from tests.fakes.ledgers import FakeLedgerStore
from tests.fakes.pointed import FakePointedContent
from tests.fakes.proof import FakeArchive, FakeAuditReader, FakeSigner
from tests.fakes.providers import FakeComposer, ScriptedAuthorizationServer, ScriptedTransport
from tests.fakes.secrets import FakeCredentialVault, FakeTokenVault
from tests.fakes.stack import FakePublicPages, FakeStackInspector
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
from tests.fakes.webhooks import FakeNotificationQueue, FakeWebhookStore, FakeWebhookVault, ScriptedWayOut

__all__ = [
    "CountedBytes",
    "FakeAccountStore",
    "FakeArchive",
    "FakeAuditLog",
    "FakeAuditReader",
    "FakeAuditSpool",
    "FakeCaptureStore",
    "FakeClock",
    "FakeComposer",
    "FakeConsentStore",
    "FakeContentStore",
    "FakeCredentialVault",
    "FakeEventBus",
    "FakeIncidentStore",
    "FakeKeyStore",
    "FakeLedgerStore",
    "FakeMessageQueue",
    "FakeMessageStore",
    "FakeNotificationQueue",
    "FakeOwnerTopic",
    "FakePointedContent",
    "FakePublicPages",
    "FakeRegistrationStore",
    "FakeRotationQueue",
    "FakeSchedules",
    "FakeSigner",
    "FakeStackInspector",
    "FakeSuppressionStore",
    "FakeTemplateStore",
    "FakeTokenVault",
    "FakeUploadStore",
    "FakeWebhookStore",
    "FakeWebhookVault",
    "Faults",
    "ScriptedAuthorizationServer",
    "ScriptedTransport",
    "ScriptedWayOut",
]
