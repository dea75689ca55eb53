"""A msgspec struct for the mapped fields of a record: objects by their keys, lists by the places of their items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from monitor.settings.places import Step

#: the last place of a list that is read this way
_LAST_PLACE: Final = 255


class Leaf(NamedTuple):
    """A value of the record: its type, and what it is when its key is absent."""

    type: Any
    default: object


#: by key of an object, or by place of a list
Node = dict[Step, "Leaf | Node"]


class CannotCompile(Exception):  # control flow inside this folder, never raised to a caller
    """The layout has something that a struct cannot express."""


def add_leaf(root: Node, steps: Sequence[Step], leaf: Leaf) -> None:
    """Add a value at a path.

    Raises:
        CannotCompile: another one is there, above it or below it, or the path takes an object for a list.
    """
    node = root
    *above, last = steps
    for step in above:
        _require_same_kind(node, step)
        below = node.setdefault(step, {})
        if isinstance(below, Leaf):
            raise CannotCompile
        node = below
    _require_same_kind(node, last)
    if last in node:
        raise CannotCompile
    node[last] = leaf


def _require_same_kind(node: Node, step: Step) -> None:
    if any(type(other) is not type(step) for other in node) or (isinstance(step, int) and step > _LAST_PLACE):
        raise CannotCompile


def struct_of(
    node: Node, sample: object, namespace: Mapping[str, object] | None = None, first: Sequence[str] = ()
) -> type[msgspec.Struct]:
    """The struct of a node: its fields are f0, f1, ... in the order of `_ordered`."""
    fields: list[Any] = []
    order = _ordered(node, sample, first)
    for at, step in enumerate(order):
        below = node.get(step)
        if below is None:  # an item of a list that nobody reads
            fields.append((f"f{at}", msgspec.Raw, msgspec.Raw(b"")))
        elif isinstance(below, Leaf):
            fields.append((f"f{at}", below.type, below.default))
        else:
            made = struct_of(below, _below(sample, step))
            fields.append((f"f{at}", made, msgspec.field(default_factory=made)))
    is_list = _is_list(node)
    names = None if is_list else {f"f{at}": str(name) for at, name in enumerate(order)}
    own = dict(namespace or {})
    return msgspec.defstruct("Record", fields, rename=names, namespace=own, gc=False, array_like=is_list)


def attribute_of(node: Node, sample: object, steps: Sequence[Step], first: Sequence[str] = ()) -> str:
    """The attribute of the struct that holds the value at a path."""
    step, *rest = steps
    attribute, below = f"f{_ordered(node, sample, first).index(step)}", node[step]
    if not rest or isinstance(below, Leaf):
        return attribute
    return f"{attribute}.{attribute_of(below, _below(sample, step), rest)}"


def _is_list(node: Node) -> bool:
    return any(type(step) is int for step in node)


def _below(sample: object, step: Step) -> object:
    if isinstance(sample, dict):
        return sample.get(step)
    return sample[step] if isinstance(sample, list) and isinstance(step, int) and step < len(sample) else None


def _ordered(node: Node, sample: object, first: Sequence[str] = ()) -> Sequence[Step]:
    """The keys, behind the first ones in the order of the sample: msgspec finds a field at once if it is the next.
    Of a list every place up to the last one that is read."""
    if _is_list(node):
        return range(max(step for step in node if isinstance(step, int)) + 1)
    places = {name: at for at, name in enumerate(sample)} if isinstance(sample, dict) else {}
    return [*first, *sorted(node.keys() - set(first), key=lambda name: (places.get(name, len(places)), str(name)))]
