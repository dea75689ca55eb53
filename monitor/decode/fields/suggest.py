"""Suggests the settings of one's own layout from records: which field is which, by its name and its values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from monitor.decode.fields.observed import Fields, Observed, Path
from monitor.settings.places import FieldPath
from monitor.text import listed, many

#: share of the records in which a field has to fit
_MOSTLY: Final = 0.95
_NAMED: Final = 6

#: names of fields, the likeliest first; a name also counts as the end of a longer one (`credit_score`)
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("prediction_id", "request_id", "event_id", "inference_id", "id", "uuid", "guid", "trace_id"),
    "ts": ("ts", "timestamp", "event_time", "time", "scored_at", "predicted_at", "created_at", "at", "datetime"),
    "model": ("model", "model_name", "model_id"),
    "version": ("model_version", "version", "revision"),
    "score": ("score", "probability", "proba", "prob", "y_score", "confidence", "risk", "p"),
    "scores": ("scores", "probabilities", "probas"),
    "prediction": ("prediction", "predicted", "predicted_class", "pred", "y_pred", "decision", "class", "result"),
    "label": ("label", "target", "actual", "ground_truth", "truth", "y_true", "outcome"),
}
#: settings that are missed where no field is found for them, and what it means
_MISSING: Final = {
    "id": "no field was found; without it no label meets its prediction, and repeats cannot be told",
    "version": "no field was found; without it all events are of one version, without a name",
    "prediction": "no field was found; without it what the model predicts is not watched, except a score",
}
_FEATURES: Final = ("features", "inputs", "input", "feature_values", "instance", "attributes", "data", "x")


class Choice(NamedTuple):
    """A field of the settings: its place as text, what was seen there, and what is not sure about it."""

    name: str
    place: object
    seen: str
    unsure: str = ""


@dataclass(slots=True)
class Suggestion:
    """The settings of an input. `rows` is the path of the rows, "" without any; `missing` are settings for which no
    field was found, and what that means; `unread` are fields that the settings leave.
    """

    records: int
    choices: list[Choice] = field(default_factory=list)
    rows: str = ""
    needs_timezone: bool = False
    missing: list[tuple[str, str]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def suggest(trees: Sequence[object]) -> Suggestion:
    """What the records are most likely, from at least one record that is an object."""
    records = Fields()
    for tree in trees:
        for one in tree if isinstance(tree, list) else [tree]:
            records.add(one)
    rows_path = _rows_of(records)
    if rows_path is None:
        return _Chooser(records, None).suggestion("")
    rows = Fields()
    for tree in trees:
        for row in _at(tree, rows_path):
            rows.add(row)
    return _Chooser(rows, records, rows_path).suggestion(_text(rows_path))


def _rows_of(records: Fields) -> Path | None:
    """The path of a list of objects that almost every record has."""
    found = [path for path, seen in records.by_path.items() if seen.forms["rows"] >= _MOSTLY * records.records]
    return min(found, key=len, default=None)


def _at(tree: object, path: Path) -> list[object]:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, list) else []


def _text(path: Path) -> str:
    return str(FieldPath(path))


class _Candidate(NamedTuple):
    """A field that fits; the lower `rank`, the likelier its name."""

    rank: int
    depth: int
    path: Path
    of_record: bool


class _Chooser:
    """Chooses a field for each setting; `above` are the fields of the record around rows."""

    def __init__(self, fields: Fields, above: Fields | None, rows: Path = ()) -> None:
        self._fields = fields
        self._above = above
        self._rows = rows
        self._taken: set[tuple[Path, bool]] = set()
        self._found: Suggestion

    def suggestion(self, rows: str) -> Suggestion:
        self._found = Suggestion(self._fields.records, rows=rows)
        features = self._features()
        inside = self._inside(features)
        self._choose("id", self._is_id, inside)
        self._choose("ts", self._is_time, inside)
        self._choose("model", lambda seen, _: seen.only("text") and len(seen.distinct) <= 100, inside)
        self._choose("version", lambda seen, _: seen.only("text", "number") and len(seen.distinct) <= 100, inside)
        self._choose("scores", lambda seen, _: seen.only("object"), inside)
        self._choose("score", lambda seen, _: seen.only("number") and seen.low >= 0 and seen.high <= 1, inside)
        self._choose("prediction", lambda seen, _: seen.is_scalar(), inside)
        self._choose("label", lambda seen, _: seen.is_scalar(), inside)
        self._add_features(features)
        self._add_model()
        self._found.missing = list(self._missing())
        self._found.unread = self._unread(features)
        return self._found

    # single fields

    def _is_id(self, seen: Observed, of_record: bool) -> bool:
        most = seen.given if not of_record else seen.count
        return seen.only("text", "number") and len(seen.distinct) >= min(_MOSTLY * most, 4_000)

    def _is_time(self, seen: Observed, _of_record: bool) -> bool:
        plausible = seen.only("text") or (seen.only("number") and seen.low >= 1e8)
        return plausible and seen.times >= _MOSTLY * seen.given

    def _choose(self, name: str, fits: Callable[[Observed, bool], bool], inside: set[Path]) -> None:
        candidates = sorted(
            candidate
            for fields, of_record in self._sources()
            for path, seen in fields.by_path.items()
            if (candidate := self._candidate(name, path, seen, of_record, inside)) is not None and fits(seen, of_record)
        )
        if not candidates:
            return
        best = candidates[0]
        seen = self._source(best.of_record).by_path[best.path]
        others = [self._place(one) for one in candidates[1:] if one.rank == best.rank]
        unsure = f"or {listed(others, _NAMED)}?" if others else self._doubt(name, seen, best)
        self._taken.add((best.path, best.of_record))
        self._found.needs_timezone |= name == "ts" and seen.times_without_offset > 0
        self._found.choices.append(Choice(name, self._place(best), _seen(name, seen), unsure))

    def _sources(self) -> list[tuple[Fields, bool]]:
        return [(self._fields, False)] + ([] if self._above is None else [(self._above, True)])

    def _source(self, of_record: bool) -> Fields:
        return self._above if of_record and self._above is not None else self._fields

    def _place(self, candidate: _Candidate) -> str:
        return str(FieldPath(candidate.path, of_record=candidate.of_record))

    def _candidate(
        self, name: str, path: Path, seen: Observed, of_record: bool, inside: set[Path]
    ) -> _Candidate | None:
        if (path, of_record) in self._taken or (not of_record and path in inside):
            return None
        if of_record and path[: len(self._rows)] == self._rows:
            return None
        rank = _rank(_NAMES[name], path)
        few = seen.given < _MOSTLY * self._source(of_record).records and name in {"id", "ts", "model"}
        return None if rank is None else _Candidate(rank + 100 * few, len(path), path, of_record)

    def _doubt(self, name: str, seen: Observed, best: _Candidate) -> str:
        records = self._source(best.of_record).records
        if seen.given < _MOSTLY * records and name not in {"label", "prediction", "score", "scores"}:
            return f"only {seen.given:,} of {records:,} records have it"
        if best.rank >= len(_NAMES[name]):
            return "by the end of its name"
        if name == "score" and seen.only("number") and seen.distinct <= {0, 1}:
            return "only 0 and 1: is it the prediction?"
        return ""

    # features

    def _features(self) -> Path:
        """The path of the object of features; () if they lie beside the other fields."""
        objects = [path for path, seen in self._fields.by_path.items() if seen.only("object")]
        named = [
            (rank, len(path), path) for path in objects if (rank := _rank(_FEATURES, path, whole=True)) is not None
        ]
        if named:
            return min(named)[2]
        sizes = [(self._scalars(path), -len(path), path) for path in objects if _rank(_NAMES["scores"], path) is None]
        largest = max(sizes, default=(0, 0, ()))
        return largest[2] if largest[0] > max(3, self._scalars(())) else ()

    def _scalars(self, path: Path) -> int:
        """Fields right below an object that are numbers, texts or booleans."""
        return sum(1 for one, seen in self._fields.by_path.items() if one[:-1] == path and seen.is_scalar())

    def _inside(self, features: Path) -> set[Path]:
        """Fields that belong to the object of features."""
        return set() if not features else {path for path in self._fields.by_path if path[: len(features)] == features}

    def _add_features(self, features: Path) -> None:
        has_outcome = any(choice.name == "label" for choice in self._found.choices)
        has_prediction = any(choice.name in {"score", "scores", "prediction"} for choice in self._found.choices)
        if features:
            names = [
                path[len(features)]
                for path in self._fields.by_path
                if len(path) == len(features) + 1 and path[:-1] == features
            ]
            is_named = _rank(_FEATURES, features, whole=True) is not None
            unsure = "" if is_named else "the object with the most values"
            self._found.choices.append(Choice("features", _text(features), _names(names), unsure))
            return
        taken = {path[0] for path, of_record in self._taken if not of_record}
        beside = [
            path[0]
            for path, seen in self._fields.by_path.items()
            if len(path) == 1 and path[0] not in taken and seen.is_scalar()
        ]
        if beside and not (has_outcome and not has_prediction and len(beside) < 3):
            self._found.choices.append(Choice("features", "rest", _names(beside), "which of them are features?"))

    def _add_model(self) -> None:
        if all(choice.name != "model" for choice in self._found.choices):
            unsure = "no field names the model: write its name"
            self._found.choices.insert(0, Choice("model", {"value": "NAME"}, "", unsure))

    def _missing(self) -> Iterator[tuple[str, str]]:
        """Labels alone belong to the prediction of their id, whatever its version."""
        found = {choice.name for choice in self._found.choices}
        is_label = "label" in found and not found & {"score", "scores", "prediction", "features"}
        for name, why in _MISSING.items():
            if name not in found and (name == "id" or not is_label):
                yield name, why

    def _unread(self, features: Path) -> list[str]:
        is_rest = any(choice.place == "rest" for choice in self._found.choices)
        left: list[str] = []
        for fields, of_record in self._sources():
            for path in fields.below(()):
                taken = any((path[:at], of_record) in self._taken for at in range(1, len(path) + 1))
                in_features = not of_record and (
                    is_rest or (bool(features) and path[: len(features or ())] == features)
                )
                in_rows = of_record and path[: len(self._rows)] == self._rows
                if not (taken or in_features or in_rows):
                    left.append(str(FieldPath(path, of_record=of_record)))
        return left


def _rank(names: Sequence[str], path: Path, *, whole: bool = False) -> int | None:
    """How likely a name is; names in full before ends of names, None for another name.

    `model.version` counts as `model_version` too.
    """
    words = [re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()).strip("_") for key in path]
    forms = {words[-1], "_".join(words[-2:])}
    for at, name in enumerate(names):
        if name in forms:
            return at
    if whole:
        return None
    ends = [at for at, name in enumerate(names) if len(name) > 1 and words[-1].endswith(f"_{name}")]
    return len(names) + ends[0] if ends else None


def _seen(name: str, seen: Observed) -> str:
    """What was seen, without a value but the range of numbers."""
    if name == "ts":
        return "times" if seen.only("text") else "a Unix time"
    if seen.only("number"):
        return f"{seen.low:g} to {seen.high:g}"
    if seen.only("object"):
        return "an object"
    return f"{many(len(seen.distinct), 'different value')}"


def _names(names: Sequence[str]) -> str:
    return f"{many(len(names), 'feature')}: {listed(names, _NAMED)}"
