"""Cause `schema`: a column that the reference does not have comes steadily; often another one went at the same time.

What is known of it is a sample of the records (`count/columns/schema.py`). If the values of the new column fit the bins
of one that is gone, it was renamed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures, Finding, FindingKey, Span
from monitor.judge.causes.cause import CauseName, Evaluation, SequentialCause
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.reference.column import FEATURE, Column
from monitor.stats.bins.reference_bins import ColumnBins
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies import names
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.further import NEW, SAMPLED, VALUES, bounded, is_of_sample, left_out
from monitor.stats.testing.evidence import same_shares
from monitor.text import many, percent

SCHEMA: Final = "schema"
#: events of the sample in a block; a column is new if at least this share of a block has it
BLOCK: Final = 12
STEADY: Final = 0.5
#: most new columns that a block is reported with
MOST_REPORTED: Final = 8
#: a reported column is gone again once so many blocks in a row have not one event with it: shares near the limit would
#: else end and open again and again
GONE_BLOCKS: Final = 2
#: exceedance of one that is not gone
STILL_THERE: Final = 1.01
#: chance of values as far from a column's as the new ones: below it they are not that column's
LEAST_CHANCE: Final = 0.01

Ints = NDArray[np.int64]


_UNDO_RENAME: Final = "rename it back, unless the model reads the new name; then build a new reference"


class _Sample(NamedTuple):
    """Counts of some panes, by their names in `Tally.further`."""

    start_us: int
    end_us: int
    counts: dict[str, Ints]

    @property
    def events(self) -> int:
        return int(self.counts[SAMPLED][0]) if SAMPLED in self.counts else 0

    def share(self, name: str) -> float:
        """The share of events with a new column."""
        return float(self.counts[NEW + name][0]) / self.events if NEW + name in self.counts else 0.0

    def new(self) -> list[str]:
        """The new columns, those that most events have first."""
        found = [name.removeprefix(NEW) for name in self.counts if name.startswith(NEW)]
        return sorted(found, key=lambda name: (-self.share(name), name))


class Schema(SequentialCause):
    """New and renamed columns. The subject is the new column."""

    names = (
        CauseName(
            SCHEMA,
            in_alert="is new",
            on_page="new column",
            next_step="undo a rename; for a column that is to stay build a new reference",
        ),
    )
    state_name = "schema"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._model = prepared.reference.key.model
        self._open = _Sample(0, 0, {})
        #: by subject, of the newest block: the share of events that have the new column
        self._shares: dict[str, float] = {}
        #: by the subject of a reported column: the newest blocks without an event that has it
        self._without: dict[str, int] = {}
        #: by the subject of a column that is gone: the new column with its values
        self._renamed: dict[str, str] = {}

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Take the next pane; judge the sample once it is large enough."""
        further = pane.tally.further
        counts = {name: counted for name, counted in further.items() if is_of_sample(name)} if further else {}
        if not counts:
            return
        start = self._open.start_us if self._open.events else pane.start_us
        merged = dict(self._open.counts)
        for name, counted in counts.items():
            merged[name] = merged[name] + counted if name in merged else counted.astype(np.int64)
        self._open = _Sample(start, pane.end_us, bounded(merged))
        if self._open.events >= BLOCK:
            block, self._open = self._open, _Sample(0, 0, {})
            yield from self._judge(block)

    def _judge(self, block: _Sample) -> Iterator[Finding]:
        steady = [name for name in block.new() if block.share(name) >= STEADY][:MOST_REPORTED]
        self._shares = {self._subject(name): block.share(name) for name in block.new()}
        reported = {subject: 0 if subject in self._shares else blocks + 1 for subject, blocks in self._without.items()}
        self._without = {subject: blocks for subject, blocks in reported.items() if blocks < GONE_BLOCKS}
        self._without |= {self._subject(name): 0 for name in steady}
        before, self._renamed = self._renamed, {}
        for name in steady:
            gone = self._same_values(block, name, [old for old, new in before.items() if new == name])
            if gone is not None:
                self._renamed[gone.subject(self._model)] = name
            yield self._finding(block, name, gone)

    def _subject(self, name: str) -> str:
        return Column(name, FEATURE, ColumnBins("categorical")).subject(self._model)

    def _same_values(self, block: _Sample, name: str, known: Collection[str]) -> Column | None:
        """The column that is gone whose values a new one has; of several the most probable.

        One that is `known` to have been renamed stays so while it is gone: of many blocks some differ by chance.
        """
        reference, fitting = self.prepared.reference, []
        for counted, values in block.counts.items():
            at, _, of = counted.removeprefix(VALUES).partition(":")
            if not counted.startswith(VALUES) or of != name or values.sum() < STEADY * block.events:
                continue
            if reference.columns[int(at)].subject(self._model) in known:
                return reference.columns[int(at)]
            chance = same_shares(values, reference.counts[int(at)])
            if chance >= LEAST_CHANCE:
                fitting.append((chance, -int(at)))
        return reference.columns[-max(fitting)[1]] if fitting else None

    def key_remarks(self) -> Mapping[FindingKey, str]:
        """What is to be said beside another cause's finding: under which name a column that is gone comes now."""
        return {
            FindingKey(subject, "absent"): f"the new column {self._shown(name)} has its values: was it renamed?"
            for subject, name in self._renamed.items()
        }

    def key_next_steps(self) -> Mapping[FindingKey, str]:
        return {FindingKey(subject, "absent"): _UNDO_RENAME for subject in self._renamed}

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        """By the newest block of the sample; above the threshold until the column is gone again."""
        if key.cause != SCHEMA or key.figure:  # a limit of another system is no new column
            return None
        over = self._shares.get(key.subject, 0.0) / STEADY
        if key.subject in self._without:
            return max(over, STILL_THERE)
        return over if key.subject in self._shares else None

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return percent(figures.value)

    def _shown(self, name: str) -> str:
        return names.shortened(name)

    def _finding(self, block: _Sample, name: str, gone: Column | None) -> Finding:
        share, shown = block.share(name), self._shown(name)
        headline = f"{shown} is a new column"
        detail = f"in {percent(share)} of {block.events} events of a sample"
        detail += "; the reference does not have it: it is not judged"
        if others := left_out(block.counts):
            detail += f"; {many(others, 'value')} of other new columns, more than are counted by name"
        if gone is not None:
            headline = f"{gone.name} went, {shown} came, with the same values"
            detail += f"; its values are like those that {gone.name} had: was it renamed?"
        return Finding(
            key=FindingKey(self._subject(name), SCHEMA),
            severity=self.policy.severity(SCHEMA, name, share, 0.0),
            window=Span(block.start_us, block.end_us, block.events),
            base_windows=1,
            statistic="share",
            value=share,
            threshold=STEADY,
            p=None,
            effect=share,
            effect_unit="share",
            exceedance=max(share / STEADY, 1.0),
            direction="up",
            detail=detail,
            headline=headline,
            since_us=block.start_us,
            renamed_from="" if gone is None else gone.subject(self._model),
            next_step="" if gone is None else _UNDO_RENAME,
        )

    def to_state(self) -> dict[str, Any]:
        return {
            "start": self._open.start_us,
            "end": self._open.end_us,
            "counts": dict(sorted(self._open.counts.items())),
            "shares": dict(sorted(self._shares.items())),
            "without": dict(sorted(self._without.items())),
            "renamed": dict(sorted(self._renamed.items())),
        }

    def restore(self, state: dict[str, Any]) -> None:
        counts = {name: np.array(counted, np.int64) for name, counted in state["counts"].items()}
        self._open = _Sample(state["start"], state["end"], counts)
        self._shares, self._renamed = dict(state["shares"]), dict(state["renamed"])
        self._without = dict(state.get("without", {}))
