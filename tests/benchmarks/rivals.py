"""What other drift monitors do by default on the acceptance streams: alarms while nothing changes, and how soon after.

driftd is measured by its own command (`driftd replay`). NannyML runs in an environment of its own (`.rivals`, made on
first use; `--without-install` leaves it out). Evidently, Scouter and River are their published rules and formulas
(`rivals_rules.py`); Evidently's values are compared with its package's own, River's detectors by a test. A rule on
chunks gets 500 events each; a rule that stays in alarm counts once. Every alarm of any column counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from tests.benchmarks.acceptance_streams import REFERENCE_ROWS, generate
from tests.benchmarks.material import MissingError, say, table
from tests.benchmarks.rivals_rules import (
    CHUNK,
    Rows,
    Rule,
    evidently_column,
    evidently_data_set,
    evidently_value,
    river_on_columns,
    river_on_errors,
    scouter,
)
from tests.real_parts.install import ROOT
from tests.streams import CATEGORICAL, scenario_events, write_events

#: without and with a change
SILENT: Final = ("clean", "clean_clusters", "seasonality")
CHANGED: Final = ("sudden_mean", "gradual_mean", "category_share", "missing_rise", "unit_change", "stuck_sensor")
NO_COLUMNS: Final = ("ts", "kind", "id", "prediction", "label")
ENVIRONMENT: Final = ROOT / ".rivals"
REQUIREMENTS: Final = Path(__file__).with_name("rivals-requirements.txt")
NANNYML: Final = "NannyML, univariate drift"
RULES: Final[dict[str, Rule]] = {
    "Evidently, a column drifts": evidently_column,
    "Evidently, half of the columns drift": evidently_data_set,
    "Scouter, PSI by chi-square": scouter,
    **{f"River {kind}, on columns": river_on_columns(kind) for kind in ("adwin", "page_hinkley")},
    **{f"River {kind}, on errors": river_on_errors(kind) for kind in ("adwin", "page_hinkley", "hddm_a", "hddm_w")},
    **{f"River {kind}, on errors": river_on_errors(kind) for kind in ("ddm", "eddm", "kswin")},
}

#: {monitor: {stream: for each seed the numbers of live events at its alarms}}
Told = dict[str, dict[str, list[list[int]]]]


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="rivals", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--only", default=",".join([*SILENT, *CHANGED]), help="names of streams")
    parser.add_argument("--without-install", action="store_true", help="the rules alone, no environment for NannyML")
    asked = parser.parse_args(arguments)
    streams = asked.only.split(",")
    told: Told = {}
    python = None if asked.without_install else _environment()
    for seed in range(asked.first, asked.first + asked.seeds):
        with tempfile.TemporaryDirectory(prefix="driftd-rivals-") as folder:
            _measure(told, streams, seed, Path(folder), python)
        _show(told, streams)


def _measure(told: Told, streams: Sequence[str], seed: int, folder: Path, python: Path | None) -> None:
    files, rows = [], None
    for name in streams:
        made, _ = generate(name, seed, folder)
        predictions = pd.read_csv(made, low_memory=False)
        labels = predictions[predictions.kind == "label"].set_index("id").label.astype(int)
        predictions = predictions[predictions.kind == "prediction"].drop_duplicates("id").reset_index(drop=True)
        rows = _rows(predictions, labels)
        for monitor, rule in RULES.items():
            _add(told, monitor, name, rule(rows))
        _add(told, "driftd", name, _driftd(made, folder))
        files.append(folder / f"{name}.csv")
        columns = predictions.drop(columns=list(NO_COLUMNS))
        columns.astype({column: "float" if column not in CATEGORICAL else "str" for column in columns}).to_csv(
            files[-1], index=False
        )
        say(f"{name}, seed {seed}: live events at the alarms: {_shown(told, name)}")
    if python is not None and rows is not None:
        _installed(told, python, files, rows)


def _shown(told: Told, stream: str) -> str:
    """The newest alarms of each monitor, the first five of many."""
    newest = ((monitor, of[stream][-1]) for monitor, of in told.items() if stream in of)
    return "; ".join(f"{monitor}: {len(alarms)} {alarms[:5]}" for monitor, alarms in newest)


def _add(told: Told, monitor: str, stream: str, alarms: list[int]) -> None:
    told.setdefault(monitor, {}).setdefault(stream, []).append(alarms)


def _rows(predictions: pd.DataFrame, labels: pd.Series[int]) -> Rows:
    columns = predictions.drop(columns=list(NO_COLUMNS)).astype(float)
    known = labels.reindex(predictions.id.astype(int)).to_numpy()
    wrong = np.asarray(predictions.prediction.to_numpy() != known, bool)
    reference, live = columns.iloc[:REFERENCE_ROWS], columns.iloc[REFERENCE_ROWS:]
    return Rows(
        {name: reference[name].to_numpy() for name in columns},
        {name: live[name].to_numpy() for name in columns},
        frozenset(CATEGORICAL),
        wrong[REFERENCE_ROWS:],
    )


def _driftd(made: Path, folder: Path) -> list[int]:
    """Live events at which `driftd replay` pages: the first page of each incident."""
    events, config = folder / "events.jsonl", folder / "driftd.yaml"
    write_events(scenario_events(made), events)
    features = {name: {"kind": "categorical"} for name in CATEGORICAL}
    model = {"name": "credit", "versions": ["1"], "reference": "credit.json", "features": features}
    config.write_text(json.dumps({"inputs": [{"topic": "events"}], "models": [model]}))
    bare = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTD_")}  # they are settings
    command = partial(subprocess.run, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=bare)
    driftd = [sys.executable, "-m", "monitor"]
    of_model = ["--config", str(config), "--model", "credit", "--rows", str(REFERENCE_ROWS)]
    command([*driftd, "reference", "build", *of_model, str(events), "-o", str(folder / "credit.json")])
    lines = command([*driftd, "replay", "--config", str(config), "--json", str(events)]).stdout.splitlines()
    first: dict[str, int] = {}
    for line in map(json.loads, lines):
        if line["kind"] == "transition" and line["severity"] == "page":
            first.setdefault(line["incident"], line["predictions"] - REFERENCE_ROWS)
    return list(first.values())


def _environment() -> Path:
    """The Python of the rivals' environment, made on first use."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        say("Getting NannyML and Evidently into .rivals: once, a few minutes.")
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r", str(REQUIREMENTS)]
        if subprocess.run(install, check=False).returncode:
            message = f"what {REQUIREMENTS.name} names cannot be installed here; try --without-install"
            raise MissingError(message)
    return python


