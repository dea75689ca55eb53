"""What the columns of a table are: features, unless an argument says otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from monitor.clock import SECOND_US
from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.frames.columns import Values, require_columns

#: the time of the first row where rows have none: 2000-01-01T00:00:00Z, the beginning of a pane
FIRST_ROW_US: Final = 946_684_800 * SECOND_US
_ARGUMENTS: Final = {"ts": "timestamps", "prediction": "prediction", "score": "score", "label": "label"}


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of columns: `columns` is {field of a native event: column}; `scores` {class: column}.

    All others are features but those in `ignore`.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        timestamps: str | None,
        prediction: str | None,
        score: str | Mapping[Any, str] | None,
        label: str | None,
        tags: Collection[str],
        ignore: Collection[str],
    ) -> Roles:
        """The roles by the arguments of the functions for users.

        Raises:
            UsageError: a column has two of them.
        """
        columns = {"ts": timestamps, "prediction": prediction, "label": label}
        scores = {str(name): column for name, column in score.items()} if isinstance(score, Mapping) else {}
        if isinstance(score, str):
            columns["score"] = score
        given = {name: column for name, column in columns.items() if column is not None}
        roles = cls(given, scores, _names("tags", tags), _names("ignore", ignore))
        taken: dict[str, str] = {}
        for argument, column in roles.by_argument():
            if column in taken:
                raise UsageError(f"{argument}={column!r}: that column is {taken[column]} already")
            taken[column] = argument
        return roles

    def by_argument(self) -> Iterator[tuple[str, str]]:
        """(argument, column) of all of them."""
        yield from ((_ARGUMENTS[name], column) for name, column in self.columns.items())
        yield from ((f"score[{name!r}]", column) for name, column in self.scores.items())
        yield from (("tags", column) for column in self.tags)
        yield from (("ignore", column) for column in self.ignore)

    def over(self, known: Roles | None, columns: Collection[str]) -> tuple[Roles, list[str]]:
        """These roles, and where they are silent the known ones whose columns are there; a line for each that is not.

        A score by class is taken as a whole.
        """
        if known is None:
            return self, []
        has_score = bool(self.scores) or "score" in self.columns
        inherited = {name: column for name, column in known.columns.items() if not (has_score and name == "score")}
        scores = {} if has_score or not set(known.scores.values()) <= set(columns) else known.scores
        missing = {name: column for name, column in {**inherited, **self.columns}.items() if column not in columns}
        rest = {**inherited, **self.columns}.keys() - missing.keys()
        notes = [
            f"{_ARGUMENTS[name]}: the reference's table had it as {column!r}, which is not here; {_without(name, rest)}"
            for name, column in missing.items()
            if name not in self.columns
        ]
        if not self.tags:
            notes += [
                f"tags: the reference's table had {column!r}, which is not here; nothing is said of its segments"
                for column in known.tags
                if column not in columns
            ]
        kept = {name: column for name, column in inherited.items() if name not in missing}
        tags = tuple(column for column in known.tags if column in columns)
        return Roles(
            kept | dict(self.columns), self.scores or scores, self.tags or tags, self.ignore or known.ignore
        ), notes


def _without(name: str, rest: Collection[str]) -> str:
    """What follows where the column for `name` is missing; `rest` are the names whose columns are there."""
    if name == "label":
        return "performance is not judged"
    if name in {"prediction", "score"}:
        return "found as absent" if {"prediction", "score"} & set(rest) else "no row is a prediction: it is not judged"
    return "taken as not known"


def _names(argument: str, given: Collection[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise UsageError(f"{argument}={given!r}: give a list of names: {argument}=[{given!r}]")
    return tuple(given)


def native_events(columns: Mapping[str, Values], roles: Roles, key: ModelKey, step_us: int) -> list[bytes]:
    """Each row as a native event in JSON; rows without a time are `step_us` apart, from FIRST_ROW_US on.

    Raises:
        UsageError: a column that `roles` names is not there.
    """
    require_columns(columns, {argument: column for argument, column in roles.by_argument() if argument != "ignore"})
    rows = len(next(iter(columns.values())))
    taken = {column for _, column in roles.by_argument()}
    features = _objects({name: values for name, values in columns.items() if name not in taken}, rows)
    fields: dict[str, Values] = {"features": features} if features else {}
    fields |= {name: columns[column] for name, column in roles.columns.items()}
    if roles.scores:
        fields["scores"] = _objects({name: columns[column] for name, column in roles.scores.items()}, rows)
    if roles.tags:
        fields["tags"] = [_texts(tags) for tags in _objects({name: columns[name] for name in roles.tags}, rows)]
    if "ts" not in fields:
        # a number in microseconds, as its magnitude tells
        fields["ts"] = list(range(FIRST_ROW_US, FIRST_ROW_US + rows * step_us, step_us))
    start = {"model": key.model, "version": key.version}
    encode = msgspec.json.Encoder().encode
    return [encode(start | event) for event in _objects(fields, rows)]


def _objects(columns: Mapping[str, Values], rows: int) -> list[dict[str, Any]]:
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)] if names else []


def _texts(tags: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else str(value) for name, value in tags.items() if value is not None}
