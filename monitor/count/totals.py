"""What was accepted of each model version since the state began, over all partitions: kept once, never summed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from typing import Any, Final

from monitor.events import ModelKey
from monitor.stats.tally import Tally, pack_mixed, unpack_mixed

#: model versions that labels alone name are kept apart up to this number; further ones count as version ""
MAX_LABEL_VERSIONS: Final = 100


class LabelTotals:
    """Label events of each model version, whether predictions of it came or not."""

    def __init__(self) -> None:
        self.counted: Counter[ModelKey] = Counter()
        self._named: set[ModelKey] = set()

    def add(self, labels: Mapping[ModelKey, int]) -> None:
        self.counted.update(labels)

    def key_of(self, key: ModelKey, seen: Container[ModelKey]) -> ModelKey:
        """The key that labels of `key` count under; its version is "" where labels alone name too many.

        `seen` are the model versions that events came of.
        """
        if key in seen or key in self._named or not key.version:
            return key
        if len(self._named) >= MAX_LABEL_VERSIONS:
            self._named = {named for named in self._named if named not in seen}
        if len(self._named) >= MAX_LABEL_VERSIONS:
            return ModelKey(key.model, "")
        self._named.add(key)
        return key

    def forget(self, key: ModelKey) -> None:
        self.counted.pop(key, None)
        self._named.discard(key)

    def to_state(self) -> list[list[Any]]:
        return [[*key, count] for key, count in sorted(self.counted.items())]

    def restore(self, counted: Counter[ModelKey]) -> None:
        self.counted = counted
        self._named = {key for key in counted if key.version}


class Totals:
    """Events and labels of each model version; the tasks of a process share one."""

    def __init__(self) -> None:
        self.events: dict[ModelKey, Tally] = {}
        self.labels = LabelTotals()

    def add(self, key: ModelKey, tally: Tally) -> None:
        known = self.events.get(key)
        if known is None:
            self.events[key] = tally.copy()
        else:
            known.merge(tally)

    def label_key(self, key: ModelKey) -> ModelKey:
        """The key that labels of `key` count under."""
        return self.labels.key_of(key, self.events)

    def labels_of(self, key: ModelKey) -> int:
        """Labels of a model version, inline ones included."""
        total = self.events.get(key)
        inline = 0 if total is None else total.labels + total.labelled
        return inline + self.labels.counted[key]

    def forget(self, key: ModelKey) -> None:
        self.events.pop(key, None)
        self.labels.forget(key)

    def to_state(self) -> dict[str, Any]:
        return {
            "whose": [[*key] for key in sorted(self.events)],
            "tallies": pack_mixed([tally for _, tally in sorted(self.events.items())]),
            "labels": self.labels.to_state(),
        }

    def restore(self, tree: Mapping[str, Any]) -> None:
        """Take the totals of a state; one of format 1 has them by unit."""
        self.events, labels = totals_in(tree)
        self.labels.restore(labels)


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
            by_unit.labels.counted[ModelKey(model, version)] += count
    return by_unit.events, by_unit.labels.counted
