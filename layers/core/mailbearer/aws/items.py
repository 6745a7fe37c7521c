"""How dataclasses lie in DynamoDB items.

A field that has its default is left out: items stay under the 1 KB that one write unit buys, and an item written before
a field existed compares equal to what is read from it. So a default, once released, must not change.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from mailbearer.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Item = dict[str, AttributeValueTypeDef]

T = TypeVar("T")
_CURSOR_PART_LIMIT = 1024  # the longest sort key DynamoDB takes, in bytes


def pack(noun: Any) -> dict[str, Any]:
    """Give the fields of a dataclass that differ from their defaults."""
    packed = {}
    for field in fields(noun):
        value = getattr(noun, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != default:
            packed[field.name] = value
    return packed


def unpack(kind: type[T], values: Mapping[str, Any], **better: Any) -> T:
    """Make a dataclass of the values that it has fields for; `better` ones go before."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # every T here is a dataclass
    return kind(**({name: value for name, value in values.items() if name in names} | better))


def encode(values: Mapping[str, Any]) -> Item:
    """Write plain values, tuples and dataclasses as an item."""
    return {name: _attribute(value) for name, value in values.items()}


def decode(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Read an item: lists come back as tuples, whole numbers as int, others as float."""
    return {name: _value(attribute) for name, attribute in item.items()}


def whole_seconds(moment: float) -> int:
    """Round up to what DynamoDB's TTL reads: an integer of epoch seconds."""
    return math.ceil(moment)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition expression with its names and values, as the arguments DynamoDB takes."""

    expression: str
    names: dict[str, str]
    values: Item

    def arguments(self) -> dict[str, Any]:
        """Give the keyword arguments of a conditional write."""
        arguments: dict[str, Any] = {"ConditionExpression": self.expression, "ExpressionAttributeNames": self.names}
        return arguments | ({"ExpressionAttributeValues": self.values} if self.values else {})


def unchanged(expected: Item, names: Iterable[str], *, key: str = "id") -> Condition:
    """Demand that an item is there and that these attributes of it stand as in `expected`, the missing ones missing."""
    clauses, aliases, values = ["attribute_exists(#id)"], {"#id": key}, {}
    for number, name in enumerate(names):
        aliases[f"#n{number}"] = name
        if name in expected:
            values[f":v{number}"] = expected[name]
            clauses.append(f"#n{number} = :v{number}")
        else:
            clauses.append(f"attribute_not_exists(#n{number})")
    return Condition(" AND ".join(clauses), aliases, values)


def write_cursor(*parts: str) -> str:
    """Write where a list goes on, as a word that means nothing to its reader."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(cursor: str, length: int) -> tuple[str, ...]:
    """Read a cursor of so many parts. Raises `InvalidInput` for what we did not write."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        lengths = [len(part.encode()) for part in parts]
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise bad_cursor() from error
    if (
        not isinstance(parts, list)
        or len(parts) != length
        or not all(0 < size <= _CURSOR_PART_LIMIT for size in lengths)
    ):
        raise bad_cursor()
    return tuple(parts)


def bad_cursor() -> InvalidInput:
    """Make the error for a cursor that is not ours, or belongs to another list."""
    return InvalidInput((Fault("/cursor", "invalid_cursor", "Use next_cursor of the same list as it was given."),))


def _attribute(value: Any) -> AttributeValueTypeDef:
    attribute: AttributeValueTypeDef
    match value:
        case str():
            attribute = {"S": str(value)}
        case bool():
            attribute = {"BOOL": value}
        case int() | float():
            attribute = {"N": _number(value)}
        case frozenset():
            attribute = {"L": [_attribute(entry) for entry in sorted(value)]}
        case tuple() | list():
            attribute = {"L": [_attribute(entry) for entry in value]}
        case _:
            attribute = {"M": encode(pack(value))}
    return attribute


def _number(value: float) -> str:
    # repr is the shortest text that reads back as the same float, so nothing drifts between reads and writes.
    return str(int(value)) if float(value).is_integer() else repr(value)


def _value(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            number = float(value)
            return int(number) if number.is_integer() else number
        case "L":
            return tuple(_value(entry) for entry in value)
        case "M":
            return decode(value)
        case _:
            return value
