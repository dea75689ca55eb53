"""The first pass over recorded events: which columns there are, a sample of each one's values, and their forms."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from monitor.events import Partition
from monitor.visible import one_line

#: values of one column kept for its bins; beyond it every second, fourth, ... value is kept
MAX_SAMPLE: Final = 200_000
#: names of fields that nobody reads, and of classes in `scores`, that are remembered
MAX_NAMES: Final = 100
#: characters kept of the name of a field that nobody reads
NAME_LENGTH: Final = 60

#: what a value in `features` is: forms of JSON, with numbers that are none apart
NUMBER, TEXT, BOOLEAN, NULL, INFINITE, NUMBERS, LIST, OBJECT = (
    "number", "text", "boolean", "null", "infinite", "list of numbers", "list", "object",
)  # fmt: skip
#: the forms that a column can be counted by
VALUES: Final = (NUMBER, TEXT, BOOLEAN)

#: every field of a native event
FIELDS: Final = frozenset(
    ("type", "id", "model", "version", "ts", "features", "prediction", "score", "scores", "label", "tags", "value")
) | {"outcomes"}

Value = str | float | int | bool | None


class First(NamedTuple):
    """Where a form of value came first."""

    partition: Partition
    offset: int
    value: object


@dataclass(slots=True)
class Sample:
    """An even, repeatable sample of a column's values (every `step`-th one) with the events' times in microseconds.

    `forms` counts all of its values, `firsts` has the first of each form. `first` and `last` are the numbers of the
    events with its first and last value that is not null, from 1 (0: none).
    """

    values: list[Value] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    step: int = 1
    seen: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    firsts: dict[str, First] = field(default_factory=dict)
    first: int = 0
    last: int = 0

    def add(self, value: Value, ts: int = 0) -> None:
        if self.seen % self.step == 0:
            self.values.append(value)
            self.times.append(ts)
            if len(self.values) >= MAX_SAMPLE:
                self.values, self.times = self.values[::2], self.times[::2]
                self.step *= 2
        self.seen += 1

    def in_time_order(self) -> tuple[list[Value], list[int]]:
        """Values and times (not to be changed), sorted by time; equal times keep their order."""
        if all(map(operator.le, self.times, self.times[1:])):
            return self.values, self.times
        order = sorted(range(len(self.times)), key=self.times.__getitem__)
        return [self.values[at] for at in order], [self.times[at] for at in order]

    def count(self, *forms: str) -> int:
        """Values of these forms."""
        return sum(self.forms[form] for form in forms)


@dataclass(slots=True)
class Survey:
    """The first pass: `look` at each event, then `add` its values."""

    features: dict[str, Sample] = field(default_factory=dict)
    scores: Sample = field(default_factory=Sample)
    predictions: Sample = field(default_factory=Sample)
    score_classes: int = 0
    #: predictions with `scores`, by the names in it
    score_names: Counter[str] = field(default_factory=Counter)
    #: events looked at, those with at least one feature, and those with a field that nobody reads, by its name
    events: int = 0
    with_features: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    _ts: int = 0

    def inspect(self, event: Mapping[str, object], ts: int, partition: Partition, offset: int) -> None:
        """Note the event's time and place, the forms of its values, and its fields that nobody reads."""
        self.events += 1
        self._ts = ts
        for name in event.keys() - FIELDS:
            shown = one_line(name)[:NAME_LENGTH]
            if shown in self.unread or len(self.unread) < MAX_NAMES:
                self.unread[shown] += 1
        scores, features = event.get("scores"), event.get("features")
        if isinstance(scores, dict):
            for name in scores:
                if name in self.score_names or (len(self.score_names) < MAX_NAMES and name.isprintable()):
                    self.score_names[name] += 1
        if not isinstance(features, dict) or not features:
            return
        self.with_features += 1
        events, samples = self.events, self.features
        for name, value in features.items():
            sample = samples.get(name)
            if sample is None:
                sample = samples[name] = Sample()
            form = _FORMS.get(type(value)) or form_of(value)
            if form in sample.firsts:
                sample.forms[form] += 1
            else:
                sample.forms[form] = 1
                sample.firsts[form] = First(partition, offset, value)
                if not sample.first and form != NULL:
                    sample.first = events
            if form != NULL:
                sample.last = events

    def add(self, features: Mapping[str, object] | None, score: float | None, prediction: Value) -> None:
        samples, ts = self.features, self._ts
        for name, value in (features or {}).items():
            sample = samples.get(name)
            if sample is None:
                sample = samples[name] = Sample()
            sample.add(value if isinstance(value, (str, float, int)) else None, ts)
        if score is not None:
            self.scores.add(score)
        if prediction is not None:
            self.predictions.add(prediction)


_FORMS: Final[dict[type, str]] = {str: TEXT, int: NUMBER, bool: BOOLEAN, dict: OBJECT, type(None): NULL}


def form_of(value: object) -> str:
    """The form of a value; NaN is null."""
    if isinstance(value, float):
        return NUMBER if math.isfinite(value) else NULL if math.isnan(value) else INFINITE
    if isinstance(value, list):
        numbers = value and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in value)
        return NUMBERS if numbers else LIST
    return _FORMS.get(type(value), OBJECT)
