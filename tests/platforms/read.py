"""Has the platforms' own packages read what `driftd export` writes, and the alert topic, each in an environment of
locked versions.

What is written is kept in `exported`, what they understood in `read`; the quick tests compare the first with what is
written today. `python -m tests.platforms.read [--keep] [--environments FOLDER] sagemaker tfdv ...`
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.platforms.exported import FILES
from tests.platforms.exported import HERE as EXPORTED
from tests.platforms.run import LONGEST, environment_of
from tests.told import days, recording, records_of

HERE: Final = Path(__file__).parent
READ: Final = HERE / "read"
#: the script of each form
READERS: Final = {
    "sagemaker": "sagemaker_violations.py",
    "tfdv": "tfdv_anomalies.py",
    "openlineage": "openlineage_events.py",
    "vertex": "vertex_alerts.py",
    "mlflow": "mlflow_server.py",
    "knative": "knative_triggers.py",
}
#: the lock of a form, where it has another name
LOCKS: Final = {"tfdv": "tensorflow-metadata", "knative": "cloudevents"}
SETTINGS: Final = "inputs: [{topic: events}]\nmodels: [{name: credit, reference: credit.json}]\n"


def given(form: str, folder: Path) -> list[str]:
    """The arguments of a reader: the file, or for a server a folder and the command that tells it."""
    if form in FILES:
        return [str(EXPORTED / FILES[form])]
    (folder / "driftd.yaml").write_text(SETTINGS, encoding="utf-8")
    source = recording(folder / "alerts.records.jsonl", records_of(days()))
    options = ["--config", str(folder / "driftd.yaml"), str(source), "--tracking-uri"]
    return [str(folder), sys.executable, "-m", "monitor", "export", form, *options]


def read_by(form: str, folder: Path, environments: Path | None) -> object:
    """What the package understood."""
    ready = None if environments is None else environments / form / "bin" / "python"
    python = ready if ready is not None and ready.exists() else environment_of(LOCKS.get(form, form), folder)
    script = HERE / "readers" / READERS[form]
    done = subprocess.run(
        [python, str(script), *given(form, folder)], capture_output=True, text=True, check=False, timeout=LONGEST
    )
    if done.returncode:
        sys.exit(f"{form} ended with {done.returncode}\n{done.stderr[-5_000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.platforms.read", description=__doc__)
    parser.add_argument("forms", nargs="*", default=[*READERS])
    parser.add_argument("--keep", action="store_true", help="replace what differs")
    parser.add_argument("--environments", type=Path, help="a folder with environments that are there already")
    asked = parser.parse_args()
    different = []
    for form in asked.forms:
        kept = READ / f"{form}.json"
        with tempfile.TemporaryDirectory() as folder:
            text = json.dumps(read_by(form, Path(folder), asked.environments), indent=1, sort_keys=True) + "\n"
        print(f"{form}: read", flush=True)
        if not kept.exists() or kept.read_text(encoding="utf-8") != text:
            different.append(form)
            if asked.keep:
                READ.mkdir(exist_ok=True)
                kept.write_text(text, encoding="utf-8")
    print(
        f"replaced: {', '.join(different)}"
        if asked.keep and different
        else f"differs: {', '.join(different) or 'none'}"
    )
    if different and not asked.keep:
        sys.exit(1)


if __name__ == "__main__":
    main()
