"""Settings of one model and of its features."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import Discriminator, Field, Tag

from monitor.clock import DAY_US, rfc3339
from monitor.settings.calendar import Calendar, Recurring, parse_daily, parse_weekly
from monitor.settings.detector import DetectorSettings
from monitor.settings.types import (
    Class,
    Count,
    Daily,
    Description,
    Duration,
    Effect,
    Fault,
    Moment,
    Name,
    Number,
    Pages,
    Part,
    PositiveDuration,
    ReferencePath,
    Severity,
    Switch,
    Text,
    Timezone,
    Url,
    Versions,
    Weekly,
    shown,
)
from monitor.settings.version_path import ALLOWED, PLACEHOLDER, may_stand_in_path
from monitor.text import meant

#: performance figures that are judged
Figure: TypeAlias = Literal["accuracy", "recall", "precision", "calibration_error", "mae", "bias", "cost_per_thousand"]
Cause: TypeAlias = Literal[
    "distribution",
    "missing",
    "absent",
    "unseen",
    "outside",
    "constant",
    "type",
    "score",
    "prediction",
    "performance",
    "calibration",
    "outcome",
    "cost",
    "relation",
    "traffic",
    "label_delay",
    "label_coverage",
    "duplicates",
    "clock",
    "schema",
    "fairness",
]


#: the largest effect of causes that are no share: of a correlation, and of performance figures
LARGEST_EFFECTS: Final[Mapping[str, float]] = {
    "relation": 2.0,
    "performance": math.inf,
    "calibration": math.inf,
    "cost": math.inf,
}
#: figures that are shares of predictions
SHARES: Final = ("accuracy", "recall", "precision", "calibration_error")
#: predictions that 40 base windows hold: a reference of fewer cannot be learned
LEAST_WARMUP: Final = 10_000


def _too_large(effect: float, cause: str) -> str:
    """Why nothing changes by so much; "" if something may."""
    largest = LARGEST_EFFECTS.get(cause, 1.0)
    if effect <= largest:
        return ""
    meant = f"; {effect:g} % is {effect / 100:g}" if effect <= 100 else ""
    return f"{effect:g} is above {largest:g}, the largest change there is{meant}"


class Budget(Part):
    """How many false pages a model may cost, shared equally by its live versions."""

    pages: Pages = Field(default=1.0, description="false pages ...")
    per: PositiveDuration = Field(default=30 * DAY_US, description="... in this time")


class Feature(Part):
    """A feature of a model."""

    kind: Literal["numeric", "categorical", "vector", "text", "ignore"] | None = Field(
        default=None, description="the reference's when null"
    )
    severity: Severity | None = Field(default=None, description="of all its findings; null: by cause")
    least_effect: Effect | None = Field(
        default=None, description="a smaller change of it does not page; null: by cause"
    )
    direction: Literal["up", "down", "both"] = Field(
        default="both", description="which way a number has to move to open an incident; the other way is info"
    )
    mute: Switch = Field(default=False, description="its findings are shown and open no incident")

    def cross_checks(self) -> Iterator[Fault]:
        if self.direction != "both" and self.kind in {"categorical", "ignore"}:
            yield ("direction",), f"means nothing for kind: {self.kind}; leave it out"
        if self.least_effect is not None and (fault := _too_large(self.least_effect, "")):
            yield ("least_effect",), fault


class Outcome(Part):
    """A named outcome of a model's predictions: a further result that comes with label events."""

    kind: Literal["numeric", "categorical"] | None = Field(
        default=None, description="the reference's when null; taken when the reference is built"
    )
    severity: Severity | None = Field(default=None, description="of its findings; null: by cause")
    least_effect: Effect | None = Field(
        default=None,
        description="a smaller change of it does not page: of a mean in standard deviations of the reference, of a"
        " category a share; null: by cause",
    )
    direction: Literal["up", "down", "both"] = Field(
        default="both", description="which way its mean has to move to be a finding: the way that is worse"
    )
    mute: Switch = Field(default=False, description="it is shown and opens no incident")

    def cross_checks(self) -> Iterator[Fault]:
        if self.direction != "both" and self.kind == "categorical":
            yield ("direction",), "means nothing for kind: categorical; leave it out"


#: sums of their third powers stay finite
MOST_COST: Final = 10**15
Cost: TypeAlias = Annotated[Number, Field(ge=-MOST_COST, le=MOST_COST)]


class Costs(Part):
    """What a prediction of a binary task costs by how it turned out, in one's own unit; a gain is below 0."""

    false_positive: Cost = Field(default=0.0, description="a predicted positive that was none")
    false_negative: Cost = Field(default=0.0, description="a positive that was missed")
    true_positive: Cost = Field(default=0.0, description="a positive that was found")
    true_negative: Cost = Field(default=0.0, description="a negative that was left alone")


#: how long labels are waited for, unless the settings say another time
LABELS_HORIZON: Final = DAY_US


