"""Labels that meet their predictions: what the tallies of labels change by, and what became of each label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.count.labels.answers import NULL
from monitor.count.labels.join_tables import (
    Ids,
    Ints,
    JoinTables,
    L,
    P,
    Probabilities,
    code_in,
    name_in,
    place_in,
)

MATCHED, REPLACED, RETRACTED, EXPIRED = FATES = ("matched", "replaced", "retracted", "expired")


class Changes(NamedTuple):
    """Labels (n,) that begin (`sign` 1) or cease (-1) to be the label of a prediction.

    `code` and `time_us` are of the prediction, as are its `segments` as one number, the bits of its `score` and
    `answer`, and its `probabilities` (n, W) if any are kept; `name` is the code of what the label is called.
    """

    code: Ints
    time_us: Ints
    effect_us: Ints
    score: Ids
    answer: Ids
    value: Ids
    name: Ints
    sign: Ints
    segments: Ints
    probabilities: Probabilities | None


class Met(NamedTuple):
    """Labels (n,) that met a prediction: its code and time, the code of the version they were counted for, their own
    position, when it takes effect, their fate as a place in `FATES`, and by how many the prediction's labels became
    more."""

    code: Ints
    time_us: Ints
    counted_for: Ints
    label: Ints
    effect_us: Ints
    name: Ints
    fate: Ints
    more: Ints


def met(tables: JoinTables, labels: Ints, predictions: Ints, before_us: int) -> tuple[Changes, Met]:
    """Labels (n,) meet their predictions (n,), those of each prediction in their order; adds the meetings.

    All that takes effect before `before_us` was handed on: what comes now does not take effect earlier.
    """
    rows = tables.labels.at(labels)
    name, place = name_in(rows[:, L.META]), tables.rank[place_in(rows[:, L.META])]
    effect = rows[:, L.EFFECT].view(np.int64)
    order = np.lexsort((labels, place, effect, name, predictions))
    labels, predictions, rows = labels[order], predictions[order], rows[order]
    name, place, effect, value = name[order], place[order], effect[order], rows[:, L.VALUE]
    current = tables.current(predictions, name)
    stale = current.is_there & ((effect < current.effect) | ((effect == current.effect) & (place < current.place)))
    first = np.ones(len(labels), np.bool_)
    first[1:] = (np.diff(predictions) != 0) | (np.diff(name) != 0) | stale[:-1]
    old = np.where(first, current.value, np.concatenate((value[:1], value[:-1])))
    meetings = tables.add_meetings([predictions, labels, effect, value, rows[:, L.META]])
    last = ~stale
    last[:-1] &= (np.diff(predictions) != 0) | (np.diff(name) != 0)
    tables.set_newest(predictions[last], meetings[last])
    tables.superseded += len(labels) - int(np.count_nonzero(last & ~current.is_there))
    was, will = (old != NULL) & ~stale, (value != NULL) & ~stale
    of_prediction = tables.predictions.at(predictions)
    code, time = code_in(of_prediction[:, P.CODE]), of_prediction[:, P.TIME].view(np.int64)
    takes_effect = np.maximum(np.maximum(effect, time), before_us)
    fate = np.where(value == NULL, FATES.index(RETRACTED), FATES.index(REPLACED))
    fate[~stale & (value != NULL) & (old == NULL)] = FATES.index(MATCHED)
    fates = Met(code, time, code_in(rows[:, L.META]), labels, takes_effect, name, fate, will.astype(np.int64) - was)
    moved = old != value
    gone, come = np.flatnonzero(was & moved), np.flatnonzero(will & moved)
    both = np.concatenate((gone, come))
    changes = Changes(
        code[both],
        time[both],
        takes_effect[both],
        of_prediction[both, P.SCORE],
        of_prediction[both, P.ANSWER],
        np.concatenate((old[gone], value[come])),
        name[both],
        np.concatenate((np.full(len(gone), -1), np.ones(len(come), np.int64))),
        tables.segments_of(predictions[both], name[both]),
        tables.probabilities_of(predictions[both]),
    )
    return changes, fates
