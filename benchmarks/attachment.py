"""A message with an attachment of 10 MiB to MIME, against the standard library's `EmailMessage`."""

from __future__ import annotations

import base64
import random
import time
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING

from benchmarks import mailbox
from benchmarks.figures import Row, interleave
from mailbearer.message import Attachment
from mailbearer.mime import compose

if TYPE_CHECKING:
    from benchmarks.effort import Effort

SIZE = 10 * 1024 * 1024


def measure(effort: Effort, *, size: int = SIZE) -> list[Row]:
    """Measure composing; each side starts from what it has in hand: ours base64 as it came in, theirs bytes."""
    content = random.Random(1).randbytes(size)  # noqa: S311 - content, not a secret
    encoded = base64.b64encode(content).decode()
    message = replace(
        mailbox.message(), html=None, attachments=(Attachment(filename="scan.pdf", content=encoded, size=size),)
    )

    def ours() -> float:
        begin = time.perf_counter()
        mime = compose(message, bcc_header=False)
        taken = time.perf_counter() - begin
        if len(mime) < size * 4 // 3:
            raise RuntimeError("the attachment is not in the message")
        return taken

    def theirs() -> float:
        begin = time.perf_counter()
        email = EmailMessage(policy=SMTP)
        email["From"], email["To"], email["Subject"] = message.sender.email, message.to[0].email, message.subject
        email["Message-ID"] = message.message_id
        email.set_content(message.text)
        email.add_attachment(content, maintype="application", subtype="pdf", filename="scan.pdf")
        mime = email.as_bytes(policy=SMTP)
        taken = time.perf_counter() - begin
        if len(mime) < size * 4 // 3:
            raise RuntimeError("the attachment is not in the message")
        return taken

    figure, yardstick = interleave((ours, theirs), rounds=effort.attachments, warm_up=1)
    return [
        Row(
            measure="attachment",
            name=f"{size / 1024 / 1024:g} MiB attachment to MIME",
            figure=figure,
            against="EmailMessage.as_bytes of the same content",
            yardstick=yardstick,
            must=0.27,
            stretch=0.16,
        )
    ]
