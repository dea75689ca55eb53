"""Benchmarks: `python -m tests.benchmarks [--json] [NAME ...]`, or one name with its options; without a name the usual.

With `--json` each row of a table is a line of JSON.

They are not tests: they give figures, print the command that made them, and are left out by name where a part of them
(Kafka, recorded data) is missing.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from tests.benchmarks.material import Form, MissingError, say

ALL = (
    "acceptance",
    "quality",
    "season",
    "relations",
    "attribution",
    "estimate",
    "real-labels",
    "relations-alone",
    "promise",
    "false-pages",
    "false-label-pages",
    "false-tickets",
    "real-series",
    "ends",
    "detector-alarms",
    "rivals",
    "decode-count",
    "formats",
    "segments",
    "segment-errors",
    "judging",
    "reference-build",
    "reference-import",
    "replay",
    "join",
    "off-path",
    "checkpoint",
    "backlog-memory",
    "exactly-once",
    "exactly-once-labels",
    "freshness",
    "process-memory",
    "bridge",
    "side-by-side",
    "bench",
    "bench-table",
    "bench-compare",
    "bench-peers",
)
#: events per second and memory; the others tell how well it judges, and take longer
USUAL = (("decode-count",), ("bench", "--only", "clients,steps"), ("backlog-memory",))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"tests.benchmarks.{name.replace('-', '_')}")


def _list() -> None:
    for name in ALL:
        say(f"  {name:<15} {(_module(name).__doc__ or '').splitlines()[0]}")
    say()


def _run(name: str, options: Sequence[str]) -> None:
    say(f"$ python -m tests.benchmarks {' '.join([name, *options])}")
    try:
        _module(name).run(options)
    except MissingError as missing:
        say(f"left out: {missing}")
    say()


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["--json"]:
        Form.as_json, arguments = True, arguments[1:]
    names = [word for word in arguments if word in ALL]
    if arguments and arguments[0] in ALL and not {*arguments} <= {*ALL}:
        names = [arguments[0]]  # the others are options, which may be names, too
    if not arguments or arguments == ["--help"]:
        _list()
        for name, *given in () if arguments else USUAL:
            _run(name, given)
        return 0
    if arguments[0] not in ALL or (len(names) > 1 and len(names) != len(arguments)):
        _list()
        say("give one name with its options (--help), or several names")
        return 2
    options = arguments[1:] if len(names) == 1 else []
    for name in names:
        _run(name, options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
