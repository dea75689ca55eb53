"""What `bench --only steps` takes apart is named by its method: each is there, and is called with its time."""

from __future__ import annotations

from tests.benchmarks.daemon_child import STAGES, timed


def test_every_stage_is_a_method_that_is_there() -> None:
    missing = [name for name, (owner, method) in STAGES.items() if method not in vars(owner)]
    assert not missing


def test_a_timed_method_gives_what_it_gave_and_adds_up_its_time() -> None:
    spent: dict[str, float] = {}
    double = timed(lambda number: 2 * number, spent, "double")
    assert [double(1), double(2)] == [2, 4]
    assert spent["double"] >= 0
