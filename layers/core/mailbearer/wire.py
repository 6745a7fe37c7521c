"""The wire form of a message (api.md): read it whole, name every fault at once."""

from __future__ import annotations

# ruff: noqa: PLR2004 - each bound stands once, beside the words that explain it
import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from mailbearer.addresses import MAX_ADDRESSES, escape_pointer, given, read_address, read_addresses, unsafe_in_header
from mailbearer.errors import Fault
from mailbearer.message import Address, Attachment, Message, Unsubscribe

MAX_RECIPIENTS = MAX_ADDRESSES
MAX_ATTACHMENTS = 100
MAX_HEADERS = 100
MAX_TAGS = 10
MAX_METADATA = 20
_MAX_HEADER_VALUE = 2000
_MAX_WORD = 900  # a run without blanks cannot be folded, and a line has at most 998 octets (RFC 5322 section 2.1.1)

_FIELDS = frozenset(
    [
        "account",
        "from",
        "to",
        "cc",
        "bcc",
        "reply_to",
        "subject",
        "text",
        "html",
        "attachments",
        "headers",
        "raw",
        "in_reply_to",
        "references",
        "unsubscribe",
        "tags",
        "metadata",
        "on_unknown",
        "idempotency_key",
    ],
)
_CONTENT = ("subject", "text", "html", "attachments", "headers", "in_reply_to", "references", "unsubscribe", "reply_to")
_LATER = {
    "template": "Templates are not available in this version; send subject, text and html.",
    "send_at": "Scheduled sending is not available in this version; leave send_at out.",
}
_RESERVED = re.compile(
    r"(from|to|cc|bcc|sender|reply-to|date|message-id|subject|in-reply-to|references|return-path|received|"
    r"dkim-signature|list-unsubscribe|list-unsubscribe-post|mime-.*|content-.*|resent-.*|arc-.*)",
    re.IGNORECASE,
)
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+@[!-;=?-~]+>")
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
_CONTENT_TYPE = re.compile(rf"{_WORD}/{_WORD}( *; *{_WORD}=({_WORD}|\"[ -!#-\[\]-~]*\"))*")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")
_URL = re.compile(r"https?://[!-;=?-~]{1,900}", re.IGNORECASE)
_BODY_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


def read_message(body: Mapping[str, Any], faults: list[Fault]) -> Message:
    """Read a message, adding every fault to `faults`; what is given back is only of use if none was added.

    `sender` is empty if `from` was left out, and `account` if `account` was.
    """
    _check_fields(body, faults)
    raw = _read_raw(body, faults)
    text, html = _read_text(body, "text", faults), _read_text(body, "html", faults)
    message = Message(
        account=_read_line(body, "account", faults, limit=320),
        sender=(read_address(body["from"], "/from", faults) if body.get("from") is not None else None) or Address(""),
        to=read_addresses(body.get("to"), "/to", faults),
        cc=read_addresses(body.get("cc"), "/cc", faults),
        bcc=read_addresses(body.get("bcc"), "/bcc", faults),
        reply_to=read_addresses(body.get("reply_to"), "/reply_to", faults),
        subject=_read_line(body, "subject", faults, limit=_MAX_HEADER_VALUE),
        text=text,
        html=html,
        attachments=_read_attachments(body.get("attachments"), faults),
        headers=_read_headers(body.get("headers"), faults),
        raw=raw,
        in_reply_to=(_read_message_ids(body, "in_reply_to", faults) or ("",))[0],
        references=_read_message_ids(body, "references", faults),
        unsubscribe=_read_unsubscribe(body.get("unsubscribe"), faults),
        on_unknown=_read_choice(body, "on_unknown", ("hold", "resend"), faults),
        tags=_read_tags(body.get("tags"), faults),
        metadata=_read_metadata(body.get("metadata"), faults),
    )
    _check_whole(body, message, faults)
    return message


def _check_fields(body: Mapping[str, Any], faults: list[Fault]) -> None:
    for name in body:
        if name in _LATER:
            faults.append(Fault(f"/{escape_pointer(name)}", "unsupported_field", _LATER[name]))
        elif name not in _FIELDS:
            faults.append(Fault(f"/{escape_pointer(name)}", "unknown_field", "There is no such field; take it out."))


