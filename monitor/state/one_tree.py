"""Migration: states that earlier versions kept as one tree, split into the trees of parts.

Format 2 has a list of tasks (`units`), totals and the exchange over all model versions, and the judges and unsent
transitions under `fleet`. Format 1 has totals by task and model version, open panes one by one, and the labels for
panes already judged, without their times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from monitor.events import ModelKey
from monitor.state import model_part, task_part
from monitor.state.versions import Tree
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.tally import Tally, pack_mixed, unpack_mixed

FORMATS: Final = (1, 2)
#: keys of a judge's tree that are not states of causes
BESIDE_CAUSES: Final = (
    *("model", "version", "settings", "reference", "predictions", "labels", "at"),
    *("recent", "base", "ladder", "budget", "book", "info"),
)
#: what a row of the `events` of packed tallies has
COUNTED: Final = ("predictions", "feature_events", "labels")
#: the format that comes out; its parts are of version 1
DIVIDED: Final = 3
PARTS_VERSION: Final = 1
OUTBOX: Final = "outbox"


def divided(tree: Mapping[str, Any]) -> tuple[Tree, dict[str, Tree]]:
    """The tree of the whole, and the trees of its parts by name.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: the tree was not written by an earlier version.
    """
    whole = {name: tree[name] for name in ("cluster", "topics", "saved_at", "gaps")}
    seen = [[model, version] for model, version, _ in tree["met"]]
    tasks = {task_part.name_of(task["unit"]): _task(task) for task in tree["units"]}
    models = {model_part.name_of(key): of_model for key, of_model in _models(tree).items()}
    outbox = {"version": PARTS_VERSION, "unsent": tree["fleet"]["unsent"]}
    return {"format": DIVIDED, **whole, "seen": seen}, {**tasks, **models, OUTBOX: outbox}


def _task(task: Mapping[str, Any]) -> Tree:
    held = task["open"]
    if isinstance(held, list):  # format 1
        tallies = [one[4] for one in held]
        events = np.array([[one[name] for name in COUNTED] for one in tallies], np.int64).reshape(-1, len(COUNTED))
        packed = pack_mixed([Tally.from_state(one) for one in tallies])
        packed |= {"events": events, "pairs": [one["pairs"] for one in tallies]}
        held = {"whose": [one[:4] for one in held], "tallies": packed}
    return {
        "version": PARTS_VERSION,
        "number": task["unit"],
        "partitions": {topic: _partition(lane) for topic, lane in task["lanes"].items()},
        "open": held,
        "labels": task["labels"],
        "outcomes": task["outcomes"],
    }


def _partition(lane: Mapping[str, Any]) -> Tree:
    clock = {name: lane[name] for name in ("clock", "recent") if name in lane}
    plain = {name: lane[name] for name in ("next_offset", "read_clock", "ids")}
    return {**plain, "newest_label": lane["label_clock"], "clock": clock}


def _models(tree: Mapping[str, Any]) -> dict[ModelKey, Tree]:
    """The trees of model versions, those with a judge first, in order of first event."""
    found: dict[ModelKey, Tree] = {}

    def of(model: str, version: str) -> Tree:
        blank = {
            "version": PARTS_VERSION,
            "model": model,
            "model_version": version,
            "settings": "",
            "events": None,
            "labels": 0,
            "exchange": {"judged_until": None, "unjudged": 0, "labels": []},
            "judge": None,
        }
        return found.setdefault(ModelKey(model, version), blank)

    for judge in tree["fleet"]["judges"]:
        of(judge["model"], judge["version"])["judge"] = _judge(judge)
    for model, version, settings in tree["met"]:
        of(model, version)["settings"] = settings
    for model, version, tally, labels in _events(tree):
        known = of(model, version)["events"]
        if known is not None:
            tally.merge(Tally.from_state(known))
            labels.merge(LabelTally.from_state(known))
        of(model, version)["events"] = {**tally.to_state(), **labels.to_state()}
    for model, version, count in _labels(tree):
        of(model, version)["labels"] += count
    exchange = tree["exchange"]
    for model, version, until in exchange["judged_until"]:
        of(model, version)["exchange"]["judged_until"] = until
    for model, version, count in exchange["unjudged"]:
        of(model, version)["exchange"]["unjudged"] = count
    for model, version, at, count in exchange.get("labels", ()):
        of(model, version)["exchange"]["labels"].append([at, count])
    for model, version, _segment, count in exchange.get("labels_left", ()):  # format 1: handed on with the next pane
        before = of(model, version)["exchange"]
        before["labels"].append([(before["judged_until"] or 0) - 1, count])
    return found


def _judge(judge: Mapping[str, Any]) -> Tree:
    renamed = ("model", "version", "ladder")
    return {
        **{name: judge[name] for name in BESIDE_CAUSES if name not in renamed},
        "pyramid": judge["ladder"],
        "causes": {name: state for name, state in judge.items() if name not in BESIDE_CAUSES},
    }


def _events(tree: Mapping[str, Any]) -> Iterator[tuple[str, str, Tally, LabelTally]]:
    """Tallies of events, and of the labels that stood in them."""
    if "totals" in tree:
        whose, packed = tree["totals"]["whose"], tree["totals"]["tallies"]
        counted = np.array(packed["events"], np.int64).reshape(-1, len(COUNTED))[:, COUNTED.index("labels")].tolist()
        of_each = zip(whose, unpack_mixed(packed), counted, packed["pairs"], strict=True)
        for (model, version), tally, labels, pairs in of_each:
            yield model, version, tally, LabelTally.from_state({"labels": labels, "pairs": pairs})
        return
    for task in tree["units"]:
        for model, version, state in task["totals"]:
            yield model, version, Tally.from_state(state), LabelTally.from_state(state)


def _labels(tree: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    if "totals" in tree:
        yield from tree["totals"]["labels"]
        return
    for task in tree["units"]:
        yield from task["label_totals"]
