"""A survey finds the events that are counted, with the values that are counted, however the stream is cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.decode.columns import ABSENT, ABSENT_VALUE, MISSING, Events, Group, Rules
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.raw import RawFields
from monitor.decode.surveyed import Surveyed
from monitor.decode.values import category_value, numeric_value
from monitor.events import PREDICTION, Partition
from monitor.reference.survey.events import Survey
from monitor.reference.survey.values import Sample
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.tallies.thinning import Thinning
from tests.properties.test_decode_laws import (
    LIMITS,
    SHAPES,
    SKEW_US,
    T0_MS,
    batch_of,
    bits,
    event_texts,
    quality_counts,
    records,
    typed,
)

EVENTS = Partition("events", 0)


def decoder() -> NativeDecoder:
    return NativeDecoder(SHAPES.get, Rules(LIMITS, SKEW_US))


def surveyed(values: Sequence[bytes | None]) -> tuple[Events, list[RawFields]]:
    return decoder().survey(batch_of(values, [T0_MS] * len(values)))


def converted(group: Group, fields: RawFields) -> tuple[list[object], list[object]]:
    """The wanted columns of a group, made of its fields as they came: numeric ones, categorical ones."""
    columns: dict[str, list[object]] = {NUMERIC: [], CATEGORICAL: []}
    for name, kind in SHAPES[group.key].key_features:
        values: list[object] = [ABSENT if kind == NUMERIC else ABSENT_VALUE] * len(group.rows)
        if name in fields.features:
            column = fields.features[name]
            for row, value in zip(column.rows.tolist(), column.values, strict=True):
                values[row] = value
        if kind == CATEGORICAL:
            columns[kind].append(typed(list(map(category_value, values))))
        else:
            cells = [MISSING if cell is None else cell for cell in map(numeric_value, values)]
            columns[kind].append(bits(np.array(cells, np.float64)))
    return columns[NUMERIC], columns[CATEGORICAL]


@settings(max_examples=300, deadline=None)
@given(st.lists(records, max_size=9))
def test_a_survey_has_the_events_and_the_values_that_are_counted(values: list[bytes | None]) -> None:
    batch = batch_of(values, [T0_MS] * len(values))
    counted = decoder().decode(batch)
    events, fields = decoder().survey(batch)
    assert quality_counts(events) == quality_counts(counted)
    assert len(fields) == len(counted.groups)
    for group, raw in zip(counted.groups, fields, strict=True):
        assert converted(group, raw) == ([bits(row) for row in group.numeric], list(map(typed, group.categorical)))
        is_prediction = events.kind[group.rows] == PREDICTION
        assert all(is_prediction[rows].all() for rows in raw.score_classes.values())
        assert not {"features", "ts", "id", "outcomes"} & raw.unread.keys()


def found_in(values: Sequence[bytes | None], cuts: Sequence[int]) -> list[object]:
    """All that surveys of the stream hold, one for each version, where it is cut into batches."""
    surveys = {key: Survey() for key in SHAPES}
    borders = [0, *sorted(cuts), len(values)]
    for begin, end in pairwise(borders):
        events, fields = surveyed(values[begin:end])
        for group, raw in zip(events.groups, fields, strict=True):
            surveys[group.key].add(Surveyed.of(events, group, raw), EVENTS)
    return [
        [
            one.events,
            one.unread,
            one.score_names,
            one.score_classes,
            [plain(one.scores), plain(one.predictions)],
            {name: plain(sample) for name, sample in one.features.items()},
        ]
        for one in surveys.values()
    ]


def plain(sample: Sample) -> list[object]:
    values, times = sample.in_time_order()
    return [typed(values), times.tolist(), sample.forms, set(sample.firsts), sample.first, sample.last]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(event_texts(), min_size=1, max_size=3), max_size=8), st.data())
def test_a_survey_does_not_depend_on_how_polls_cut_the_stream(arrays: list[list[str]], data: st.DataObject) -> None:
    values = [f"[{','.join(events)}]".encode("utf-8", "surrogatepass") for events in arrays]
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=4))
    assert found_in(values, cuts) == found_in(values, [])


#: events of one version, some with a field that nobody reads, some with `scores`
PLAIN = (
    b'{"model":"none","features":{"a":1},"extra":1}',
    b'{"model":"none","features":{"a":2,"b":"x"},"prediction":1}',
    b'{"model":"none","features":{"b":null},"prediction":"y","scores":{"1":0.5,"0":0.5},"extra":2,"more":3}',
    b'{"model":"none","score":0.25,"scores":{"1":1}}',
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PLAIN), max_size=6), st.lists(records, max_size=4), st.data())
def test_picked_events_are_those_of_a_stream_without_the_others(
    plain_ones: list[bytes], others: list[bytes | None], data: st.DataObject
) -> None:
    events, fields = surveyed([*plain_ones, *others])
    for group, raw in zip(events.groups, fields, strict=True):
        keep = np.array(
            data.draw(st.lists(st.booleans(), min_size=len(group.rows), max_size=len(group.rows))), np.bool_
        )
        whole, picked = Surveyed.of(events, group, raw), Surveyed.of(events, group, raw).picked(keep)
        place = {int(old): new for new, old in enumerate(np.flatnonzero(keep))}
        assert typed(picked.prediction) == typed([whole.prediction[old] for old in place])
        assert (picked.ts.tolist(), bits(picked.score)) == (whole.ts[keep].tolist(), bits(whole.score[keep]))
        for name, column in whole.fields.features.items():
            expected = [
                (place[row], value) for row, value in zip(column.rows.tolist(), column.values, strict=True) if keep[row]
            ]
            of_picked = picked.fields.features[name]
            assert typed(list(zip(of_picked.rows.tolist(), of_picked.values, strict=True))) == typed(expected)
        for of_whole, of_picks in (
            (whole.fields.unread, picked.fields.unread),
            (whole.fields.score_classes, picked.fields.score_classes),
        ):
            for name, rows in of_whole.items():
                assert of_picks[name].tolist() == [place[row] for row in rows.tolist() if keep[row]]


@settings(max_examples=150, deadline=None)
@given(st.lists(records, max_size=9), st.integers(0, 12))
def test_the_first_events_are_those_of_the_whole(values: list[bytes | None], count: int) -> None:
    whole = decoder().decode(batch_of(values, [T0_MS] * len(values)))
    first = whole.first(count)
    kept = len(first)
    assert kept == min(count, len(whole))
    assert first.ts.tolist() == whole.ts[:kept].tolist()
    assert first.label_rows.tolist() == [row for row in whole.label_rows.tolist() if row < kept]
    assert typed(first.label_values) == typed(whole.label_values[: len(first.label_rows)])
    for of_first, group in zip(first.groups, whole.groups, strict=True):
        n = sum(row < kept for row in group.rows.tolist())
        assert of_first.rows.tolist() == group.rows.tolist()[:n]
        assert bits(of_first.numeric) == bits(np.ascontiguousarray(group.numeric[:, :n]))
        assert [typed(column) for column in of_first.categorical] == [typed(column[:n]) for column in group.categorical]
        assert len(of_first.has_features) == len(of_first.score) == n
        assert len(of_first.prediction) == len(of_first.label) == n


@given(st.lists(st.integers(0, 60), max_size=12), st.sampled_from([2, 4, 10, 16]))
def test_a_thinned_stream_is_every_kth_element_however_it_is_cut(parts: list[int], most: int) -> None:
    thinning, kept, count = Thinning(most), np.zeros(0, np.int64), 0
    for part in parts:
        elements = np.arange(count, count + part)
        for picked, is_full in thinning.take(part):
            kept = np.concatenate([kept, elements[picked]])[:: 2 if is_full else 1]
        count += part
    step = 1
    while -(-count // step) >= most:
        step *= 2
    assert kept.tolist() == list(range(0, count, step))
