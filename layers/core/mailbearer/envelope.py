"""What lies on the queue: our own jobs, and what others drop there, bare, wrapped, or as a pointer into the bucket."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mailbearer.errors import MalformedBody
from mailbearer.message import Address, Attachment, Message, MessageRecord, Status, Unsubscribe

if TYPE_CHECKING:
    from collections.abc import Mapping

QUEUE_LIMIT = 850_000
"""Bytes of a job above which its content goes through the bucket.

SQS takes 1 MiB and bills each 64 KiB, so that from here on
a put and a get cost less."""

_MARK = "mailbearer_job"
_DRAIN_MARK = "mailbearer_drain"
_REDRIVEN_MARK = "mailbearer_redriven"
_CORRELATION = re.compile("[!-~]{1,64}")
_WRAPPINGS = 3  # EventBridge -> SNS -> SQS is the deepest that is of use
_POINTERS = frozenset(
    {
        "software.amazon.payloadoffloading.PayloadS3Pointer",
        "com.amazon.sqs.javamessaging.MessageS3Pointer",  # what the libraries wrote before 2021
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An accepted message on its way to delivery.

    `attempt` is the number of provider calls begun when this copy was queued, so that a stale copy is recognised.
    `message` is None if the content lies in the content bucket. `record` is what was recorded when a new message was
    queued: the first copy needs no look at the table to be tried, since the intent is written on condition that
    nothing has changed. `look` asks to look for a message of unknown fate in the mailbox, and not to send it.
    `turn` (epoch seconds) is when the mailbox's ledger lets it go, 0 if it has not been asked. `correlation` is the id
    of the request that brought it here, empty in copies from before there was one.
    """

    id: str
    account: str
    attempt: int
    message: Message | None = field(default=None, repr=False)
    record: MessageRecord | None = None
    look: bool = False
    turn: float = 0
    correlation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """The task to send what was held for a mailbox, the oldest first; `correlation` as of a `Job`."""

    account: str
    correlation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """A body that lies in a bucket, as the Amazon SQS Extended Client libraries point at it.

    `object_key` is its name there; `key` serves as idempotency key if the body has none of its own.
    """

    bucket: str
    object_key: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A message that came straight to the queue; `key` is its idempotency key, or what serves as one."""

    body: Mapping[str, Any] = field(repr=False)
    key: str


def write_job(job: Job) -> str:
    """Write a job as an SQS body."""
    whole: dict[str, Any] = {_MARK: 1, "id": job.id, "account": job.account, "attempt": job.attempt}
    if job.look:
        whole["look"] = True
    if job.turn:
        whole["turn"] = job.turn
    if job.correlation:
        whole["correlation"] = job.correlation
    if job.message is not None:
        whole["message"] = pack(job.message)
        if job.record is not None:
            # The rest of a new record is in the message.
            record = job.record
            whole["record"] = [record.caller, record.request_hash, record.updated_at, record.expires_at]
    return _compact(whole)


def write_drain(drain: Drain) -> str:
    """Write the task of draining as an SQS body."""
    whole: dict[str, Any] = {_DRAIN_MARK: 1, "account": drain.account}
    if drain.correlation:
        whole["correlation"] = drain.correlation
    return _compact(whole)


def write_content(message: Message) -> str:
    """Write a message's content for the content bucket."""
    return _compact(pack(message))


def read_content(text: str) -> Message:
    """Read what `write_content` wrote."""
    return unpack(json.loads(text))


def write_redriven(text: str, key: str) -> str:
    """Write an SQS body again so that `key` serves as its idempotency key, whatever the SQS message id is then."""
    return _compact({_REDRIVEN_MARK: 1, "key": key, "body": text})


def read_body(text: str, sqs_message_id: str) -> Job | Drain | Dropped | Pointer:
    """Read an SQS body: a job or task of ours, or a message, bare, wrapped by SNS or EventBridge, or pointed at.

    A wrapped message without a key of its own takes the wrapper's id, which stays the same when the wrapper is
    delivered twice; otherwise the SQS message id serves. Raises `MalformedBody`.
    """
    body, key = _parse(text), f"sqs:{sqs_message_id}"
    if isinstance(body, dict):
        if body.get(_MARK) == 1:
            return _read_job(body)
        if body.get(_DRAIN_MARK) == 1:
            return Drain(account=str(body.get("account", "")), correlation=_correlation(body))
        if body.get(_REDRIVEN_MARK) == 1:
            body, key = _parse(body.get("body")), str(body.get("key") or key)
    return _read_dropped(body, key)


def read_pointed(text: str, pointer: Pointer) -> Dropped:
    """Read the body that a pointer led to; what it may be is a message, bare or wrapped. Raises `MalformedBody`."""
    dropped = _read_dropped(_parse(text), pointer.key)
    if isinstance(dropped, Pointer):
        raise MalformedBody("The pointer leads to another pointer.")
    return dropped


def _read_dropped(body: Any, key: str) -> Dropped | Pointer:
    fallback = key.removeprefix("sqs:")
    for _ in range(_WRAPPINGS):
        if not isinstance(body, dict):
            break
        if body.get("Type") == "Notification" and "TopicArn" in body and "Message" in body:
            key = f"sns:{body.get('MessageId', fallback)}"
            body = _parse(body["Message"])
        elif "detail-type" in body and "detail" in body:
            key = f"eventbridge:{body.get('id', fallback)}"
            body = body["detail"]
        else:
            break
    match body:
        case [str(kind), {"s3BucketName": str(bucket), "s3Key": str(object_key)}] if kind in _POINTERS:
            return Pointer(bucket=bucket, object_key=object_key, key=key)
        case dict():
            own_key = body.get("idempotency_key")
            return Dropped(body=body, key=own_key if isinstance(own_key, str) and own_key else key)
    raise MalformedBody("The message has to be a JSON object.")