class Labels(Part):
    """Labels that come after their predictions."""

    horizon: Duration = Field(
        default=LABELS_HORIZON,
        description="how far in time a label may be from its prediction to be joined to it; 0: labels are not joined",
    )
    value: Literal["cost", "gain"] = Field(
        default="cost", description="what the value of a label is: more of a cost is worse, and less of a gain"
    )


#: the four-fifths rule
DISPARATE_IMPACT: Final = 0.8
EQUAL_OPPORTUNITY: Final = 0.1
Permitted: TypeAlias = Annotated[Number, Field(ge=0, le=1)]


class Fairness(Part):
    """Groups of predictions that have to get the favourable outcome about equally often."""

    by: tuple[Name, ...] = Field(
        description="what groups them: features or tags of segments", examples=[["SEX"]], min_length=1
    )
    favourable: Class | None = Field(
        default=None, description="the class that is good for whom it is about; null: positive"
    )
    disparate_impact: Permitted | None = Field(
        default=DISPARATE_IMPACT,
        description="the least ratio of two groups' shares of predictions with the favourable class; null: not judged",
    )
    equal_opportunity: Permitted | None = Field(
        default=EQUAL_OPPORTUNITY,
        description="the largest difference of these shares where the label is that class; null: not judged",
    )


class CalendarWindow(Part):
    """Event times: from one time to another, or every week or day in the model's time zone."""

    start: Moment | None = Field(default=None, alias="from", description="the first moment ...")
    end: Moment | None = Field(default=None, alias="to", description="... and the first one after it")
    weekly: Weekly | None = Field(default=None, description="or: every week, from a day's time to another's")
    daily: Daily | None = Field(default=None, description="or: every day")
    reason: Text | None = Field(default=None, description="why, for people")

    def cross_checks(self) -> Iterator[Fault]:
        forms = [(self.start, self.end) != (None, None), self.weekly is not None, self.daily is not None]
        if sum(forms) != 1:
            yield (), "write either from and to, or weekly, or daily"
        elif forms[0] and (self.start is None or self.end is None):
            yield (), f"{'from' if self.start is None else 'to'} is missing"
        elif self.start is not None and self.end is not None and self.start >= self.end:
            yield ("to",), "is not after from"

    def when(self, zone: str) -> str:
        """The window in words; `zone` is the name of the model's time zone."""
        if self.start is not None and self.end is not None:
            return f"{rfc3339(self.start)} to {rfc3339(self.end)}"
        return f"every week {self.weekly} ({zone})" if self.weekly else f"every day {self.daily} ({zone})"

    def span_us(self) -> tuple[int, int] | None:
        return None if self.start is None or self.end is None else (self.start, self.end)

    def recurring(self) -> tuple[Recurring, ...]:
        if self.weekly is not None:
            return parse_weekly(self.weekly)
        return () if self.daily is None else parse_daily(self.daily)


#: predictions of a warm-up, unless the settings say another number
WARMUP_PREDICTIONS: Final = 10_000
#: as a step of a place, each of them is left out
FILE_TAG, WARMUP_TAG = TAGS = ("[file]", "[warmup]")


class WarmUp(Part):
    """A reference that is learned from the first predictions of each version."""

    warmup: Count = Field(description="predictions that it is learned from; at least 40 base windows are")


def _form_of(value: object) -> str:
    return WARMUP_TAG if isinstance(value, dict | WarmUp) else FILE_TAG


ReferenceOrWarmUp: TypeAlias = Annotated[
    Annotated[ReferencePath, Tag(FILE_TAG)] | Annotated[WarmUp, Tag(WARMUP_TAG)],
    Discriminator(_form_of),
    Description("path, {version} is filled in, or {warmup: 10000}"),
]


#: features by which the events of a model are cut, at the most: each takes as much of the page budget as all events
MOST_SEGMENTED: Final = 8


