"""Where results of `bench` are kept: one file of JSON a run in `.bench/`, with what they were measured on.

The machine is told by its kind alone: processor, cores, memory, system; neither its name nor any path.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.real_parts.install import ROOT, jars_folder

FOLDER: Final = ROOT / ".bench"
#: what the figures depend on most
LIBRARIES: Final = (
    "kafka-python",
    "confluent-kafka",
    "crc32c",
    "lz4",
    "zstandard",
    "numpy",
    "scipy",
    "msgspec",
    "xxhash",
    "river",
)

#: the Python of the peers' environment, and what is compared with in it
PEERS: Final = ROOT / ".peers" / "bin" / "python"
COMPARED: Final = ("confluent-kafka", "orjson", "aiokafka", "bytewax", "quixstreams", "pathway")

Result = dict[str, Any]


def head(rounds: int, *, quick: bool) -> Result:
    """What a run begins with; `sets` is filled while it goes on."""
    return {
        "made": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "revision": revision(),
        "quick": quick,
        "rounds": rounds,
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
        "versions": versions(),
        "peers": peers_versions(),
        "sets": {},
    }


def revision(folder: Path = ROOT) -> str:
    """The commit; `+` behind it where tracked files differ; empty outside of a checkout."""
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    return commit + ("+" if commit and _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def machine() -> Result:
    """Its kind."""
    names = re.findall(r"^model name\s*: (.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory[1]) / (1 << 20)) if memory else None,
        "system": platform.system(),
    }


def _text(path: str) -> str:
    return Path(path).read_text() if Path(path).is_file() else ""


def versions() -> dict[str, str]:
    """Of Python, the broker, and the libraries that are installed."""
    found = {"Python": platform.python_version()}
    brokers = [*jars_folder().glob("kafka_2.*.jar")]
    if match := re.search(r"-(\d[\d.]*)\.jar", brokers[0].name if brokers else ""):
        found["Apache Kafka"] = match[1]
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peers_versions() -> dict[str, str]:
    """Of the libraries in the peers' environment; none where it is not there."""
    ask = "import sys, json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    if not PEERS.exists():
        return {}
    done = subprocess.run([str(PEERS), "-c", ask], capture_output=True, text=True, check=True)
    installed: dict[str, str] = json.loads(done.stdout)
    return {name: installed[name] for name in COMPARED if name in installed}


def keep(result: Result, folder: Path = FOLDER) -> Path:
    """Write it under the time it was begun; a later part of the same run replaces it as a whole."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{re.sub(r'[^0-9TZ]', '', result['made'])}.json"
    part = file.with_suffix(".part")
    part.write_text(written(result), encoding="utf-8")
    part.replace(file)
    return file


def written(result: Result) -> str:
    """As it is kept: a line for each run of a program, so that a difference can be read."""
    text = json.dumps(result, indent=1, ensure_ascii=False)
    return re.sub(r"\n(?: {7,}| {6}(?=\}))", " ", text) + "\n"


def load(file: Path) -> Result:
    loaded: Result = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def newest(folder: Path = FOLDER) -> Path | None:
    return max(folder.glob("*.json"), default=None)
