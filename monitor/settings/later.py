"""Settings of the interface that this version does not support: they are faults, never silently ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.settings.types import Fault, Loc, Plain

LATER_CAUSES: Final = ("version",)

#: unsupported settings, or unsupported values of a setting; `[]` is any index, `*` any name
NOT_IN_THIS_VERSION: Final = (
    "state.store: kafka",
    "kafka.security.sasl_mechanism: GSSAPI | OAUTHBEARER",
    "inputs[].format: otlp",
    *(f"models[].{part}.{cause}" for part in ("severity", "least_effect") for cause in LATER_CAUSES),
)


def _pattern(row: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    name, _, values = row.partition(": ")
    return tuple(name.replace("[]", ".[]").split(".")), tuple(values.split(" | ")) if values else ()


_ROWS: Final = tuple(_pattern(row) for row in NOT_IN_THIS_VERSION)


def _matches(steps: tuple[str, ...], loc: Loc) -> bool:
    if len(steps) != len(loc):
        return False
    return all(
        want == "[]" if isinstance(step, int) else want in {"*", step} for want, step in zip(steps, loc, strict=True)
    )


def _nodes(value: Plain, loc: Loc = ()) -> Iterator[tuple[Loc, Plain]]:
    """Every node of a tree of dicts and lists, with its place."""
    yield loc, value
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _nodes(below, (*loc, name))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _nodes(below, (*loc, index))


def unsupported(tree: dict[str, Plain]) -> Iterator[Fault]:
    """Yield a fault for every setting of a tree that this version does not support."""
    for loc, value in _nodes(tree):
        for steps, values in _ROWS:
            if _matches(steps, loc):
                if not values:
                    yield loc, "not in this version"
                elif isinstance(value, str) and value in values:
                    yield loc, f"{value}: not in this version"
