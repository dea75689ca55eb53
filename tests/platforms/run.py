"""Has the platforms' own packages write their records again, each in an environment of its own of locked versions, and
compares them with what is here: short captures of every form, which the quick tests count, and a recording of traffic
with a drift for each platform, on which the commands of docs/platforms/*.md run.

`python -m tests.platforms.run [--keep] mlflow kserve ...`; with `--keep` what is new replaces what differs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
CAPTURED: Final = HERE / "captured"
#: requests that the bridge gets
POSTED: Final = HERE / "posted"
#: what the recipes of docs/retraining.md ask for, as the platforms take it
RETRAINING: Final = HERE / "retraining"
#: the recordings, where the documents have their samples
TRAFFIC: Final = HERE.parents[1] / "docs" / "platforms" / "traffic"
#: what other systems know of training data, which `driftd reference import` reads
IMPORTS: Final = HERE / "imports"
#: the script of each package
GENERATORS: Final = {
    "mlflow": "mlflow_server.py",
    "kserve": "kserve_server.py",
    "mlserver": "mlserver_kafka.py",
    "tfserving": "tfserving_logs.py",
    "azure": "azure_collector.py",
    "sagemaker": "sagemaker_lines.py",
    "vertex": "vertex_rows.py",
    "cloudevents": "cloudevents_http.py",
    "tfdv": "tfdv_statistics.py",
    "sagemaker-baseline": "sagemaker_baseline.py",
    "vertex-monitor": "vertex_monitor.py",
    "mlflow-model": "mlflow_model.py",
    "azure-monitor": "azure_monitor.py",
    "retraining-sagemaker": "retraining_sagemaker.py",
    "retraining-vertex": "retraining_vertex.py",
    "retraining-kubeflow": "retraining_kubeflow.py",
    "retraining-azure": "retraining_azure.py",
    "retraining-mlflow": "retraining_mlflow.py",
}
#: the locks that are another package's too
LOCKS: Final = {
    "sagemaker-baseline": "sagemaker",
    "vertex-monitor": "vertex",
    "mlflow-model": "mlflow",
    "retraining-sagemaker": "sagemaker",
    "retraining-vertex": "vertex",
    "retraining-azure": "azure-monitor",
    "retraining-mlflow": "mlflow",
}
#: seconds that a platform has for its calls
LONGEST: Final = 600


def environment_of(package: str, folder: Path) -> Path:
    """The Python of a new environment with the locked versions of a package."""
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python, lock = environment / "bin" / "python", HERE / "locks" / f"{LOCKS.get(package, package)}.txt"
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([str(python), "-m", "pip", "install", *quiet, "-r", str(lock)], check=True)
    return python


def written_by(package: str, folder: Path) -> list[Path]:
    """The files of a package, made afresh in `folder`."""
    made = folder / "made"
    made.mkdir()
    python = environment_of(package, folder)
    script = HERE / "generators" / GENERATORS[package]
    with (folder / "log").open("w+b") as log:
        done = subprocess.run([python, script.name, made], cwd=script.parent, stderr=log, check=False, timeout=LONGEST)
        if done.returncode:
            log.seek(0)
            sys.exit(f"{package} ended with {done.returncode}\n{log.read().decode(errors='replace')[-5_000:]}")
    return sorted(made.iterdir())


def place_of(new: Path) -> Path:
    """Where the file is kept here."""
    if new.name.endswith(".posts.json"):
        return POSTED / new.name
    if new.name.startswith("retraining_"):
        return RETRAINING / new.name
    if new.name.startswith("import_"):
        return IMPORTS / new.name
    return (TRAFFIC if ".records." in new.name or ".made_by." in new.name else CAPTURED) / new.name


def content_of(file: Path) -> object:
    """What has to be the same; versions of Python and of compression may differ."""
    if file.suffix == ".gz":
        return gzip.decompress(file.read_bytes())
    if file.suffix != ".json":
        return file.read_bytes()
    content = json.loads(file.read_text(encoding="utf-8"))
    if file.name.startswith("import_") and "made_by" not in file.name:
        return content
    del content.get("made_by", content)["python"]
    return content


def differs(new: Path) -> bool:
    known = place_of(new)
    return not known.exists() or content_of(new) != content_of(known)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.platforms.run", description=__doc__)
    parser.add_argument("packages", nargs="*", default=[*GENERATORS])
    parser.add_argument("--keep", action="store_true", help="replace what differs")
    asked = parser.parse_args()
    different = []
    for package in asked.packages:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            for new in written_by(package, Path(folder)):
                if not differs(new):
                    continue
                different.append(new.name)
                if asked.keep:
                    place_of(new).write_bytes(new.read_bytes())
        print(f"{package}: {time.monotonic() - begun:.0f} s", flush=True)
    done = "replaced" if asked.keep else "differs from what is here; look, then replace it by --keep"
    for name in different:
        print(f"{name}: {done}")
    if different and not asked.keep:
        sys.exit(1)
    print(f"what {', '.join(asked.packages)} wrote: {'replaced' if different else 'as it is here'}")


if __name__ == "__main__":
    main()
