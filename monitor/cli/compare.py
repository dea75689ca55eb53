"""`driftd replay --compare`: the same records under two settings."""

from __future__ import annotations

import contextlib
import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from monitor.clock import SystemClock
from monitor.count.admission.versions import Admission
from monitor.errors import UsageError
from monitor.exit_codes import DONE, FAILED_ON
from monitor.findings import SEVERITY_RANK
from monitor.run.comparing import IncidentLog, compare, human_lines, summary_line
from monitor.run.open_source import Given
from monitor.run.reference_files import admission_by
from monitor.run.replay import Replay, json_line, replay
from monitor.run.terminal import Progress, to_stderr, to_stdout
from monitor.settings.load import load_settings
from monitor.settings.tree import Settings


class _Side(NamedTuple):
    """One of the two settings."""

    which: str
    file: str
    settings: Settings
    admission: Admission


def compare_settings(arguments: Namespace, given_by: Callable[[Settings], Given]) -> int:
    """Replay under the settings of `--config`, then under those of `--compare`; `--fail-on` is about the latter.

    `given_by` makes the sources, which are read twice, from the first settings: where Kafka is, limits, time zones.

    Raises:
        UsageError: faulty settings or references, or one of the replays judged nothing or lost most.
    """
    sides = [_side("old", arguments.config), _side("new", arguments.compare)]
    with contextlib.closing(given_by(sides[0].settings)) as given:
        logs = [IncidentLog(), IncidentLog()]
        old, new = (_replayed(side, given, log) for side, log in zip(sides, logs, strict=True))
        notes = given.notes()
    lines = list(dict.fromkeys([*old.lost, *new.lost, *notes]))
    faults = [
        f"{side.which} ({side.file}): {done.failed}"
        for side, done in zip(sides, (old, new), strict=True)
        if done.failed
    ]
    if faults and not arguments.accept_partial:
        raise UsageError([*faults, *lines, "--accept-partial accepts the result all the same"])
    pairs = compare(*(log.incidents() for log in logs))
    if arguments.json:
        for pair in pairs:
            to_stdout(json_line(pair.to_json()))
        to_stdout(json_line(summary_line(pairs, old.summary, new.summary)))
    else:
        for line in human_lines(pairs, old.summary, new.summary, (sides[0].file, sides[1].file)):
            to_stdout(line)
    for line in lines:
        to_stderr(line)
    over = arguments.fail_on is not None and new.worst and SEVERITY_RANK[new.worst] >= SEVERITY_RANK[arguments.fail_on]
    return FAILED_ON if over else DONE


def _side(which: str, file: str) -> _Side:
    try:
        settings = load_settings(Path(file), os.environ)
        return _Side(which, file, settings, admission_by(settings, file))
    except UsageError as error:
        faults = [fault if fault.startswith(file) else f"{file}: {fault}" for fault in error.faults]
        raise UsageError(faults) from error


def _replayed(side: _Side, given: Given, log: IncidentLog) -> Replay:
    clock = SystemClock()
    with contextlib.closing(given.open()) as source:
        progress = Progress(source.progress, clock)
        try:
            return replay(
                side.settings, side.admission, source, clock, log.take, place=source.place, progress=progress.show
            )
        finally:
            progress.clear()
