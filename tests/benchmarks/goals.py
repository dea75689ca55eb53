"""What the project wants to reach, and how each figure is taken from a kept run of `bench`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.benchmarks.dirty import KINDS
from tests.benchmarks.sets.alone import SHORT
from tests.benchmarks.sets.peers import CONFLUENT
from tests.benchmarks.sets.place import POLL
from tests.benchmarks.sets.streams import CODECS
from tests.benchmarks.side_by_side import Runs, Spread, quantities, quantity, ratios, tells

#: {set: {program: its runs by round}}
Measurements = Mapping[str, Mapping[str, Runs]]
Figure = Callable[[Measurements], Spread | None]


@dataclass(frozen=True)
class Goal:
    """`most` or `least` is the limit; neither: the figure is told, and nothing is wanted of it.

    `stretch` is the same kind of limit: what would be still better.
    """

    words: str
    figure: Figure
    most: float | None = None
    least: float | None = None
    unit: str = ""
    stretch: float | None = None

    def limit(self) -> str:
        """`≤ 0.7 (0.6)`"""
        wanted = self.least if self.most is None else self.most
        if wanted is None:
            return ""
        further = "" if self.stretch is None else f" ({self.stretch:,g})"
        return f"{'≥' if self.most is None else '≤'} {wanted:,g}{self.unit}{further}"

    def met(self, figure: Spread) -> str:
        """By the median; empty without a limit."""
        if self.most is not None:
            return self._in_words(lambda limit: figure.median <= limit, self.most)
        return "" if self.least is None else self._in_words(lambda limit: figure.median >= limit, self.least)

    def _in_words(self, reaches: Callable[[float], bool], limit: float) -> str:
        if not reaches(limit):
            return "**no**"
        return "yes, the further one too" if self.stretch is not None and reaches(self.stretch) else "yes"


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
        return Spread(scale * found.median, scale * found.least, scale * found.most)

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


def farthest(figures: Mapping[str, Figure], choose: Callable[..., str]) -> Figure:
    """Of several figures the one that `choose` (`max`, `min`) takes by their medians, with its name."""

    def taken(measured: Measurements) -> Spread | None:
        told = {name: found for name, figure in figures.items() if (found := figure(measured)) is not None}
        if not told:
            return None
        name = choose(told, key=lambda one: told[one].median)
        return replace(told[name], of_which=name)

    return taken


def beyond_the_start(of: str, name: str, other: str) -> Figure:
    """Events for each second of CPU, without what the shorter run took."""

    def taken(measured: Measurements) -> Spread | None:
        if (both := _both(measured, of, name, other)) is None:
            return None
        return Spread.of([1 / each for each in _beyond(*both)])

    return taken


def beyond_the_starts(of: str, name: str, other: str, short: str) -> Figure:
    """CPU of an event in the one, of one in the other; `short` stands before the names of the shorter runs."""

    def taken(measured: Measurements) -> Spread | None:
        mine, others = (_both(measured, of, one, f"{short}{one}") for one in (name, other))
        if mine is None or others is None:
            return None
        return Spread.of([a / b for a, b in zip(_beyond(*mine), _beyond(*others), strict=True)])

    return taken


def _beyond(runs: Runs, shorter: Runs) -> list[float]:
    """Seconds of CPU for an event, round by round."""
    pairs = zip(runs, shorter, strict=True)
    return [(a["cpu_s"] - b["cpu_s"]) / (a["events"] - b["events"]) for a, b in pairs]


_OF_POLL: Final = "of a loop that only polls"

_CLEAN: Final = "clean"
#: kinds of dirt of which less is wanted
_REJECTED: Final = "every event rejected"


def _codecs(ending: str, figure: str) -> dict[str, Figure]:
    return {codec: ratio("codecs", f"{codec}{ending}", f"{POLL}, {codec}", figure) for codec in CODECS}


def _dirty(of: str) -> dict[str, Figure]:
    return {kind: ratio(of, kind, _CLEAN, "cpu") for kind in KINDS if kind not in {_CLEAN, _REJECTED}}


_READING: Final = (
    Goal(
        f"CPU of an event, 25 features judged, {_OF_POLL}", ratio("peers", "driftd", POLL, "cpu"), most=0.7, stretch=0.6
    ),
    Goal(f"throughput, {_OF_POLL}", ratio("peers", "driftd", POLL, "rate"), least=1.45, stretch=1.7),
    Goal(
        "CPU with `client: confluent`, of the same",
        ratio("peers", f"driftd{CONFLUENT}", POLL, "cpu"),
        most=0.6,
        stretch=0.5,
    ),
    Goal(
        "throughput with `client: confluent`, of the same",
        ratio("peers", f"driftd{CONFLUENT}", POLL, "rate"),
        least=1.45,
        stretch=1.7,
    ),
    Goal("CPU at the worst codec, of polling the same topic", farthest(_codecs("", "cpu"), max), most=0.7, stretch=0.6),
    Goal(
        "CPU at the worst codec with `client: confluent`, of the same",
        farthest(_codecs(CONFLUENT, "cpu"), max),
        most=0.6,
        stretch=0.5,
    ),
    Goal("throughput at the worst codec, of the same", farthest(_codecs("", "rate"), min), least=1.45, stretch=1.7),
    Goal(
        "throughput at the worst codec with `client: confluent`",
        farthest(_codecs(CONFLUENT, "rate"), min),
        least=1.45,
        stretch=1.7,
    ),
    Goal(
        f"CPU with `fast_path: false`, {_OF_POLL}", ratio("peers", "driftd, fast_path: false", POLL, "cpu"), most=1.35
    ),
    Goal("CPU of a naive River daemon, of ours", ratio("peers", "naive River daemon", "driftd", "cpu"), least=5),
    Goal("throughput, of a naive River daemon's", ratio("peers", "driftd", "naive River daemon", "rate"), least=5),
    Goal(
        "CPU, of confluent + orjson that judge nothing", ratio("peers", "driftd", "confluent + orjson", "cpu"), most=1.7
    ),
    Goal("throughput, of the same", ratio("peers", "driftd", "confluent + orjson", "rate"), least=0.6),
    Goal("throughput of two processes, of one", ratio("processes", "two processes", "one process", "rate"), least=1.6),
)
_GROWING: Final = (
    Goal(
        "CPU of a prediction with a label, of one without",
        ratio("labels", "a label for each prediction", "no labels", "cpu"),
        most=1.5,
    ),
    Goal(
        "CPU of a value at 500 features, of one at 25",
        ratio("features", "500 features", "25 features", "cpu", 25 / 500),
        most=1.1,
    ),
    Goal(
        "CPU of an event with 10 models, each as busy as one alone",
        ratio("models", "10 models", "1 model", "cpu"),
        most=1.4,
    ),
    Goal("CPU of an event with 1,000 such models", ratio("models", "1,000 models", "1 model", "cpu"), most=2.2),
    Goal("CPU of the worst dirty stream, of the clean one", farthest(_dirty("dirty"), max), most=1.3),
    Goal("the same, decoding and counting alone", farthest(_dirty("dirty-alone"), max), most=1.3),
    Goal("CPU with every event rejected, of the clean stream", ratio("dirty", _REJECTED, _CLEAN, "cpu"), most=3),
)
_BESIDE: Final = (
    Goal(
        "judging one window of 25 features at all lengths",
        value("judging", "a model*", "window_ms"),
        most=1,
        unit=" ms",
    ),
    Goal("memory of a model of 25 features", value("judging", "a model*", "held_kb"), most=300, unit=" kB"),
    Goal(
        "a prediction that waits for its label",
        value("join", "*", "waiting_bytes"),
        most=130,
        unit=" bytes",
        stretch=30,
    ),
    Goal("checkpoint of 100 such models", value("checkpoints", "100 models*", "first_mb"), most=5, unit=" MB"),
    Goal(
        "reading stands still for it, longest", value("checkpoints", "100 models*", "longest_ms"), most=20, unit=" ms"
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
        "replay of a file, for each second of CPU",
        beyond_the_start("replay", "lines", SHORT + "lines"),
        least=250_000,
        unit=" events",
    ),
    Goal(
        "the same with one event a pane",
        beyond_the_start("replay", "lines, one event a pane", SHORT + "lines, one event a pane"),
        least=50_000,
        unit=" events",
    ),
    Goal(
        "replay of Parquet, CPU of an event, of one in lines",
        beyond_the_starts("replay", "Parquet", "lines", SHORT),
        most=1,
    ),
)
GOALS: Final[Sequence[Goal]] = (*_READING, *_GROWING, *_BESIDE)

#: largest resident memory of two runs, by what the one has more
MEMORY: Final[Sequence[Goal]] = (
    Goal("a model more", each_more("models", "100 models", "10 models", "rss_mb", 90 / 1024), unit=" KiB"),
    Goal("a feature more", each_more("features", "500 features", "25 features", "rss_mb", 475 / 1024), unit=" KiB"),
    Goal(
        "a partition more", each_more("partitions", "64 partitions", "8 partitions", "rss_mb", 56 / 1024), unit=" KiB"
    ),
    Goal("a prediction that waits for its label", value("join", "*", "waiting_bytes"), unit=" bytes"),
)
