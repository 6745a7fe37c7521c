"""Digests: what the audit log held when it was signed (semantics.md, Audit)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHead:
    """What a digest says of one stream: its lines `first` to `last` (their `seq`), and the hash of the last."""

    stream: str
    first: int
    last: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What stood in the log from `since` until before `until` (epoch milliseconds, CloudWatch's time).

    Digests are numbered from 1 without a gap, and `previous` is the SHA-256 of the signed text of the one before (64
    zeros for the first). `faults` are what was found wrong while it was made.
    """

    number: int
    stage: str
    log_group: str
    since: int
    until: int
    previous: str
    heads: tuple[StreamHead, ...]
    events: int
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDigest:
    """A digest's text as it was signed, byte for byte, with the signature (ECDSA P-256 over SHA-256, DER)."""

    text: str
    signature: bytes
    key_id: str
