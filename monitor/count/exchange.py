"""What carries tallies from stage 1 to stage 2: here, in one process, a merge of what all units closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from monitor.count.labels import LabelCount, WaitingLabels
from monitor.count.task import ClosedPane, PaneKey
from monitor.events import ModelKey
from monitor.stats.tally import Tally


class Pane(NamedTuple):
    """A pane that is complete over all units. `labels` took effect before its end, and not before an earlier one's."""

    pane_key: PaneKey
    start_us: int
    end_us: int
    tally: Tally
    labels: int = 0


class Exchange:
    """Merges closed panes over units and hands them on in time order. What was handed on is final.

    Labels come beside them: they close no pane and make none final.
    """

    def __init__(self, pane_us: int) -> None:
        self._pane_us = pane_us
        self._waiting: dict[tuple[int, PaneKey], Tally] = {}
        self._judged_until: dict[ModelKey, int] = {}
        self._labels = WaitingLabels()
        self.unjudged: Counter[ModelKey] = Counter()

    def put(self, closed: Iterable[ClosedPane]) -> None:
        """Take closed panes; events for panes that were judged already are counted and never judged."""
        for pane_key, start_us, tally in closed:
            if start_us < self._judged_until.get(pane_key.key, start_us):
                self.unjudged[pane_key.key] += tally.events
                continue
            known = self._waiting.get((start_us, pane_key))
            if known is None:
                self._waiting[start_us, pane_key] = tally
            else:
                known.merge(tally)

    def put_labels(self, counts: Iterable[LabelCount]) -> None:
        """Take counted labels, in any order; the next pane of their model version that ends after them tells them."""
        self._labels.add(counts)

    def ready(self) -> Iterator[Pane]:
        """The panes that came in since the last call, in time order; without those that are forgotten meanwhile."""
        for start_us, pane_key in sorted(self._waiting):
            tally = self._waiting.pop((start_us, pane_key), None)
            if tally is None:
                continue
            end_us = start_us + self._pane_us
            labels = self._labels.take_before(pane_key.key, end_us)
            self._judged_until[pane_key.key] = end_us
            yield Pane(pane_key, start_us, end_us, tally, labels)

    def forget(self, key: ModelKey) -> None:
        """Drop what is held of a model version."""
        self._waiting = {place: tally for place, tally in self._waiting.items() if place[1].key != key}
        self._judged_until.pop(key, None)
        self.unjudged.pop(key, None)
        self._labels.forget(key)

    def to_state(self) -> dict[str, Any]:
        """Nothing waits between two turns but labels, so only they and what is final are state."""
        return {
            "judged_until": [[*key, until] for key, until in self._judged_until.items()],
            "labels": [[*key, start_us, count] for key, start_us, count in self._labels],
            "unjudged": [[*key, count] for key, count in self.unjudged.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._judged_until = {ModelKey(model, version): until for model, version, until in state["judged_until"]}
        self._labels.add(
            LabelCount(ModelKey(model, version), at, count) for model, version, at, count in state.get("labels", ())
        )
        # format 1: labels that came for panes that were judged, to be told with the next one
        for model, version, _segment, count in state.get("labels_left", ()):
            key = ModelKey(model, version)
            self._labels.add([LabelCount(key, self._judged_until.get(key, 0) - self._pane_us, count)])
        self.unjudged = Counter({ModelKey(model, version): count for model, version, count in state["unjudged"]})
