"""The streams of the acceptance benchmark: the recorded generator's, and further ones made of its clean stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.benchmarks.material import data_folder, quality_folder
from tests.streams import scenario_events

Event = dict[str, Any]
Events = list[Event]

REFERENCE_ROWS: Final = 10_000


@dataclass(frozen=True)
class Wanted:
    """What a stream has to bring after its change.

    `subject` "" is nothing at all; a pair has a subject if one of its columns is it. `incidents` (fewest, most) that
    are ever a page. `within` predictions; None: as the generator's truth says. `after_labels`: they are
    counted from when nearly all labels of the first changed predictions have come. `burst` predictions of a burst: a
    page that was resolved with the third base window behind it is none. `stays`: its incident is not over by the end.
    """

    subject: str = ""
    cause: str = ""
    severity: str = "page"
    incidents: tuple[int, int] = (1, 1)
    within: int | None = None
    burst: int = 0
    after_labels: bool = False
    stays: bool = False


@dataclass(frozen=True)
class Stream:
    """Events by partition, in order of arrival; the reference of each version is made of its own events.

    The change comes with prediction number `change`; what is wanted is due `within` so many predictions of it. The
    daemon is restarted after each of `restarts` records.
    """

    partitions: tuple[Events, ...]
    references: Mapping[str, Events]
    change: int
    within: int | None
    restarts: tuple[int, ...] = field(default=())
    #: features by which the settings cut the events
    segments: tuple[str, ...] = ()


NOTHING: Final = Wanted()
#: by the generator's name of a stream
GENERATED: Final[dict[str, Wanted]] = {
    "clean": NOTHING,
    "clean_clusters": NOTHING,
    "sudden_mean": Wanted("AGE", "distribution"),
    "gradual_mean": Wanted("AGE", "distribution"),
    "slow_leak": Wanted("BILL_AMT1", "distribution"),
    "recurring": Wanted("LIMIT_BAL", "distribution", incidents=(2, 3)),
    "category_share": Wanted("EDUCATION", "distribution"),
    "new_category": Wanted("EDUCATION", "unseen"),
    "missing_rise": Wanted("PAY_AMT1", "missing"),
    "unit_change": Wanted("LIMIT_BAL", "outside"),
    "unit_change_one_client": Wanted("LIMIT_BAL", "outside"),
    "stuck_sensor": Wanted("BILL_AMT2", "constant"),
    "column_gone": Wanted("PAY_2", "absent"),
    "outlier_burst": Wanted(burst=200),
    "segment_only": Wanted("PAY_0", "distribution"),
    "joint_shift": Wanted("BILL_AMT2", "relation", severity="ticket"),
    "calibration_drift": Wanted("credit", "calibration", after_labels=True),
    "seasonality": NOTHING,
    # of two days and a third a daily wave is known, but not how much days differ: that takes seven, for a page
    "seasonality_plus_drift": Wanted("AGE", "distribution", severity="ticket", stays=True),
    "traffic_drop": Wanted("credit", "traffic", severity="ticket"),
    "traffic_stop": Wanted("credit", "traffic", severity="ticket"),
    # both after twice the longest wait for a label in the reference: labels that do not come may come late
    "labels_late": Wanted("credit", "label_delay", severity="ticket", within=12_000),
    "labels_stop": Wanted("credit", "label_coverage", severity="ticket", within=12_000),
    "replayed_batch": NOTHING,
    "low_traffic_shift": Wanted("AGE", "distribution"),
}
OWN: Final[dict[str, Wanted]] = {
    "type_change": Wanted("AGE", "type", within=300),
    "renamed_column": Wanted("PAY_2", "absent", within=100),
    "version_switch": NOTHING,
    "out_of_order": NOTHING,
    "clock_skew": Wanted("credit", "clock", severity="ticket", within=1_000),
    "one_of_two_partitions": Wanted("AGE", "distribution", within=1_000),
    "restart_in_incident": Wanted("AGE", "distribution"),
}
WANTED: Final = GENERATED | OWN


def stream(name: str, seed: int, folder: Path) -> Stream:
    """Make one stream; `folder` keeps what the generator writes."""
    if name in GENERATED:
        events, truth = _generated(name, seed, folder)
        if name == "column_gone":
            events = [_without_nulls(one, "PAY_2") for one in events]
        wanted = GENERATED[name]
        within = truth["within_events"] if wanted.within is None else wanted.within
        if wanted.after_labels:
            within += _events_until_labels(events)
        return Stream((events,), _reference(events), truth["change_prediction"], within)
    base = "sudden_mean" if name == "restart_in_incident" else "clean"
    events, truth = _generated(base, seed, folder)
    rng = np.random.default_rng([20, seed])
    return _MAKERS[name](events, truth["change_prediction"], rng, OWN[name].within or truth["within_events"])


def generate(name: str, seed: int, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The generator's file of one stream, and what is true of it."""
    truth = folder / f"{name}-{seed}.json"
    made = folder / f"{name}-{seed}.csv.gz"
    if not truth.exists():
        script = str(quality_folder() / "scenarios.py")
        command = [sys.executable, script, str(data_folder()), str(folder), "--only", name, "--seed", str(seed)]
        # its model is small, and threads that wait for each other take more time than one
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        (folder / f"{name}.csv.gz").rename(made)
        truth.write_text(json.dumps(json.loads((folder / "truth.json").read_text())[name]))
    return made, json.loads(truth.read_text())