def _check_whole(body: Mapping[str, Any], message: Message, faults: list[Fault]) -> None:
    """Check what no field shows alone."""
    if message.raw is not None:
        faults.extend(
            Fault(f"/{name}", "excluded_by_raw", "A raw message brings its own content; leave this field out.")
            for name in _CONTENT
            if body.get(name) is not None
        )
    elif body.get("raw") is None:
        if message.text is None and message.html is None and body.get("text") is None and body.get("html") is None:
            faults.append(Fault("", "content_missing", "Give text, html or both (or raw)."))
        if not any(body.get(name) for name in ("to", "cc", "bcc")):
            faults.append(Fault("/to", "recipient_missing", "Give at least one recipient in to, cc or bcc."))
    if len(message.recipients) > MAX_RECIPIENTS:
        faults.append(Fault("/to", "too_many_recipients", f"A message has at most {MAX_RECIPIENTS} recipients in all."))
    content_ids = [part.content_id for part in message.attachments if part.content_id]
    if len(content_ids) != len(set(content_ids)):
        faults.append(Fault("/attachments", "duplicate_content_id", "Each content_id may stand once."))


def _read_line(body: Mapping[str, Any], name: str, faults: list[Fault], *, limit: int) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        faults.append(Fault(f"/{name}", "not_a_string", f"{name} has to be a string."))
    elif unsafe_in_header(value):
        faults.append(
            Fault(f"/{name}", "unsafe_character", f"Line breaks and control characters may not stand in {name}.")
        )
    elif len(value) > limit or _longest_word(value) > _MAX_WORD:
        faults.append(
            Fault(f"/{name}", "too_long", f"{name} has at most {limit} characters, {_MAX_WORD} without a blank.")
        )
    else:
        return value
    return ""


def _read_text(body: Mapping[str, Any], name: str, faults: list[Fault]) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        faults.append(Fault(f"/{name}", "not_a_string", f"{name} has to be a string."))
        return None
    if _BODY_FORBIDDEN.search(value):
        faults.append(Fault(f"/{name}", "unsafe_character", f"NUL and lone surrogates may not stand in {name}."))
        return None
    return value


