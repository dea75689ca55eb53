"""The acceptance streams, judged: pages before the change, how soon the right finding comes, how many incidents.

`after` and `over`: predictions from the change to the first incident that tells of it, and to its end.

The streams are recreated from real credit rows; the reference is each one's first 10,000 predictions. A stream whose
cause is not in this version is shown as "not built", as long as it has no page.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from monitor.clock import SystemClock
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey, Partition
from monitor.findings import PAGE, SEVERITY_RANK, TICKET
from monitor.judge.causes.catalog import NAMES
from monitor.loop.sinks import ReplayOutputs
from monitor.pipeline import Pipeline
from monitor.reference.references import References
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.replay import replay
from monitor.settings.tree import Settings
from tests.benchmarks.acceptance_streams import REFERENCE_ROWS, WANTED, Stream, Wanted, stream
from tests.benchmarks.material import say, table
from tests.engine import EVENTS, MemorySource
from tests.streams import CATEGORICAL

#: predictions in a base window at the most
BASE: Final = 290
#: base windows in which a page of a burst has to end: that in which the burst ends, and three more
BRIEF: Final = 4
#: a restart loses what came after the last checkpoint: so many polls
LOST_POLLS: Final = 3
HEAD = (
    "stream", "seed", "before", "after", "within", "subject", "cause", "severity", "incidents", "tickets", "over", "ok",
)  # fmt: skip

Transitions = list[dict[str, Any]]


@dataclass(frozen=True)
class Judged:
    """Transitions of one stream and what it has to bring."""

    name: str
    seed: int
    stream: Stream
    transitions: Transitions
    #: what was reported is what is reported without restarts
    as_without_restarts: bool = True

    def row(self) -> list[object]:
        """One row under HEAD."""
        change, wanted = self.stream.change, WANTED[self.name]
        pages = self._first_with(PAGE)
        before = [t for t in pages if t["predictions"] <= change]
        after = [t for t in pages if t["predictions"] > change]
        tickets = len({t["incident"] for t in self.transitions} - {t["incident"] for t in pages})
        first, worst = self._noted(wanted)
        delay = None if first is None else first["predictions"] - change
        within = None if wanted.subject == "" else self.stream.within
        in_time = delay is not None and within is not None and delay <= within
        right = in_time and _is(wanted, worst) and self._stayed(wanted, first)
        over = self._resolved(first) if first else None
        counts, ends = [_shown(delay), _shown(within)], _shown(over and over - change)
        named = [worst.get(name, "-") for name in ("subject", "cause", "severity")]
        verdict = self._verdict(wanted, before, after, right=right)
        return [
            self.name,
            self.seed,
            len(before),
            *counts,
            *named,
            len(after),
            tickets,
            ends,
            verdict,
        ]

    def _first_with(self, severity: str) -> Transitions:
        """The first transition of each incident at which it is at least as severe."""
        first: dict[str, dict[str, Any]] = {}
        for one in self.transitions:
            if SEVERITY_RANK[one["severity"]] >= SEVERITY_RANK[severity]:
                first.setdefault(one["incident"], one)
        return list(first.values())

    def _noted(self, wanted: Wanted) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """What tells of the change first: the first page after it with its worst finding, or the wanted ticket."""
        after = [one for one in self.transitions if one["predictions"] >= self.stream.change]
        if wanted.severity == TICKET:
            for one in after:
                for found in one["findings"]:
                    if _is(wanted, found):
                        return one, found
        pages = [one for one in self._first_with(PAGE) if one["predictions"] > self.stream.change]
        return (pages[0], pages[0]["findings"][0]) if pages else (None, {})

    def _stayed(self, wanted: Wanted, first: dict[str, Any] | None) -> bool:
        return not wanted.stays or (first is not None and self._resolved(first) is None)

    def _verdict(self, wanted: Wanted, before: Transitions, after: Transitions, *, right: bool) -> str:
        if wanted.burst:
            after = [page for page in after if not self._was_brief(page)]
        silent = not before and not after
        if wanted.subject == "":
            return "ok" if silent else "NOT"
        if not _is_built(wanted):
            return "not built" if silent else "NOT"
        fewest, most = wanted.incidents if wanted.severity == PAGE else (0, 0)
        right = right and not before and fewest <= len(after) <= most
        closed = most == 1 or all(self._resolved(page) is not None for page in after)
        return "ok" if right and closed and self.as_without_restarts else "NOT"

    def _resolved(self, page: dict[str, Any]) -> int | None:
        """Predictions up to the end of an incident; None while it is open."""
        ends = (one for one in self.transitions if one["incident"] == page["incident"])
        return next((one["predictions"] for one in ends if one["transition"] == "resolved"), None)

    def _was_brief(self, page: dict[str, Any]) -> bool:
        end, burst = self._resolved(page), WANTED[self.name].burst
        return end is not None and end - self.stream.change <= burst + BRIEF * BASE


def _shown(predictions: int | None) -> str:
    return "-" if predictions is None else f"{predictions:,}"


def _is(wanted: Wanted, found: dict[str, Any]) -> bool:
    return bool(found) and found["cause"] == wanted.cause and wanted.subject in found["subject"].split("~")


def _is_built(wanted: Wanted) -> bool:
    return wanted.cause in NAMES


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="acceptance", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--only", default=",".join(WANTED), help="names of streams")
    parser.add_argument("--segments", default="", help="names of features, such as SEX,EDUCATION")
    asked = parser.parse_args(arguments)
    segments = tuple(asked.segments.split(",")) if asked.segments else ()
    rows: list[list[object]] = []
    for seed in range(asked.first, asked.first + asked.seeds):
        with tempfile.TemporaryDirectory(prefix="driftd-acceptance-") as folder:
            for name in asked.only.split(","):
                rows.append(judged(name, seed, Path(folder), segments).row())
                say("  ".join(map(str, rows[-1])))
    say()
    table(HEAD, sorted(rows, key=lambda row: (list(WANTED).index(str(row[0])), row[1])))
    verdicts = [row[-1] for row in rows]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("ok", "not built", "NOT"))
    say(f"{len(rows)} streams: {counts}")


def judged(name: str, seed: int, folder: Path, segments: tuple[str, ...] = ()) -> Judged:
    """Make one stream, build its references, replay it."""
    made = replace(stream(name, seed, folder), segments=segments)
    found = transitions_of(made)
    same = not made.restarts or with_restarts(made) == found
    return Judged(name, seed, made, found, same)


def transitions_of(made: Stream) -> Transitions:
    """What a replay says of the stream."""
    settings = _settings(made)
    lines: list[dict[str, Any]] = []
    replay(settings, _admission(settings, made), _source(made), SystemClock(), lines.append)
    return [line for line in lines if line["kind"] == "transition"]


def with_restarts(made: Stream) -> Transitions:
    """The same by a daemon that is killed and goes on from an earlier checkpoint; what it says twice counts once."""
    settings, clock = _settings(made), SystemClock()
    admission = _admission(settings, made)
    said: dict[str, dict[str, Any]] = {}

    def begun() -> tuple[Pipeline, MemorySource]:
        source = _source(made)
        outputs = ReplayOutputs(lambda one: said.setdefault(one.id, one.to_json()))
        return Pipeline(settings, admission, source, clock, outputs, live=False), source

    pipeline, source = begun()
    states, cuts, ended = [pipeline.to_state().state()], list(made.restarts), False
    while not ended:
        if cuts and source.next[EVENTS] >= cuts[0]:
            del cuts[0]
            saved = states[0]
            pipeline, source = begun()
            pipeline.restore(saved)
            source.next.update(pipeline.positions())
        ended = source.ended()
        pipeline.turn()
        states = [*states[-LOST_POLLS:], pipeline.to_state().state()]
    return list(said.values())


def _source(made: Stream) -> MemorySource:
    return MemorySource({Partition(EVENTS.topic, at): events for at, events in enumerate(made.partitions)})


def _admission(settings: Settings, made: Stream) -> Admission:
    references = {
        version: build_reference(
            settings,
            ModelKey("credit", version),
            lambda events=events: MemorySource({EVENTS: events}),  # type: ignore[misc]  # bound now
            SystemClock(),
            EventRange(rows=REFERENCE_ROWS),
        )
        for version, events in made.references.items()
    }
    return Admission(settings, References({"credit": references}))


def _settings(made: Stream) -> Settings:
    features = {name: {"kind": "categorical"} for name in CATEGORICAL}
    model = {"name": "credit", "versions": [*made.references], "reference": "r-{version}.json", "features": features}
    model["segments"] = made.segments
    return Settings.model_validate({"inputs": [{"topic": "events"}], "models": [model]})
