"""Attachments in their wire form: the bytes themselves in base64, or the id of an upload."""

from __future__ import annotations

# ruff: noqa: PLR2004 - each bound stands once, beside the words that explain it
import re
from collections.abc import Mapping

from mailbearer.addresses import given, unsafe_in_header
from mailbearer.errors import Fault
from mailbearer.message import Attachment
from mailbearer.wire.values import check_fields, read_base64, read_choice

MAX_ATTACHMENTS = 100
ATTACHMENT_FIELDS = frozenset({"filename", "content_type", "content", "upload_id", "content_id", "disposition"})

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
_CONTENT_TYPE = re.compile(rf"{_WORD}/{_WORD}( *; *{_WORD}=({_WORD}|\"[ -!#-\[\]-~]*\"))*")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")


def read_attachments(value: object, faults: list[Fault]) -> tuple[Attachment, ...]:
    """Read the attachments, each in the place in which it was given; uploads have no size yet, and perhaps no name."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_ATTACHMENTS:
        detail = f"attachments has to be a list of at most {MAX_ATTACHMENTS}."
        faults.append(Fault("/attachments", "not_a_list", detail))
        return ()
    return tuple(_read_attachment(item, f"/attachments/{index}", faults) for index, item in enumerate(value))


def _read_attachment(item: object, where: str, faults: list[Fault]) -> Attachment:
    if not isinstance(item, Mapping):
        detail = "An attachment is an object with filename and content, or with upload_id."
        faults.append(Fault(where, "not_an_object", detail))
        return Attachment(filename="", size=0)
    check_fields(item, ATTACHMENT_FIELDS, where, faults)
    upload_id = _read_upload_id(item, where, faults)
    filename = ""
    if not upload_id or item.get("filename") is not None:
        filename = read_filename(item.get("filename"), f"{where}/filename", faults)
    content_type = given(item, "content_type", "")
    if content_type != "" and not is_content_type(content_type):
        detail = 'Write it like "application/pdf" (RFC 2045); multipart types cannot be attached.'
        faults.append(Fault(f"{where}/content_type", "invalid_content_type", detail))
    content_id = _read_content_id(item.get("content_id"), f"{where}/content_id", faults)
    choices = ("inline", "attachment") if content_id else ("attachment", "inline")
    disposition = read_choice(item.get("disposition"), choices, f"{where}/disposition", faults)
    content = None if upload_id else read_base64(given(item, "content", ""), f"{where}/content", faults)
    return Attachment(
        filename=filename,
        content=content[0] if content else "",
        size=content[1] if content else 0,
        upload_id=upload_id,
        content_type=content_type if isinstance(content_type, str) else "",
        content_id=content_id,
        disposition=disposition,
    )


def _read_upload_id(item: Mapping[str, object], where: str, faults: list[Fault]) -> str:
    upload_id, content = item.get("upload_id"), item.get("content")
    if upload_id is None:
        if content is None:
            faults.append(Fault(f"{where}/content", "content_missing", "Give content (base64) or upload_id."))
        return ""
    if not isinstance(upload_id, str) or not upload_id:
        detail = "upload_id is what POST /v1/uploads answered: upl_..."
        faults.append(Fault(f"{where}/upload_id", "not_a_string", detail))
        return "-"  # one fault is enough: it is an upload, if a nameless one
    if content is not None:
        detail = "The upload brings the content; leave one of the two out."
        faults.append(Fault(f"{where}/content", "excluded_by_upload", detail))
    return upload_id


def read_filename(value: object, where: str, faults: list[Fault]) -> str:
    """Read the name of a file, adding a fault if it is none that a header field can carry."""
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        faults.append(Fault(where, "filename_missing", "Give a filename of 1 to 255 characters."))
    elif unsafe_in_header(value):
        faults.append(Fault(where, "unsafe_character", "Control characters may not stand in a filename."))
    else:
        return value
    return ""


def is_content_type(value: object) -> bool:
    """Tell whether this is a media type (RFC 2045) that a part may have."""
    return (
        isinstance(value, str)
        and len(value) <= 200
        and _CONTENT_TYPE.fullmatch(value) is not None
        and not value.lower().startswith("multipart/")
    )


def _read_content_id(value: object, where: str, faults: list[Fault]) -> str:
    if value is None or value == "":
        return ""
    content_id = value.removeprefix("<").removesuffix(">") if isinstance(value, str) else ""
    if not _CONTENT_ID.fullmatch(content_id):
        detail = "A content_id is up to 200 printable ASCII characters without blanks."
        faults.append(Fault(where, "invalid_content_id", detail))
    return content_id
