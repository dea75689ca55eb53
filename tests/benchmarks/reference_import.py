"""`driftd reference import`: what 1,000 columns cost, and whether it judges as a native reference of the same rows.

Round trip: the first 10,000 predictions of an acceptance stream become a table, and statistics with sketches as
SageMaker has them. The verdict and `after` as in the acceptance benchmark, with the native reference and with each
import, whose warm-up is the same 10,000 predictions; `share`: by how much a share up to an edge differs from the rows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from monitor.clock import SystemClock
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey, canonical
from monitor.reference.imports.catalog import IMPORTS
from monitor.reference.imports.columns import imported_reference
from monitor.reference.imports.shape import ImportedFile
from monitor.reference.imports.tfdv_messages import STATISTICS, from_bytes
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.run.replay import replay
from monitor.stats.bins.reference_bins import NUMERIC
from tests.benchmarks.acceptance import Judged, _settings, _source, judged
from tests.benchmarks.acceptance_streams import REFERENCE_ROWS, WANTED, Stream
from tests.benchmarks.material import say, table
from tests.platforms.generators.baseline_statistics import feature
from tests.streams import CATEGORICAL

CAPTURED: Final = Path(__file__).parents[1] / "platforms" / "imports" / "import_tfdv.pb"
COST: Final = ("columns", "MB of statistics", "CPU s")
HEAD: Final = ("stream", "native", "after", "table", "after", "share", "sketch", "after", "share")
Rows = dict[str, list[Any]]


def cost(columns: int) -> list[object]:
    """One row under COST: the columns that TFDV wrote, again and again under other names."""
    known = from_bytes(STATISTICS, CAPTURED.read_bytes())
    made = type(known)()
    dataset = made.datasets.add(num_examples=known.datasets[0].num_examples)
    for at in range(columns):
        one = known.datasets[0].features[at % len(known.datasets[0].features)]
        copied = dataset.features.add()
        copied.CopyFrom(one)
        copied.path.step[0] = f"{one.path.step[0]}_{at}"
    data = made.SerializeToString()
    began = time.process_time()
    imported_reference(IMPORTS["tfdv"]([ImportedFile("statistics", data)], ""), ModelKey("", ""))
    return [f"{columns:,}", f"{len(data) / 1e6:.1f}", f"{time.process_time() - began:.2f}"]


def rows_of(events: Sequence[Mapping[str, Any]]) -> Rows:
    """The features of the first predictions, those that the settings call categories as text."""
    first = [one["features"] for one in events if "features" in one][:REFERENCE_ROWS]
    names = list(dict.fromkeys(name for one in first for name in one))
    cells = {name: [one.get(name) for one in first] for name in names}
    texts = {name: [None if cell is None else canonical(cell) for cell in cells[name]] for name in CATEGORICAL}
    return cells | texts


def as_table(rows: Rows) -> tuple[str, ImportedFile]:
    return "azure", ImportedFile("rows", b"", rows)


def as_sketch(rows: Rows) -> tuple[str, ImportedFile]:
    features = [feature(name, cells, 2_048)[0] for name, cells in rows.items()]
    body = {"version": 0, "dataset": {"item_count": REFERENCE_ROWS}, "features": features}
    return "sagemaker", ImportedFile("statistics.json", json.dumps(body).encode())


def largest_difference(reference: Reference, rows: Rows) -> float:
    """Of shares up to an edge, over the numeric columns."""
    found = [0.0]
    for at, column in enumerate(reference.columns):
        if column.bins.kind == NUMERIC:
            values = np.array([cell for cell in rows[column.name] if cell is not None], np.float64)
            codes = np.searchsorted(np.array(column.bins.edges), values)
            wanted = np.cumsum(np.bincount(codes, minlength=column.bins.bins)) / len(values)
            counts = reference.counts[at, : column.bins.bins]
            found.append(float(np.abs(np.cumsum(counts) / counts.sum() - wanted).max()))
    return max(found)


def by_import(name: str, seed: int, made: Stream, reference: Reference) -> Judged:
    """The same stream with an import, which a warm-up completes."""
    settings, lines = _settings(made), list[dict[str, Any]]()
    references = References({}, {"credit": dict.fromkeys(made.references, reference)})
    replay(settings, Admission(settings, references, warms_up=True), _source(made), SystemClock(), lines.append)
    return Judged(name, seed, made, [line for line in lines if line["kind"] == "transition"])


def round_trip(name: str, seed: int, folder: Path) -> list[object]:
    """One row under HEAD."""
    native = judged(name, seed, folder)
    row: list[object] = [name, native.row()[-1], native.row()[3]]
    rows = rows_of(next(iter(native.stream.references.values())))
    for made in (as_table(rows), as_sketch(rows)):
        reference = imported_reference(IMPORTS[made[0]]([made[1]], ""), ModelKey("credit", ""))
        told = by_import(name, seed, native.stream, reference).row()
        row += [told[-1], told[3], f"{largest_difference(reference, rows):.4f}"]
    return row


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="reference-import", description=__doc__)
    parser.add_argument("--columns", type=int, default=1_000)
    parser.add_argument("--only", default=",".join([*WANTED][:8]), help="names of acceptance streams; - for none")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    table(COST, [cost(asked.columns)])
    if asked.only == "-":
        return
    with tempfile.TemporaryDirectory(prefix="driftd-import-") as folder:
        rows = []
        for name in asked.only.split(","):
            rows.append(round_trip(name, asked.seed, Path(folder)))
            say("  ".join(map(str, rows[-1])))
    say()
    table(HEAD, rows)
