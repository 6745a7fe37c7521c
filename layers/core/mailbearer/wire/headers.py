"""Header fields in their wire form: a sender's own, the threading ones, and those for unsubscribing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mailbearer.addresses import escape_pointer, given, read_address, unsafe_in_header
from mailbearer.errors import Fault
from mailbearer.message import Unsubscribe
from mailbearer.wire.values import MAX_LINE, MAX_WORD, longest_word

MAX_HEADERS = 100

_RESERVED = re.compile(
    r"(from|to|cc|bcc|sender|reply-to|date|message-id|subject|in-reply-to|references|return-path|received|"
    r"dkim-signature|list-unsubscribe|list-unsubscribe-post|mime-.*|content-.*|resent-.*|arc-.*)",
    re.IGNORECASE,
)
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+@[!-;=?-~]+>")
_URL = re.compile(r"https?://[!-;=?-~]{1,900}", re.IGNORECASE)
_MAILTO = re.compile(r"[!-;=?-~]{1,200}")


def read_headers(value: object, faults: list[Fault]) -> tuple[tuple[str, str], ...]:
    """Read the fields that a sender adds himself."""
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        faults.append(Fault("/headers", "not_an_object", 'headers is an object: {"X-Name": "value"}.'))
        return ()
    if len(value) > MAX_HEADERS:
        faults.append(Fault("/headers", "too_many_headers", f"A message has at most {MAX_HEADERS} headers of its own."))
        return ()
    read: list[tuple[str, str]] = []
    for name, content in value.items():
        where = f"/headers/{escape_pointer(name)}"
        if not _HEADER_NAME.fullmatch(name):
            faults.append(
                Fault(where, "invalid_header_name", "A header name is 1-76 printable ASCII characters, no colon.")
            )
        elif _RESERVED.fullmatch(name):
            faults.append(Fault(where, "reserved_header", f"{name} is set by Mailbearer; use the field for it."))
        elif not isinstance(content, str):
            faults.append(Fault(where, "not_a_string", "A header value has to be a string."))
        elif unsafe_in_header(content):
            faults.append(
                Fault(where, "unsafe_character", "Line breaks and control characters may not stand in a header.")
            )
        elif len(content) > MAX_LINE or longest_word(content) > MAX_WORD:
            detail = f"A header has at most {MAX_LINE} characters, {MAX_WORD} without a blank."
            faults.append(Fault(where, "too_long", detail))
        else:
            read.append((name, content))
    return tuple(read)


def read_message_ids(value: object, name: str, faults: list[Fault], *, most: int) -> tuple[str, ...]:
    """Read Message-IDs: one, several with blanks between them, or a list."""
    if value is None:
        return ()
    if isinstance(value, str) and unsafe_in_header(value):
        detail = f"Line breaks and control characters may not stand in {name}."
        faults.append(Fault(f"/{name}", "unsafe_character", detail))
        return ()
    items = value.split() if isinstance(value, str) else value
    if (
        not isinstance(items, list)
        or not all(isinstance(item, str) and len(item) <= MAX_WORD and _MESSAGE_ID.fullmatch(item) for item in items)
        or (most == 1 and len(items) != 1)
        or len(items) > most
    ):
        detail = f"{name} holds Message-IDs of the form <left@right> (RFC 5322 section 3.6.4)."
        faults.append(Fault(f"/{name}", "invalid_message_id", detail))
        return ()
    return tuple(items)


def read_unsubscribe(value: object, faults: list[Fault]) -> Unsubscribe | None:
    """Read where a reader gets off the list."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) - {"url", "mailto", "one_click"}:
        faults.append(
            Fault("/unsubscribe", "invalid_unsubscribe", "unsubscribe has the fields url, mailto and one_click.")
        )
        return None
    url, mailto, one_click = (
        given(value, "url", ""),
        given(value, "mailto", ""),
        given(value, "one_click", default=False),
    )
    before = len(faults)
    if url != "" and not (isinstance(url, str) and _URL.fullmatch(url)):
        faults.append(Fault("/unsubscribe/url", "invalid_url", "Give an http or https URL in ASCII."))
    if mailto != "" and not (isinstance(mailto, str) and _MAILTO.fullmatch(mailto)):
        faults.append(Fault("/unsubscribe/mailto", "invalid_url", "Give an address or a mailto URL in ASCII."))
    elif mailto:
        read_address(mailto.removeprefix("mailto:").split("?")[0], "/unsubscribe/mailto", faults)
    if not url and not mailto:
        faults.append(Fault("/unsubscribe", "invalid_unsubscribe", "Give url, mailto or both."))
    if not isinstance(one_click, bool):
        faults.append(Fault("/unsubscribe/one_click", "not_a_boolean", "one_click is true or false."))
    elif one_click and not (isinstance(url, str) and url.lower().startswith("https://")):
        faults.append(Fault("/unsubscribe/one_click", "https_needed", "One-click (RFC 8058) needs an https url."))
    if len(faults) > before:
        return None
    return Unsubscribe(url=url, mailto=mailto.removeprefix("mailto:"), one_click=one_click)
