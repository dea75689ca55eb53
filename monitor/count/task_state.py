"""Checkpointed state of stage 1: the state of a task, as values.

The tallies of its panes do not change any more; the rest may share objects with the task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from monitor.events import ModelKey
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.tally import Tally


class PaneKey(NamedTuple):
    """Key of a tally: model version, and segment ("" for all events)."""

    key: ModelKey
    segment: str


class OpenPane(NamedTuple):
    """A pane of one task that is still open; `pane` is its start in panes."""

    pane_key: PaneKey
    pane: int
    tally: Tally


class OpenLabels(NamedTuple):
    """Labels of a model version that belong to one cohort that is open; `cohort` is its start in cohorts."""

    key: ModelKey
    cohort: int
    tally: LabelTally


@dataclass(frozen=True, slots=True)
class TaskLabelsState:
    """The labels of one partition number across the input topics.

    `clocks` are opaque here, by topic; of the cohorts, `inline` are of labels that came with their predictions.
    """

    number: int
    clocks: Mapping[str, Mapping[str, Any]]
    waiting: list[OpenLabels]
    inline: list[OpenLabels]


@dataclass(frozen=True, slots=True)
class SavedPartition:
    """One topic-partition: position and times (microseconds); `clock` and `ids` are opaque here."""

    next_offset: int
    read_clock_us: int
    clock: Mapping[str, Any]
    ids: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskState:
    """One partition number across the input topics; `outcomes` are events by topic, outcome and reason."""

    number: int
    partitions: Mapping[str, SavedPartition]
    open: list[OpenPane]
    outcomes: Mapping[tuple[str, str, str], int]
