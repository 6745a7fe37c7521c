"""Proving what was done: the verbs, joined."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment in `adapters`
import time
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.adapters import Adapters

if TYPE_CHECKING:
    from mailbearer.auditing.digesting import Digester
    from mailbearer.auditing.evidence import Gathering
    from mailbearer.auditing.searching import Search
    from mailbearer.practices.checking import Practices
    from mailbearer.practices.picture import Place


_SETTLED_LOCALLY = 2.0
"""The local engine has one clock and files at once."""


class Proving(Adapters):
    """What is joined here is made when it is first asked for."""

    @cached_property
    def digester(self) -> Digester:
        """Give the signing of the audit log."""
        from mailbearer.auditing.digesting import SETTLED, Digester
        from mailbearer.observability import count

        return Digester(
            reader=self.audit_reader,
            archive=self.archive,
            signer=self.signer,
            trail=self.trail,
            clock=self.clock,
            tell=lambda flaws: count(audit_faults=flaws),
            stage=self.settings.stage,
            log_group=self.settings.audit_log_group,
            settled=_SETTLED_LOCALLY if self.settings.local else SETTLED,
        )

    @cached_property
    def gathering(self) -> Gathering:
        """Give what the audit log is judged by."""
        from mailbearer.auditing.evidence import Gathering

        settings = self.settings
        return Gathering(
            reader=self.audit_reader, archive=self.archive, stage=settings.stage, log_group=settings.audit_log_group
        )

    @cached_property
    def audit_search(self) -> Search:
        """Give the search in the audit log."""
        from mailbearer.auditing.searching import Search

        return Search(reader=self.audit_reader, monotonic=time.monotonic)

    @cached_property
    def practices(self) -> Practices:
        """Give the check of the fifteen practices."""
        from mailbearer.auditing.evidence import Gathering
        from mailbearer.aws.stack import AwsStackInspector
        from mailbearer.egress.public_pages import ApiPages
        from mailbearer.observability import blacken
        from mailbearer.practices.checking import Practices
        from mailbearer.practices.picture import Sources
        from mailbearer.practices.proving import prove
        from mailbearer.wiring.tokens import definition_of

        settings = self.settings
        gathering = Gathering(
            reader=self.audit_reader, archive=self.archive, stage=settings.stage, log_group=settings.audit_log_group
        )
        sources = Sources(
            accounts=self.accounts,
            registrations=self.registrations,
            ledgers=self.ledgers,
            incidents=self.incident_store,
            captures=self.captures,
            archive=self.archive,
            prove=lambda: prove(gathering, self.signer, self.clock),
            reader=self.audit_reader,
            inspector=AwsStackInspector(self.clients),
            pages=ApiPages(self.egress, settings.api_url),
            definitions=definition_of,
            server=self.server,
            looks_secret=lambda text: blacken(text) != text,
            clock=self.clock,
        )
        return Practices(sources=sources, place=self._place(), trail=self.trail)

    def _place(self) -> Place:
        from mailbearer.practices.picture import Place

        settings = self.settings
        queues = {
            "message queue": settings.queue_url,
            "dead letters": settings.dead_letter_queue_url,
            "rotation queue": settings.rotation_queue_url,
            "notification queue": settings.notification_queue_url,
            "notification dead letters": settings.notification_dead_letter_queue_url,
        }
        tables = {
            "accounts": settings.accounts_table,
            "registrations": settings.registrations_table,
            "ledgers": settings.ledgers_table,
            "incidents": settings.incidents_table,
        }
        return Place(
            stage=settings.stage,
            local=settings.local,
            api_url=settings.api_url.rstrip("/"),
            secrets_prefix=settings.secrets_prefix,
            kms_key_id=settings.kms_key_id,
            audit_log_group=settings.audit_log_group,
            buckets=(("content bucket", settings.content_bucket), ("archive", settings.archive_bucket)),
            queues=tuple(queues.items()),
            tables=tuple(tables.items()),
        )
