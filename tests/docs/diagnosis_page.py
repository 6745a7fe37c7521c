"""The page of the diagnosis, written from the table: `python -m tests.docs.diagnosis_page` writes its sections anew."""

from __future__ import annotations

from mailbearer.diagnosis import (
    Diagnosis,
    callback_codes,
    catalogue,
    client_table,
    mail_table,
    mailbox_table,
    smtp_table,
    table,
    transport_table,
)
from mailbearer.message import Remedy
from mailbearer.transports.outcomes import remedy_of
from tests.docs.pages import page

PAGE = page("docs/reference/diagnosis.md")
TITLES = {
    table: "The grant, and service accounts",
    client_table: "The registration, the request, and busy servers",
    mail_table: "Sending: the token, the sender, limits, the message",
    smtp_table: "Only mail servers say this",
    transport_table: "Sending: the way there, and what a dialogue came to",
    callback_codes: "The consent page",
    mailbox_table: "What Mailbearer itself finds out about a mailbox or a message",
}
SENDING = {mail_table, smtp_table, transport_table}
DONE = {
    Remedy.NONE: "`failed`",
    Remedy.RETRY: "tried again",
    Remedy.REFRESH: "the token is refreshed, then tried again",
    Remedy.HOLD: "tried again after an hour or more",
}


def preface() -> str:
    """Give what stands on the page before the first section, which is written by hand."""
    return PAGE.read().partition("\n## ")[0]


def sections() -> str:
    """Write a section for every part of the table, each row once, in the order of the source."""
    written: list[str] = []
    seen: set[str] = set()
    for part in catalogue.PARTS:
        written.append(f"\n## {TITLES[part]}\n")
        for row in vars(part).values():
            if isinstance(row, Diagnosis) and row.code not in seen:
                seen.add(row.code)
                written.append(_section(row, of_mail=part in SENDING))
    return "".join(written)


def _section(row: Diagnosis, *, of_mail: bool) -> str:
    done = "`unknown`" if row.kind else DONE[remedy_of(row)]
    kind = f" Kind: `{row.kind}`." if row.kind else ""
    return (
        f"\n### `{row.code}`\n\n{row.cause}\n\n"
        f"- Who acts: `{row.who}`. Retry helps: {'yes' if row.retry else 'no'}.{kind}\n"
        + (f"- A message: {done}.\n" if of_mail else "")
        + f"- Remedy: {row.remedy_for()}\n"
    )


if __name__ == "__main__":
    PAGE.path.write_text(preface() + sections(), "utf-8")