def _installed(told: Told, python: Path, files: list[Path], rows: Rows) -> None:
    """NannyML's alerts, and whether our formula of Evidently's values gives the package's."""
    child = str(Path(__file__).with_name("rivals_child.py"))
    quiet = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1", "PYTHONPATH": ""}
    command = [str(python), child, str(CHUNK), str(REFERENCE_ROWS), *map(str, files)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quiet)
    said: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
    for file, alerts in said["nannyml"].items():
        before = [False, *alerts]
        starts = [CHUNK * at for at, alert in enumerate(alerts, 1) if alert and not before[at - 1]]
        _add(told, NANNYML, Path(file).stem, starts)
    worst = 0.0
    for name, value in said["evidently"].items():
        own = evidently_value(rows.reference[name], rows.live[name][:CHUNK], category=name in rows.categories)
        worst = max(worst, abs(own - value))
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    say(f"{versions}; Evidently's values of one chunk differ from its formula here by {worst:.2g} at most")


def _show(told: Told, streams: Sequence[str]) -> None:
    silent, changed = ([name for name in names if name in streams] for names in (SILENT, CHANGED))
    say("alarms per million events with no change | events from the change to the first alarm: median (each seed)")
    rows = []
    for monitor in sorted(told, key=lambda name: (name != "driftd", name)):
        of = told[monitor]
        rows.append([monitor, *(_rate(of[name]) for name in silent), *(_delay(of[name]) for name in changed)])
    table(("monitor", *silent, *changed), rows)


#: live events of a stream, and those before its change
LIVE: Final = 30_000
BEFORE: Final = 15_000


def _rate(by_seed: list[list[int]]) -> str:
    return f"{sum(map(len, by_seed)) * 1e6 / (LIVE * len(by_seed)):,.0f}"


def _delay(by_seed: list[list[int]]) -> str:
    """`-`: no alarm behind the change."""
    delays = [min((at - BEFORE for at in alarms if at > BEFORE), default=float("inf")) for alarms in by_seed]
    shown = [_shown_delay(one) for one in delays]
    return shown[0] if len(set(shown)) == 1 else f"{_shown_delay(float(np.median(delays)))} ({' '.join(shown)})"


def _shown_delay(events: float) -> str:
    return "-" if events == float("inf") else f"{events:,.0f}"
