"""Has the platforms' own packages write their records again, each in an environment of its own of locked versions, and
compares them with the captures that the quick tests read.

`python -m tests.platforms.run [--keep] mlflow kserve mlserver`; with `--keep` new captures replace those that differ.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
CAPTURED: Final = HERE / "captured"
#: the script of each package
GENERATORS: Final = {"mlflow": "mlflow_server.py", "kserve": "kserve_server.py", "mlserver": "mlserver_kafka.py"}
#: seconds that a platform has for its calls
LONGEST: Final = 600


def written_by(package: str, folder: Path) -> list[Path]:
    """The captures of a package, made afresh in `folder`."""
    environment = folder / "environment"
    made = folder / "captured"
    made.mkdir()
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python, lock = environment / "bin" / "python", HERE / "locks" / f"{package}.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", lock], check=True)
    script = HERE / "generators" / GENERATORS[package]
    subprocess.run([python, script.name, made], cwd=script.parent, check=True, timeout=LONGEST)
    return sorted(made.glob("*.json"))


def differs(new: Path) -> bool:
    """Whether a capture is not the one that is here; versions of Python may differ."""
    known = CAPTURED / new.name
    return not known.exists() or _content(new) != _content(known)


def _content(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    del content["made_by"]["python"]
    return content


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.platforms.run", description=__doc__)
    parser.add_argument("packages", nargs="*", default=[*GENERATORS])
    parser.add_argument("--keep", action="store_true", help="replace captures that differ")
    asked = parser.parse_args()
    different = []
    for package in asked.packages:
        with tempfile.TemporaryDirectory() as folder:
            for new in written_by(package, Path(folder)):
                if not differs(new):
                    continue
                different.append(new.name)
                if asked.keep:
                    (CAPTURED / new.name).write_bytes(new.read_bytes())
    done = "replaced" if asked.keep else "differs from tests/platforms/captured; look, then replace it by --keep"
    for name in different:
        print(f"{name}: {done}")
    if different and not asked.keep:
        sys.exit(1)
    print(f"captures of {', '.join(asked.packages)}: {'replaced' if different else 'as they are here'}")


if __name__ == "__main__":
    main()
