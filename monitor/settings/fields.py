"""The settings of one's own layout (`format: fields`): for each field of a native event the place where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import Field

from monitor.settings.places import (
    Constant,
    FeaturesType,
    FieldPath,
    ObjectType,
    Place,
    PlaceType,
    Rest,
)
from monitor.settings.types import Fault, Part, shown

#: the longest name of a model, version or id
_NAME_LENGTH: Final = 256


class Fields(Part):
    """Where each field of an event is: a path, {value: TEXT}, {header: NAME} or {key: true}."""

    type: PlaceType | None = Field(
        default=None, description="prediction, features or label; null: inferred from the others"
    )
    id: PlaceType | None = Field(default=None, description="the id of a prediction, which its label repeats")
    ts: PlaceType | None = Field(default=None, description="the time; null: the record's own")
    model: PlaceType | None = Field(default=None, description="the model's name; inputs[].model takes precedence")
    version: PlaceType | None = Field(default=None, description="its version; inputs[].version takes precedence")
    features: FeaturesType | None = Field(
        default=None, description="the features; rest: every top-level field that is neither mapped nor ignored"
    )
    prediction: PlaceType | None = Field(default=None, description="the model's output")
    score: PlaceType | None = Field(default=None, description="the probability of the positive class")
    scores: ObjectType | None = Field(default=None, description="or the probabilities by class")
    label: PlaceType | None = Field(
        default=None, description="the true outcome; without prediction, score and features it makes label events"
    )
    value: PlaceType | None = Field(default=None, description="with a label: a business figure")
    outcomes: ObjectType | None = Field(default=None, description="with a label: further results by name")
    tags: ObjectType | None = Field(default=None, description="texts by name")

    def single(self) -> dict[str, Place]:
        """The fields with one place each, by name."""
        places: dict[str, Place | None] = {
            "type": self.type,
            "id": self.id,
            "ts": self.ts,
            "model": self.model,
            "version": self.version,
            "prediction": self.prediction,
            "score": self.score,
            "label": self.label,
            "value": self.value,
        }
        return {name: place for name, place in places.items() if place is not None}

    def objects(self) -> dict[str, FieldPath | Rest | dict[str, Place]]:
        """The fields that are objects, by name."""
        places: dict[str, FieldPath | Rest | dict[str, Place] | None]
        places = {"features": self.features, "scores": self.scores, "outcomes": self.outcomes, "tags": self.tags}
        return {name: place for name, place in places.items() if place is not None}

    def places(self) -> Iterator[tuple[tuple[str, ...], Place]]:
        """Every place, and where it stands in the settings."""
        for name, place in self.single().items():
            yield (name,), place
        for name, one in self.objects().items():
            if isinstance(one, FieldPath):
                yield (name,), one
            elif isinstance(one, dict):
                yield from (((name, key), place) for key, place in one.items())

    def makes_labels(self) -> bool:
        """Whether all events are labels."""
        of_prediction = (self.prediction, self.score, self.scores, self.features)
        return (self.label, self.outcomes) != (None, None) and not any(of_prediction) and self.type is None

    def cross_checks(self) -> Iterator[Fault]:
        if not any((self.prediction, self.score, self.scores, self.features, self.label, self.outcomes)):
            yield (), "names nothing to watch; write features, score, prediction or label"
        if self.makes_labels() and self.id is None:
            yield ("id",), "missing; a label belongs to a prediction by its id"
        if isinstance(self.id, Constant):
            yield ("id",), "a constant would make all events but the first one duplicates; write a path"
        if isinstance(self.type, Constant) and self.type.value not in {"prediction", "features", "label"}:
            yield ("type",), f"{shown(self.type.value)} is none of prediction, features, label"
        for name, place in (("model", self.model), ("version", self.version)):
            if isinstance(place, Constant) and (fault := _name_fault(place.value, name)):
                yield (name,), fault


def _name_fault(value: object, name: str) -> str:
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or len(text) > _NAME_LENGTH or not (text.isprintable() or not text):
        return f"{shown(value)} is not a name; write up to {_NAME_LENGTH} printable characters"
    return "" if text or name == "version" else "is empty; write the model's name"


def layout_faults(fields: Fields, *, rows: FieldPath | None, has_model: bool) -> Iterator[Fault]:
    """The faults of a layout within its input; places are under `fields`."""
    if fields.model is None and not has_model:
        yield ("model",), "missing; write a path, {value: NAME}, or inputs[].model"
    for loc, place in fields.places():
        if isinstance(place, FieldPath) and place.of_record and rows is None:
            yield loc, f"{shown(str(place))} begins at the record, and without rows all paths do; leave ^. out"
