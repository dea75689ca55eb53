"""The register of series, and the rendered snapshot, read back by prometheus_client's own parser."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor.events import ACCEPTED, OUTCOMES, REASONS, REJECTED, ModelKey, Partition
from monitor.findings import PAGE, TICKET, Figures, FindingKey
from monitor.judge.estimated import Estimated
from monitor.publish.column_series import DISTANCES, FIGURES
from monitor.publish.family import LABEL_LIMIT, clean_label
from monitor.publish.register import REGISTER
from monitor.publish.series import SeriesPage, render
from monitor.publish.snapshot import ColumnView, FindingView, IncidentView, ModelView, Snapshot
from tests.series_by_library import ByTheLibrary
from tests.snapshots import BY_GROUP, CALLS, IN_WARMUP, NAMED, busy_snapshot, promise_of, wide_snapshot, with_labels

CREDIT = ModelKey("credit", "1")
EVENTS = Partition("events", 0)
Sample = tuple[str, frozenset[tuple[str, str]]]
Samples = dict[Sample, float]
GOLDEN = Path(__file__).with_name("metrics.golden.txt")
SMALLEST = "driftd_smallest_detectable_effect_ratio"
GROUPS = {series.name: series.group for series in REGISTER}

#: the names others rely on, with their labels
PROMISED = {
    "driftd_records_total": "topic partition",
    "driftd_events_total": "topic outcome reason",
    "driftd_model_events_total": "model version type",
    "driftd_incident_active": "model version severity",
    "driftd_incident_since_timestamp_seconds": "model version",
    "driftd_finding_active": "model version subject cause segment severity",
    "driftd_expected_false_pages_total": "model version",
    "driftd_pages_total": "model version",
    "driftd_model_info": "model version team runbook_url reference",
    "driftd_unjudged_events_total": "model version",
    "driftd_watermark_timestamp_seconds": "topic partition",
    "driftd_clock_skew_events_total": "topic partition",
    "driftd_lag_records": "topic partition",
    "driftd_checkpoint_timestamp_seconds": "",
    "driftd_restored": "",
    "driftd_series_dropped": "",
    "driftd_finding_value": "model version subject cause segment",
    "driftd_drift_distance_ratio": "model version feature distance",
    **dict.fromkeys(("driftd_feature_bin_events_total", "driftd_reference_bin_ratio"), "model version feature bin"),
    "driftd_smallest_detectable_effect_ratio": "model version feature",
    **{f"driftd_performance_{of}": "model version metric basis segment" for of in ("ratio", "error")},
    "driftd_performance_labels": "model version",
    "driftd_performance_segment_labels": "model version segment",
}


def full_snapshot(restored: bool = True, key: ModelKey = CREDIT) -> Snapshot:
    return with_labels(
        key,
        restored=restored,
        records={EVENTS: 120},
        events={("events", ACCEPTED, ""): 110, ("events", REJECTED, "json"): 10},
        lost_topics={"events": 0.083},
        lost_models={"credit": 1.0},
        dead_letters=10,
        retention_gaps={EVENTS: 7},
        **CALLS,
        watermarks={EVENTS: 1_800_000_000_250_000},
        skewed={EVENTS: 4},
        lags={EVENTS: 3},
        slow_because="",
        open_panes=12,
        checkpoint_us=1_800_000_001_000_000,
        checkpoint_bytes=5_120,
        checkpoint_parts=7,
        checkpoint_stop_seconds=0.0125,
        checkpoint_seconds=0.25,
        checkpoint_failures=3,
        loop_seconds={"poll": 1.5, "idle": 40.0},
        unreadable={(Partition("events", 1), "checksum"): 12},
        positions_stalled={Partition("events", 0): 0, Partition("events", 1): 1},
        models=(
            ModelView(
                key,
                team="risk",
                runbook="https://runbooks.test/credit",
                reference="sha256:ab",
                expected_false_pages=0.75,
                expected_before=0.5,
                pages=3,
                stopped_since_us=1_800_000_000_000_000,
                knows_gaps=True,
                pages_before=2,
                columns=(AGE,),
                performance=(("accuracy", 0.9), ("mae", 250.0)),
                **BY_GROUP,
                outcomes=NAMED,
                estimated=Estimated((("accuracy", 0.88), ("mae", 2.5)), 4_000),
                promise=promise_of("AGE"),
                warmup=IN_WARMUP,
            ),
        ),
        unjudged={key: 2},
        incidents=(
            IncidentView(key, PAGE, 1_799_999_000_500_000),
            IncidentView(key, TICKET, 1_799_900_000_500_000, lasting=True),
        ),
        findings=(FindingView(key, FindingKey("AGE", "distribution"), PAGE, 1_799_999_100_500_000),),
    )


AGE = ColumnView(
    name="AGE",
    role="feature",
    kind="numeric",
    bins=("to 40", "above 40"),
    reference=(50, 150),
    live=(30, 70),
    total=(300, 700),
    distances=(("psi", 0.01),),
    figures=(
        Figures("distribution", value=12.5, threshold=40.0, effect=0.05, p=0.02, samples=250, exceedance=0.3),
        Figures("missing", value=0.01, threshold=math.nan, effect=0.0, p=0.5, samples=250, exceedance=0.1),
    ),
)


def read(text: bytes) -> Samples:
    """Every sample by name and labels; a series that stands there twice fails."""
    out: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            at = (sample.name, frozenset(sample.labels.items()))
            assert at not in out, f"twice: {at}"
            out[at] = sample.value
    return out


def values(samples: Samples, name: str, **labels: str) -> list[float]:
    """The values of a series whose labels include these."""
    return [value for (of, have), value in samples.items() if of == name and set(labels.items()) <= have]


def test_the_register_holds_what_others_rely_on() -> None:
    register = {series.name: set(series.labels) for series in REGISTER}
    for name, labels in PROMISED.items():
        assert register[name] == set(labels.split()), name
    assert "version" in register["driftd_build_info"]


def test_names_follow_the_rules_of_prometheus() -> None:
    names = [series.name for series in REGISTER]
    assert len(set(names)) == len(names)
    for series in REGISTER:
        assert re.fullmatch(r"driftd(_[a-z0-9]+)+", series.name)
        assert series.name.endswith("_total") == (series.kind == "counter"), series.name
        assert series.kind in ("counter", "gauge")
        assert series.meaning.endswith(".")
        assert series.advice.endswith(".")


def test_a_full_board_shows_every_series_of_the_register_and_nothing_else() -> None:
    shown = {name for name, _ in read(render(full_snapshot()))}
    assert shown == {series.name for series in REGISTER}


def test_figures_come_out_as_they_went_in() -> None:
    samples = read(render(full_snapshot()))
    assert values(samples, "driftd_records_total", topic="events", partition="0") == [120]
    assert values(samples, "driftd_events_total", outcome=REJECTED, reason="json") == [10]
    assert values(samples, "driftd_dead_letters_total") == [10]
    assert values(samples, "driftd_offset_gap_records_total", topic="events") == [7]
    assert values(samples, "driftd_watermark_timestamp_seconds") == [1_800_000_000.25]
    assert values(samples, "driftd_lag_records") + values(samples, "driftd_open_panes") == [3, 12]
    assert values(samples, "driftd_clock_skew_events_total") == [4]
    assert values(samples, "driftd_checkpoint_timestamp_seconds") == [1_800_000_001]
    assert values(samples, "driftd_checkpoint_bytes") == [5_120]
    assert values(samples, "driftd_checkpoint_parts") == [7]
    assert values(samples, "driftd_checkpoint_stop_seconds") == [0.0125]
    assert values(samples, "driftd_checkpoint_seconds") == [0.25]
    assert values(samples, "driftd_checkpoint_failures_total") == [3]
    assert values(samples, "driftd_loop_seconds_total", step="idle") == [40]
    assert values(samples, "driftd_unreadable_records_total", partition="1", reason="checksum") == [12]
    assert [values(samples, "driftd_position_stalled", partition=number) for number in "01"] == [[0], [1]]
    assert values(samples, "driftd_model_events_total", type="prediction") == [100]
    assert values(samples, "driftd_unjudged_events_total", model="credit") == [2]
    assert values(samples, "driftd_incident_since_timestamp_seconds", version="1") == [1_799_999_000.5]
    assert values(samples, "driftd_finding_since_timestamp_seconds", subject="AGE") == [1_799_999_100.5]
    assert values(samples, "driftd_finding_rank", subject="AGE", cause="distribution") == [1]
    assert values(samples, "driftd_expected_false_pages_total", model="credit") == [0.25]
    assert values(samples, "driftd_pages_total", model="credit") == [1]
    assert values(samples, "driftd_model_info", team="risk", reference="sha256:ab") == [1]
    assert values(samples, "driftd_finding_active", subject="AGE", cause="distribution", severity=PAGE) == [1]


def test_no_model_has_a_series_before_the_state_is_restored() -> None:
    samples = read(render(full_snapshot(restored=False)))
    assert [name for name, labels in samples if "model" in dict(labels)] == []
    assert values(samples, "driftd_restored") == [0]
    assert values(samples, "driftd_records_total") == [120]


def test_an_empty_board_can_be_shown() -> None:
    samples = read(render(Snapshot()))
    assert values(samples, "driftd_restored") == [0]
    assert values(samples, "driftd_checkpoint_timestamp_seconds") == []


def test_the_outcomes_of_a_topic_are_there_as_zeros_before_the_first_of_them() -> None:
    samples = read(render(Snapshot(records={EVENTS: 0})))
    shown = {(dict(labels)["outcome"], dict(labels)["reason"]) for name, labels in samples if "events" in name}
    assert shown == {(one, "") for one in OUTCOMES if one != REJECTED} | {(REJECTED, reason) for reason in REASONS}
    assert sum(values(samples, "driftd_events_total")) == 0


def test_an_incident_is_one_in_its_severity_and_nought_in_the_other() -> None:
    samples = read(render(Snapshot(restored=True, incidents=(IncidentView(CREDIT, PAGE, 1_799_999_000_500_000),))))
    assert values(samples, "driftd_incident_active", severity=PAGE) == [1]
    assert values(samples, "driftd_incident_active", severity=TICKET) == [0]
    assert values(samples, "driftd_incident_lasting_since_timestamp_seconds") == []


def test_a_lasting_ticket_next_to_a_page_is_one_too_and_has_its_own_beginning() -> None:
    samples = read(render(full_snapshot()))
    assert values(samples, "driftd_incident_active", severity=PAGE) == [1]
    assert values(samples, "driftd_incident_active", severity=TICKET) == [1]
    assert values(samples, "driftd_incident_since_timestamp_seconds") == [1_799_999_000.5]
    assert values(samples, "driftd_incident_lasting_since_timestamp_seconds") == [1_799_900_000.5]
    samples = read(render(Snapshot(restored=True, incidents=(full_snapshot().incidents[1],))))
    assert values(samples, "driftd_incident_active", severity=PAGE) == [0]
    assert values(samples, "driftd_incident_since_timestamp_seconds") == [1_799_900_000.5]


def test_a_model_that_is_fine_is_nought_and_one_never_judged_is_absent() -> None:
    other = ModelKey("fraud", "2")
    samples = read(
        render(Snapshot(restored=True, models=(ModelView(CREDIT), ModelView(other)), incidents=(IncidentView(CREDIT),)))
    )
    assert values(samples, "driftd_incident_active", model="credit") == [0, 0]
    assert values(samples, "driftd_incident_active", model="fraud") == []
    assert values(samples, "driftd_incident_since_timestamp_seconds") == []
    assert values(samples, "driftd_model_events_total", model="fraud") == [0, 0, 0]


@given(st.text(st.characters(), max_size=600))
def test_any_text_becomes_a_short_printable_label(text: str) -> None:
    label = clean_label(text)
    assert len(label) <= LABEL_LIMIT
    assert label.isprintable()
    assert label.encode("utf-8").decode("utf-8") == label
    if label != text:
        assert "~" in label
    elif text:
        assert text.isprintable()


def test_texts_that_have_to_be_changed_stay_apart() -> None:
    texts = ["\udc80", "\udc81", "\n", "\r", "x" * 257, "x" * 258, "x" * 256 + "y", "a\u202eb", "\ufffd"]
    assert len({clean_label(text) for text in texts}) == len(texts)


@given(st.text(st.characters(), max_size=300), st.text(st.characters(exclude_characters=""), max_size=20))
def test_no_name_of_a_model_can_break_the_page(model: str, version: str) -> None:
    samples = read(render(full_snapshot(key=ModelKey(model, version))))
    assert values(samples, "driftd_incident_active", model=clean_label(model), severity=PAGE) == [1]


@pytest.mark.parametrize("text", ['"} 1\ndriftd_restored 0', "\\", '\\"', "a\nb", "\udc80", "x" * 100_000, "{}"])
def test_hostile_names_neither_forge_a_series_nor_grow_the_page(text: str) -> None:
    page = render(full_snapshot(key=ModelKey(text, text)))
    samples = read(page)
    assert values(samples, "driftd_restored") == [1]
    assert len(page) < len(render(full_snapshot())) + 34_000
    assert values(samples, "driftd_pages_total", model=clean_label(text)) == [1]


def test_a_page_renders_each_snapshot_once() -> None:
    page = SeriesPage()
    snapshot = full_snapshot()
    assert page.text(snapshot).startswith(render(snapshot))
    first = page._page
    page.text(snapshot)
    assert page._page is first
    assert values(read(page.text(Snapshot(open_panes=5))), "driftd_open_panes") == [5]


def test_a_page_shows_the_process_and_no_created_series() -> None:
    samples = read(SeriesPage().text(full_snapshot()))
    assert values(samples, "process_resident_memory_bytes")[0] > 1_000_000
    assert values(samples, "python_info") == [1]
    assert [name for name, _ in samples if name.endswith("_created")] == []


def test_the_figures_of_a_column_are_shown_and_what_is_not_known_is_absent() -> None:
    model = ModelView(CREDIT, columns=(AGE,), promise=promise_of("AGE"))
    samples = read(render(Snapshot(restored=True, models=(model,))))
    about = {"model": "credit", "version": "1", "subject": "AGE", "segment": ""}
    assert values(samples, "driftd_finding_value", cause="distribution", **about) == [12.5]
    assert values(samples, "driftd_finding_threshold", cause="distribution", **about) == [40]
    assert values(samples, "driftd_finding_threshold", cause="missing", **about) == []
    feature = {"model": "credit", "version": "1", "feature": "AGE"}
    assert values(samples, "driftd_reference_bin_ratio", bin="above 40", **feature) == [0.75]
    assert values(samples, "driftd_feature_bin_events_total", bin="above 40", **feature) == [700]
    assert values(samples, SMALLEST, **feature) == [0.06]


def test_two_columns_of_one_name_do_not_break_the_scrape() -> None:
    model = ModelView(CREDIT, columns=(AGE, AGE), promise=promise_of("AGE", "AGE"))
    text = render(Snapshot(restored=True, models=(model,)))
    assert text.count(SMALLEST.encode() + b"{") == text.count(b"driftd_feature_watched{") == 1


SNAPSHOTS = {
    "empty": Snapshot(),
    "full": full_snapshot(),
    "before the state": full_snapshot(restored=False),
    "busy, with hostile names": busy_snapshot(),
    "wide": wide_snapshot(5, 10),
    "quotes": full_snapshot(key=ModelKey('a "quoted" \\ name', "1\n2")),
}


@pytest.mark.parametrize("snapshot", SNAPSHOTS.values(), ids=SNAPSHOTS)
def test_the_page_is_what_prometheus_client_would_write(snapshot: Snapshot) -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ByTheLibrary(snapshot))
    assert render(snapshot, 1_000_000) == generate_latest(registry)


def test_a_feature_whose_distribution_is_not_watched_is_a_zero() -> None:
    columns = (AGE, replace(AGE, name="pdays", unwatched="96 % are 999"))
    snapshot = full_snapshot()
    shown = read(render(replace(snapshot, models=(replace(snapshot.models[0], columns=columns),))))
    reported = {
        dict(labels)["feature"]: value for (name, labels), value in shown.items() if name == "driftd_feature_watched"
    }
    assert reported == {"AGE": 1.0, "pdays": 0.0}


@pytest.mark.parametrize("room", range(45))
def test_over_the_limit_whole_groups_go_in_their_order_and_the_rest_is_untouched(room: int) -> None:
    quiet = replace(AGE, name="PAY_0")
    snapshot = full_snapshot()
    snapshot = replace(snapshot, models=(replace(snapshot.models[0], columns=(AGE, quiet)),))
    everything = read(render(snapshot))
    shown = read(render(snapshot, len(everything) - room))
    bins = {at for at in everything if "_bin_" in at[0]}
    distances = {at for at in everything if GROUPS[at[0]] == DISTANCES}
    figures = {at for at in everything if GROUPS[at[0]] == FIGURES and ("subject", "PAY_0") in at[1]}
    groups = [bins, distances, figures]
    assert all(groups)
    gone = set[Sample]()
    for group in groups:
        if len(gone) >= room:
            break
        gone |= group
    assert everything.keys() - shown.keys() == gone
    assert values(shown, "driftd_series_dropped") == [len(gone)]
    rest = shown.keys() - {("driftd_series_dropped", frozenset())}
    assert all(shown[at] == everything[at] for at in rest)


def golden() -> str:
    """The page of the full snapshot, without what depends on this machine."""
    return re.sub(r"(driftd_build_info)\{.*\}", r"\1{}", render(full_snapshot()).decode())


def test_the_page_is_the_golden_one() -> None:
    """A changed page is a changed interface: review the difference, then regenerate the file."""
    assert golden() == GOLDEN.read_text(), f"if it is meant: python -m {__name__} > {GOLDEN.name}"


if __name__ == "__main__":
    sys.stdout.write(golden())
