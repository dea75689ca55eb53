"""What is held of one model's labels: its join, and the numbers of topic-partitions and of the names of outcomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from monitor.count.labels.answers import Answers
from monitor.count.labels.model_join import ModelJoin
from monitor.events import ModelKey, Partition

#: outcomes of a model that neither its settings nor a reference name, beyond which further ones are counted and let go:
#: a producer may make up names without end. None of them is judged: which ones come first may depend on the polls
MOST_OUTCOMES: Final = 16
#: topic-partitions of a model, beyond which labels of further ones count as one
MOST_PLACES: Final = 0xFFFF
#: names that 16 bits can number
_MOST_NAMES: Final = 0xFFFF


@dataclass(slots=True)
class JoinedModel:
    """The join of a model, the number of each topic-partition of its labels, and the fates of its labels."""

    join: ModelJoin
    places: dict[Partition, int] = field(default_factory=dict)
    fates: Counter[tuple[ModelKey, str]] = field(default_factory=Counter)
    #: the number of each outcome's name from 1 on, their texts, and their fates by model version and name
    names: dict[str, int] = field(default_factory=dict)
    outcome_answers: Answers = field(default_factory=partial(Answers, all_floats=True))
    outcome_fates: Counter[tuple[ModelKey, str, str]] = field(default_factory=Counter)

    def name(self, name: str, known: frozenset[str]) -> int:
        """The number of an outcome's name; 0 where there are too many beside the `known` ones."""
        if name not in self.names and len(self.names) < _MOST_NAMES:
            has_place = name in known or len(self.names.keys() - known) < MOST_OUTCOMES
            self.names |= {name: 1 + len(self.names)} if has_place else {}
        return self.names.get(name, 0)

    def place(self, partition: Partition) -> int:
        """From 1 on: 0 are labels that came with their predictions."""
        if partition not in self.places and len(self.places) < MOST_PLACES:
            self.places[partition] = 1 + len(self.places)
            self.rank()
        return self.places.get(partition, MOST_PLACES)

    def rank(self) -> None:
        """Of labels that take effect at the same time, those of the last topic-partition by name win."""
        rank = self.join.tables.rank = np.zeros(1 + len(self.places), np.int64)
        for at, partition in enumerate(sorted(self.places), 1):
            rank[self.places[partition]] = at
