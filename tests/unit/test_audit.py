from __future__ import annotations

import hashlib
import json

from mailbearer.audit import GENESIS, AuditEvent, Link
from tests.contract.nouns import event


def verify(lines: list[str]) -> int:
    """Check a chain as a stranger would, from the bytes alone; the first wrong line's number, or 0."""
    last = "0" * 64
    for seq, line in enumerate(lines, 1):
        body = json.loads(line)
        without = line.replace(f'"hash":"{body["hash"]}",', "", 1)
        right = hashlib.sha256(without.encode()).hexdigest()
        if (body["seq"], body["prev"], body["hash"]) != (seq, last, right):
            return seq
        last = body["hash"]
    return 0


def chain(count: int) -> list[str]:
    lines, end = [], Link()
    for number in range(1, count + 1):
        line, end = end.extend(event(number, reason="Größe\u2028ok", facts=(("z", "1"), ("a", '"2"'))))
        lines.append(line)
    assert (end.seq, end.hash) == (count, json.loads(lines[-1])["hash"])
    return lines


def test_a_chain_is_verified_from_its_bytes_alone() -> None:
    lines = chain(5)
    assert json.loads(lines[0])["prev"] == GENESIS == "0" * 64
    assert verify(lines) == 0


def test_a_change_a_removal_and_a_swap_are_found_where_they_are() -> None:
    lines = chain(5)
    assert verify([*lines[:2], lines[2].replace("message.sent", "message.lost"), *lines[3:]]) == 3
    assert verify([*lines[:2], *lines[3:]]) == 3
    assert verify([lines[0], lines[2], lines[1], *lines[3:]]) == 2
    assert verify([*lines, lines[4]]) == 6


def test_the_same_event_is_written_byte_for_byte_the_same() -> None:
    one = event(facts=(("a", "1"), ("b", "2")))
    other = event(facts=(("b", "2"), ("a", "1")))
    assert Link().extend(one) == Link().extend(other)


def test_a_line_is_one_line() -> None:
    line, _ = Link().extend(event(reason="a\nb\r\n"))
    assert line.splitlines() == [line]


def test_an_event_is_written_without_what_is_empty() -> None:
    bare = AuditEvent(id="e", at="t", actor="a", action="message.sent", subject="m", outcome="sent")
    assert bare.as_dict().keys() == {"id", "at", "actor", "action", "subject", "outcome"}
    full = event(reason="why", request_id="req-1")
    assert full.as_dict().keys() == bare.as_dict().keys() | {"reason", "request_id", "facts"}


def test_text_that_is_no_text_does_not_stop_the_audit() -> None:
    line, _ = Link().extend(event(subject="\ud800"))
    assert verify([line]) == 0
