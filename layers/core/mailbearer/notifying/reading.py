"""Reading what is said of a webhook over HTTP, all faults at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mailbearer.errors import Fault, InvalidInput
from mailbearer.public_hosts import url_fault
from mailbearer.webhook import EVERY_EVENT
from mailbearer.wire.values import check_fields, read_line, read_moment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_URL = 2000
MAX_DESCRIPTION = 200
MAX_EVENTS = 50
MAX_ACCOUNTS = 100
_HTTPS = 443
_FIRST_FREE_PORT = 1024


def read_object(body: object) -> dict[str, Any]:
    """Read the body as an object. Raises `InvalidInput`."""
    if isinstance(body, dict):
        return body
    raise InvalidInput((Fault("", "not_an_object", "The body has to be a JSON object."),))


def check_names(fields: Mapping[str, object], known: Collection[str], faults: list[Fault]) -> None:
    """Add a fault for every field that is not known."""
    check_fields(fields, known, "", faults)


def read_url(value: object, faults: list[Fault], *, local: bool) -> str:
    """Read where a webhook is: https, a public host, and no port that belongs to another protocol."""
    if not isinstance(value, str) or not value:
        faults.append(Fault("/url", "not_a_string", "url has to be a string: https://..."))
        return ""
    if len(value) > MAX_URL:
        faults.append(Fault("/url", "too_long", f"url has at most {MAX_URL} characters."))
        return ""
    fault = url_fault(value, local=local)
    if fault is not None:
        faults.append(Fault("/url", fault.code, fault.detail))
        return ""
    port = urlsplit(value).port
    if port is not None and port != _HTTPS and port < _FIRST_FREE_PORT:
        detail = f"The port has to be {_HTTPS} or one from {_FIRST_FREE_PORT} on; the others belong to other protocols."
        faults.append(Fault("/url", "invalid_port", detail))
    return value


def host_of(url: str) -> str:
    """Give the host of a URL that was read, for the audit log: a path may hold what proves the caller there."""
    return urlsplit(url).hostname or ""


def read_events(value: object, known: Collection[str], faults: list[Fault]) -> tuple[str, ...]:
    """Read which events are wanted: their types, or `*` alone."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_EVENTS:
        detail = f'events is a list of 1 to {MAX_EVENTS} event types, or ["{EVERY_EVENT}"].'
        faults.append(Fault("/events", "not_a_list", detail))
        return ()
    for index, kind in enumerate(value):
        if not isinstance(kind, str):
            faults.append(Fault(f"/events/{index}", "not_a_string", "An event type is a string."))
        elif kind != EVERY_EVENT and kind not in known:
            detail = f"There is no such event type. There are: {', '.join([EVERY_EVENT, *sorted(known)])}."
            faults.append(Fault(f"/events/{index}", "unknown_event_type", detail))
    kinds = dict.fromkeys(kind for kind in value if isinstance(kind, str))
    return (EVERY_EVENT,) if EVERY_EVENT in kinds else tuple(kinds)


def read_names(value: object, faults: list[Fault]) -> tuple[str, ...]:
    """Read the accounts to which a webhook is bound, by id or address; none if left out."""
    if value is None:
        return ()
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_ACCOUNTS:
        detail = f"accounts is a list of 1 to {MAX_ACCOUNTS} accounts, by id or address; leave it out for all."
        faults.append(Fault("/accounts", "not_a_list", detail))
        return ()
    for index, each in enumerate(value):
        if not isinstance(each, str):
            faults.append(Fault(f"/accounts/{index}", "not_a_string", "Name an account by its id or address."))
    return tuple(each if isinstance(each, str) else "" for each in value)


def read_description(value: object, faults: list[Fault]) -> str:
    """Read what people say of it."""
    return read_line(value, "/description", faults, limit=MAX_DESCRIPTION)


def read_flag(value: object, pointer: str, faults: list[Fault]) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        faults.append(Fault(pointer, "not_a_boolean", f"{pointer.strip('/')} is true or false."))
    return value is True


def read_span(fields: Mapping[str, object], now: float, faults: list[Fault]) -> tuple[float, float]:
    """Read `since`, and `until` if it is said: from when until before when (epoch seconds)."""
    since = read_moment(fields.get("since"), "/since", faults)
    until = now if fields.get("until") is None else read_moment(fields["until"], "/until", faults)
    if since and until and since >= until:
        faults.append(Fault("/until", "invalid_time", "until has to be later than since, and since in the past."))
    return since, until
