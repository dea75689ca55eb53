"""Every set, in the order in which they are measured."""

from __future__ import annotations

from typing import Final

from tests.benchmarks.sets import alone, peers, served, streams
from tests.benchmarks.sets.place import Set

SETS: Final[dict[str, Set]] = {one.name: one for one in (*peers.SETS, *streams.SETS, *served.SETS, *alone.SETS)}
#: measured without being named; the others are parts of them
USUAL: Final = tuple(name for name in SETS if name not in {"clients", "daemon"})