def _read_base64(value: object, pointer: str, faults: list[Fault]) -> tuple[str, int] | None:
    """Read base64 (RFC 4648 section 4) into its canonical form and the number of bytes it stands for."""
    if not isinstance(value, str):
        faults.append(Fault(pointer, "not_a_string", "This has to be a string of base64."))
        return None
    try:
        compact = value.encode("ascii").translate(None, b"\r\n\t ")
        decoded = binascii.a2b_base64(compact, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        faults.append(Fault(pointer, "invalid_base64", "This is not base64 (RFC 4648 section 4, with padding)."))
        return None
    return base64.b64encode(decoded).decode(), len(decoded)


def _read_raw(body: Mapping[str, Any], faults: list[Fault]) -> str | None:
    if body.get("raw") is None:
        return None
    read = _read_base64(body["raw"], "/raw", faults)
    if read is not None and not read[1]:
        faults.append(Fault("/raw", "content_missing", "The raw message is empty."))
    return read[0] if read else None


def _read_attachments(value: object, faults: list[Fault]) -> tuple[Attachment, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_ATTACHMENTS:
        detail = f"attachments has to be a list of at most {MAX_ATTACHMENTS}."
        faults.append(Fault("/attachments", "not_a_list", detail))
        return ()
    read = [_read_attachment(item, f"/attachments/{index}", faults) for index, item in enumerate(value)]
    return tuple(part for part in read if part is not None)


def _read_attachment(item: object, where: str, faults: list[Fault]) -> Attachment | None:
    before = len(faults)
    if not isinstance(item, Mapping):
        faults.append(Fault(where, "not_an_object", "An attachment is an object with filename and content."))
        return None
    for name in item:
        if name == "upload_id":
            detail = "Uploads are not available in this version."
            faults.append(Fault(f"{where}/upload_id", "unsupported_field", detail))
        elif name not in {"filename", "content_type", "content", "content_id", "disposition"}:
            where_not = f"{where}/{escape_pointer(name)}"
            faults.append(Fault(where_not, "unknown_field", "There is no such field; take it out."))
    filename = _read_filename(item.get("filename"), f"{where}/filename", faults)
    content_type = given(item, "content_type", "")
    if content_type != "" and not _is_content_type(content_type):
        detail = 'Write it like "application/pdf" (RFC 2045); multipart types cannot be attached.'
        faults.append(Fault(f"{where}/content_type", "invalid_content_type", detail))
    content_id = _read_content_id(item.get("content_id"), f"{where}/content_id", faults)
    disposition = given(item, "disposition", "inline" if content_id else "attachment")
    if disposition not in ("attachment", "inline"):
        faults.append(Fault(f"{where}/disposition", "invalid_choice", "disposition is attachment or inline."))
    content = None
    if "upload_id" not in item:
        content = _read_base64(item.get("content"), f"{where}/content", faults)
    if len(faults) > before or content is None:
        return None
    return Attachment(
        filename=filename,
        content=content[0],
        size=content[1],
        content_type=content_type,
        content_id=content_id,
        disposition=disposition,
    )


def _read_filename(value: object, where: str, faults: list[Fault]) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        faults.append(Fault(where, "filename_missing", "Give a filename of 1 to 255 characters."))
    elif unsafe_in_header(value):
        faults.append(Fault(where, "unsafe_character", "Control characters may not stand in a filename."))
    else:
        return value
    return ""


def _read_content_id(value: object, where: str, faults: list[Fault]) -> str:
    if value is None or value == "":
        return ""
    content_id = value.removeprefix("<").removesuffix(">") if isinstance(value, str) else ""
    if not _CONTENT_ID.fullmatch(content_id):
        detail = "A content_id is up to 200 printable ASCII characters without blanks."
        faults.append(Fault(where, "invalid_content_id", detail))
    return content_id


def _is_content_type(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= 200
        and _CONTENT_TYPE.fullmatch(value) is not None
        and not value.lower().startswith("multipart/")
    )


def _read_headers(value: object, faults: list[Fault]) -> tuple[tuple[str, str], ...]:
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
        elif len(content) > _MAX_HEADER_VALUE or _longest_word(content) > _MAX_WORD:
            detail = f"A header has at most {_MAX_HEADER_VALUE} characters, {_MAX_WORD} without a blank."
            faults.append(Fault(where, "too_long", detail))
        else:
            read.append((name, content))
    return tuple(read)


def _read_message_ids(body: Mapping[str, Any], name: str, faults: list[Fault]) -> tuple[str, ...]:
    value = body.get(name)
    if value is None:
        return ()
    if isinstance(value, str) and unsafe_in_header(value):
        detail = f"Line breaks and control characters may not stand in {name}."
        faults.append(Fault(f"/{name}", "unsafe_character", detail))
        return ()
    items = value.split() if isinstance(value, str) else value
    if (
        not isinstance(items, list)
        or not all(isinstance(item, str) and len(item) <= _MAX_WORD and _MESSAGE_ID.fullmatch(item) for item in items)
        or (name == "in_reply_to" and len(items) != 1)
        or len(items) > 100
    ):
        detail = f"{name} holds Message-IDs of the form <left@right> (RFC 5322 section 3.6.4)."
        faults.append(Fault(f"/{name}", "invalid_message_id", detail))
        return ()
    return tuple(items)


def _read_unsubscribe(value: object, faults: list[Fault]) -> Unsubscribe | None:
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
    if mailto != "" and not (isinstance(mailto, str) and _CONTENT_ID.fullmatch(mailto)):
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


def _read_choice(body: Mapping[str, Any], name: str, choices: tuple[str, ...], faults: list[Fault]) -> str:
    value = given(body, name, choices[0])
    if value not in choices:
        faults.append(Fault(f"/{name}", "invalid_choice", f"{name} is one of: {', '.join(choices)}."))
        return choices[0]
    return str(value)


def _read_tags(value: object, faults: list[Fault]) -> tuple[str, ...]:
    if value is None:
        return ()
    if (
        not isinstance(value, list)
        or len(value) > MAX_TAGS
        or not all(isinstance(tag, str) and 0 < len(tag) <= 64 and not unsafe_in_header(tag) for tag in value)
    ):
        faults.append(
            Fault("/tags", "invalid_tags", f"tags is a list of up to {MAX_TAGS} strings of 1 to 64 characters.")
        )
        return ()
    return tuple(value)


def _read_metadata(value: object, faults: list[Fault]) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if (
        not isinstance(value, Mapping)
        or len(value) > MAX_METADATA
        or not all(
            0 < len(key) <= 64 and isinstance(text, str) and len(text) <= 500 and not _BODY_FORBIDDEN.search(key + text)
            for key, text in value.items()
        )
    ):
        detail = f"metadata is an object of up to {MAX_METADATA} strings (names to 64, values to 500 characters)."
        faults.append(Fault("/metadata", "invalid_metadata", detail))
        return ()
    return tuple(value.items())


def _longest_word(text: str) -> int:
    return max((len(word) for word in text.split(" ")), default=0) if text.isascii() else 0
