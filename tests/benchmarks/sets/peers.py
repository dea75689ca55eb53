"""The daemon beside loops that only read, a naive daemon, and stream processors that tally the same events."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.benchmarks.kept import PEERS
from tests.benchmarks.sets.place import POLL, Place, Set
from tests.benchmarks.sets.streams import usual
from tests.benchmarks.side_by_side import Program

#: name -> the module, what has to be there for it, and options
YARDSTICKS: Final = {
    "naive River daemon": ("yardsticks.naive_river", "river", ()),
    "confluent, counts only": ("yardsticks.confluent_orjson", "orjson", ("--bare",)),
    "confluent + orjson": ("yardsticks.confluent_orjson", "orjson", ()),
    "aiokafka, counts only": ("yardsticks.aiokafka_poll", "aiokafka", ("--bare",)),
    "aiokafka + orjson": ("yardsticks.aiokafka_poll", "aiokafka", ()),
}
TALLIES: Final = {
    "confluent + orjson + tally": ("peers.confluent_tally", "orjson", ()),
    "bytewax": ("peers.bytewax_windows", "bytewax", ()),
    "quixstreams": ("peers.quixstreams_windows", "quixstreams", ()),
    "quixstreams, windows in memory": ("peers.quixstreams_windows", "quixstreams", ("--bare",)),
    "pathway": ("peers.pathway_windows", "pathway", ()),
}
LEAVES_OUT: Final = {
    POLL: "everything: it counts records",
    "naive River daemon": "duplicates, lateness, windows, a reference, checkpoints",
    "confluent, counts only": "everything: it counts records",
    "confluent + orjson": "everything but parsing",
    "aiokafka, counts only": "everything: it counts records",
    "aiokafka + orjson": "everything but parsing",
    "confluent + orjson + tally": "judging, duplicates, lateness, checkpoints, series; windows are never dropped",
    "bytewax": "judging, duplicates, recovery, series",
    "quixstreams": "judging, duplicates, changelogs, series; windows are by partition",
    "quixstreams, windows in memory": "judging, duplicates, state, series: a function and a dict",
    "pathway": "judging, duplicates, persistence, series; its start counts, too",
}


def clients(place: Place) -> Iterator[Program]:
    """The ways in which the daemon reads."""
    stream = usual(place)
    yield place.poll(stream)
    yield place.daemon("driftd", stream, POLL)
    yield place.daemon("driftd, fast_path: false", stream, POLL, kafka={"fast_path": False})
    yield place.daemon("driftd, client: confluent", stream, POLL, client="confluent")


def peers(place: Place) -> Iterator[Program]:
    yield from clients(place)
    yield from _others(place, YARDSTICKS)


def tallies(place: Place) -> Iterator[Program]:
    stream = usual(place)
    yield place.poll(stream)
    yield place.daemon("driftd", stream, POLL)
    yield from _others(place, TALLIES)


def _others(place: Place, programs: Mapping[str, tuple[str, str, Sequence[str]]]) -> Iterator[Program]:
    stream = usual(place)
    for name, (module, needs, options) in programs.items():
        python = sys.executable if needs == "river" else str(PEERS)
        if missing := _missing(python, needs):
            place.left_out[name] = missing
        else:
            command = [python, "-m", *place.reading(module, stream), *options]
            yield Program(name, command, POLL, leaves_out=LEAVES_OUT[name])


def _missing(python: str, module: str) -> str:
    """Why it cannot run; empty if it can."""
    if python == str(PEERS) and not PEERS.exists():
        return "the peers' environment is not there: make bench-peers"
    asked = [python, "-c", f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"]
    return f"{module} is not installed" if subprocess.run(asked, check=False).returncode else ""


#: the names of what has the steps of the loop, what is taken apart, and what is profiled
STEPS, APART, PROFILED = "driftd, steps", "driftd, taken apart", "driftd, profiled"
CONFLUENT: Final = ", client: confluent"


def steps(place: Place) -> Iterator[Program]:
    stream = usual(place)
    yield place.daemon(STEPS, stream)
    yield place.daemon(STEPS + CONFLUENT, stream, STEPS, client="confluent")
    yield place.daemon(APART, stream, STEPS, "--stages")
    yield place.daemon(APART + CONFLUENT, stream, STEPS, "--stages", client="confluent")
    yield place.daemon(PROFILED, stream, STEPS, "--profile")


def alone(place: Place) -> Iterator[Program]:
    yield place.daemon("driftd", usual(place))


SETS: Final = (
    Set("peers", "one model of 25 features in 3 partitions; ratios to the loop that only polls", peers, weight=4),
    Set("tallies", "the same stream, tallied by windows of ten seconds", tallies, most_rounds=3, weight=2),
    Set("steps", "the same; being taken apart and profiled costs something itself", steps, most_rounds=3),
    Set("clients", "the first programs of peers, without the others", clients, compared=True),
    Set("daemon", "the daemon alone on that stream, for comparisons", alone, compared=True),
)