def _generated(name: str, seed: int, folder: Path) -> tuple[Events, dict[str, Any]]:
    made, truth = generate(name, seed, folder)
    return list(scenario_events(made)), truth


def _reference(events: Events, version: str = "1") -> dict[str, Events]:
    """The first predictions, and the labels that come for them."""
    predictions = [one for one in events if one["type"] == "prediction"][:REFERENCE_ROWS]
    known = {one["id"] for one in predictions}
    return {version: [one for one in events if one["id"] in known]}


def _events_until_labels(events: Events) -> int:
    """Predictions that come until 95 % of the labels of one have come, in the reference's time."""
    made = {one["id"]: one["ts"] for one in events if one["type"] == "prediction"}
    first = dict(list(made.items())[:REFERENCE_ROWS])
    delays = [one["ts"] - first[one["id"]] for one in events if one["type"] == "label" and one["id"] in first]
    times = sorted(float(at) for at in first.values())
    a_label_after = float(np.quantile(delays, 0.95))
    return int(a_label_after / (times[-1] - times[0]) * len(times))


def _without_nulls(event: Event, name: str) -> Event:
    if event["type"] == "prediction" and event["features"][name] is None:
        del event["features"][name]
    return event


def _after(events: Events, change: int) -> Iterator[Event]:
    """The predictions from the change on, to be changed in place."""
    return (one for one in events if one["type"] == "prediction" and int(one["id"]) >= change)


def _type_change(events: Events, change: int, _rng: np.random.Generator, within: int | None) -> Stream:
    """AGE comes as words in one unit from now on: "35 years"."""
    for one in _after(events, change):
        one["features"]["AGE"] = f"{one['features']['AGE']} years"
    return Stream((events,), _reference(events), change, within)


def _renamed_column(events: Events, change: int, _rng: np.random.Generator, within: int | None) -> Stream:
    for one in _after(events, change):
        one["features"]["pay_2"] = one["features"].pop("PAY_2")
    return Stream((events,), _reference(events), change, within)


def _version_switch(events: Events, change: int, _rng: np.random.Generator, _within: int | None) -> Stream:
    """Version 2 answers from now on: other scores, with a reference of its own."""

    def by_version_2(event: Event) -> Event:
        score = {"score": round(event["score"] ** 0.5, 6)} if event["type"] == "prediction" else {}
        return event | {"version": "2"} | score

    references = _reference(events)
    references["2"] = [by_version_2(one) for one in references["1"]]
    switched = [by_version_2(one) if int(one["id"]) >= change else one for one in events]
    return Stream((switched,), references, change, None)


def _out_of_order(events: Events, change: int, rng: np.random.Generator, _within: int | None) -> Stream:
    """From now on one event in ten arrives up to 50 s after its time, and one in two hundred 5 minutes: too late."""
    references = _reference(events)
    by_arrival = np.array([one["ts"] for one in events], float)
    lots, delays = rng.random(len(events)), rng.uniform(0, 50_000, len(events))
    late = np.where(lots < 0.005, 300_000, np.where(lots < 0.105, delays, 0))
    by_arrival[change:] += late[change:]
    return Stream(([events[at] for at in np.argsort(by_arrival, kind="stable")],), references, change, None)


def _clock_skew(events: Events, change: int, rng: np.random.Generator, within: int | None) -> Stream:
    """One event in fifty is of a producer whose clock is ten minutes ahead."""
    references = _reference(events)
    skewed = {one["id"] for one in _after(events, change) if rng.random() < 0.02}
    made = [
        one | {"ts": one["ts"] + 600_000} if one["type"] == "prediction" and one["id"] in skewed else one
        for one in events
    ]
    return Stream((made,), references, change, within)


def _one_of_two_partitions(events: Events, change: int, _rng: np.random.Generator, within: int | None) -> Stream:
    """AGE is 0.6 standard deviations higher in one partition of two."""
    references = _reference(events)
    ages = [one["features"]["AGE"] for one in references["1"] if one["type"] == "prediction"]
    shift = 0.6 * float(np.std(ages))
    for one in _after(events, change):
        if int(one["id"]) % 2:
            one["features"]["AGE"] += shift
    parts = tuple([one for one in events if int(one["id"]) % 2 == part] for part in (0, 1))
    return Stream(parts, references, change, within)


def _restart_in_incident(events: Events, change: int, _rng: np.random.Generator, within: int | None) -> Stream:
    """The daemon is restarted before the change, while its page is not sent yet, and while it is open."""
    numbers = {one["id"]: at for at, one in enumerate(events) if one["type"] == "prediction"}
    cuts = tuple(numbers[str(change + after)] for after in (-300, 300, 900, 2_000, 9_000))
    return Stream((events,), _reference(events), change, within, cuts)


_MAKERS: Final[dict[str, Callable[[Events, int, np.random.Generator, int | None], Stream]]] = {
    "type_change": _type_change,
    "renamed_column": _renamed_column,
    "version_switch": _version_switch,
    "out_of_order": _out_of_order,
    "clock_skew": _clock_skew,
    "one_of_two_partitions": _one_of_two_partitions,
    "restart_in_incident": _restart_in_incident,
}
