"""driftd: a drift monitor for production models that reads their events from Kafka.

From Python: `build_reference`, `load_reference` and `judge_data` (docs/python.md). They are looked up when they are
asked for, so that `import monitor` alone loads nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.tables.building import TableReference, build_reference, load_reference
    from monitor.tables.judgement import Judgement
    from monitor.tables.judging import judge_data

__version__ = "0.1.0"
__all__ = ["Judgement", "TableReference", "__version__", "build_reference", "judge_data", "load_reference"]

_MODULE_OF = {
    "TableReference": "monitor.tables.building",
    "build_reference": "monitor.tables.building",
    "load_reference": "monitor.tables.building",
    "Judgement": "monitor.tables.judgement",
    "judge_data": "monitor.tables.judging",
}


if not TYPE_CHECKING:  # else a checker would take any name

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
