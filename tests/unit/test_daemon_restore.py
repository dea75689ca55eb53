"""A checkpoint that is whole and makes no sense is a wrong setting with a remedy, never a trace."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.kafka.topics import ClusterDescription
from monitor.pipeline import Pipeline
from monitor.run.daemon import restored
from monitor.state.directory import Loaded
from tests.engine import EVENTS, Credit, MemorySource, admission_of, credit_reference, pipeline_of, run_to_end, settings

QUALITY_COUNTS = ClusterDescription("cluster", {})


def pipeline() -> Pipeline:
    tree = settings()
    made, _ = pipeline_of(tree, admission_of(tree, credit_reference()), MemorySource({EVENTS: list(Credit(600))}))
    return made


@cache
def state() -> dict[str, Any]:
    made = pipeline()
    run_to_end(made, MemorySource({}))
    return {**made.to_state(), "cluster": "cluster", "topics": {}, "saved_at": ManualClock().now_us()}


@pytest.mark.parametrize("part", ["cluster", "exchange", "fleet", "format", "gaps", "met", "units"])
@pytest.mark.parametrize("wrong", [None, 7, "text", [1, 2], [{"a": 1}], {"a": 1}], ids=repr)
def test_a_part_of_another_shape_is_told_with_the_file_and_the_remedy(part: str, wrong: object) -> None:
    tree = state() | {part: wrong}
    if wrong is None:
        del tree[part]
    with pytest.raises(UsageError, match=r"state\.path: .*move it away|format|cluster"):
        restored(pipeline(), Loaded(tree, 3, Path("checkpoint-3"), ()), QUALITY_COUNTS)
