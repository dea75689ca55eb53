"""The notebook of docs/python.md: its cells run one after the other, and what they show has HTML for Jupyter."""

from __future__ import annotations

import ast
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "python.ipynb"


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return found


def shown_by(source: str, names: dict[str, Any]) -> object:
    """Run a cell as Jupyter does; returns what its last line shows, None where that is no expression."""
    tree = ast.parse(source, filename=NOTEBOOK.name)
    last = tree.body[-1]
    value = compile(ast.Expression(last.value), NOTEBOOK.name, "eval") if isinstance(last, ast.Expr) else None
    tree.body = tree.body if value is None else tree.body[:-1]
    exec(compile(tree, NOTEBOOK.name, "exec"), names)  # noqa: S102  # our own cells
    return None if value is None else eval(value, names)  # noqa: S307  # the same


def test_the_notebook_runs_and_shows_its_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names: dict[str, Any] = {}
    shown = [shown_by("".join(cell["source"]), names) for cell in cells() if cell["cell_type"] == "code"]
    pictures = [thing for thing in shown if thing is not None]
    assert [type(thing).__name__ for thing in pictures] == ["TableReference", "Judgement", "Judgement", "DataFrame"]
    assert all("<" in thing._repr_html_() for thing in pictures)  # type: ignore[attr-defined]
    assert "digits: <b>page</b> performance accuracy since row" in pictures[2]._repr_html_()  # type: ignore[attr-defined]


def test_the_notebook_is_kept_without_what_a_run_wrote_into_it() -> None:
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
