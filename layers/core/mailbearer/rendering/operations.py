"""What a template does while it is rendered: each operation bounded, each fault with its line."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Undefined, pass_context
from jinja2.runtime import LoopContext, markup_join, str_join

from mailbearer.addresses import escape_pointer
from mailbearer.errors import Fault
from mailbearer.rendering.filters import FILTERS, HTML_FILTERS, TESTS, entries, kind_of, number, text
from mailbearer.rendering.variables import POINTER, Array, Object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jinja2.runtime import Context

    from mailbearer.rendering.limits import Budget

RUN: Final = "the run"
"""Where a template's context holds the rendering it belongs to; not a name that a template could say."""

_MOST = 1000
_WRONG = (TypeError, ValueError, ArithmeticError, LookupError)
_LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda one, many: one in many,
    "notin": lambda one, many: one not in many,
}
_COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


class _Gone:
    """What stands for a value that is known to be at fault: false, empty, and passed on in silence."""

    def __bool__(self) -> bool:
        return False


GONE: Final = _Gone()


class Findings:
    """The faults of one rendering, each once; the first thousand, since a loop can find more without end."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._seen: set[tuple[str, str]] = set()

    def add(self, fault: Fault) -> None:
        """Take a fault; of one place and code only one detail is kept for variables, every one for the parts."""
        key = (fault.pointer, fault.code if fault.code == "variable_missing" else fault.detail)
        if key not in self._seen and len(self.faults) < _MOST:
            self._seen.add(key)
            self.faults.append(fault)


class Counted:
    """A list that a loop goes over; each turn is counted."""

    def __init__(self, found: Sequence[Any], run: Run) -> None:
        self._found = found
        self._run = run

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Any]:
        for item in self._found:
            self._run.budget.step()
            yield item


class Run:
    """One rendering of one part; all its faults go to `findings`."""

    def __init__(self, part: str, budget: Budget, findings: Findings, *, escaping: bool) -> None:
        self.budget = budget
        self._pointer = f"/{part}"
        self._part = part
        self._findings = findings
        self._filters = {**FILTERS, **HTML_FILTERS} if escaping else FILTERS
        self._join = markup_join if escaping else str_join

    # --- looking up ---------------------------------------------------------------------------------------------------

    def reached(self, value: Any, line: int, *keys: Any) -> Any:
        """Follow the keys from a value; what is missing is a fault."""
        found, pointer = self._follow(value, line, keys)
        if found is not None:
            return found
        if not pointer:
            return self._fail(line, f"There is no {keys[-1]!r} here." if keys else "There is nothing here.")
        detail = f"This variable is missing; {self._part} needs it in line {line}."
        self._findings.add(Fault(pointer, "variable_missing", detail))
        return GONE

    def sought(self, value: Any, line: int, *keys: Any) -> Any:
        """Follow the keys from a value; what is missing is None."""
        return self._follow(value, line, keys)[0]

    def filled(self, value: Any, _line: int, default_value: Any = "", boolean: object = None) -> Any:
        """Give the default for what is missing, and with `boolean` for what is false."""
        return default_value if value is None or (boolean and not value) else value

    def sliced(self, value: Any, line: int, *ends: Any) -> Any:
        """Give a part of a text or a list."""
        if any(each is GONE for each in (value, *ends)):
            return GONE
        try:
            part: slice[Any, Any, Any] = slice(*(None if end is None else number(end) for end in ends))
            return (value if isinstance(value, str) else entries(value))[part]
        except _WRONG as error:
            return self._fail(line, f"[:] {_said(error)}.")

    def _follow(self, value: Any, line: int, keys: tuple[Any, ...]) -> tuple[Any, str]:
        """Give what the keys lead to, None if nothing, and the pointer to it if it is in the variables."""
        if isinstance(value, LoopContext):
            return self._of_loop(value, line, keys), ""
        pointer = ""
        if isinstance(value, Undefined):
            value, pointer = None, f"{POINTER}/{escape_pointer(str(value._undefined_name))}"  # noqa: SLF001 - has no other
        for key in keys:
            if value is GONE or key is GONE:
                return GONE, ""
            if isinstance(value, (Object, Array)):
                pointer = value.pointer
            pointer = f"{pointer}/{escape_pointer(str(key))}" if pointer else ""
            value = _item(value, key)
        return value, pointer

    def _of_loop(self, loop: LoopContext, line: int, keys: tuple[Any, ...]) -> Any:
        if len(keys) == 1 and keys[0] in _LOOP:
            return getattr(loop, keys[0])
        return self._fail(line, f"A loop has {', '.join(f'loop.{name}' for name in sorted(_LOOP))}.")

    # --- doing --------------------------------------------------------------------------------------------------------

    def shown(self, value: Any, line: int) -> Any:
        """Give what is written into the message."""
        if value is GONE:
            return ""
        if isinstance(value, (str, bool, int, float)):
            return value
        what = "nothing" if value is None else kind_of(value)
        return self._fail(line, f"This is {what}, and cannot be written out; use join, a loop or default.") or ""

    def counted(self, value: Any, line: int, targets: int) -> Counted:
        """Give what a loop goes over: a list, or the names in an object; with `targets` names, lists of so many."""
        found: Sequence[Any] = ()
        if isinstance(value, dict):
            found = tuple(value)
        elif isinstance(value, (list, tuple)):
            found = value
        elif value is not GONE:
            self._fail(line, f"A loop goes over a list, not {kind_of(value)}.")
        if targets and not all(isinstance(item, (list, tuple)) and len(item) == targets for item in found):
            self._fail(line, f"The loop has {targets} names, but not every entry is a list of {targets}.")
            found = ()
        return Counted(found, self)

    def applied(self, value: Any, line: int, name: str, *arguments: Any, **named: Any) -> Any:
        """Apply a filter."""
        if any(each is GONE for each in (value, *arguments, *named.values())):
            return GONE
        try:
            return self._filters[name](self.budget, value, *arguments, **named)
        except _WRONG as error:
            return self._fail(line, f"The filter {name} {_said(error)}.")

    def tested(self, value: Any, line: int, name: str, *arguments: Any) -> bool:
        """Apply a test."""
        if name in {"defined", "undefined"}:
            return (value is not None) == (name == "defined")
        if any(each is GONE for each in (value, *arguments)):
            return False
        try:
            return TESTS[name](value, *arguments)
        except _WRONG as error:
            return bool(self._fail(line, f"The test {name} {_said(error)}."))

    def compared(self, value: Any, line: int, *pairs: Any) -> bool:
        """Compare as Python does, in a chain."""
        if any(each is GONE for each in (value, *pairs)):
            return False
        for name, other in zip(pairs[::2], pairs[1::2], strict=True):
            self.budget.check_time()
            try:
                if not _COMPARE[name](value, other):
                    return False
            except TypeError:
                return bool(self._fail(line, f"This cannot be compared: {kind_of(value)} and {kind_of(other)}."))
            value = other
        return True

    def computed(self, left: Any, line: int, sign: str, right: Any) -> Any:
        """Compute with numbers; `+` also joins texts and lists."""
        if left is GONE or right is GONE:
            return GONE
        try:
            if sign == "+" and isinstance(left, str) and isinstance(right, str):
                return self.joined(left, line, right)
            if sign == "+" and isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
                return self.gathered([*left, *right], line)
            return number(_COMPUTE[sign](number(left), number(right)))
        except _WRONG as error:
            return self._fail(line, f"{sign} {_said(error)}.")

    def joined(self, value: Any, line: int, *others: Any) -> Any:
        """Join texts; what is no HTML yet is escaped if it meets HTML."""
        parts = (value, *others)
        if any(part is GONE for part in parts):
            return GONE
        try:
            self.budget.check_length(6 * sum(len(text(part)) for part in parts))
        except TypeError as error:
            return self._fail(line, f"~ {_said(error)}.")
        return self._join(parts)

    def gathered(self, value: Any, _line: int) -> Any:
        """Take a list or an object that the template wrote, if it is not too large with all that hangs below it."""
        self.budget.weigh(value)
        return value

    def named(self, value: Any, line: int) -> str:
        """Take the name of an entry in an object that the template wrote."""
        if isinstance(value, str):
            return value
        if value is not GONE:
            self._fail(line, f"The name of an entry is a text, not {kind_of(value)}.")
        return ""

    def _fail(self, line: int, detail: str) -> _Gone:
        self._findings.add(Fault(self._pointer, "template_failed", f"Line {line}: {detail}"))
        return GONE


def _item(value: Any, key: Any) -> Any:
    """Give an entry of an object by its name or of a list by its number; never an attribute of anything."""
    if isinstance(value, dict):
        return value.get(key) if isinstance(key, str) else None
    if isinstance(value, (list, tuple, str)) and type(key) is int and -len(value) <= key < len(value):
        return value[key]
    return None


def _said(error: Exception) -> str:
    """Say what an error of ours or of Python's says."""
    if isinstance(error, ZeroDivisionError):
        return "divides by zero"
    return str(error) or "cannot be applied"


def _guard(name: str) -> Callable[..., Any]:
    operation = getattr(Run, name)

    @pass_context
    def guard(context: Context, value: Any, line: int, *arguments: Any, **named: Any) -> Any:
        run: Run = context.parent[RUN]
        run.budget.check_time()
        return operation(run, value, line, *arguments, **named)

    return guard


GUARDS: Final = {
    name: _guard(name)
    for name in (
        "applied",
        "compared",
        "computed",
        "counted",
        "filled",
        "gathered",
        "joined",
        "named",
        "reached",
        "shown",
        "sliced",
        "sought",
        "tested",
    )
}
"""What `guarding` writes calls of, as Jinja2's filters."""
