"""`driftd run` that tells, once it has ended, how long each turn of its loop was; one JSON file of figures.

usage: python -m tests.benchmarks.turns_child RESULT run --config CONFIG ...

Of turns that read records, with all that the loop does behind them: the wall time, and the part of it in which the
loop's thread waited: for the interpreter, for a processor, or for Kafka.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.__main__ import main as driftd
from monitor.__main__ import one_blas_thread

if TYPE_CHECKING:
    from monitor.pipeline import Pipeline


class Turns:
    """Notes the beginning of each turn, and what it read."""

    def __init__(self) -> None:
        #: wall and CPU time of the thread, records
        self._at: list[tuple[float, float, int]] = []

    def noted(self, turn: Callable[[Pipeline], int]) -> Callable[[Pipeline], int]:
        def run(pipeline: Pipeline) -> int:
            began = time.perf_counter(), time.thread_time()
            read = turn(pipeline)
            self._at.append((*began, read))
            return read

        return run

    def figures(self) -> dict[str, object]:
        wall, own, read = np.array(self._at).T
        some = read[:-1] > 0
        turns = np.diff(wall)[some]
        waited = turns - np.diff(own)[some]
        return {
            "turns": len(turns),
            "turn_p99_ms": _ms(np.quantile(turns, 0.99)),
            "turn_most_ms": _ms(turns.max()),
            "waited_p99_ms": _ms(np.quantile(waited, 0.99)),
            "waited_most_ms": _ms(waited.max()),
            "waited_share": round(float(waited.sum() / turns.sum()), 4),
        }


def _ms(seconds: float) -> float:
    return round(1e3 * float(seconds), 2)


def main() -> int:
    one_blas_thread()
    from monitor.pipeline import Pipeline  # noqa: PLC0415  # after what NumPy has to know

    result, turns = Path(sys.argv.pop(1)), Turns()
    noted: Any = turns.noted(Pipeline.turn)
    Pipeline.turn = noted  # type: ignore[method-assign]  # only in this process
    code = driftd()
    result.write_text(json.dumps(turns.figures()), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
