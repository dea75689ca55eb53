"""Settings of one model and of its features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from pydantic import Field

from monitor.clock import DAY_US
from monitor.settings.types import (
    Class,
    Duration,
    Effect,
    Fault,
    Name,
    Pages,
    Part,
    PositiveDuration,
    ReferencePath,
    Severity,
    Switch,
    Text,
    Url,
    Versions,
    shown,
)
from monitor.settings.version_path import ALLOWED, PLACEHOLDER, may_stand_in_path

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
    "traffic",
    "duplicates",
    "clock",
    "schema",
]


class Budget(Part):
    """How many false pages a model may cost, shared equally by its live versions."""

    pages: Pages = Field(default=1.0, description="false pages ...")
    per: PositiveDuration = Field(default=30 * DAY_US, description="... in this time")


class Feature(Part):
    """A feature of a model."""

    kind: Literal["numeric", "categorical", "ignore"] | None = Field(
        default=None, description="the reference's when null"
    )
    severity: Severity | None = Field(default=None, description="of all its findings; null: by cause")
    least_effect: Effect | None = Field(
        default=None, description="a smaller change of it does not page; null: by cause"
    )
    mute: Switch = Field(default=False, description="its findings are shown and open no incident")


class Model(Part):
    """A model that is watched."""

    name: Name = Field(description="as in the events", examples=["credit"])
    versions: Versions = Field(default=(), description="the versions that are watched; [] is any")
    task: Literal["binary", "multiclass", "regression", "none"] | None = Field(
        default=None, description="inferred from the reference when null"
    )
    reference: ReferencePath = Field(
        description="the file to compare with, relative to the folder of this file",
        examples=["reference/credit-{version}.json"],
    )
    features: dict[Name, Feature] = Field(default={}, description="by name; other features are as in the reference")
    positive: Class = Field(default=1, description="the positive class of a binary task; 1, true and '1' are the same")
    allowed_lateness: Duration | None = Field(default=None, description="windows.allowed_lateness when null")
    budget: Budget | None = Field(default=None, description="the budget of all models when null")
    max_severity: Literal["page", "ticket"] = Field(default="page", description="ticket is a trial without pages")
    severity: dict[Cause, Severity] = Field(default={}, description="by cause; built-in defaults for the others")
    least_effect: dict[Cause, Effect] = Field(
        default={}, description="by cause; a smaller change does not page; built-in defaults for the others"
    )
    team: Text | None = Field(default=None, description="a label of driftd_model_info, for routing")
    runbook: Url | None = Field(default=None, description="a label of driftd_model_info, for whoever is paged")

    def cross_checks(self) -> Iterator[Fault]:
        yield from _twice("versions", self.versions)
        if "positive" in self.model_fields_set and self.task not in {None, "binary"}:
            yield ("positive",), f"means nothing for task: {self.task}; leave it out"
        if PLACEHOLDER in self.reference:
            for index, version in enumerate(self.versions):
                if not may_stand_in_path(version):
                    text = f"{shown(version)} cannot fill {PLACEHOLDER} in reference; write {ALLOWED}"
                    yield ("versions", index), text


def _twice(name: str, values: tuple[str, ...]) -> Iterator[Fault]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield (name, index), f"{shown(value)} occurs twice; keep one"
