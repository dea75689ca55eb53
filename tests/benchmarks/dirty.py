"""What producers do to a stream: each kind changes the events of a clean one, and says what it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

from tests.benchmarks.perf_events import NAMES, NUMBERS, Event, Fault, PerfEvents, any_text, bad_score, one_text

#: one event of so many
EVERY: Final = 1_000
#: of the values of a stream with NaN
NAN_EVERY: Final = 100

#: the values of a clean stream -> those of the dirty one, as many
Dirt = Callable[[Sequence[bytes]], list[bytes]]


def written(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def by_event(fault: Fault) -> Dirt:
    """The fault is given the number of the event."""

    def dirtied(values: Sequence[bytes]) -> list[bytes]:
        made = []
        for number, value in enumerate(values):
            event: Event = json.loads(value)
            fault(event, number)
            made.append(written(event))
        return made

    return dirtied


def clean(values: Sequence[bytes]) -> list[bytes]:
    return list(values)


def duplicate(values: Sequence[bytes]) -> list[bytes]:
    """The event before it once more."""
    return [values[at - 1] if at % EVERY == EVERY - 1 else value for at, value in enumerate(values)]


def bad_element(event: Event, number: int) -> None:
    """A text in a number's place, now and then."""
    if number % EVERY == 0:
        event["features"][NAMES[5]] = "n/a"


def line_break(values: Sequence[bytes]) -> list[bytes]:
    """A line feed as it is within a text, which JSON does not permit: the record is rejected."""
    return [
        value.replace(b'"version":"', b'"version":"\n', 1) if at % EVERY == 0 else value
        for at, value in enumerate(values)
    ]


def escaped_line_break(event: Event, number: int) -> None:
    """As JSON writes one within a text: a valid record, whose name is not in the reference."""
    if number % EVERY == 0:
        event["features"][NAMES[NUMBERS]] = "of two\nlines"


def nan(event: Event, number: int) -> None:
    """Python writes it as NaN, which JSON does not know."""
    features = event["features"]
    for k, name in enumerate(NAMES[:NUMBERS]):
        if (number * 31 + k * 7) % NAN_EVERY == 0:
            features[name] = float("nan")


def whole_numbers(event: Event, number: int) -> None:
    """Every other number of a column is written without a fraction."""
    if number % 2:
        event["features"][NAMES[7]] = round(event["features"][NAMES[7]])


def mixed(event: Event, number: int) -> None:
    """A number, a text, a truth value and null in turn."""
    event["features"][NAMES[7]] = (event["features"][NAMES[7]], "7.5", True, None)[number % 4]


KINDS: Final[Mapping[str, Dirt]] = {
    "clean": clean,
    "one duplicate in a thousand": duplicate,
    "one bad value in a thousand": by_event(bad_element),
    "a line break within a text, in one of a thousand": line_break,
    "an escaped line break within a text, in one of a thousand": by_event(escaped_line_break),
    "1 % NaN": by_event(nan),
    "whole numbers and fractions in a column": by_event(whole_numbers),
    "mixed types in a column": by_event(mixed),
    "a bad field in every event, the same": by_event(one_text),
    "a bad field in every event, another each time": by_event(any_text),
    "every event rejected": by_event(bad_score),
}


def dirty_values(kind: str, events: int) -> list[bytes]:
    return KINDS[kind](_clean(events))


@cache
def _clean(events: int) -> list[bytes]:
    return PerfEvents(events).values()
