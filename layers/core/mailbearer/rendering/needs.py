"""What a template cannot do without, as far as its source shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import nodes

from mailbearer.rendering.language import DEFAULT, DEFINED, chain_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def needs_of(tree: nodes.Template) -> list[str]:
    """Name the variables that every rendering looks up, like `order.id`, in their order.

    What only a branch, the turn of a loop, or the right side of `and` and `or` looks up may never be needed, so it is
    not among them; nor is what has a default or is asked for with `is defined`.
    """
    looking = _Looking()
    looking.each(tree.body)
    return list(dict.fromkeys(looking.found))


class _Looking:
    def __init__(self) -> None:
        self.found: list[str] = []
        self._own: set[str] = {"loop"}
        """Names that the template itself gives a value."""

    def each(self, parts: Iterable[nodes.Node]) -> None:
        for part in parts:
            self._look(part)

    def _look(self, node: nodes.Node) -> None:
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                self._lookup(node)
            case nodes.Filter(name=name) if name in DEFAULT:
                self.each(node.args)
            case nodes.Test(name=name) if name in DEFINED:
                pass
            case nodes.If():
                self._look(node.test)
                # A branch that was taken may have set them.
                self._own |= {
                    each.target.name for each in node.find_all(nodes.Assign) if isinstance(each.target, nodes.Name)
                }
            case nodes.CondExpr():
                self._look(node.test)
            case nodes.And() | nodes.Or():
                self._look(node.left)
            case nodes.For():
                self._look(node.iter)
            case nodes.Assign(target=nodes.Name(name=name)):
                self._look(node.node)
                self._own.add(name)
            case nodes.With():
                self.each(node.values)
                outside = set(self._own)
                self._own |= {target.name for target in node.targets if isinstance(target, nodes.Name)}
                self.each(node.body)
                self._own = outside
            case _:
                self.each(node.iter_child_nodes())

    def _lookup(self, node: nodes.Node) -> None:
        start, keys = chain_of(node)
        self.each(key for key in keys if not isinstance(key, nodes.Const))
        if not isinstance(start, nodes.Name):
            # A slice is a lookup that no path can name.
            self.each(start.iter_child_nodes() if isinstance(start, nodes.Getitem) else [start])
            return
        if start.name in self._own:
            return
        path = [start.name]
        for key in keys:
            if not isinstance(key, nodes.Const):
                break
            path.append(str(key.value))
        self.found.append(".".join(path))
