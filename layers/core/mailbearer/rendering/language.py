"""The part of Jinja2's language that templates may use.

A template is parsed by Jinja2 and looked through node by node against a closed list. What is not on the list never gets
as far as being compiled.
"""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Final

from jinja2 import TemplateSyntaxError, nodes

from mailbearer.errors import Fault
from mailbearer.rendering.filters import FILTERS, HTML_FILTERS, TESTS
from mailbearer.rendering.variables import MAX_NUMBER, UNSAFE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jinja2 import Environment

    from mailbearer.rendering.limits import Limits

HTML: Final = "html"
DEFAULT = frozenset({"default", "d"})
DEFINED = frozenset({"defined", "undefined"})

LOOKUPS = (nodes.Name, nodes.Getattr, nodes.Getitem)
_BLOCKS = (nodes.For, nodes.If, nodes.With)
_ALLOWED = frozenset(
    {
        *LOOKUPS,
        *_BLOCKS,
        nodes.Add,
        nodes.And,
        nodes.Assign,
        nodes.Compare,
        nodes.Concat,
        nodes.CondExpr,
        nodes.Const,
        nodes.Dict,
        nodes.Div,
        nodes.Filter,
        nodes.FloorDiv,
        nodes.Keyword,
        nodes.List,
        nodes.Mod,
        nodes.Mul,
        nodes.Neg,
        nodes.Not,
        nodes.Operand,
        nodes.Or,
        nodes.Output,
        nodes.Pair,
        nodes.Pos,
        nodes.Slice,
        nodes.Sub,
        nodes.Template,
        nodes.TemplateData,
        nodes.Test,
        nodes.Tuple,
    }
)
_ALONE = "A template stands alone: there is no {% include %}, {% import %}, {% extends %} and {% block %}."
_NO_MACROS = "There are no macros and no {% call %}; write it out, or use a loop."
_NO_BUFFERS = (
    "There are no {% filter %} blocks and no {% set %} blocks; use {{ value|filter }} and {% set name = value %}."
)
_WHY: dict[type[nodes.Node], str] = {
    nodes.Include: _ALONE,
    nodes.Import: _ALONE,
    nodes.FromImport: _ALONE,
    nodes.Extends: _ALONE,
    nodes.Block: _ALONE,
    nodes.Macro: _NO_MACROS,
    nodes.CallBlock: _NO_MACROS,
    nodes.FilterBlock: _NO_BUFFERS,
    nodes.AssignBlock: _NO_BUFFERS,
    nodes.Call: "Nothing can be called in a template; use a filter, like {{ name|upper }} or {{ order|items }}.",
    nodes.Pow: "There is no ** in a template.",
    nodes.Scope: "Escaping is not switched: html is escaped, text and subject are not.",
}


def parse(
    environment: Environment, part: str, source: str, limits: Limits, faults: list[Fault]
) -> nodes.Template | None:
    """Parse one part (`subject`, `text`, `html`); None, with every fault at `/<part>`, if it cannot be used."""
    pointer = f"/{part}"
    if UNSAFE.search(source):
        faults.append(Fault(pointer, "unsafe_character", f"NUL and lone surrogates may not stand in {part}."))
        return None
    try:
        if sum(1 for _ in zip(environment.lexer.tokeniter(source, part), range(limits.tokens + 1), strict=False)) > (
            limits.tokens
        ):
            detail = f"A template has at most {limits.tokens} names, signs and words outside of its plain text."
            faults.append(Fault(pointer, "template_limit", detail))
            return None
        tree = environment.parse(source, part)
    except TemplateSyntaxError as error:
        faults.append(Fault(pointer, "template_syntax", f"Line {error.lineno}: {error.message}"))
        return None
    except RecursionError:
        faults.append(Fault(pointer, "template_limit", f"Expressions nest at most {limits.depth} deep."))
        return None
    except ValueError:
        # Python reads no number of more than 4300 digits.
        faults.append(Fault(pointer, "template_syntax", "A number in the template is too long."))
        return None
    found = list(_forbidden(tree, part, limits))
    faults.extend(found)
    return None if found else tree


