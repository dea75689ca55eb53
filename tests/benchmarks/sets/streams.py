"""The daemon on streams that differ in one respect each: features, models, partitions, labels, codec, dirt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from tests.benchmarks.dirty import KINDS, dirty_values
from tests.benchmarks.perf_events import START_MS, PerfEvents
from tests.benchmarks.sets.place import GAP_MS, POLL, STEADY, Place, Set, Stream
from tests.benchmarks.side_by_side import Program

EVENTS: Final = 200_000
#: records between a prediction and its label
DELAY: Final = 1_000


def usual(place: Place) -> Stream:
    """25 features of one model in 3 partitions, not compressed."""
    return place.stream("usual", place.events(EVENTS))


def features(place: Place) -> Iterator[Program]:
    """Longer events are fewer."""
    first = ""
    for number, events in ((25, EVENTS), (5, EVENTS), (100, EVENTS // 4), (500, EVENTS // 20)):
        if place.quick and number > 100:
            place.left_out[f"{number} features"] = "left out of a quick run: its reference takes a minute"
            continue
        made = place.stream(f"features-{number}", place.events(events), features=number)
        name = f"{number} features"
        yield place.poll(made, f"{POLL}, {name}")
        yield place.daemon(name, made, first)
        first = first or name


def models(place: Place) -> Iterator[Program]:
    first = ""
    for number in (1, 10, 100, 1_000):
        if place.quick and number > 100:
            place.left_out["1,000 models"] = "left out of a quick run: their references take a minute"
            continue
        made = place.stream(f"models-{number}", place.events(EVENTS), number)
        name = f"{number:,} model{'s' if number > 1 else ''}"
        yield place.daemon(name, made, first)
        first = first or name


def partitions(place: Place) -> Iterator[Program]:
    first = ""
    for number in (1, 8, 64):
        made = place.stream(f"partitions-{number}", place.events(EVENTS), partitions=number)
        name = f"{number} partition{'s' if number > 1 else ''}"
        yield place.poll(made, f"{POLL}, {name}")
        yield place.daemon(name, made, first)
        first = first or name


def labelled(events: int) -> Sequence[bytes]:
    """Each prediction has its label, some thousand records later; a third of them is wrong."""
    values = PerfEvents(events).values()
    made = []
    for at, value in enumerate(values):
        made.append(value)
        if at >= DELAY:
            made.append(_label(at - DELAY))
    return made + [_label(at) for at in range(max(events - DELAY, 0), events)]


def _label(of: int) -> bytes:
    label = {
        "type": "label",
        "id": f"p-{of:09d}",
        "model": "perf-0",
        "version": "1",
        "ts": START_MS + (of + DELAY) * GAP_MS,
        "label": of % 3 // 2,
    }
    return json.dumps(label, separators=(",", ":")).encode()


def labels(place: Place) -> Iterator[Program]:
    """One partition, so that a label never comes before its prediction."""
    events = place.events(EVENTS // 2)
    none = place.stream("unlabelled", events, partitions=1)
    every = place.filled("labelled", events, lambda: labelled(events), partitions=1)
    yield place.daemon("no labels", none)
    yield place.daemon("a label for each prediction", every, "no labels")


def codecs(place: Place) -> Iterator[Program]:
    for codec in ("none", "lz4", "zstd"):
        made = place.stream(f"codec-{codec}", place.events(EVENTS), codec=codec)
        yield place.poll(made, f"{POLL}, {codec}")
        yield place.daemon(codec, made, f"{POLL}, {codec}" if not place.label else "")


def dirt(place: Place) -> Iterator[Program]:
    """A topic of which most is rejected is read on, which it is not by default."""
    events = place.events(EVENTS // 2)
    for at, kind in enumerate(KINDS):
        made = place.filled(f"dirty-{at}", events, lambda of=kind: dirty_values(of, events))  # type: ignore[misc]  # bound now
        yield place.daemon(kind, made, "clean" if at else "", limits={"rejected_share": 1})


SETS: Final = (
    Set("features", "one model of 5 to 500 features; ratios to 25 features", features, STEADY, compared=True),
    Set("models", "25 features of 1 to 1,000 models in turn; ratios to one", models, STEADY, compared=True),
    Set("partitions", "one model in 1 to 64 partitions; ratios to one", partitions, compared=True),
    Set("labels", "figures for each prediction; its label is in the same partition", labels, STEADY, compared=True),
    Set("codecs", "ratios to the loop that only polls, on the same topic", codecs, compared=True),
    Set("dirty", "ratios to the clean stream", dirt, STEADY, compared=True),
)
