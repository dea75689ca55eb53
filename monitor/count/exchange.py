"""What carries tallies from stage 1 to stage 2: here, in one process, a merge of what all units closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from monitor.count.unit import ClosedPane, PaneKey
from monitor.events import ModelKey
from monitor.stats.tally import Tally


class Pane(NamedTuple):
    """A pane that is complete over all units."""

    pane_key: PaneKey
    start_us: int
    end_us: int
    tally: Tally


class Exchange:
    """Merges closed panes over units and hands them on in time order. What was handed on is final."""

    def __init__(self, pane_us: int) -> None:
        self._pane_us = pane_us
        self._waiting: dict[tuple[int, PaneKey], Tally] = {}
        self._judged_until: dict[ModelKey, int] = {}
        self.unjudged: Counter[ModelKey] = Counter()
        #: labels that came for judged panes: they are counted with the next pane
        self._labels_left: Counter[PaneKey] = Counter()

    def put(self, closed: Iterable[ClosedPane]) -> None:
        """Take closed panes; events for panes that were judged already are counted and never judged."""
        for pane_key, start_us, tally in closed:
            if start_us < self._judged_until.get(pane_key.key, start_us):
                self.unjudged[pane_key.key] += tally.events
                self._labels_left[pane_key] += tally.labels
                continue
            known = self._waiting.get((start_us, pane_key))
            if known is None:
                self._waiting[start_us, pane_key] = tally
            else:
                known.merge(tally)

    def ready(self) -> list[Pane]:
        """The panes that came in since the last call, in time order."""
        ready = [
            Pane(pane_key, start_us, start_us + self._pane_us, tally)
            for (start_us, pane_key), tally in sorted(self._waiting.items(), key=lambda item: item[0])
        ]
        self._waiting.clear()
        for pane in ready:
            pane.tally.labels += self._labels_left.pop(pane.pane_key, 0)
            self._judged_until[pane.pane_key.key] = pane.end_us
        return ready

    def forget(self, key: ModelKey) -> None:
        self._judged_until.pop(key, None)
        self.unjudged.pop(key, None)
        for pane_key in [pane_key for pane_key in self._labels_left if pane_key.key == key]:
            del self._labels_left[pane_key]

    def to_state(self) -> dict[str, Any]:
        """Nothing waits between two turns, so only what is final is state."""
        return {
            "judged_until": [[*key, until] for key, until in self._judged_until.items()],
            "labels_left": [[*key, segment, count] for (key, segment), count in self._labels_left.items() if count],
            "unjudged": [[*key, count] for key, count in self.unjudged.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._judged_until = {ModelKey(model, version): until for model, version, until in state["judged_until"]}
        self._labels_left = Counter(
            {
                PaneKey(ModelKey(model, version), segment): count
                for model, version, segment, count in state["labels_left"]
            }
        )
        self.unjudged = Counter({ModelKey(model, version): count for model, version, count in state["unjudged"]})
