"""What lies on the queue: our own jobs, and what others drop there in one of three wrappings."""

from __future__ import annotations

import json
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
_WRAPPINGS = 3  # EventBridge -> SNS -> SQS is the deepest that is of use


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An accepted message on its way to delivery.

    `attempt` is the number of provider calls begun when this copy was queued, so that a stale copy is recognised.
    `message` is None if the content lies in the content bucket. `record` is what was recorded when a new message was
    queued: the first copy needs no look at the table to be tried, since the intent is written on condition that
    nothing has changed. `look` asks to look for a message of unknown fate in the mailbox, and not to send it.
    """

    id: str
    account: str
    attempt: int
    message: Message | None = field(default=None, repr=False)
    record: MessageRecord | None = None
    look: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """The task to send what was held for a mailbox, oldest first; `cursor` is where the last part of it stopped."""

    account: str
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """A body that lies in a bucket, as the Amazon SQS Extended Client libraries point at it."""

    bucket: str
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
    if job.message is not None:
        whole["message"] = pack(job.message)
        if job.record is not None:
            # The rest of a new record is in the message.
            record = job.record
            whole["record"] = [record.caller, record.request_hash, record.updated_at, record.expires_at]
    return _compact(whole)


def write_drain(drain: Drain) -> str:
    """Write the task of draining as an SQS body."""
    return _compact({_DRAIN_MARK: 1, "account": drain.account, "cursor": drain.cursor})


def write_content(message: Message) -> str:
    """Write a message's content for the content bucket."""
    return _compact(pack(message))


def read_content(text: str) -> Message:
    """Read what `write_content` wrote."""
    return unpack(json.loads(text))


def read_body(text: str, sqs_message_id: str) -> Job | Drain | Dropped:
    """Read an SQS body: a job or task of ours, or a message, raw or as SNS or EventBridge wrap it.

    A wrapped message without a key of its own takes the wrapper's id, which stays the same when the wrapper is
    delivered twice; otherwise the SQS message id serves. Raises `MalformedBody`.
    """
    body, key = _parse(text), f"sqs:{sqs_message_id}"
    if body.get(_MARK) == 1:
        return _read_job(body)
    if body.get(_DRAIN_MARK) == 1:
        return Drain(account=str(body.get("account", "")), cursor=str(body.get("cursor", "")))
    for _ in range(_WRAPPINGS):
        if body.get("Type") == "Notification" and "TopicArn" in body and "Message" in body:
            key = f"sns:{body.get('MessageId', sqs_message_id)}"
            body = _parse(body["Message"])
        elif "detail-type" in body and "detail" in body:
            key = f"eventbridge:{body.get('id', sqs_message_id)}"
            body = _object(body["detail"])
        else:
            break
    own_key = body.get("idempotency_key")
    return Dropped(body=body, key=own_key if isinstance(own_key, str) and own_key else key)


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
        )
        return replace(job, record=_new_record(job.id, job.message, recorded)) if job.message and recorded else job
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        msg = f"The body says that it is a job of Mailbearer's but is not whole ({type(error).__name__})."
        raise MalformedBody(msg) from error


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


def _parse(text: object) -> Mapping[str, Any]:
    if not isinstance(text, str):
        msg = "The wrapped message is not a string of JSON."
        raise MalformedBody(msg)
    try:
        return _object(json.loads(text))
    except (ValueError, RecursionError) as error:
        # ValueError, because Python refuses numbers of more than 4300 digits with one.
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too much"
        msg = f"The body is not JSON ({where})."
        raise MalformedBody(msg) from error


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        msg = "The message has to be a JSON object."
        raise MalformedBody(msg)
    return value


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _pack_address(address: Address) -> list[str]:
    return [address.email, address.name] if address.name else [address.email]


def _unpack_addresses(packed: list[list[str]] | None) -> tuple[Address, ...]:
    return tuple(Address(*parts) for parts in packed or ())


def _unpack_unsubscribe(packed: list[Any] | None) -> Unsubscribe | None:
    return Unsubscribe(url=packed[0], mailto=packed[1], one_click=packed[2]) if packed else None
