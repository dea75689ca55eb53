"""The folders of `tests/unit/golden/`: states that versions before wrote, with what they show.

`state_format_4` was written by `python -m tests.golden_state FOLDER` when labels came to be parts of their own, and
`state_format_3_last` by the same command of the version before, which had them within tasks and model versions.
`state_format_3` was written when a state came to be kept in parts, and `state_format_2` by the version before, which
kept its whole state in one tree. `state_format_1` holds what that one held as the version before it wrote it: totals by
partition and model, open panes and ids one by one in the tree. Each folder has the settings, the references they were
counted by, the checkpoints, and `shown.json`, the output of `driftd state show --json` of the version that wrote them.
They are never written again; a format that follows gets a folder of its own.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from monitor.clock import ManualClock
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey, Partition
from monitor.pipeline import Pipeline
from monitor.records import OffsetGap
from monitor.reference.file.encoding import from_json
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.run.reference_file import save_reference
from monitor.run.state_show import state_json
from monitor.settings.load import load_settings
from monitor.state.directory import StateDirectory
from monitor.state.parts import state_in, whole_tree
from monitor.stats.bins.reference_bins import NUMERIC, QUALITY_COUNTS
from monitor.stats.testing.directions import category_directions, numeric_directions
from monitor.stats.variance.long_run import LongRun
from tests.engine import EVENTS, NOW_US, Credit, Event, MemorySource, Recorded, credit_reference, event

GOLDEN: Final = Path(__file__).parent / "unit" / "golden"
SECOND: Final = Partition("events", 1)
CHUNK: Final = 100
#: turns before the checkpoint that is kept, and before the one before it
TURNS: Final = 11
TURNS_BEFORE: Final = 6
#: records of the first partition that are reported to be gone before it is read
LOST: Final = 40
CLUSTER: Final = "golden"
TOPICS: Final = {"events": "golden-events"}

SETTINGS: Final = """\
inputs:
  - topic: events
models:
  - name: credit
    reference: references/{version}.json
    versions: ["1", "2"]
  - name: loan
    reference: references/loan.json
  - name: idle
    reference: references/idle.json
state:
  path: state
id_memory: 700
show_values: true
"""
REFERENCES: Final = {"1": ("credit", "1"), "2": ("credit", "2"), "loan": ("loan", "7"), "idle": ("idle", "1")}


def fault(made: Event, _rng: np.random.Generator) -> None:
    """AGE is gone, and EDU has a class that was never seen."""
    del made["features"]["AGE"]
    made["features"]["EDU"] = "doctor"


def stream() -> dict[Partition, list[Any]]:
    """Three model versions on two partitions, with what ends in every outcome, labels of both kinds, and a fault."""
    rng = np.random.default_rng(23)
    parts: dict[Partition, list[Any]] = {EVENTS: [], SECOND: []}
    for number, made in enumerate(Credit(2_800, seed=6, change=900, fault=fault)):
        part = parts[EVENTS if rng.random() < 0.55 else SECOND]
        model, version = [("credit", "1"), ("credit", "1"), ("credit", "2"), ("loan", "7")][number % 4]
        label = {"label": int(rng.random() < 0.2)} if number % 3 == 0 else {}
        part.append(made | {"model": model, "version": version} | label)
        if rng.random() < 0.03:
            part.append(part[max(0, len(part) - 30)])
        if rng.random() < 0.02:
            other = event(number, model="loan", version=f"{number % 3}", type="label", id="x", label=1)
            unknown = event(number, model="nobody", prediction=1)
            part += [None, b"{", event(0, id="late", prediction=1), other, unknown]
    return parts


def references_in(folder: Path) -> References:
    """The references of a folder: those of format 1, too, which no command reads any more.

    They keep their hashes, so that a state goes on with them. What format 1 did not know of how rows vary is taken as
    of independent ones.
    """

    def read(name: str) -> Reference:
        body = json.loads((folder / "references" / f"{name}.json").read_text(encoding="utf-8"))
        for row in body["columns"] if body["format"].endswith("/1") else ():
            bins = len(row["counts"])
            numeric = row["kind"] == NUMERIC
            directions = numeric_directions(bins) if numeric else category_directions(bins)
            row |= {
                "quality_dispersion": {name: [1.0] * len(row["dispersion"]) for name in QUALITY_COUNTS},
                "quality_windows": dict.fromkeys(QUALITY_COUNTS, 0),
                "unseen_expected": 0,
                "unseen_error": 1.0,
                "kappa": None,
                "long_run": LongRun.independent(directions.count).to_plain(),
            }
        return from_json({"clump": 1.0, "in_order": True} | body)

    return References(
        {"credit": {"1": read("1"), "2": read("2")}, "loan": {"*": read("loan")}, "idle": {"*": read("idle")}}
    )


def pipeline_in(folder: Path) -> tuple[Pipeline, MemorySource, Recorded]:
    """One on the golden stream, by the settings and the references of a folder."""
    settings = load_settings(folder / "driftd.yaml", {})
    admission = Admission(settings, references_in(folder))
    outputs, source = Recorded(), MemorySource(stream(), CHUNK)
    return Pipeline(settings, admission, source, ManualClock(NOW_US), outputs, live=False), source, outputs


def prepare(folder: Path) -> None:
    """Settings and references."""
    (folder / "references").mkdir(parents=True)
    (folder / "driftd.yaml").write_text(SETTINGS, encoding="utf-8")
    for name, key in REFERENCES.items():
        save_reference(replace(credit_reference(), key=ModelKey(*key)), folder / "references" / f"{name}.json")


def write(folder: Path) -> None:
    """A folder in the format of this version."""
    prepare(folder)
    pipeline, source, outputs = pipeline_in(folder)
    outputs.failing = {"publish"}  # nobody takes its transitions
    source.new_changes.append(OffsetGap(EVENTS, 0, LOST))
    with StateDirectory(folder / "state") as store:
        for turn in range(1, TURNS + 1):
            pipeline.turn()
            if turn in {TURNS_BEFORE, TURNS}:
                cut = pipeline.to_state()
                whole = replace(cut.whole, cluster=CLUSTER, topics=TOPICS, saved_at_us=NOW_US + turn)
                store.save(turn, whole_tree(whole), cut.parts)
    (folder / "state" / "lock").unlink()
    settings = load_settings(folder / "driftd.yaml", {})
    loaded = StateDirectory(folder / "state").load(read_only=True)
    if loaded is None:
        message = "nothing was written"
        raise AssertionError(message)
    shown = state_json(state_in(loaded), Admission(settings, references_in(folder)))
    (folder / "shown.json").write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
