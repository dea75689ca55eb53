"""What the benchmarks share: the folders of recorded material, the way results are shown, and intervals of counts."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from scipy.special import chdtri

from tests.real_parts.install import ROOT

_P = TypeVar("_P")
_M = TypeVar("_M")


class MissingError(Exception):
    """Something a benchmark needs is not here; it is left out by name."""


def folder(name: str, variable: str) -> Path:
    """The folder a variable names, or `shared/<name>` next to the checkout.

    Raises:
        MissingError: it is not there.
    """
    given = os.environ.get(variable)
    found = Path(given) if given else ROOT.parent / "shared" / name
    if not found.is_dir():
        message = f"no recorded material: set {variable} to a folder like shared/{name}"
        raise MissingError(message)
    return found


def data_folder() -> Path:
    return folder("data", "TEST_DRIFTD_DATA")


def quality_folder() -> Path:
    return folder("quality", "TEST_DRIFTD_QUALITY")


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Form:
    """How tables are shown: for people, or with `--json` a line of JSON for each row."""

    as_json = False


_NUMBER = re.compile(r"(-?[\d,]*\.?\d+)(?: \[.*\]| \(\d+\))?")


def json_row(head: Sequence[str], row: Sequence[object]) -> dict[str, object]:
    """Numbers by their head, of a range the median; what else the row says is its name."""
    texts, figures = [str(row[0])], dict[str, object]()
    for column, cell in zip(head[1:], row[1:], strict=True):
        if match := _NUMBER.fullmatch(str(cell)):
            figures[column] = float(match[1].replace(",", ""))
        elif str(cell):
            texts.append(str(cell))
    return {"name": ", ".join(texts), **figures}


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their head, every column as wide as it has to be."""
    if Form.as_json:
        for row in rows:
            say(json.dumps(json_row(head, row), ensure_ascii=False))
        return
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    for row in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def poisson_interval(count: int, share: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of a Poisson mean of which `count` were seen (Garwood 1936)."""
    tail = (1 - share) / 2
    low = float(chdtri(2 * count, 1 - tail)) / 2 if count else 0.0
    return low, float(chdtri(2 * count + 2, tail)) / 2


def in_processes(simulate: Callable[[_P, int], _M], plan: _P, numbers: range, processes: int) -> Iterator[_M]:
    """What `simulate(plan, number)` gives for each number, in their order."""
    if processes == 1:
        yield from (simulate(plan, number) for number in numbers)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(simulate, [plan] * len(numbers), numbers)


def counts_listed(counts: Mapping[str, int]) -> str:
    """`3 accepted, 1 late`."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def yes(holds: bool) -> str:
    """What stands for a check in the output."""
    return "yes" if holds else "NO"
