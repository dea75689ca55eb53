"""What `driftd reference build` costs: time, memory and the size of the file, for 10,000 rows and for 1,000,000.

The command itself on a file of JSON lines, 25 features (20 numbers, 5 columns of four names), 100 events a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.material import MissingError, say, table
from tests.benchmarks.perf_events import PerfEvents, perf_tree

HEAD: Final = ("rows", "MB of events", "s", "CPU s", "µs CPU a row", "largest MB", "kB of the file")


def built(rows: int, folder: Path) -> list[object]:
    """One row under HEAD."""
    events, config, made = folder / f"{rows}.jsonl", folder / "driftd.yaml", folder / f"{rows}.json"
    with events.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(one, separators=(",", ":")) + "\n" for one in PerfEvents(rows, seed=1))
    config.write_text(json.dumps(perf_tree(1)), encoding="utf-8")
    asked = ["--config", str(config), "--model", "perf-0", "--rows", str(rows), str(events), "-o", str(made)]
    began = time.monotonic()
    command = [sys.executable, "-m", "monitor", "reference", "build", *asked]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as build:
        said = build.stderr.read() if build.stderr is not None else ""
        _, status, usage = os.wait4(build.pid, 0)
        build.returncode = os.waitstatus_to_exitcode(status)
    seconds, cpu = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    if build.returncode:
        raise MissingError(said)
    megabytes = events.stat().st_size / 1e6
    events.unlink()
    return [
        f"{rows:,}",
        f"{megabytes:,.0f}",
        f"{seconds:.1f}",
        f"{cpu:.1f}",
        f"{cpu / rows * 1e6:.0f}",
        f"{usage.ru_maxrss / 1e3:,.0f}",
        f"{made.stat().st_size / 1e3:,.0f}",
    ]


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="reference-build", description=__doc__)
    parser.add_argument("--rows", default="10000,1000000", help="between commas")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="driftd-reference-") as folder:
        rows = [built(int(one), Path(folder)) for one in asked.rows.split(",")]
    say("25 features")
    table(HEAD, rows)
