"""What was accepted of each model version since the state began, over all partitions: kept once, never summed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from monitor.events import ModelKey
from monitor.stats.tally import Tally, pack_mixed, unpack_mixed

#: model versions that labels alone name are kept apart up to this number; further ones count as version ""
MAX_LABEL_VERSIONS: Final = 100


class Totals:
    """Events and labels of each model version; the units of a process share one."""

    def __init__(self) -> None:
        self.events: dict[ModelKey, Tally] = {}
        #: label events; inline labels are in `events`
        self.labels: Counter[ModelKey] = Counter()
        self._named_by_labels: set[ModelKey] = set()

    def add(self, key: ModelKey, tally: Tally) -> None:
        known = self.events.get(key)
        if known is None:
            self.events[key] = tally.copy()
            self._named_by_labels.discard(key)
        else:
            known.merge(tally)

    def label_key(self, key: ModelKey) -> ModelKey:
        """The key that labels of `key` count under; its version is "" where labels alone name too many."""
        if key in self.events or key in self._named_by_labels or not key.version:
            return key
        if len(self._named_by_labels) >= MAX_LABEL_VERSIONS:
            return ModelKey(key.model, "")
        self._named_by_labels.add(key)
        return key

    def labels_of(self, key: ModelKey) -> int:
        """Labels of a model version, inline ones included."""
        total = self.events.get(key)
        inline = 0 if total is None else total.labels + total.labelled
        return inline + self.labels[key]

    def forget(self, key: ModelKey) -> None:
        self.events.pop(key, None)
        self.labels.pop(key, None)
        self._named_by_labels.discard(key)

    def to_state(self) -> dict[str, Any]:
        return {
            "whose": [[*key] for key in sorted(self.events)],
            "tallies": pack_mixed([tally for _, tally in sorted(self.events.items())]),
            "labels": [[*key, count] for key, count in sorted(self.labels.items())],
        }

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Take the totals of a state; one of format 1 has them by unit."""
        events, labels = totals_in(tree)
        self.events, self.labels = events, labels
        self._named_by_labels = {key for key in labels if key.version and key not in events}


def totals_in(tree: Mapping[str, Any]) -> tuple[dict[ModelKey, Tally], Counter[ModelKey]]:
    """Events and labels of each model version in a whole state."""
    if "totals" in tree:
        whole = tree["totals"]
        keys = [ModelKey(model, version) for model, version in whole["whose"]]
        labels = Counter({ModelKey(model, version): count for model, version, count in whole["labels"]})
        return dict(zip(keys, unpack_mixed(whole["tallies"]), strict=True)), labels
    by_unit = Totals()
    for task in tree["units"]:
        for model, version, state in task["totals"]:
            by_unit.add(ModelKey(model, version), Tally.from_state(state))
        for model, version, count in task["label_totals"]:
            by_unit.labels[ModelKey(model, version)] += count
    return by_unit.events, by_unit.labels
