"""Taking messages in: the verbs, joined."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment in `adapters`
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.adapters import Adapters

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from mailbearer.comeback import Comeback
    from mailbearer.resubmission import Resubmission
    from mailbearer.submission import Submission
    from mailbearer.submission.batch import Batch
    from mailbearer.submission.door import Door
    from mailbearer.submission.merging import Merging
    from mailbearer.submission.reading import Reader
    from mailbearer.submission.recording import Intake
    from mailbearer.submission.together import Together
    from mailbearer.suppressing import Suppressions
    from mailbearer.templating.filling import TemplateFilling
    from mailbearer.templating.keeping import TemplateKeeping
    from mailbearer.uploading import Uploads

_AT_ONCE = 8
"""Messages of one request that are recorded and queued at the same time; a client keeps ten connections."""


class Accepting(Adapters):
    """What messages pass on their way to the queue."""

    @cached_property
    def submission(self) -> Submission:
        """Give the acceptance of messages."""
        from mailbearer.mime import compose
        from mailbearer.submission import Submission

        return Submission(reader=self.reader, intake=self.intake, queue=self.queue, compose=compose)

    @cached_property
    def reader(self) -> Reader:
        """Give the reading of messages."""
        from mailbearer.mime import read_raw
        from mailbearer.submission.reading import Reader

        return Reader(
            accounts=self.accounts,
            raw=read_raw,
            templates=lambda: self.templating,
            uploads=lambda: self.uploading,
        )

    @cached_property
    def intake(self) -> Intake:
        """Give the recording of messages, and putting them on their road."""
        from mailbearer.submission.recording import Intake

        return Intake(
            messages=self.messages,
            comeback=self.comeback,
            uploads=lambda: self.uploading,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def together(self) -> Together:
        """Give the doing of many things at once."""
        from mailbearer.submission.together import Together

        return Together(lambda: self._threads)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="submission")

    @cached_property
    def door(self) -> Door:
        """Give the front door that is a queue."""
        from mailbearer.submission.door import Door

        return Door(submission=self.submission, pointed=lambda: self.pointed)

    @cached_property
    def batch(self) -> Batch:
        """Give the acceptance of batches."""
        from mailbearer.submission.batch import Batch

        return Batch(submission=self.submission, together=self.together)

    @cached_property
    def merging(self) -> Merging:
        """Give the acceptance of one message for many."""
        from mailbearer.submission.merging import Merging

        return Merging(
            reader=self.reader, intake=self.intake, messages=self.messages, together=self.together, clock=self.clock
        )

    @cached_property
    def resubmission(self) -> Resubmission:
        """Give what can still be done with accepted messages."""
        from mailbearer.resubmission import Resubmission

        return Resubmission(
            messages=self.messages,
            accounts=self.accounts,
            queue=self.queue,
            content=self.content,
            schedules=self.schedules,
            comeback=self.comeback,
            trail=self.trail,
            clock=self.clock,
        )

    @cached_property
    def comeback(self) -> Comeback:
        """Give what brings messages back at a later moment."""
        from mailbearer.comeback import Comeback

        return Comeback(
            queue=self.queue, schedules=self.schedules, content=self.content, trail=self.trail, clock=self.clock
        )

    @cached_property
    def uploading(self) -> Uploads:
        """Give what is done with uploads."""
        from mailbearer.submission import QUEUE_CALLER
        from mailbearer.uploading import Uploads

        return Uploads(
            store=self.upload_store, clock=self.clock, random_bytes=self.random_bytes, queue_caller=QUEUE_CALLER
        )

    @cached_property
    def templating(self) -> TemplateFilling:
        """Give the filling in of templates for messages."""
        from mailbearer.templating.filling import TemplateFilling

        return TemplateFilling(store=self.template_store, engine=self.template_engine, clock=self.clock)

    @cached_property
    def template_keeping(self) -> TemplateKeeping:
        """Give the keeping of templates."""
        from mailbearer.templating.keeping import TemplateKeeping

        return TemplateKeeping(
            store=self.template_store, engine=self.template_engine, trail=self.trail, clock=self.clock
        )

    @cached_property
    def suppressing(self) -> Suppressions:
        """Give the lists of who is not written to."""
        from mailbearer.suppressing import Suppressions

        return Suppressions(store=self.suppression_store, accounts=self.accounts, trail=self.trail, clock=self.clock)
