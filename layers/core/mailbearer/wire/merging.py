"""The wire form of a merge: what all recipients share, and what each has of his own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mailbearer.addresses import read_addresses
from mailbearer.errors import Fault
from mailbearer.wire import FIELDS, check_content, check_recipients, read_fields
from mailbearer.wire.labels import MAX_METADATA, MAX_TAGS, read_metadata, read_tags
from mailbearer.wire.values import check_fields

if TYPE_CHECKING:
    from mailbearer.message import Address, Message

MAX_RECIPIENTS = 1000
MAX_INLINE = 256_000
"""Bytes of attachments that may stand in the request itself: each recipient's message takes them along."""

MAX_LABELS = 3_000_000
"""Bytes of tags and metadata in the answer, where they stand once for each recipient: Lambda gives back up to 6 MB."""

MERGE_FIELDS = frozenset({"message", "recipients"})
OF_RECIPIENTS = frozenset({"to", "cc", "bcc", "raw", "idempotency_key"})
COMMON_FIELDS = FIELDS - OF_RECIPIENTS | {"variables"}
RECIPIENT_FIELDS = frozenset({"to", "cc", "bcc", "variables", "metadata", "tags"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all share: subject, text and html of `message` are templates unless `template` names a stored one."""

    message: Message
    template: Mapping[str, Any] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One of those who get a mail of their own; `where` is the pointer to him, `faults` are his alone."""

    where: str
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    faults: tuple[Fault, ...] = ()


def read_merge(body: object, faults: list[Fault]) -> tuple[Common, tuple[Recipient, ...]]:
    """Read a merge, adding to `faults` what is wrong with the part that all share."""
    if not isinstance(body, Mapping):
        faults.append(Fault("", "not_an_object", "A merge is a JSON object with message and recipients."))
        body = {}
    check_fields(body, MERGE_FIELDS, "", faults)
    common = _read_common(body.get("message"), faults)
    listed = body.get("recipients")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_RECIPIENTS:
        detail = f"recipients is a list of 1 to {MAX_RECIPIENTS} objects, each with its own to."
        faults.append(Fault("/recipients", "invalid_merge", detail))
        listed = []
    recipients = tuple(_read_recipient(item, f"/recipients/{index}", common) for index, item in enumerate(listed))
    if sum(len(json.dumps((each.tags, each.metadata))) for each in recipients) > MAX_LABELS:
        detail = f"Tags and metadata of all recipients have at most {MAX_LABELS} bytes in all, in JSON and in ASCII."
        faults.append(Fault("/recipients", "too_large_for_merge", detail))
    return common, recipients


def _read_common(body: object, faults: list[Fault]) -> Common:
    if not isinstance(body, Mapping):
        faults.append(Fault("/message", "not_an_object", "message is what all recipients share, a JSON object."))
        body = {"text": ""}
    found: list[Fault] = [
        Fault(f"/{name}", "excluded_by_merge", "In a merge this cannot be shared; leave it out of message.")
        for name in sorted(OF_RECIPIENTS)
        if body.get(name) is not None
    ]
    check_fields(body, COMMON_FIELDS | OF_RECIPIENTS, "", found)
    fields = {name: value for name, value in body.items() if name not in OF_RECIPIENTS}
    message = read_fields(fields, found)
    check_content(fields, found)
    template, variables = body.get("template"), body.get("variables")
    if template is not None and variables is not None:
        detail = "Put the variables that all share into template.variables."
        found.append(Fault("/variables", "excluded_by_template", detail))
    if template is not None and not isinstance(template, Mapping):
        found.append(Fault("/template", "not_an_object", "template is an object with name, version and variables."))
        template = None
    if template is not None:
        where, variables = "/template/variables", template.get("variables")
    else:
        where = "/variables"
    if sum(part.size for part in message.attachments) > MAX_INLINE:
        detail = f"In a merge attachments of more than {MAX_INLINE} bytes in all have to be uploads (POST /v1/uploads)."
        found.append(Fault("/attachments", "too_large_for_merge", detail))
    shared = _read_variables(variables, where, found)
    faults.extend(Fault(f"/message{fault.pointer}", fault.code, fault.detail) for fault in found)
    return Common(message=message, template=template, variables=shared)


def _read_recipient(item: object, where: str, common: Common) -> Recipient:
    faults: list[Fault] = []
    if not isinstance(item, Mapping):
        faults.append(Fault(where, "not_an_object", "A recipient is a JSON object with to, and variables of its own."))
        return Recipient(where=where, faults=tuple(faults))
    check_fields(item, RECIPIENT_FIELDS, where, faults)
    to, cc, bcc = (read_addresses(item.get(name), f"{where}/{name}", faults) for name in ("to", "cc", "bcc"))
    if not item.get("to"):
        faults.append(Fault(f"{where}/to", "recipient_missing", "Say to whom this one goes."))
    check_recipients(replace(common.message, to=to, cc=cc, bcc=bcc), f"{where}/to", faults)
    own_tags = read_tags(item.get("tags"), f"{where}/tags", faults)
    tags = tuple(dict.fromkeys((*common.message.tags, *own_tags)))
    if len(tags) > MAX_TAGS:
        faults.append(Fault(f"{where}/tags", "invalid_tags", f"With those of message there are more than {MAX_TAGS}."))
    own_metadata = read_metadata(item.get("metadata"), f"{where}/metadata", faults)
    metadata = tuple((dict(common.message.metadata) | dict(own_metadata)).items())
    if len(metadata) > MAX_METADATA:
        detail = f"With those of message there are more than {MAX_METADATA}."
        faults.append(Fault(f"{where}/metadata", "invalid_metadata", detail))
    return Recipient(
        where=where,
        to=to,
        cc=cc,
        bcc=bcc,
        tags=tags,
        metadata=metadata,
        variables=_read_variables(item.get("variables"), f"{where}/variables", faults),
        faults=tuple(faults),
    )


def _read_variables(value: object, pointer: str, faults: list[Fault]) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        faults.append(Fault(pointer, "not_an_object", 'variables is an object: {"name": "value"}.'))
        return {}
    return value
