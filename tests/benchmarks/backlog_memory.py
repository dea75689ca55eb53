"""Memory while one of three partitions is a month of event time behind: open panes and growth, aligned and not.

Each partition holds one 25-feature event a second. The one that is behind is read through its month and then all of
them for another day. Aligned, the pipeline waits with partitions that are more than an hour ahead; not aligned, it
reads all of them on, until more than `--most` panes are open, and what a month would need is worked out from there.
Ids are not remembered, so that panes are what grows.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from monitor.clock import DAY_US
from tests.benchmarks.backlog_child import AHEAD, GAP_US, Figures
from tests.benchmarks.material import say, table
from tests.benchmarks.perf_events import write_perf_settings
from tests.real_parts.install import ROOT

HEAD = ("", "events", "events judged", "most open panes", "RSS MB at first", "most", "at last")


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="backlog-memory", description=__doc__)
    parser.add_argument("--days", type=float, default=30, help="how far behind")
    parser.add_argument("--most", type=int, default=50_000, help="open panes at which the run without waiting ends")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="driftd-bench-") as folder:
        config = write_perf_settings(Path(folder), 1, GAP_US / 1000 / (len(AHEAD) + 1), id_memory=0)
        aligned, unaligned = (_child(config, asked.days, asked.most, how) for how in ("aligned", "unaligned"))
    table(HEAD, [_row(figures) for figures in (aligned, unaligned)])
    grown = (unaligned["most_mb"] - unaligned["first_mb"]) / unaligned["open"]
    panes = len(AHEAD) * asked.days * DAY_US / unaligned["pane_us"]
    say(
        f"not aligned, an open pane takes {grown * 1024:.1f} KB: {panes:,.0f} of them after {asked.days:g} days would "
        f"take {grown * panes:,.0f} MB"
    )


def _child(config: Path, days: float, most: int, how: str) -> Figures:
    """One run in its own process, started by a shell: a child's largest memory begins at what its parent held."""
    command = [sys.executable, "-m", "tests.benchmarks.backlog_child", str(config), str(days), str(most), how]
    line = shlex.join(command) + "; exit $?"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=ROOT, check=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def _row(figures: Figures) -> list[object]:
    memory = [f"{figures[name]:.0f}" for name in ("first_mb", "most_mb", "last_mb")]
    counts = [f"{figures[name]:,}" for name in ("events", "judged", "open")]
    return [figures["how"], *counts, *memory]
