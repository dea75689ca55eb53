"""The join of a model's labels with its predictions as a tree, and back; its tables are growing rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from monitor.count.labels.join_state import JoinState
from monitor.count.labels.joins import Joins, ModelJoinState
from monitor.events import ModelKey, Partition
from monitor.state.part_files import Part
from monitor.state.versions import Tree, require_version
from monitor.stats.tallies.later import Later

VERSION: Final = 1
PREFIX: Final = "join/"
#: the tables of a join, in the order of `JoinState.rows`
_TABLES: Final = ("predictions", "labels", "met", "probabilities")


class _Join(msgspec.Struct):
    model: str
    places: list[tuple[str, int]]
    fates: list[tuple[str, str, int]]
    codes: list[str]
    retired: list[int]
    texts: list[str]
    until: int
    tidied: int
    panes: list[tuple[int, int]]
    kept_from: int
    gone: int
    names: list[str] = []
    outcome_texts: list[str] = []
    outcome_fates: list[tuple[str, str, str, int]] = []
    probabilities_width: Annotated[int, msgspec.Meta(ge=0)] = 0
    outcomes_uncut_before: int | None = None


def parts_of(joins: Joins) -> list[Part]:
    """The part of each model's join."""
    return [_part(joins, model) for model in sorted(joins.models)]


def _part(joins: Joins, model: str) -> Part:
    name, join = PREFIX + model, joins.models[model].join
    return Part(name, join.mark(), lambda: encode(joins.to_state(model, name)), join.rows(name))


def encode(state: ModelJoinState) -> Tree:
    """The tree, with the tables as growing rows."""
    join = state.join
    return {
        "version": VERSION,
        "model": state.model,
        "places": [list(place) for place in state.places],
        "fates": [[key.version, fate, count] for (key, fate), count in state.fates.items()],
        "names": state.names,
        "outcome_texts": state.outcome_texts,
        "outcome_fates": [[key.version, name, fate, count] for (key, name, fate), count in state.outcome_fates.items()],
        "codes": [key.version for key in join.codes],
        "retired": join.retired,
        "texts": join.texts,
        "until": join.until_us,
        "tidied": join.tidied_us,
        "late_predictions": join.late_predictions,
        "late_labels": join.late_labels,
        "panes": Later(lambda: [[pane, count] for pane, count in sorted(join.panes.items())]),
        "kept_from": join.kept_from_us,
        "gone": join.gone,
        "probabilities_width": join.width,
        "outcomes_uncut_before": join.uncut_before,
        "tables": dict(zip(_TABLES, join.rows, strict=False)),  # the last one is there if it has a width
    }


def decode(tree: Tree) -> ModelJoinState:
    """The inverse of `encode`.

    Raises:
        msgspec.ValidationError, LookupError, TypeError, ValueError: the tree does not come from `encode`.
    """
    require_version(tree, VERSION)
    read = msgspec.convert(tree, _Join)
    tables: Sequence[Any] = [tree["tables"][name] for name in _TABLES[: None if read.probabilities_width else -1]]
    join = JoinState(
        [ModelKey(read.model, version) for version in read.codes],
        read.retired,
        read.texts,
        read.until,
        read.tidied,
        np.array(tree["late_predictions"], np.int64),
        np.array(tree["late_labels"], np.int64),
        dict(read.panes),
        read.kept_from,
        read.gone,
        tables,
        read.probabilities_width,
        read.outcomes_uncut_before,
    )
    fates = {(ModelKey(read.model, version), fate): count for version, fate, count in read.fates}
    places = [Partition(*place) for place in read.places]
    of_outcomes = {(ModelKey(read.model, one), name, fate): count for one, name, fate, count in read.outcome_fates}
    return ModelJoinState(read.model, places, fates, join, read.names, read.outcome_texts, of_outcomes)
