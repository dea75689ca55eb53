"""Validation of the part of a reference file that has the performance of its labelled predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from monitor.stats.performance.class_scores import MOST_CLASSES
from monitor.stats.performance.class_scores import PLACES as PLACES_OF_CLASS
from monitor.stats.performance.judged_errors import LEARNED
from monitor.stats.performance.label_sums import UNITS
from monitor.stats.performance.score_grid import PLACES
from monitor.stats.variance.long_run import DEPENDENT, GROWS, INDEPENDENT, TOO_SHORT

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
#: integers of any size are text: not every reader of JSON takes more than 64 bits
Integer = Annotated[str, msgspec.Meta(pattern="^-?[0-9]{1,60}$")]
#: a sum of squares or cubes
Power = Annotated[str, msgspec.Meta(pattern="^-?[0-9]{1,160}$")]
#: lengths 1, 2, 4, ... of windows
MOST_LENGTHS: Final = 64


class _ClassScores(msgspec.Struct, gc=False):
    classes: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_CLASSES)]
    places: list[Count]
    counts: list[Count]


class _Tally(msgspec.Struct, gc=False):
    labels: Count
    pairs: list[tuple[str, str, Count]]
    score_counts: list[tuple[Annotated[int, msgspec.Meta(ge=0, lt=2 * PLACES)], Count]] = []
    label_sums: dict[str, Integer] = {}
    class_scores: _ClassScores | None = None


class _Run(msgspec.Struct, gc=False):
    block: Count
    settled: bool
    reason: str
    variance: Annotated[list[Annotated[float, msgspec.Meta(ge=1)]], msgspec.Meta(min_length=1, max_length=1)]
    freedom: Annotated[list[Annotated[float, msgspec.Meta(gt=0)] | None], msgspec.Meta(min_length=1, max_length=1)]
    by_rows: list[list[NotNegative]]


class ErrorsRow(msgspec.Struct, gc=False):
    """How one error varied."""

    long_run: _Run
    rises: Annotated[list[NotNegative], msgspec.Meta(max_length=MOST_LENGTHS)]
    falls: Annotated[list[NotNegative], msgspec.Meta(max_length=MOST_LENGTHS)]


class PerformanceRow(msgspec.Struct, gc=False):
    """`performance` in a file."""

    tally: _Tally
    windows: Count
    rows: NotNegative
    base_us: Count
    errors: dict[str, ErrorsRow]
    came: list[tuple[Count, Annotated[float, msgspec.Meta(ge=0, le=1)]]] = []
    late: Count = 0
    segments: list[tuple[Count, PerformanceRow]] = []
    settled_us: Count = 0


def performance_faults(row: PerformanceRow, task: str, segments: int = 0) -> Iterator[str]:
    """`task` and the number of `segments` are the file's."""
    yield from error_faults(row.errors, LEARNED.get(task, ()), row.came, f"no error of the task {task}")
    if not row.tally.label_sums.keys() <= UNITS.keys():
        yield "tally.label_sums: a name is not known"
    yield from number_faults([at for at, _ in row.segments], segments)
    for at, one in row.segments:
        yield from (f"segments[{at}].{fault}" for fault in performance_faults(one, task))
    if (known := row.tally.class_scores) is not None:
        if len(known.places) != len(known.counts):
            yield "tally.class_scores: places and counts are not equally long"
        if any(place >= 2 * PLACES_OF_CLASS * len(known.classes) for place in known.places):
            yield "tally.class_scores: a place is of no class"


def number_faults(numbers: Sequence[int], segments: int) -> Iterator[str]:
    """Faults of the numbers of segments, of which a file has so many."""
    if list(numbers) != sorted(set(numbers)) or any(at >= segments for at in numbers):
        yield f"segments: not numbers of the file's {segments} segments, rising"


def error_faults(
    errors: Mapping[str, ErrorsRow], known: Sequence[str], came: Sequence[tuple[int, float]], unknown: str
) -> Iterator[str]:
    """Faults of how errors varied, which are those of `known` figures, and of when their values came.

    `unknown` says what another figure is.
    """
    yield from (f"errors: {name[:40]!r} is {unknown}" for name in errors if name not in known)
    for name, one in errors.items():
        if len(one.rises) != len(one.falls):
            yield f"errors.{name}: rises and falls are not equally long"
        if one.long_run.reason not in {INDEPENDENT, DEPENDENT, TOO_SHORT, GROWS}:
            yield f"errors.{name}.long_run.reason is not known"
        if any(len(of_rows) != 1 for of_rows in one.long_run.by_rows):
            yield f"errors.{name}.long_run.by_rows: not one number each"
    if sorted(came) != list(came) or sorted(share for _, share in came) != [share for _, share in came]:
        yield "came: delays and shares do not rise"
