"""Digests as texts: how they are written, read back, named and found in the archive."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mailbearer.audit import canonical
from mailbearer.digest import Digest, SignedDigest, StreamHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.proof import Archive

PREFIX = "digests/"


def name_of(number: int) -> str:
    """Name a digest in the archive; names sort by number."""
    return f"{PREFIX}{number:010d}.json"


def write(digest: Digest) -> str:
    """Write a digest's text, which is what gets signed."""
    return canonical(asdict(digest)).decode()


def read(text: str) -> Digest:
    """Read a digest's text. Raises `ValueError` for what is none."""
    try:
        values: dict[str, Any] = json.loads(text)
        heads = tuple(
            StreamHead(
                stream=_text(head["stream"]),
                first=_whole(head["first"]),
                last=_whole(head["last"]),
                hash=_text(head["hash"]),
            )
            for head in values["heads"]
        )
        return Digest(
            number=_whole(values["number"]),
            stage=_text(values["stage"]),
            log_group=_text(values["log_group"]),
            since=_whole(values["since"]),
            until=_whole(values["until"]),
            previous=_text(values["previous"]),
            heads=heads,
            events=_whole(values["events"]),
            faults=tuple(_text(fault) for fault in values["faults"]),
        )
    except (LookupError, TypeError, RecursionError) as error:
        msg = "It is no digest."
        raise ValueError(msg) from error


def pack(signed: SignedDigest) -> str:
    """Write a signed digest as the document that the archive keeps."""
    signature = base64.b64encode(signed.signature).decode()
    return canonical({"digest": signed.text, "signature": signature, "key_id": signed.key_id}).decode()


def unpack(document: str) -> SignedDigest:
    """Read such a document. Raises `ValueError` for what is none."""
    try:
        values: dict[str, Any] = json.loads(document)
        signature = base64.b64decode(_text(values["signature"]), validate=True)
        return SignedDigest(text=_text(values["digest"]), signature=signature, key_id=_text(values["key_id"]))
    except (LookupError, TypeError, RecursionError, binascii.Error) as error:
        msg = "It is no signed digest."
        raise ValueError(msg) from error


def hash_of(text: str) -> str:
    """Give what the next digest calls `previous`."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def number_of(name: str) -> int:
    """Give the number of the digest of this name, 0 if it names none."""
    number = name.removeprefix(PREFIX).removesuffix(".json")
    return int(number) if number.isascii() and number.isdigit() and name_of(int(number)) == name else 0


def last_number(archive: Archive) -> int:
    """Find the newest digest's number, 0 if there is none, in few looks: numbers have no gaps. Raises `Unavailable`."""

    def is_beyond(number: int) -> bool:
        return not archive.names(PREFIX, after=name_of(number), limit=1)

    return _first(is_beyond)


def first_after(archive: Archive, moment: int, last: int) -> int:
    """Find the first digest whose time ends after `moment` (epoch milliseconds), `last + 1` if none does.

    One that cannot be read counts as such a digest. Raises `Unavailable`.
    """

    def ends_after(number: int) -> bool:
        if number >= last:
            return True
        document = archive.get(name_of(number + 1))
        try:
            return document is None or read(unpack(document).text).until > moment
        except ValueError:
            return True

    return _first(ends_after) + 1


def _first(holds: Callable[[int], bool]) -> int:
    """Give the first number from 0 on for which it holds, by doubling and halving."""
    below, above = -1, 1
    while not holds(above - 1):
        below, above = above - 1, above * 2
    above -= 1
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if holds(middle) else (middle, above)
    return above


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value
