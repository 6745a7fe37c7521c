"""The filters and tests that templates have: Jinja2's, as far as they are bounded by what they are given.

Each is called with values that are bounded already. What could make more out of them asks the budget first. A
TypeError, ValueError, ArithmeticError or LookupError is a fault of the template at that line.
"""

from __future__ import annotations

# ruff: noqa: FBT001, FBT002 - the signatures are Jinja2's; html that is marked as such comes from the template
import math
import re
from typing import TYPE_CHECKING, Any, Final

from jinja2.filters import do_capitalize, do_float, do_int, do_title, do_urlencode
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape

from mailbearer.rendering.variables import MAX_NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mailbearer.rendering.limits import Budget

    Filter = Callable[..., Any]

_LONGEST_PRECISION = 12
# One conversion of printf: no width, which could be a billion, and no name.
_CONVERSION: Final = re.compile(r"%(?:(?:\.\d)?f|d|s|%)")


def text(value: object) -> str:
    """Write a single value as text. Raises `TypeError` for a list or an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return str(value)
    raise TypeError(f"wants a text, not {kind_of(value)}")


def kind_of(value: object) -> str:
    """Name the kind of a value for a person."""
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, (list, tuple)) else "nothing"


def number(value: object) -> int | float:
    """Give a number back. Raises `TypeError` for everything else, and for one that is too large."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"wants a number, not {kind_of(value)}")
    if not (math.isfinite(value) if isinstance(value, float) else abs(value) < MAX_NUMBER):
        raise ValueError("has a number that is too large")
    return value


