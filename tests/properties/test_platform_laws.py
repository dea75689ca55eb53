"""No record of a platform raises, and each one ends in an outcome or waits for its other side."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.decode.auto_decoder import AutoDecoder
from monitor.decode.decoder import decoder_for
from monitor.decode.half import alone, half_of, half_tree
from monitor.decode.pairing_decoder import PairingDecoder, in_partitions
from monitor.events import REASONS
from tests.platform_calls import CALL, T0_US, Record
from tests.platform_records import KINDS, batch_of, settings_for

CHOICES = sorted(KINDS)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["NaN", "{", "[]", "="])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["inputs", "outputs", "instances", "predictions", "data", "shape", "name", "datatype", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def mutated(tree: Any, draw: st.DrawFn) -> Any:  # noqa: ANN401 - JSON
    """The tree with one of its nodes replaced by another tree, or taken out."""
    if isinstance(tree, str) and tree[:1] in {"{", "["} and draw(st.booleans()):
        return json.dumps(mutated(json.loads(tree), draw))
    if not isinstance(tree, dict | list) or not tree or draw(st.integers(0, 3)) == 0:
        return draw(TREES)
    at = draw(st.sampled_from(sorted(tree) if isinstance(tree, dict) else range(len(tree))))
    made = dict(tree) if isinstance(tree, dict) else list(tree)
    if draw(st.integers(0, 7)) == 0:
        del made[at]
    else:
        made[at] = mutated(tree[at], draw)
    return made


@st.composite
def records(draw: st.DrawFn) -> tuple[str, Record]:
    """A record of a format that something was done to."""
    name, make = KINDS[draw(st.sampled_from(CHOICES))]
    record = draw(st.sampled_from(make(CALL)))
    value = record.value or b""
    how = draw(st.integers(0, 3))
    if how == 0 and value[:1] == b"{" and b"\0" not in value:
        value = json.dumps(mutated(json.loads(value), draw)).encode()
    elif how == 1:
        value = value[: draw(st.integers(0, len(value)))]
    elif how == 2:
        at = draw(st.integers(0, max(0, len(value) - 1)))
        value = value[:at] + draw(st.binary(min_size=1, max_size=4)) + value[at + 1 :]
    else:
        value = draw(st.binary(max_size=60))
    headers = dict(record.headers)
    if headers and draw(st.integers(0, 3)) == 0:
        headers[draw(st.sampled_from(sorted(headers)))] = draw(st.text(max_size=12))
    key = draw(st.sampled_from([record.key, None, b"\xff"]))
    return name, Record(value, {n: t.encode(errors="replace").decode() for n, t in headers.items()}, key, record.topic)


@given(of=records(), names=st.booleans(), told=st.booleans())
@settings(max_examples=600, deadline=None)
def test_every_record_ends_in_an_outcome(of: tuple[str, Record], names: bool, told: bool) -> None:
    name, record = of
    tree = settings_for(name, **({} if names else {"feature_names": None}), **({"format": "auto"} if told else {}))
    decoder = decoder_for(tree, record.topic, lambda _: None)
    batch = batch_of([record])
    events = decoder.decode(batch)
    counted = len(events) + sum(one.count for one in events.rejected) + events.tombstones + events.left_aside
    assert {one.reason for one in events.rejected} <= set(REASONS)
    decoder.features(batch, [0])
    inner = decoder.inner if isinstance(decoder, AutoDecoder) else decoder
    if not isinstance(inner, PairingDecoder):
        assert counted
        return
    halves = inner.take_halves()
    assert (counted > 0) != (len(halves) == 1)
    for half in halves:
        again = half_of(half_tree(half))
        assert repr(again) == repr(half)
        for partition, own in in_partitions([alone(again)]):
            _, given_up = inner.decode_pairs(partition, own, T0_US)
            assert len(given_up) + sum(one.count for one in given_up.rejected) + given_up.left_aside