def pack(message: Message) -> dict[str, Any]:
    """Give a checked message as plain JSON, without what is empty."""
    packed: dict[str, Any] = {
        "account": message.account,
        "from": _pack_address(message.sender),
        "message_id": message.message_id,
        "date": message.date,
        "on_unknown": message.on_unknown,
    }
    for name in ("to", "cc", "bcc", "reply_to"):
        if addresses := getattr(message, name):
            packed[name] = [_pack_address(address) for address in addresses]
    for name in ("text", "html", "raw"):
        if (value := getattr(message, name)) is not None:
            packed[name] = value
    for name in ("subject", "in_reply_to", "references", "headers", "tags", "metadata"):
        if value := getattr(message, name):
            packed[name] = value
    if message.send_at:
        packed["send_at"] = message.send_at
    if message.attachments:
        packed["attachments"] = [
            [
                part.filename,
                part.content,
                part.size,
                part.content_type,
                part.content_id,
                part.disposition,
                *([part.upload_id] if part.upload_id else []),
            ]
            for part in message.attachments
        ]
    if message.unsubscribe:
        packed["unsubscribe"] = [message.unsubscribe.url, message.unsubscribe.mailto, message.unsubscribe.one_click]
    return packed


def unpack(packed: Mapping[str, Any]) -> Message:
    """Read back what `pack` gave."""
    return Message(
        account=packed["account"],
        sender=Address(*packed["from"]),
        to=_unpack_addresses(packed.get("to")),
        cc=_unpack_addresses(packed.get("cc")),
        bcc=_unpack_addresses(packed.get("bcc")),
        reply_to=_unpack_addresses(packed.get("reply_to")),
        subject=packed.get("subject", ""),
        text=packed.get("text"),
        html=packed.get("html"),
        raw=packed.get("raw"),
        attachments=tuple(
            Attachment(
                filename=filename,
                content=content,
                size=size,
                content_type=content_type,
                content_id=content_id,
                disposition=disposition,
                upload_id=rest[0] if rest else "",
            )
            for filename, content, size, content_type, content_id, disposition, *rest in packed.get("attachments", ())
        ),
        headers=tuple((name, value) for name, value in packed.get("headers", ())),
        in_reply_to=packed.get("in_reply_to", ""),
        references=tuple(packed.get("references", ())),
        unsubscribe=_unpack_unsubscribe(packed.get("unsubscribe")),
        on_unknown=packed["on_unknown"],
        tags=tuple(packed.get("tags", ())),
        metadata=tuple((name, value) for name, value in packed.get("metadata", ())),
        message_id=packed["message_id"],
        date=packed["date"],
        send_at=packed.get("send_at", 0),
    )


def _read_job(body: Mapping[str, Any]) -> Job:
    try:
        packed, recorded = body.get("message"), body.get("record")
        job = Job(
            id=str(body["id"]),
            account=str(body["account"]),
            attempt=int(body["attempt"]),
            message=unpack(packed) if packed is not None else None,
            look=bool(body.get("look")),
            turn=float(body.get("turn", 0)),
            correlation=_correlation(body),
        )
        return replace(job, record=_new_record(job.id, job.message, recorded)) if job.message and recorded else job
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        msg = f"The body says that it is a job of Mailbearer's but is not whole ({type(error).__name__})."
        raise MalformedBody(msg) from error


def _correlation(body: Mapping[str, Any]) -> str:
    """Read the id of the request that a job came of; what is no id counts as none: many may send to the queue."""
    given = body.get("correlation")
    return given if isinstance(given, str) and _CORRELATION.fullmatch(given) else ""


def _new_record(message_id: str, message: Message, rest: list[Any]) -> MessageRecord:
    """Give the record of a message as it was when it was queued for the first time."""
    caller, request_hash, updated_at, expires_at = rest
    return MessageRecord(
        id=message_id,
        account=message.account,
        caller=caller,
        status=Status.QUEUED,
        message_id=message.message_id,
        request_hash=request_hash,
        created_at=message.date,
        updated_at=updated_at,
        on_unknown=message.on_unknown,
        tags=message.tags,
        metadata=message.metadata,
        expires_at=expires_at,
    )


def _parse(text: object) -> Any:
    if not isinstance(text, str):
        msg = "The wrapped message is not a string of JSON."
        raise MalformedBody(msg)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        # ValueError, because Python refuses numbers of more than 4300 digits with one.
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too much"
        msg = f"The body is not JSON ({where})."
        raise MalformedBody(msg) from error


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _pack_address(address: Address) -> list[str]:
    return [address.email, address.name] if address.name else [address.email]


def _unpack_addresses(packed: list[list[str]] | None) -> tuple[Address, ...]:
    return tuple(Address(*parts) for parts in packed or ())


def _unpack_unsubscribe(packed: list[Any] | None) -> Unsubscribe | None:
    return Unsubscribe(url=packed[0], mailto=packed[1], one_click=packed[2]) if packed else None
