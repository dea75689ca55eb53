"""Names that cannot be: their events are rejected before anybody is asked about them."""

from __future__ import annotations

import json

import pytest

from monitor.events import ModelKey
from tests.unit.decode.test_native import GOOD, KEY, T0_MS, as_bytes, batch_of, decoder, event, reasons


@pytest.mark.parametrize("field", ["model", "version"])
@pytest.mark.parametrize("name", ["a\x00", "a\nb", "\x7f", "a\x9f"])
def test_nobody_is_asked_for_the_shape_of_a_badly_named_model_version(field: str, name: str) -> None:
    asked: list[ModelKey] = []
    values = [json.dumps(event(**{field: name})).encode(), as_bytes(GOOD), as_bytes(event(**{field: name}))]
    for mixed in (values, values[::-1], [*values, *values], [values[1], *values]):
        native = decoder(shapes=asked.append)
        events = native.decode(batch_of(mixed, [T0_MS] * len(mixed)))
        assert set(reasons(events)) == {"names"}
        again = native.decode(batch_of(mixed, [T0_MS] * len(mixed)))
        assert reasons(again) == reasons(events)
    assert set(asked) == {KEY}
