"""What the project wants to reach, and how each figure is taken from a kept run of `bench`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.benchmarks.sets.place import POLL
from tests.benchmarks.side_by_side import Runs, Spread, quantities, quantity, ratios, tells

#: {set: {program: its runs by round}}
Measurements = Mapping[str, Mapping[str, Runs]]
Figure = Callable[[Measurements], Spread | None]


@dataclass(frozen=True)
class Goal:
    """`most` or `least` is the limit; neither: the figure is told, and nothing is wanted of it."""

    words: str
    figure: Figure
    most: float | None = None
    least: float | None = None
    unit: str = ""

    def limit(self) -> str:
        """`≤ 0.7`"""
        if self.most is not None:
            return f"≤ {self.most:g}{self.unit}"
        return "" if self.least is None else f"≥ {self.least:,g}{self.unit}"

    def met(self, figure: Spread) -> bool | None:
        """By the median; None without a limit."""
        if self.most is not None:
            return figure.median <= self.most
        return None if self.least is None else figure.median >= self.least


def runs_of(result: Mapping[str, Any]) -> Measurements:
    """What a kept run has measured."""
    return {
        name: {program["name"]: program["runs"] for program in one["programs"] if program["runs"]}
        for name, one in result["sets"].items()
    }


def _both(measured: Measurements, of: str, name: str, other: str) -> tuple[Runs, Runs] | None:
    programs = measured.get(of, {})
    return (programs[name], programs[other]) if name in programs and other in programs else None


def ratio(of: str, name: str, other: str, figure: str, scale: float = 1.0) -> Figure:
    """Of two programs of a set, round by round, times `scale`."""

    def taken(measured: Measurements) -> Spread | None:
        if (both := _both(measured, of, name, other)) is None:
            return None
        found = ratios(*both, figure)
        return Spread(*(scale * one for one in (found.median, found.least, found.most)))

    return taken


def value(of: str, name: str, figure: str) -> Figure:
    """A figure as it is; of a name that ends in an asterisk the first program that begins so."""

    def taken(measured: Measurements) -> Spread | None:
        for program, runs in measured.get(of, {}).items():
            fits = program.startswith(name[:-1]) if name.endswith("*") else program == name
            if fits and tells(runs[0], figure):
                return quantities(runs, figure)
        return None

    return taken


def each_more(of: str, name: str, other: str, figure: str, number: float) -> Figure:
    """How much more of a figure the first has than the other, for each of the `number` things that it has more."""

    def taken(measured: Measurements) -> Spread | None:
        if (both := _both(measured, of, name, other)) is None:
            return None
        pairs = zip(*both, strict=True)
        return Spread.of([(quantity(one, figure) - quantity(two, figure)) / number for one, two in pairs])

    return taken


def beyond_the_start(of: str, name: str, other: str) -> Figure:
    """Events for each second of CPU, without what the shorter run took."""

    def taken(measured: Measurements) -> Spread | None:
        if (both := _both(measured, of, name, other)) is None:
            return None
        pairs = zip(*both, strict=True)
        return Spread.of([(a["events"] - b["events"]) / (a["cpu_s"] - b["cpu_s"]) for a, b in pairs])

    return taken


_OF_POLL: Final = "of a loop that only polls"

GOALS: Final[Sequence[Goal]] = (
    Goal(f"CPU of an event, 25 features judged, {_OF_POLL}", ratio("peers", "driftd", POLL, "cpu"), most=0.7),
    Goal(f"throughput, {_OF_POLL}", ratio("peers", "driftd", POLL, "rate"), least=1.45),
    Goal(
        f"CPU with `fast_path: false`, {_OF_POLL}", ratio("peers", "driftd, fast_path: false", POLL, "cpu"), most=1.35
    ),
    Goal("CPU of a naive River daemon, of ours", ratio("peers", "naive River daemon", "driftd", "cpu"), least=5),
    Goal("throughput, of a naive River daemon's", ratio("peers", "driftd", "naive River daemon", "rate"), least=5),
    Goal(
        "CPU, of confluent + orjson that judge nothing", ratio("peers", "driftd", "confluent + orjson", "cpu"), most=1.7
    ),
    Goal("throughput, of the same", ratio("peers", "driftd", "confluent + orjson", "rate"), least=0.6),
    Goal(
        "CPU of a prediction with a label, of one without",
        ratio("labels", "a label for each prediction", "no labels", "steady"),
        most=1.5,
    ),
    Goal(
        "CPU of a value at 500 features, of one at 25 (promises aside)",
        ratio("features", "500 features", "25 features", "steady", 25 / 500),
        most=1.1,
    ),
    Goal(
        "CPU of an event with 10 models, of one model's (promises aside)",
        ratio("models", "10 models", "1 model", "steady"),
        most=1.4,
    ),
    Goal(
        "CPU of an event with 1,000 models, of one model's (the same)",
        ratio("models", "1,000 models", "1 model", "steady"),
        most=2.2,
    ),
    Goal(
        "CPU with a bad field in every event, of a clean stream's",
        ratio("dirty", "a bad field in every event, the same", "clean", "steady"),
        most=1.3,
    ),
    Goal(
        "CPU with every event rejected, of the same", ratio("dirty", "every event rejected", "clean", "steady"), most=3
    ),
    Goal(
        "judging one window of 25 features at all lengths",
        value("judging", "a model*", "window_ms"),
        most=1,
        unit=" ms",
    ),
    Goal("memory of a model of 25 features", value("judging", "a model*", "held_kb"), most=300, unit=" kB"),
    Goal("a prediction that waits for its label", value("join", "*", "waiting_bytes"), most=130, unit=" bytes"),
    Goal("checkpoint of 100 such models", value("checkpoints", "100 models*", "first_mb"), most=5, unit=" MB"),
    Goal(
        "reading stands still for it, longest", value("checkpoints", "100 models*", "longest_ms"), most=50, unit=" ms"
    ),
    Goal("and going on from it", value("checkpoints", "100 models*", "restored_ms"), most=200, unit=" ms"),
    Goal("a scrape under full load, 99 %", value("scrape", "four scrapes a second", "p99_ms"), most=25, unit=" ms"),
    Goal(
        "CPU with a scrape each second, of nobody's scraping",
        ratio("scrape", "a scrape each second", "nobody scrapes", "cpu"),
        most=1.05,
    ),
    Goal(
        "from an event to the series that counts it, 99 %", value("rest", "at rest*", "event_p99_s"), most=1, unit=" s"
    ),
    Goal("memory when it is idle, 10 models", value("rest", "at rest*", "idle_mb"), most=90, unit=" MB"),
    Goal("memory under load, 10 models of 25 features", value("models", "10 models", "rss_mb"), most=200, unit=" MB"),
    Goal(
        "throughput of two processes, of one",
        ratio("processes", "two processes", "one process", "rate"),
        least=1.6,
    ),
    Goal(
        "replay of a file, for each second of CPU",
        beyond_the_start("replay", "a long file", "a short file"),
        least=250_000,
        unit=" events",
    ),
)

#: largest resident memory of two runs, by what the one has more
MEMORY: Final[Sequence[Goal]] = (
    Goal("a model more", each_more("models", "100 models", "10 models", "rss_mb", 90 / 1024), unit=" KiB"),
    Goal("a feature more", each_more("features", "500 features", "25 features", "rss_mb", 475 / 1024), unit=" KiB"),
    Goal(
        "a partition more", each_more("partitions", "64 partitions", "8 partitions", "rss_mb", 56 / 1024), unit=" KiB"
    ),
    Goal("a prediction that waits for its label", value("join", "*", "waiting_bytes"), unit=" bytes"),
)
