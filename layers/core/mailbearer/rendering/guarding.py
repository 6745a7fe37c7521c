"""Putting guards into a template: what it looks up or does, it does through a call of ours that knows its line."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from jinja2 import nodes

from mailbearer.rendering.language import DEFAULT, DEFINED, LOOKUPS, chain_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPERATORS: dict[type[nodes.BinExpr], str] = {
    nodes.Add: "+",
    nodes.Sub: "-",
    nodes.Mul: "*",
    nodes.Div: "/",
    nodes.FloorDiv: "//",
    nodes.Mod: "%",
}


def put_guards(tree: nodes.Template) -> None:
    """Rewrite a tree that holds nothing but what `language` allows, in place."""
    for name, value in tree.iter_fields():
        setattr(tree, name, _rewritten(value))


def _rewritten(value: object) -> object:
    if isinstance(value, list):
        return [_rewritten(item) for item in value]
    return _rewrite(value) if isinstance(value, nodes.Node) else value


@singledispatch
def _rewrite(node: nodes.Node) -> nodes.Node:
    """Give what takes the place of a node; by default the node itself, with what is in it rewritten."""
    for name, value in node.iter_fields():
        setattr(node, name, _rewritten(value))
    return node


@_rewrite.register
def _output(node: nodes.Output) -> nodes.Node:
    node.nodes = [
        child if isinstance(child, nodes.TemplateData) else _guarded(_expression(child), "shown")
        for child in node.nodes
    ]
    return node


@_rewrite.register
def _for(node: nodes.For) -> nodes.Node:
    targets = len(node.target.items) if isinstance(node.target, nodes.Tuple) else 0
    node.iter = _guarded(_expression(node.iter), "counted", _const(targets, node))
    node.test = _expression(node.test) if node.test else None
    node.body = [_rewrite(child) for child in node.body]
    node.else_ = [_rewrite(child) for child in node.else_]
    return node


@_rewrite.register
def _name(node: nodes.Name) -> nodes.Node:
    return _guarded(node, "reached") if node.ctx == "load" else node


@_rewrite.register
def _getattr(node: nodes.Getattr) -> nodes.Node:
    return _lookup(node, "reached")


@_rewrite.register
def _getitem(node: nodes.Getitem) -> nodes.Node:
    if isinstance(node.arg, nodes.Slice):
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        ends = (_expression(bound) if bound else _const(None, node) for bound in bounds)
        return _guarded(_expression(node.node), "sliced", *ends)
    return _lookup(node, "reached")


@_rewrite.register
def _filter(node: nodes.Filter) -> nodes.Node:
    operand = node.node or _const("", node)  # only a filter block has none
    arguments = [_expression(argument) for argument in node.args]
    named = [nodes.Keyword(each.key, _expression(each.value), lineno=each.lineno) for each in node.kwargs]
    if node.name in DEFAULT:
        return _guarded(_lenient(operand), "filled", *arguments, named=named)
    return _guarded(_expression(operand), "applied", _const(node.name, node), *arguments, named=named)


@_rewrite.register
def _test(node: nodes.Test) -> nodes.Node:
    value = _lenient(node.node) if node.name in DEFINED else _expression(node.node)
    return _guarded(value, "tested", _const(node.name, node), *(_expression(argument) for argument in node.args))


@_rewrite.register
def _compare(node: nodes.Compare) -> nodes.Node:
    pairs = [part for each in node.ops for part in (_const(each.op, node), _expression(each.expr))]
    return _guarded(_expression(node.expr), "compared", *pairs)


@_rewrite.register
def _concat(node: nodes.Concat) -> nodes.Node:
    first, *rest = [_expression(child) for child in node.nodes]
    return _guarded(first, "joined", *rest)


@_rewrite.register
def _cond_expr(node: nodes.CondExpr) -> nodes.Node:
    # Without an else Jinja2 would make something undefined of it; here it is nothing to show.
    otherwise = _expression(node.expr2) if node.expr2 else _const("", node)
    return nodes.CondExpr(_expression(node.test), _expression(node.expr1), otherwise, lineno=node.lineno)


@_rewrite.register
def _list(node: nodes.List) -> nodes.Node:
    return _guarded(nodes.List([_expression(item) for item in node.items], lineno=node.lineno), "gathered")


@_rewrite.register
def _tuple(node: nodes.Tuple) -> nodes.Node:
    if node.ctx != "load":
        return node
    items = [_expression(item) for item in node.items]
    return _guarded(nodes.Tuple(items, node.ctx, lineno=node.lineno), "gathered")


@_rewrite.register
def _dict(node: nodes.Dict) -> nodes.Node:
    pairs = [
        nodes.Pair(_guarded(_expression(each.key), "named"), _expression(each.value), lineno=each.lineno)
        for each in node.items
    ]
    return _guarded(nodes.Dict(pairs, lineno=node.lineno), "gathered")


@_rewrite.register
def _unary(node: nodes.UnaryExpr) -> nodes.Node:
    operand = _expression(node.node)
    if isinstance(node, nodes.Not):
        return nodes.Not(operand, lineno=node.lineno)
    return _guarded(_const(0, node), "computed", _const("-" if isinstance(node, nodes.Neg) else "+", node), operand)


@_rewrite.register
def _binary(node: nodes.BinExpr) -> nodes.Node:
    left, right = _expression(node.left), _expression(node.right)
    if isinstance(node, (nodes.And, nodes.Or)):
        return type(node)(left, right, lineno=node.lineno)
    return _guarded(left, "computed", _const(_OPERATORS[type(node)], node), right)


def _lookup(node: nodes.Node, name: str) -> nodes.Filter:
    start, keys = chain_of(node)
    begun = start if isinstance(start, nodes.Name) else _expression(start)
    return _guarded(begun, name, *(_expression(key) for key in keys))


def _lenient(node: nodes.Expr) -> nodes.Expr:
    """Guard an operand that may be missing."""
    return _lookup(node, "sought") if isinstance(node, LOOKUPS) else _expression(node)


def _expression(node: nodes.Node) -> nodes.Expr:
    rewritten = _rewrite(node)
    if not isinstance(rewritten, nodes.Expr):
        raise TypeError(f"{type(node).__name__} is no expression.")
    return rewritten


def _guarded(node: nodes.Expr, name: str, *arguments: nodes.Expr, named: Iterable[nodes.Keyword] = ()) -> nodes.Filter:
    """Write `name(context, node, line, *arguments, **named)`, as a filter: those get the context."""
    return nodes.Filter(
        node, name, [_const(node.lineno, node), *arguments], list(named), None, None, lineno=node.lineno
    )


def _const(value: object, node: nodes.Node) -> nodes.Const:
    return nodes.Const(value, lineno=node.lineno)
