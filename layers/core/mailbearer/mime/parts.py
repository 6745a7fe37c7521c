"""Body parts of RFC 2045 and RFC 2046: texts, attachments and the multiparts around them."""

from __future__ import annotations

import binascii
import hashlib
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.mime.headers import LINE_LIMIT, fold, parameter, refused, token_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbearer.message import Attachment

_BASE64_LINE = 76
_BLOCK = struct.Struct(f"{_BASE64_LINE}s" * 256)
# Above one byte in six to be escaped, quoted-printable becomes longer than base64.
_QUOTED_PRINTABLE_SHARE = 6
_LONGEST_MEDIA_TYPE = 200
_UNKNOWN = "application/octet-stream"

_MEDIA_TYPE = re.compile(
    r"""[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+
        (?:[ ]*;[ ]*[A-Za-z0-9!#$%&'*+.^_`|~-]+=(?:[A-Za-z0-9!#$%&'*+.^_`|~:/?=-]+|"[ !#-\[\]-~]*"))*""",
    re.VERBOSE,
)
_MEDIA_TYPES = {
    "avif": "image/avif",
    "bmp": "image/bmp",
    "csv": "text/csv",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eml": "message/rfc822",
    "gif": "image/gif",
    "gz": "application/gzip",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "odt": "application/vnd.oasis.opendocument.text",
    "pdf": "application/pdf",
    "png": "image/png",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rtf": "application/rtf",
    "svg": "image/svg+xml",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "wav": "audio/wav",
    "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "zip": "application/zip",
}
"""A table of our own: the system's differs from machine to machine, and a message has to be the same on all."""


@dataclass(frozen=True, slots=True)
class Part:
    """A body part: its header fields, each with its CRLF, and its body in pieces which are joined only once.

    The CRLF after a body belongs to the boundary that follows it (RFC 2046 section 5.1.1). `plain` says that the body
    is not encoded, so that it might hold anything, even a boundary.
    """

    fields: str
    body: list[bytes]
    plain: bool = False


def text_part(text: str, subtype: str) -> Part:
    """Write a text in the lightest encoding that survives every relay: as it is, quoted-printable or base64."""
    data = crlf(text.encode("utf-8", "replace"))
    fields = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: "
    if _is_7bit(data):
        return Part(f"{fields}7bit\r\n", [data], plain=True)
    if (len(data) - len(text.encode("ascii", "ignore"))) * _QUOTED_PRINTABLE_SHARE <= len(data):
        return Part(f"{fields}quoted-printable\r\n", [crlf(binascii.b2a_qp(data))])
    return Part(f"{fields}base64\r\n", [_base64_lines(binascii.b2a_base64(data, newline=False))])


def attachment_part(attachment: Attachment, *, inline: bool) -> Part:
    """Write an attachment; `inline` makes it a piece of the HTML that names its Content-ID (RFC 2392)."""
    media_type, plain = _content(attachment)
    fields = fold("Content-Type", [media_type])
    fields += f"Content-Transfer-Encoding: {'base64' if plain is None else '7bit'}\r\n"
    disposition = "inline" if inline else attachment.disposition
    if disposition not in {"inline", "attachment"}:
        raise refused("attachments", f"{disposition[:40]!r} is not a disposition.")
    filename = parameter("filename", attachment.filename) if attachment.filename else []
    fields += fold("Content-Disposition", [disposition + (";" if filename else ""), *filename])
    if attachment.content_id:
        fields += token_field("Content-ID", [f"<{attachment.content_id.strip('<>')}>"])
    if plain is not None:
        return Part(fields, [plain], plain=True)
    return Part(fields, [_base64_lines(attachment.content.encode("ascii"))])


def multipart(subtype: str, parts: Sequence[Part], *, seed: str, parameters: str = "") -> Part:
    """Put parts into one, with a boundary that is the same each time for one `seed` and occurs in no part."""
    boundary = _boundary(f"{subtype} {seed}", parts)
    delimiter = f"--{boundary}\r\n"
    body: list[bytes] = []
    for part in parts:
        body += (f"{delimiter}{part.fields}\r\n".encode("ascii"), *part.body)
        delimiter = f"\r\n--{boundary}\r\n"
    body.append(f"\r\n--{boundary}--".encode("ascii"))
    fields = f'Content-Type: multipart/{subtype};{parameters}\r\n boundary="{boundary}"\r\n'
    return Part(fields, body, plain=any(part.plain for part in parts))


def _boundary(seed: str, parts: Sequence[Part]) -> str:
    # "=_" can stand neither in base64 nor in quoted-printable, so only bodies that are not encoded need a look.
    plain = [piece for part in parts if part.plain for piece in part.body]
    attempt = 0
    while True:
        digest = hashlib.sha256(f"{attempt} {seed}".encode()).hexdigest()
        boundary = f"=_{digest[:32]}"
        needle = f"--{boundary}".encode("ascii")
        if not any(needle in piece for piece in plain):
            return boundary
        attempt += 1


def _content(attachment: Attachment) -> tuple[str, bytes | None]:
    """Give the media type to write, and the body if it has to stay unencoded."""
    suffix = attachment.filename.rpartition(".")[2].lower()
    media_type = attachment.content_type or _MEDIA_TYPES.get(suffix, _UNKNOWN)
    if len(media_type) > _LONGEST_MEDIA_TYPE or not _MEDIA_TYPE.fullmatch(media_type):
        raise refused("attachments", f"{media_type[:80]!r} is not a media type.")
    family = media_type.partition("/")[0].lower()
    if family == "multipart":
        return _UNKNOWN, None
    if family == "message":
        # RFC 2046 section 5.2.1 forbids to encode these; one that would need it travels as a mere file.
        body = crlf(binascii.a2b_base64(attachment.content))
        return (media_type, body) if _is_7bit(body) else (_UNKNOWN, None)
    if family == "text" and "charset" not in media_type.lower():
        # Without a charset it would be read as US-ASCII (RFC 2046 section 4.1.2).
        data = binascii.a2b_base64(attachment.content)
        if not data.isascii() and _is_utf8(data):
            return f"{media_type}; charset=utf-8", None
    return media_type, None


def crlf(data: bytes) -> bytes:
    """Give the data with every line end as CRLF."""
    if data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r"):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _is_7bit(data: bytes) -> bool:
    """Tell whether data with CRLF line ends is 7bit after RFC 2045 section 2.7."""
    if not data.isascii() or b"\0" in data:
        return False
    return len(data) <= LINE_LIMIT or max(map(len, data.split(b"\r\n"))) <= LINE_LIMIT


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _base64_lines(content: bytes) -> bytes:
    """Break base64 into lines of 76, by blocks that fit the cache: eight times as fast as line by line."""
    whole = len(content) - len(content) % _BLOCK.size
    blocks = [b"\r\n".join(lines) for lines in _BLOCK.iter_unpack(memoryview(content)[:whole])]
    rest = (content[start : start + _BASE64_LINE] for start in range(whole, len(content), _BASE64_LINE))
    return b"\r\n".join((*blocks, *rest))
