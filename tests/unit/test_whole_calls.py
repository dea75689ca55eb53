"""A reference of paired records is that of the same rows as native events."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from monitor.clock import ManualClock
from monitor.events import ModelKey, Partition
from monitor.reference.file.encoding import to_json
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.settings.tree import Settings
from tests.engine import NOW_US, Credit, MemorySource
from tests.platform_records import settings_for
from tests.properties.test_pairing_laws import cloud_event

KEY = ModelKey("credit", "1")


def parts_of(rows: list[dict[str, Any]], partitions: int) -> dict[Partition, list[Any]]:
    """Calls of one row each; their responses come up to two seconds later, in any partition."""
    rng = random.Random(3)
    timed: dict[Partition, list[tuple[int, Any]]] = {Partition("traffic", n): [] for n in range(partitions)}
    for number, row in enumerate(rows):
        features = {"instances": [row["features"]]}
        answered = row["ts"] + rng.randrange(1_000, 2_000_000)
        for side, time, body in (
            ("request", row["ts"], features),
            ("response", answered, {"predictions": [row["score"]]}),
        ):
            part = timed[Partition("traffic", rng.randrange(partitions))]
            part.append((time, cloud_event(side, f"call-{number}", time, body)))
    return {
        partition: [made for _, made in sorted(part, key=lambda pair: pair[0])] for partition, part in timed.items()
    }


def built(tree: Settings, parts: dict[Partition, list[Any]], event_range: EventRange) -> Reference:
    return build_reference(tree, KEY, lambda: MemorySource(parts), ManualClock(NOW_US), event_range)


@pytest.mark.parametrize("name", ["kserve", "auto"])
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_reference_is_that_of_the_native_events(name: str, partitions: int) -> None:
    rows = list(Credit(2_000))
    for row in rows:
        del row["prediction"]
    tree = settings_for(name, feature_names=None)
    native = settings_for("native", feature_names=None)
    whole = EventRange(start_us=0)
    found = built(tree, parts_of(rows, partitions), whole)
    expected = built(native, {Partition("traffic", 0): rows}, whole)
    assert found.events == expected.events
    assert to_json(replace(found, hash="")) == to_json(replace(expected, hash=""))


def test_the_first_rows_are_those_of_the_first_calls() -> None:
    rows = list(Credit(2_000))
    for row in rows:
        del row["prediction"]
    found = built(settings_for("kserve", feature_names=None), parts_of(rows, 1), EventRange(rows=1_000))
    native = settings_for("native", feature_names=None)
    expected = built(native, {Partition("traffic", 0): rows[:1_000]}, EventRange(rows=1_000))
    assert to_json(found) == to_json(expected)
