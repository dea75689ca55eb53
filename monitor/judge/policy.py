"""Severity of a proven change: severities and least effects by cause and subject, from the settings."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from monitor.findings import DOWN, INFO, PAGE, SEVERITY_RANK, TICKET, UP, FindingKey
from monitor.reference.column import OUTCOME_PREFIX, Column
from monitor.settings.detector import ERROR, OPTIONS
from monitor.settings.model import Feature, Model, Outcome
from monitor.stats.bins.reference_bins import CATEGORICAL, ColumnBins
from monitor.stats.performance.figures import VALUE_FIGURE

#: smallest change of a quality count's share that can page; those of distributions are `stats.directions.LEAST_MOVE`
LEAST_QUALITY_CHANGE: Final = 0.01
#: cause and figure of findings of the value of labels
VALUE: Final = "cost", VALUE_FIGURE
#: causes that are tickets where the settings say nothing; all others page
TICKET_CAUSES: Final = frozenset(
    {"relation", "traffic", "duplicates", "clock", "schema", "label_delay", "label_coverage", "fairness"}
)


@dataclass(frozen=True)
class Policy:
    """The settings of one model that decide the severity of a finding."""

    model: Model
    show_values: bool = True
    #: {derived column: its feature}, whose settings hold where the column has none of its own
    parents: Mapping[str, str] = field(default_factory=dict)

    def of_column(self, column: Column) -> Policy:
        """The policy for the values of a column: what is derived (a script, a length) is always shown."""
        return replace(self, show_values=True) if column.parent and not self.show_values else self

    def _feature(self, name: str) -> Feature | Outcome | None:
        """The settings of a feature, or of an outcome by its subject."""
        if name.startswith(OUTCOME_PREFIX) and name not in self.model.features:
            return self.model.outcomes.get(name.removeprefix(OUTCOME_PREFIX))
        return self.model.features.get(name) or self.model.features.get(self.parents.get(name, name))

    def category(self, name: str) -> str:
        """A category as it may be shown: by name, or by a hash where values must not be shown."""
        return name if self.show_values else "#" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]

    def quoted(self, name: str) -> str:
        """The same in quotes, for a sentence."""
        return json.dumps(name, ensure_ascii=False) if self.show_values else self.category(name)

    def labels(self, bins: ColumnBins) -> list[str]:
        """The label of each bin as it may be shown; labels that are not category names are never hashed."""
        labels = bins.labels()
        if bins.kind != CATEGORICAL:
            return labels
        return [self.category(name) if at < bins.named else name for at, name in enumerate(labels)]

    def severity(
        self,
        cause: str,
        name: str,
        effect: float,
        default_least: float,
        *,
        may_page: bool = True,
        direction: str = "",
    ) -> str:
        """`page`, `ticket` or `info` of a proven change of that size; `name` of the feature, "" for other subjects.

        `direction`: the way in which the values moved, "" if they have none.
        """
        feature = self._feature(name)
        if feature is not None and feature.mute:
            return INFO
        if direction and not self.wants(name, direction):
            return INFO
        wanted: str | None = feature.severity if feature is not None else None
        if wanted is None:
            default = TICKET if cause in TICKET_CAUSES else PAGE
            wanted = self.model.severity.get(cause, default)  # type: ignore[call-overload]  # a cause outside the table is none of the settings
        if not may_page or effect < self.least_effect(cause, name, default_least):
            wanted = _milder(wanted, TICKET)
        return _milder(wanted, self.model.max_severity)

    def at_most(self, wanted: str, name: str) -> str:
        """A severity under the settings of the model and of the feature `name` ("" for other subjects)."""
        feature = self._feature(name)
        return INFO if feature is not None and feature.mute else _milder(wanted, self.model.max_severity)

    def allowed(self, key: FindingKey, name: str, *, direction: str, of_errors: bool) -> str:
        """The worst severity that the settings allow a finding; `name` and `direction` as in `severity`.

        `of_errors`: it is about the model's errors, so that a detector that found it follows these.
        """
        if (key.cause, key.figure) == VALUE and direction not in {"", self.worse_value}:
            return INFO
        if key.figure not in OPTIONS:
            return self.severity(key.cause, name, math.inf, 0.0, direction=direction)
        found_by = (key.figure, ERROR if of_errors else key.subject)
        own = (one.severity for one in self.model.detectors if (one.kind, one.on) == found_by)
        return self.at_most(next(own, INFO), name)

    def fingerprint(self) -> str:
        """`sha256:…` over the settings that `allowed` depends on."""
        model = self.model
        outcomes = {name: [of.severity, of.direction, of.mute] for name, of in sorted(model.outcomes.items())}
        meaning = {
            "max_severity": model.max_severity,
            "severity": dict(sorted(model.severity.items())),
            "features": {name: [of.severity, of.direction, of.mute] for name, of in sorted(model.features.items())},
            "detectors": sorted([one.kind, one.on, one.severity] for one in model.detectors),
            # without any it is what it was before there were any
            **({"outcomes": outcomes} if outcomes else {}),
            **({"value": model.labels.value} if self.worse_value != UP else {}),
        }
        return "sha256:" + hashlib.sha256(json.dumps(meaning).encode()).hexdigest()

    def most_severe(self, cause: str, name: str) -> str:
        """The severity of the largest change: the settings allow no worse one."""
        return self.severity(cause, name, math.inf, 0.0)

    def wants(self, name: str, direction: str) -> bool:
        """Whether a feature's values that moved in that direction may open an incident."""
        feature = self._feature(name)
        return feature is None or feature.direction in {"both", direction}

    @property
    def worse_value(self) -> str:
        """The direction in which the value of labels is worse."""
        return UP if self.model.labels.value == "cost" else DOWN

    def directions(self, name: str) -> tuple[str, ...]:
        """The directions that a feature is watched for."""
        return tuple(direction for direction in (UP, DOWN) if self.wants(name, direction))

    def tolerated(self, figure: str) -> float:
        """By how much a performance figure may be worse than in the reference, in its own unit."""
        return float(self.model.tolerance.get(figure, 0.0))  # type: ignore[call-overload]  # as above

    def least_effect(self, cause: str, name: str, default: float) -> float:
        feature = self._feature(name)
        if feature is not None and feature.least_effect is not None:
            return float(feature.least_effect)
        return float(self.model.least_effect.get(cause, default))  # type: ignore[call-overload]  # as above


def _milder(a: str, b: str) -> str:
    return min(a, b, key=lambda severity: SEVERITY_RANK[severity])
