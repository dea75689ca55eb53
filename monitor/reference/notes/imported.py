"""What a person is told of a reference that comes from another system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from monitor.reference.reference import Reference
from monitor.text import number

#: what every import waits for
WAITS: Final = (
    "nothing is judged before a warm-up has shown how live windows vary: 10,000 predictions and 40 base windows of "
    "250 events"
)


def import_head(reference: Reference) -> Iterator[str]:
    """Of an import alone: whose it is, and what it waits for."""
    assert reference.imported is not None  # noqa: S101  # it was asked
    whose = f"{reference.key.model} {reference.key.version}".strip() or "any model"
    yield f"reference of {whose}, imported from {reference.imported.system}  {reference.hash}"
    yield WAITS
    if reference.note:
        yield f"note: {reference.note}"
    for name, why in reference.ignored:
        yield f"ignored: {name}: {why}"


def import_lines(reference: Reference, before: Sequence[str] = ()) -> Iterator[str]:
    """The limits that the other system sets, and what its import could not give."""
    imported = reference.imported
    if imported is None:
        return
    yield from before
    if imported.limits:
        yield f"Limits of {imported.system}:"
    for limit in imported.limits:
        on = f"{limit.column}: " if limit.column else ""
        held = f"{limit.measure} at most {number(limit.most)}" if limit.measure else f"not judged: {limit.why}"
        yield f"  {on}{limit.name}: {held}"
    if imported.notes:
        yield f"Not in the import from {imported.system}:"
    yield from (f"  {note}" for note in imported.notes)