class Model(Part):
    """A model that is watched."""

    name: Name = Field(description="as in the events", examples=["credit"])
    versions: Versions = Field(default=(), description="the versions that are watched; [] is any")
    task: Literal["binary", "multiclass", "regression", "none"] | None = Field(
        default=None, description="inferred from the reference when null"
    )
    reference: ReferenceOrWarmUp = Field(
        description="the file to compare with, relative to the folder of this file; or how many predictions of each"
        " version it is learned from",
        examples=["reference/credit-{version}.json"],
    )
    features: dict[Name, Feature] = Field(default={}, description="by name; other features are as in the reference")
    outcomes: dict[Name, Outcome] = Field(
        default={}, description="by name; other outcomes are judged both ways, if the reference has them"
    )
    labels: Labels = Field(default=Labels(), description=Labels.__doc__)
    positive: Class = Field(default=1, description="the positive class of a binary task; 1, true and '1' are the same")
    segments: tuple[Name, ...] = Field(
        default=(),
        description="categorical features and tags by whose values events, labels and outcomes are also compared;"
        " taken when the reference is built",
        max_length=MOST_SEGMENTED,
    )
    timezone: Timezone = Field(
        default="UTC",
        description="local time of daily and weekly waves, such as Europe/Berlin; taken when the reference is built",
    )
    allowed_lateness: Duration | None = Field(default=None, description="windows.allowed_lateness when null")
    budget: Budget | None = Field(default=None, description="the budget of all models when null")
    silence: tuple[CalendarWindow, ...] = Field(
        default=(), description="times in which nothing pages: what is found is a ticket until they are over"
    )
    exclude: tuple[CalendarWindow, ...] = Field(
        default=(), description="times whose events are counted, but neither judged nor part of a reference"
    )
    max_severity: Literal["page", "ticket"] = Field(default="page", description="ticket is a trial without pages")
    severity: dict[Cause, Severity] = Field(default={}, description="by cause; built-in defaults for the others")
    least_effect: dict[Cause, Effect] = Field(
        default={}, description="by cause; a smaller change does not page; built-in defaults for the others"
    )
    tolerance: dict[Figure, Effect] = Field(
        default={}, description="by performance figure, in its own unit: how much worse than the reference is all right"
    )
    fairness: Fairness | None = Field(default=None, description="groups that are compared with each other; null: none")
    costs: Costs | None = Field(default=None, description="of a binary task; they give cost_per_thousand")
    detectors: tuple[DetectorSettings, ...] = Field(
        default=(), description="sequential detectors beside the tests (docs/detectors.md)"
    )
    team: Text | None = Field(default=None, description="a label of driftd_model_info, for routing")
    runbook: Url | None = Field(default=None, description="a label of driftd_model_info, for whoever is paged")

    def cell_costs(self) -> dict[tuple[bool, bool], float] | None:
        """{(label is positive, prediction is positive): what such a prediction costs}; None without costs."""
        if self.costs is None:
            return None
        of = self.costs
        return {
            (True, True): of.true_positive,
            (False, True): of.false_positive,
            (True, False): of.false_negative,
            (False, False): of.true_negative,
        }

    def silences(self) -> Calendar:
        """The calendar of `silence`."""
        return Calendar(self.silence, self._zone())

    def exclusions(self) -> Calendar:
        """The calendar of `exclude`."""
        return Calendar(self.exclude, self._zone())

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def file(self) -> str:
        """The path of the reference; "" if it is learned in a warm-up."""
        return "" if isinstance(self.reference, WarmUp) else self.reference

    @property
    def warmup_predictions(self) -> int:
        """Predictions of the warm-up of a version without a file."""
        return self.reference.warmup if isinstance(self.reference, WarmUp) else WARMUP_PREDICTIONS

    def cross_checks(self) -> Iterator[Fault]:
        yield from _twice("versions", self.versions)
        yield from _twice("segments", self.segments)
        for index, name in enumerate(self.segments):
            if name in self.features and (kind := self.features[name].kind) not in {None, "categorical"}:
                is_other = "is ignored" if kind == "ignore" else f"is {kind}"
                yield ("segments", index), f"{name} {is_other} by features.{name}.kind; leave one of both out"
        yield from _same_detector_twice(self.detectors)
        if "positive" in self.model_fields_set and self.task not in {None, "binary"}:
            yield ("positive",), f"means nothing for task: {self.task}; leave it out"
        if self.costs is not None and self.task not in {None, "binary"}:
            yield ("costs",), f"means nothing for task: {self.task}; leave it out"
        yield from self._fairness_faults()
        for figure, worse in self.tolerance.items():
            if figure in SHARES and (fault := _too_large(worse, "")):
                yield ("tolerance", figure), fault
        for cause, effect in self.least_effect.items():
            if fault := _too_large(effect, cause):
                yield ("least_effect", cause), fault
        if PLACEHOLDER in self.file:
            for index, version in enumerate(self.versions):
                if not may_stand_in_path(version):
                    text = f"{shown(version)} cannot fill {PLACEHOLDER} in reference; write {ALLOWED}"
                    yield ("versions", index), text

    def _fairness_faults(self) -> Iterator[Fault]:
        for index, name in enumerate(() if self.fairness is None else self.fairness.by):
            if name not in self.segments:
                yield ("fairness", "by", index), f"{name} is not in segments; add it there{meant(name, self.segments)}"
        if self.fairness is not None and self.task not in {None, "binary", "multiclass"}:
            yield ("fairness",), f"means nothing for task: {self.task}; leave it out"
        if self.fairness is not None and (self.fairness.disparate_impact, self.fairness.equal_opportunity) == (
            None,
            None,
        ):
            yield (
                ("fairness",),
                "disparate_impact and equal_opportunity are both null: write one of them, or leave it out",
            )
        if "fairness" in self.least_effect:
            said = "fairness.disparate_impact and fairness.equal_opportunity are what is permitted; leave it out"
            yield ("least_effect", "fairness"), said


def _twice(name: str, values: tuple[str, ...]) -> Iterator[Fault]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield (name, index), f"{shown(value)} occurs twice; keep one"


def _same_detector_twice(detectors: tuple[DetectorSettings, ...]) -> Iterator[Fault]:
    """Findings are known by the kind and what it is on."""
    names = [(detector.kind, detector.on) for detector in detectors]
    for index, (kind, on) in enumerate(names):
        if (kind, on) in names[:index]:
            yield ("detectors", index), f"{kind} on {on} occurs twice; keep one"
