"""What the recipes of docs/examples/retraining ask a platform for, as that platform's own package takes it.

One argument names the folder to write to, the script that imports this names the platform.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from traffic import versions

HERE: Final = Path(__file__).parent
RECIPES: Final = HERE.parents[2] / "docs" / "examples" / "retraining"
EVENT_ID: Final = "credit/1/0d3f5a/1"


def page() -> dict[str, Any]:
    """The transition of docs/events.md, with a finding of performance beside it."""
    content: dict[str, Any] = json.loads((HERE / "retraining_page.json").read_text(encoding="utf-8"))
    return content


def recipe(name: str) -> ModuleType:
    sys.path.insert(0, str(RECIPES))
    return importlib.import_module(name)


def write(name: str, packages: Sequence[str], taken: object) -> None:
    """Write what the package made of the recipe's payload."""
    content = {"made_by": versions(packages), "taken": taken}
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    (Path(sys.argv[1]) / f"retraining_{name}.json").write_text(text, encoding="utf-8")