def entries(value: object) -> Sequence[Any]:
    """Give a list back. Raises `TypeError` for everything else."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"wants a list, not {kind_of(value)}")
    return value


def attribute_of(item: object, attribute: object) -> Any:
    """Give what `attribute=` names in one entry of a list: `price`, or `buyer.name`."""
    for key in text(attribute).split(".") if attribute is not None else ():
        if not isinstance(item, dict) or item.get(key) is None:
            raise LookupError(f"finds no {key!r} in an entry of the list")
        item = item[key]
    return item


def _truncate(_: Budget, value: object, length: int = 255, killwords: bool = False, end: str = "...") -> str:
    written, end = text(value), text(end)
    if len(written) <= number(length) + 5:  # Jinja2's leeway
        return written
    kept = written[: max(0, int(length) - len(end))]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + end


def _replace(budget: Budget, value: object, old: object, new: object, count: object = -1) -> str:
    written, was, becomes = text(value), text(old), text(new)
    most = int(number(count))
    times = written.count(was) if most < 0 else min(written.count(was), most)
    # Escaping can make six characters of one.
    budget.check_length(len(written) + times * len(becomes) * 6)
    return written.replace(was, becomes, most)


def _format(budget: Budget, value: object, *values: object) -> str:
    written = text(value)
    if _CONVERSION.sub("", written).count("%"):
        raise ValueError("takes %s, %d, %f, %.2f and %%, and no width")
    budget.check_length(len(written) + sum(len(text(each)) + 400 for each in values))
    return written % tuple(each if isinstance(each, str) else number(each) for each in values)


def _join(budget: Budget, value: object, by: object = "", attribute: object = None) -> str:
    parts = [text(attribute_of(entry, attribute)) for entry in entries(value)]
    between = text(by)
    budget.check_length(6 * (sum(map(len, parts)) + len(between) * len(parts)))
    if any(isinstance(part, Markup) for part in (between, *parts)):
        return escape(between).join(parts)
    return between.join(parts)


def _sort(
    _: Budget, value: object, reverse: bool = False, case_sensitive: bool = False, attribute: object = None
) -> Any:
    def key(entry: object) -> Any:
        found = attribute_of(entry, attribute)
        if isinstance(found, str):
            return found if case_sensitive else found.lower()
        return number(found)

    return sorted(entries(value), key=key, reverse=bool(reverse))


def _unique(_: Budget, value: object, case_sensitive: bool = False, attribute: object = None) -> Any:
    found: dict[Any, Any] = {}
    for entry in entries(value):
        key = attribute_of(entry, attribute)
        found.setdefault(key if case_sensitive or not isinstance(key, str) else key.lower(), entry)
    return list(found.values())


def _sum(_: Budget, value: object, attribute: object = None, start: object = 0) -> float:
    return sum((number(attribute_of(entry, attribute)) for entry in entries(value)), number(start))


def _map(_: Budget, value: object, *, attribute: object) -> Any:
    return [attribute_of(entry, attribute) for entry in entries(value)]


def _chosen(value: object, attribute: object, wanted: object, *, reject: bool) -> list[Any]:
    def fits(entry: object) -> bool:
        found = entry.get(text(attribute)) if isinstance(entry, dict) else None
        return bool(found) if wanted is None else found == wanted

    if isinstance(wanted, (list, tuple, dict)):
        raise TypeError("compares with a text or a number")
    return [entry for entry in entries(value) if fits(entry) is not reject]


def _round(_: Budget, value: object, precision: object = 0) -> float:
    digits = number(precision)
    if not isinstance(digits, int) or abs(digits) > _LONGEST_PRECISION:
        raise ValueError(f"rounds to at most {_LONGEST_PRECISION} digits")
    return round(float(number(value)), digits)


def _length(_: Budget, value: object) -> int:
    if not isinstance(value, (str, list, tuple, dict)):
        raise TypeError(f"wants a list, an object or a text, not {kind_of(value)}")
    return len(value)


def _end(index: int) -> Filter:
    def end(_: Budget, value: object) -> Any:
        found = value if isinstance(value, str) else entries(value)
        return found[index] if found else None

    return end


def _extreme(choose: Filter) -> Filter:
    def extreme(_: Budget, value: object, *, attribute: object = None) -> Any:
        return choose((number(attribute_of(entry, attribute)) for entry in entries(value)), default=None)

    return extreme


def _items(_: Budget, value: object) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"wants an object, not {kind_of(value)}")
    return list(value.items())


def _reverse(_: Budget, value: object) -> Any:
    return value[::-1] if isinstance(value, str) else list(entries(value))[::-1]


def _of_text(change: Callable[[str], Any]) -> Filter:
    return lambda _, value: change(text(value))


FILTERS: Final[Mapping[str, Filter]] = {
    "abs": lambda _, value: abs(number(value)),
    "capitalize": _of_text(do_capitalize),
    "count": _length,
    "dictsort": lambda _, value: sorted(_items(_, value), key=lambda item: item[0].lower()),
    "first": _end(0),
    "float": lambda _, value, default=0.0: number(do_float(text(value), default)),
    "format": _format,
    "int": lambda _, value, default=0: number(do_int(text(value), default)),
    "items": _items,
    "join": _join,
    "last": _end(-1),
    "length": _length,
    "list": lambda _, value: list(entries(value)),
    "lower": _of_text(lambda value: value.lower()),
    "map": _map,
    "max": _extreme(max),
    "min": _extreme(min),
    "rejectattr": lambda _, value, attribute, wanted=None: _chosen(value, attribute, wanted, reject=True),
    "replace": _replace,
    "reverse": _reverse,
    "round": _round,
    "selectattr": lambda _, value, attribute, wanted=None: _chosen(value, attribute, wanted, reject=False),
    "sort": _sort,
    "string": _of_text(lambda value: value),
    "sum": _sum,
    "title": _of_text(do_title),
    "trim": _of_text(lambda value: value.strip()),
    "truncate": _truncate,
    "unique": _unique,
    "upper": _of_text(lambda value: value.upper()),
    "urlencode": _of_text(do_urlencode),
    "wordcount": _of_text(lambda value: len(value.split())),
}

HTML_FILTERS: Final[Mapping[str, Filter]] = {
    "e": _of_text(escape),
    "escape": _of_text(escape),
    "safe": _of_text(Markup),
    "tojson": lambda _, value: htmlsafe_json_dumps(value),
}

TESTS: Final[Mapping[str, Callable[..., bool]]] = {
    "divisibleby": lambda value, by: number(value) % number(by) == 0,
    "even": lambda value: number(value) % 2 == 0,
    "mapping": lambda value: isinstance(value, dict),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "odd": lambda value: number(value) % 2 == 1,
    "sequence": lambda value: isinstance(value, (list, tuple)),
    "string": lambda value: isinstance(value, str),
}
