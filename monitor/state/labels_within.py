"""Migrates states of format 3, whose parts of tasks and model versions contained the labels, to separate label parts.

The tallies of open panes and of totals had labels and pairs of (label, prediction); tasks the newest label of each
topic and the open cohorts; model versions the number of their label events and the cohorts that waited. Labels that
came with predictions were final when their pane was. What stays in the parts, and in tallies within windows, is not
read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from monitor.events import ModelKey
from monitor.state import label_parts, model_part, task_part
from monitor.state.versions import Tree, require_version

FORMAT: Final = 3
#: the resulting format, and the versions of its parts
APART: Final = 4
TASK_VERSION: Final = 2
MODEL_VERSION: Final = 3
LABELS_VERSION: Final = 1
#: the versions of parts that format 3 had at most
NEWEST_TASK: Final = 1
NEWEST_MODEL: Final = 2


def apart(tree: Mapping[str, Any], parts: Mapping[str, Tree]) -> tuple[Tree, dict[str, Tree]]:
    """The tree of the whole, and the trees of its parts by name, of a state of format 3.

    Raises:
        msgspec.ValidationError, LookupError, TypeError, ValueError, AttributeError: they are none that it had; a note
            names the part.
    """
    found: dict[str, Tree] = {}
    for name, part in parts.items():
        try:
            found |= dict(_divided(name, part))
        except Exception as error:
            error.add_note(name)
            raise
    return {**tree, "format": APART}, found


def _divided(name: str, part: Tree) -> Iterator[tuple[str, Tree]]:
    if name.startswith(task_part.PREFIX):
        require_version(part, NEWEST_TASK)
        yield name, {**part, "version": TASK_VERSION}
        yield label_parts.task_name(part["number"]), _task_labels(part)
    elif name.startswith(model_part.PREFIX):
        require_version(part, NEWEST_MODEL)
        yield name, {**part, "version": MODEL_VERSION}
        yield label_parts.model_name(ModelKey(part["model"], part["model_version"])), _model_labels(part)
    else:
        yield name, part


def _task_labels(part: Tree) -> Tree:
    tallies = part["open"]["tallies"]
    counted = np.array(tallies["events"], np.int64).reshape(-1, 3)[:, 2].tolist()
    inline = [
        _open(model, version, pane, labels, pairs)
        for (model, version, _segment, pane), labels, pairs in zip(
            part["open"]["whose"], counted, tallies["pairs"], strict=True
        )
        if labels or pairs
    ]
    return {
        "version": LABELS_VERSION,
        "number": part["number"],
        "newest": {topic: one["newest_label"] for topic, one in part["partitions"].items()},
        "waiting": [_open(model, version, cohort, labels) for model, version, cohort, labels in part["labels"]],
        "inline": inline,
    }


def _open(model: str, version: str, cohort: int, labels: int, pairs: object = ()) -> Tree:
    return {"model": model, "model_version": version, "cohort": cohort, **_tally(labels, pairs)}


def _tally(labels: int, pairs: object = ()) -> Tree:
    return {"labels": labels, "pairs": pairs}


def _model_labels(part: Tree) -> Tree:
    events, exchange = part["events"], part["exchange"]
    inline, pairs = (0, ()) if events is None else (events["labels"], events["pairs"])
    return {
        "version": LABELS_VERSION,
        "model": part["model"],
        "model_version": part["model_version"],
        "totals": _tally(part["labels"] + inline, pairs),
        "handed_on_until": exchange["judged_until"],
        "waiting": [{"start": start_us, **_tally(labels)} for start_us, labels in exchange["labels"]],
    }