def chain_of(node: nodes.Node) -> tuple[nodes.Node, list[nodes.Expr]]:
    """Take `order.lines[0].name` apart: the expression that it starts with, and the keys."""
    keys: list[nodes.Expr] = []
    while isinstance(node, nodes.Getattr) or (
        isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice)
    ):
        keys.append(nodes.Const(node.attr, lineno=node.lineno) if isinstance(node, nodes.Getattr) else node.arg)
        node = node.node
    return node, keys[::-1]


def _forbidden(tree: nodes.Template, part: str, limits: Limits) -> Iterator[Fault]:
    """Give a fault for everything that may not be."""
    pointer = f"/{part}"
    waiting: list[tuple[nodes.Node, int, int, int]] = [(tree, 1, 0, 0)]
    while waiting:
        node, line, depth, blocks = waiting.pop()
        line = node.lineno or next((child.lineno for child in node.iter_child_nodes() if child.lineno), line)
        blocks += isinstance(node, _BLOCKS)
        if depth > limits.depth or blocks > limits.blocks:
            detail = f"Blocks nest at most {limits.blocks} deep, and expressions in them {limits.depth}."
            yield Fault(pointer, "template_limit", f"Line {line}: {detail}")
            continue
        if type(node) not in _ALLOWED:
            why = _WHY.get(type(node), f"{type(node).__name__} cannot stand in a template.")
            yield Fault(pointer, "template_forbidden", f"Line {line}: {why}")
            continue
        if detail := _misused(node, part):
            yield Fault(pointer, "template_forbidden", f"Line {line}: {detail}")
        children = list(node.iter_child_nodes())
        waiting.extend((child, line, depth + 1, blocks) for child in reversed(children))


def _misused(node: nodes.Node, part: str) -> str:
    """Say what is wrong with a node of a kind that is allowed."""
    detail = ""
    match node:
        case nodes.Filter():
            detail = _misused_filter(node, part)
        case nodes.Test():
            detail = _unknown("test", node.name, TESTS.keys() | DEFINED)
            detail = detail or _misfit(node, "test", TESTS.get(node.name, _default))
        case nodes.For(recursive=True):
            detail = "There are no recursive loops."
        case nodes.For(target=target):
            targets = target.items if isinstance(target, nodes.Tuple) else [target]
            if not all(isinstance(each, nodes.Name) for each in targets):
                detail = "A loop has names before `in`, like {% for name, value in order|items %}."
        case nodes.Assign(target=target) if not isinstance(target, nodes.Name):
            detail = "{% set %} sets one name."
        case nodes.Name(name="self"):
            detail = "self means something to Jinja2; give the variable another name."
        case nodes.Const(value=int() | float() as value) if not abs(value) < MAX_NUMBER:
            detail = "Numbers are smaller than 2^63."
    return detail


def _misused_filter(node: nodes.Filter, part: str) -> str:
    known = {**FILTERS, **(HTML_FILTERS if part == HTML else {}), **dict.fromkeys(DEFAULT, _default)}
    if node.name in HTML_FILTERS.keys() - known.keys():
        return f"The filter {node.name} is for html only; nothing is escaped in {part}."
    return _unknown("filter", node.name, known) or _misfit(node, "filter", known[node.name])


def _misfit(node: nodes.Filter | nodes.Test, kind: str, function: Callable[..., object]) -> str:
    """See whether a filter or test takes the arguments that are written there."""
    if node.dyn_args or node.dyn_kwargs:
        return "Arguments are written out, without * and **."
    given: list[None] = [None] * (len(node.args) + (2 if kind == "filter" else 1))  # the budget, and the value
    try:
        signature(function).bind(*given, **dict.fromkeys([str(each.key) for each in node.kwargs]))
    except TypeError:
        return f"The {kind} {node.name} does not take these arguments."
    if kind == "test" and node.kwargs:
        return "The arguments of a test have no names."
    return ""


def _default(_budget: object, _value: object = None, default_value: object = "", boolean: object = None) -> None:
    """Have the signature of `default`."""


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    return "" if name in known else f"There is no {kind} {name!r} here; there are {', '.join(known)}."
