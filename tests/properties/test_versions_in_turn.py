"""Events of several model versions in turn, and labels and odd ones between them, are read by the definition."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from monitor.decode.native.rows import Grouped
from monitor.decode.native.versions import Versions
from tests.properties.test_decode_laws import SHAPES, T0_MS, assert_same

IN_TURN = [
    '{"model":"credit","version":"1","id":"%d","ts":1764000000000,"features":{"AGE":%d,"sex.1":"f"},"score":0.5}',
    '{"type":"prediction","model":"credit","version":"2","id":"%d","features":{"sex.1":%d},"prediction":1}',
    '{"model":"none","id":"%d","prediction":%d}',
    '{"model":"unheard","version":"9","id":"%d","features":{"a":%d},"score":0.1}',
    '{"model":"unheard","id":"%d","features":{"a":%d},"score":0.1}',
    '{"type":"features","model":"credit","version":"1","id":"%d","features":{"AGE":%d}}',
    '{"model":"credit", "id":"%d","prediction":%d, "version" : "2"}',
]
LABELS_IN_TURN = [
    '{"type":"label","model":"credit","version":"1","id":"%d","label":%d}',
    '{"model":"none","id":"%d","label":null,"outcomes":{"refund":%d}}',
]
ODD_IN_TURN = [
    '{"model":"credit","version":"1","id":%d,"features":{"AGE":%d},"score":0.5}',
    '{"model":"credit","version":2,"features":{"AGE":"x%d","sex.1":%d}}',
    '{"model":"credit","version":"1","id":"%d","features":{"AGE":NaN,"sex.1":"%d"}}',
    '{"model":"credit","version":"1","id":"%d","score":%d}',
    '{"id":"%d","features":{"AGE":%d}}',
    '{"model":"none","id":"%d","ts":%d}',
    '["%d",%d]',
]


@pytest.mark.parametrize("others", [[], LABELS_IN_TURN, ODD_IN_TURN, LABELS_IN_TURN + ODD_IN_TURN])
@pytest.mark.parametrize("seed", range(4))
def test_versions_in_turn_are_read_by_the_definition(
    others: list[str], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    grouped = Versions.grouped

    def noted(self: Versions, values: Sequence[bytes | None]) -> Grouped | None:
        found.append(grouped(self, values))
        return found[-1]

    monkeypatch.setattr(Versions, "grouped", noted)
    rng = random.Random(seed)
    kinds = [rng.choice(others) if others and rng.random() < 0.1 else rng.choice(IN_TURN) for _ in range(200)]
    assert_same([(kind % (at, rng.randrange(4))).encode() for at, kind in enumerate(kinds)], [T0_MS] * 200)
    if others in ([], LABELS_IN_TURN):
        assert any(rows is not None and len(rows.starts) > len(SHAPES) for rows in found)
