"""The file that says what wrote the files of an import."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path


def write_made_by(folder: Path, name: str, *packages: str) -> None:
    made = {"packages": {one: version(one) for one in packages}, "python": sys.version.split()[0]}
    (folder / f"import_{name}.made_by.json").write_text(json.dumps(made, indent=1) + "\n")
