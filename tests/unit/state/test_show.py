"""What is shown of a state counts each event once, in columns with buckets and never-seen values too."""

from __future__ import annotations

from monitor.run.state_show import state_json
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from tests.engine import EVENTS, MemorySource, admission_of, build, event, pipeline_of, run_to_end, settings

N = 600


def test_bins_by_label_and_quality_counts_are_all_events_that_carried_features() -> None:
    tree = settings({"versions": ["1"]})
    names = ["abc"[i % 3] if i % 2 else f"shop{i * i % 97}" for i in range(N)]
    reference = build(tree, [event(i, features={"x": name, "y": i % 9}) for i, name in enumerate(names)])
    (at,) = (at for at, column in enumerate(reference.columns) if column.name == "x")
    bins = reference.columns[at].bins
    assert bins.buckets, "a column without buckets shows nothing here"
    live = [*names[:40], "never1", "never2", None, 5]
    admission = admission_of(tree, reference)
    stream = [event(1_000 + i, features={"x": name, "y": 1}) for i, name in enumerate(live)]
    source = MemorySource({EVENTS: stream})
    pipeline, _ = pipeline_of(tree, admission, source)
    run_to_end(pipeline, source)
    (model,) = state_json(pipeline.to_state().state(), admission)["models"]
    shown = model["features"]["x"]
    assert len(shown["bins"]) == len(bins.labels())
    assert sum(shown["bins"]) + sum(shown[name] for name in QUALITY_COUNTS) == len(live)
    assert (shown["unseen"], shown["missing"]) == (3, 1)
