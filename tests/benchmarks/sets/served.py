"""The daemon as a process: scraped under load, at rest, and two at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from tests.benchmarks.freshness import REST
from tests.benchmarks.perf_events import START_MS, PerfEvents
from tests.benchmarks.sets.place import DIFFERENT, GAP_MS, Place, Set, Stream, without_state
from tests.benchmarks.side_by_side import Program

CHILD: Final = (sys.executable, "-m", "tests.benchmarks.served_child")
#: models of 25 features, a thousand series each, and a limit that shows all of them
MODELS: Final = 10
MANY: Final = 100
SERIES: Final = 200_000
NOBODY: Final = "nobody scrapes"
#: seconds between two scrapes, and their form: Prometheus asks for gzip
SCRAPED: Final = (
    (NOBODY, 0.0, "gzip"),
    ("a scrape each second", 1.0, "gzip"),
    ("a scrape each second, not compressed", 1.0, "plain"),
    ("four scrapes a second", 0.25, "gzip"),
)


def scrapes(place: Place) -> Iterator[Program]:
    """A longer backlog, so that there are some scrapes of it."""
    # an event of many models takes several times as long: each has its windows and its part of the snapshot
    for models, full, words in ((MODELS, 1_000_000, ""), (MANY, 300_000, f", {MANY} models")):
        events = place.events(full)
        stream = place.stream(f"scraped-{models}", events, models, codec="lz4")
        for name, every, form in SCRAPED if models == MODELS else SCRAPED[:2]:
            config = place.config(name + words, [stream.topic], stream, limits={"series": SERIES})
            command = [*CHILD, "scrape", str(config), str(events), str(every), form]
            against = "" if name is NOBODY else NOBODY + words
            yield Program(name + words, command, against, without_state(config))


def rest(place: Place) -> Iterator[Program]:
    """Each round has its own empty topic: what the one before wrote would be a backlog."""
    place.broker.create_topic(REST.name, 3)
    config = place.config("rest", [REST.name], Stream(REST.name, 0, REST.models))
    command = [*CHILD, "fresh", str(config), "20" if place.quick else "100", place.broker.bootstrap]

    def emptied() -> None:
        without_state(config)()
        place.broker.delete_topic(REST.name)
        place.broker.create_topic(REST.name, 3)

    yield Program("at rest, 10 models of 25 features", command, before=emptied)


def processes(place: Place) -> Iterator[Program]:
    """Two processes read a topic each: a group that several share is not there yet."""
    half = place.events(200_000)
    topics = [_half(place, number, half) for number in range(2)]
    one, two = "one process", "two processes"
    whole = place.stream("whole", 2 * half, partitions=4)
    alone = place.config(one, [whole.topic], whole)
    each = [place.config(f"{two} {number}", [of.topic], of) for number, of in enumerate(topics)]
    yield Program(one, [*CHILD, "pair", str(2 * half), str(alone)], before=without_state(alone))
    yield Program(two, [*CHILD, "pair", str(half), *map(str, each)], one, without_state(*each))


def _half(place: Place, number: int, events: int) -> Stream:
    def values() -> list[bytes]:
        templates = PerfEvents(min(DIFFERENT, events), seed=number).templates()
        return [templates[n % len(templates)] % (n, START_MS + n * GAP_MS) for n in range(events)]

    return place.filled(f"half-{number}", events, values, partitions=2)


SETS: Final = (
    Set(
        "scrape",
        "a backlog of 10 models of 25 features, or 100; CPU in ratio to nobody scraping. Waited: the loop's thread in "
        "one turn, for the interpreter, a processor or Kafka",
        scrapes,
        {
            "p50_ms": "median ms",
            "p99_ms": "99 % ms",
            "bytes": "bytes",
            "series": "series",
            "turn_most_ms": "longest turn ms",
            "waited_p99_ms": "waited, 99 % ms",
            "waited_most_ms": "most ms",
        },
    ),
    Set(
        "rest",
        "from the start of the process to ready; from the acknowledgement of one event to the scrape that counts it",
        rest,
        {
            "started_s": "start s",
            "idle_mb": "idle MB",
            "event_p50_s": "event to series s",
            "event_p99_s": "99 % s",
            "core_share": "cores",
        },
    ),
    Set("processes", "the same number of events in 4 partitions; two read 2 each", processes),
)
