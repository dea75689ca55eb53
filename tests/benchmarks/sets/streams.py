"""The daemon on streams that differ in one respect each: features, models, partitions, labels, codec, dirt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.benchmarks.dirty import KINDS, dirty_values
from tests.benchmarks.perf_events import START_MS, PerfEvents
from tests.benchmarks.sets.place import GAP_MS, POLL, USUAL_TOPIC, Place, Set, Stream
from tests.benchmarks.side_by_side import Program

EVENTS: Final = 200_000
#: records between a prediction and its label
DELAY: Final = 1_000
#: of event time between two events of a model that is as busy as the others
OWN_GAP_MS: Final = 50
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")


def usual(place: Place) -> Stream:
    """25 features of one model in 3 partitions, not compressed."""
    return place.stream(USUAL_TOPIC, place.events(EVENTS))


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
    """A thousand models need more events, if each is to have some of the same windows."""
    yield from _models(place, "models", {1: EVENTS, 10: EVENTS, 100: EVENTS, 1_000: 5 * EVENTS // 4}, OWN_GAP_MS)


def sparse(place: Place) -> Iterator[Program]:
    """Of each of a thousand models there is one event in a pane."""
    numbers = {1: EVENTS // 2, 10: EVENTS // 2, 100: EVENTS // 4, 1_000: EVENTS // 10}
    yield from _models(place, "sparse", numbers, None)


def _models(place: Place, topic: str, numbers: Mapping[int, int], own_gap_ms: float | None) -> Iterator[Program]:
    """So many events of so many models: `own_gap_ms` between two of each of them, or GAP_MS between any two."""
    first = ""
    for number, events in numbers.items():
        if place.quick and number > 100:
            place.left_out["1,000 models"] = "left out of a quick run: their references take a minute"
            continue
        gap_ms = GAP_MS if own_gap_ms is None else own_gap_ms / number
        made = place.stream(f"{topic}-{number}", place.events(events), number, gap_ms=gap_ms)
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
    for codec in CODECS:
        made = place.stream(f"codec-{codec}", place.events(EVENTS), codec=codec)
        poll = f"{POLL}, {codec}"
        yield place.poll(made, poll)
        yield place.daemon(codec, made, poll)
        yield place.daemon(f"{codec}, client: confluent", made, poll, client="confluent")


def dirt(place: Place) -> Iterator[Program]:
    """A topic of which most is rejected is read on, which it is not by default."""
    events = place.events(EVENTS // 2)
    for at, kind in enumerate(KINDS):
        made = place.filled(f"dirty-{at}", events, lambda of=kind: dirty_values(of, events))  # type: ignore[misc]  # bound now
        yield place.daemon(kind, made, "clean" if at else "", limits={"rejected_share": 1})


SETS: Final = (
    Set("features", "one model of 5 to 500 features; ratios to 25 features", features, compared=True),
    Set(
        "models",
        f"25 features of 1 to 1,000 models, {1000 // OWN_GAP_MS} events a second of each; ratios to one",
        models,
        weight=2,
        compared=True,
    ),
    Set(
        "sparse",
        f"the same, {1000 // GAP_MS} events a second of all of them together; ratios to one",
        sparse,
        weight=1.5,
        compared=True,
    ),
    Set("partitions", "one model in 1 to 64 partitions; ratios to one", partitions, compared=True),
    Set("labels", "figures for each prediction; its label is in the same partition", labels, compared=True),
    Set("codecs", "ratios to the loop that only polls, on the same topic", codecs, weight=2.5, compared=True),
    Set("dirty", "ratios to the clean stream", dirt, weight=1.5, compared=True),
)
