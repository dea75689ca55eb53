"""`driftd run` as a process, measured from outside; prints one JSON line of figures.

usage: python -m tests.benchmarks.served_child scrape CONFIG EVENTS EVERY FORM
       python -m tests.benchmarks.served_child fresh CONFIG EVENTS BOOTSTRAP
       python -m tests.benchmarks.served_child pair EVENTS CONFIG [CONFIG]

`scrape` reads a backlog to its end while /metrics is fetched every so many seconds, or not at all (0), as `gzip` or
`plain`; it also tells how long the turns of the loop were, and how long its thread waited in one. `fresh` is of a
daemon at rest that gets one event at a time. `pair` runs one daemon_child or two of them at once, each with its own
topic of EVENTS records. CPU and memory are what the system says of the process, from its start of reading on.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.freshness import PROC, Scrape, cpu_seconds, delays_of, memory_mb, scrape
from tests.benchmarks.side_by_side import Figures
from tests.daemons import DaemonProcess

LOOKED_EVERY = 0.05
BACKLOG_SECONDS = 600.0
SHOWN_SECONDS = 20.0


def figures(name: str, events: int, wall: float, cpu: float, **more: object) -> Figures:
    return {"name": name, "events": events, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3), **more}


def worked_off(daemon: DaemonProcess, every: float, *, packed: bool) -> list[Scrape]:
    """The scrapes that were made until the daemon is ready, which it is with nothing left to read."""
    made, port = list[Scrape](), daemon.port
    next_at, deadline = time.monotonic() + every, time.monotonic() + BACKLOG_SECONDS
    while daemon.get("/readyz")[0] != 200:
        assert time.monotonic() < deadline, f"the backlog was not read within {BACKLOG_SECONDS:g} s"
        if every and time.monotonic() >= next_at:
            made.append(scrape(port, packed=packed))
            next_at += every
        time.sleep(LOOKED_EVERY)
    return made


def scraped(config: Path, events: int, every: float, *, packed: bool) -> Figures:
    turns = config.parent / "turns.json"
    command = (sys.executable, "-m", "tests.benchmarks.turns_child", str(turns))
    # a run before has moved the offsets of the group
    with DaemonProcess(config, "--accept-loss", command=command) as daemon:
        daemon.wait_for("reading")
        began, cpu = time.monotonic(), cpu_seconds(daemon.pid)
        made = worked_off(daemon, every, packed=packed)
        wall, spent = time.monotonic() - began, cpu_seconds(daemon.pid) - cpu
        last = shown(daemon, events)
        more: dict[str, object] = {"series": last.series, "dropped": sum(last.samples("driftd_series_dropped"))}
        more |= _times([one.took for one in made])
        if made:
            more["bytes"] = made[-1].size
        memory = float(memory_mb(daemon.pid)[1])
        daemon.stop()
    more |= json.loads(turns.read_text(encoding="utf-8"))
    return figures("scraped", events, wall, spent, rss_mb=memory, **more)


def shown(daemon: DaemonProcess, events: int) -> Scrape:
    """The first scrape that has all events: what is shown is half a second old."""
    deadline = time.monotonic() + SHOWN_SECONDS
    while (last := scrape(daemon.port)).records < events:
        assert time.monotonic() < deadline, f"{last.records:,.0f} of {events:,} records were read"
        time.sleep(LOOKED_EVERY)
    return last


def _times(took: Sequence[float]) -> dict[str, object]:
    if not took:
        return {}
    return {"scrapes": len(took), "p50_ms": _ms(statistics.median(took)), "p99_ms": _ms(high(took))}


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)


def high(figures: Sequence[float], share: float = 0.99) -> float:
    """The least of them that so large a share does not exceed."""
    return sorted(figures)[math.ceil(share * len(figures)) - 1]


def fresh(config: Path, events: int, bootstrap: str) -> Figures:
    """The topic is empty and has the name that `delays_of` writes to."""
    began = time.monotonic()
    with DaemonProcess(config) as daemon:
        daemon.wait_ready()
        started = time.monotonic() - began
        idle = float(memory_mb(daemon.pid)[0])
        cpu, at = cpu_seconds(daemon.pid), time.monotonic()
        delays = list(delays_of(bootstrap, daemon.port, range(events)))
        busy = (cpu_seconds(daemon.pid) - cpu) / (time.monotonic() - at)
    return {
        "name": "fresh",
        "started_s": round(started, 2),
        "idle_mb": idle,
        "core_share": round(busy, 4),
        "event_p50_s": round(statistics.median(delays), 3),
        "event_p99_s": round(high(delays), 3),
    }


def pair(events: int, configs: Sequence[Path]) -> Figures:
    """The time is from the first record of any to the last of any."""
    command = [sys.executable, "-m", "tests.benchmarks.daemon_child"]
    began = [
        subprocess.Popen([*command, str(config), str(events)], stdout=subprocess.PIPE, text=True) for config in configs
    ]
    told: list[dict[str, Any]] = []
    for process in began:
        said, _ = process.communicate()
        assert process.returncode == 0, "a daemon failed"
        told.append(json.loads(said.splitlines()[-1]))
    first = min(one["ended_at"] - one["wall_s"] for one in told)
    wall = max(one["ended_at"] for one in told) - first
    cpu, memory = (sum(one[figure] for one in told) for figure in ("cpu_s", "rss_mb"))
    return figures("pair", events * len(told), wall, cpu, rss_mb=memory)


def main(arguments: Sequence[str]) -> int:
    assert (PROC / "self" / "status").is_file(), "CPU and memory of another process are only told by /proc"
    what, *more = arguments
    if what == "scrape":
        made = scraped(Path(more[0]), int(more[1]), float(more[2]), packed=more[3] == "gzip")
    elif what == "fresh":
        made = fresh(Path(more[0]), int(more[1]), more[2])
    else:
        made = pair(int(more[0]), [Path(one) for one in more[1:]])
    sys.stdout.write(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
