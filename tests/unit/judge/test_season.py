"""Columns with a daily wave, from the build of their reference to the words of their findings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from monitor.clock import DAY_US, HOUR_US, SECOND_US
from monitor.count.exchange import Pane
from monitor.count.task_state import PaneKey
from monitor.findings import PAGE, Finding, Transition
from monitor.judge.comparison.columns import Compared
from monitor.judge.model import ModelJudge
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import window_of
from monitor.judge.windows.season import SeasonClock
from monitor.reference.configured import as_configured, contradictions
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.notes.paging import paging_notes, season_notes, tickets_only
from monitor.reference.reference import Reference
from monitor.reference.season import COUNTS, SeasonCalendar, Seasons
from monitor.settings.model import Feature, Model
from monitor.state.codec import decode, encode
from monitor.stats.season.terms import DAY, Floats
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally
from monitor.stats.testing.directional import Expected, evaluate
from tests.engine import CREDIT, START_US
from tests.seasonal_kinds import KINDS, Seasonal
from tests.simulated import Columns, Ints, Simulation, reference_of

RATE = 0.05
PANE_US = 600 * SECOND_US
WAVE = next(kind for kind in KINDS if kind.name == "sine 0.6")
#: categories whose shares follow the wave, too
NAMES = np.array(["a", "b", "c"], object)


def times_of(days: float, begin_us: int = START_US) -> Ints:
    return begin_us + (np.arange(int(days * DAY * RATE)) * (SECOND_US / RATE)).astype(np.int64)


def columns_of(times: Ints, seed: int, *, level: float = 0.0, later: float = 0.0, kind: Seasonal = WAVE) -> Columns:
    """A number and a category with a wave, and a number without one."""
    rng, seconds = np.random.default_rng([seed, 9]), times / SECOND_US - later * 3_600
    latent = rng.random(len(times)) + 0.15 * np.sin(2 * np.pi * seconds / DAY)
    return {
        "amount": kind.wave(seconds) + rng.standard_normal(len(times)) + level,
        "kind": NAMES[np.searchsorted([0.5, 0.8], latent)],
        "other": rng.standard_normal(len(times)),
    }


@cache
def reference_for(days: float, timezone: str = "UTC") -> Reference:
    times = times_of(days)
    columns = columns_of(times, 1)
    return reference_of(columns, len(times), PANE_US, SECOND_US / RATE, timezone=timezone)


def usual() -> Reference:
    return reference_for(8)


def pieces(times: Ints) -> Iterator[Ints]:
    day = times // (6 * HOUR_US)
    return iter(np.split(times, np.flatnonzero(np.diff(day)) + 1))


def judged(live: Columns, times: Ints, judge: ModelJudge) -> list[Transition]:
    """All transitions of a stream."""
    simulation, found = Simulation(usual(), pane_us=PANE_US), []
    for pane in simulation.panes(live, pieces(times)):
        found += judge.add(pane, 1.0)[1]
    return found


def new_judge() -> ModelJudge:
    return Simulation(usual(), pane_us=PANE_US).judge()


def behind(days: float) -> Ints:
    return times_of(days, START_US + 8 * DAY_US)


def test_waves_are_found_and_the_other_column_has_none() -> None:
    seasons = usual().seasons
    assert seasons is not None
    assert {usual().columns[at].name: one.terms for at, one in seasons.columns.items()} == {
        "amount": ("day4",),
        "kind": ("day4",),
    }
    assert {run.reason for run in usual().variability.long_runs} == {"independent"}


def test_a_file_gives_the_same_reference_and_an_older_one_has_no_waves() -> None:
    body = json.loads(json.dumps(to_json(usual())))
    assert to_json(from_json(body)) == to_json(usual())
    assert fault_of({name: value for name, value in body.items() if name != "format"}) == ""
    del body["season"]
    for column in body["columns"]:
        column.pop("season", None)
    assert from_json(body).seasons is None


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("terms", ["month"], "'month' is no term"),
        ("shares", [[0.5]], "is not 9 lists of 10 numbers"),
        ("means", [0.0], "does not have 9 numbers"),
        ("error", [1.0], "does not have 45 numbers"),
    ],
)
def test_a_damaged_wave_is_a_fault(name: str, value: object, fault: str) -> None:
    body = json.loads(json.dumps(to_json(usual())))
    at = next(at for at, column in enumerate(body["columns"]) if column["name"] == "amount")
    body["columns"][at]["season"][name] = value
    assert fault in fault_of(body)


def test_an_unknown_time_zone_is_a_fault() -> None:
    body = json.loads(json.dumps(to_json(usual())))
    body["season"]["timezone"] = "Mars/Base"
    assert "'Mars/Base' is not known here" in fault_of(body)
    del body["season"]
    assert "the file has none" in fault_of(body)


def test_ignored_columns_take_their_waves_with_them() -> None:
    ignored = Feature(kind="ignore")
    model = Model(name="credit", reference="credit.json", features={"amount": ignored})
    left = as_configured(usual(), model)
    assert left.seasons is not None
    assert [left.columns[at].name for at in left.seasons.columns] == ["kind"]
    both = {"amount": ignored, "kind": ignored}
    assert as_configured(usual(), Model(name="credit", reference="credit.json", features=both)).seasons is None


def test_another_time_zone_needs_another_reference() -> None:
    model = Model(name="credit", reference="credit.json", timezone="Europe/Berlin")
    (fault,) = contradictions(usual(), model)
    assert fault.startswith("timezone: Europe/Berlin, but the reference has its daily waves in UTC")
    assert not list(contradictions(usual(), Model(name="credit", reference="credit.json")))


@pytest.mark.parametrize(("missing", "compared"), [(0, True), (5, True), (20, False), (100, False)])
def test_a_column_that_ended_within_a_window_is_not_compared_at_the_time_of_all_its_events(
    missing: int, compared: bool
) -> None:
    """The values that are there may be of one part of the window; a column without a wave is compared."""
    reference = usual()
    assert reference.seasons is not None
    tally = Tally.empty(len(reference.columns), reference.width)
    tally.predictions = 100
    tally.counts[:, 0] = 100 - missing
    timed = SeasonClock(reference.seasons).timed(Pane(PaneKey(CREDIT, ""), START_US, START_US + PANE_US, tally))
    side = Compared.of(PreparedReference.of(reference), numeric=True)
    expected = side.expected(window_of(1, (Block(START_US, START_US + PANE_US, timed.tally),)))
    assert expected is not None
    assert (expected.rows[0] > 0).tolist() == [compared or not seasonal for seasonal in expected.seasonal.tolist()]
    assert 0 < expected.seasonal.sum() < len(expected.seasonal)


def test_clocks_that_go_back_give_the_same_hour_twice_and_forward_leave_one_out() -> None:
    calendar = SeasonCalendar("Europe/Berlin", 600 * SECOND_US)

    def hour(text: str) -> float:
        us = int(np.datetime64(text, "us").astype(np.int64))
        return float(calendar.local(np.array([calendar.slot(us)]))[0] % DAY / 3600)

    assert hour("2026-10-25T00:05") == hour("2026-10-25T01:05") == pytest.approx(2 + 5 / 60)
    assert hour("2026-10-25T02:05") == pytest.approx(3 + 5 / 60)
    assert hour("2026-03-29T00:55") == pytest.approx(1 + 55 / 60)
    assert hour("2026-03-29T01:05") == pytest.approx(3 + 5 / 60)
    # a Sunday's local midnight is still a Saturday in UTC
    saturday = int(np.datetime64("2026-07-04T22:05", "us").astype(np.int64))
    assert calendar.local(np.array([calendar.slot(saturday)]))[0] % (7 * DAY) // DAY == 6


def test_a_pane_has_the_time_of_each_of_its_events() -> None:
    seasons = usual().seasons
    assert seasons is not None
    clock = SeasonClock(replace(seasons, calendar=SeasonCalendar("Europe/Berlin")))
    twice = [int(np.datetime64(text, "us").astype(np.int64)) for text in ("2026-10-25T00:00", "2026-10-25T01:00")]
    total = Tally.empty(1, 1)
    for start in twice:
        tally = Tally.empty(1, 1)
        tally.predictions = 7
        total.merge(clock.timed(Pane(PaneKey(CREDIT, ""), start, start + PANE_US, tally)).tally)
    one = seasons_at(seasons, twice[0])
    assert total.further[COUNTS].tolist() == (14 * one).tolist()
    assert np.abs(seasons.vectors(twice) - np.array([seasons.vector(us) for us in twice])).max() <= 1


def seasons_at(seasons: Seasons, us: int) -> Ints:
    return replace(seasons, calendar=SeasonCalendar("Europe/Berlin")).vector(us)


def _windows(seed: int, number: int) -> tuple[Compared, Ints, Expected]:
    """Windows of the numbers' side at random times, some of them moved."""
    prepared = PreparedReference.of(usual())
    side = Compared.of(prepared, numeric=True)
    assert side.season is not None
    seasons = usual().seasons
    assert seasons is not None
    rng = np.random.default_rng(seed)
    times = np.array([seasons.vector(int(us)) for us in rng.integers(0, DAY_US, number)]) / (1 << 20)
    expected = side.season.expected(side.reference, times)
    bins = side.reference.bin_shares.shape[1]
    counts = np.zeros((number, len(side.places), bins), np.int64)
    for window, time in enumerate(times):
        for c in range(len(side.places)):
            shares = side.season.shares(c, time)
            p = side.shares(c) if shares is None else shares / shares.sum()
            events = int(rng.integers(20, 4_000))
            moved = np.roll(p, 1) if rng.random() < 0.3 else p
            counts[window, c, : len(p)] = rng.multinomial(events, moved)
    return side, counts, expected


@pytest.mark.parametrize("alpha", [1e-2, 1e-4, 1e-8])
def test_the_cheap_bounds_rule_out_no_window_that_is_over(alpha: float) -> None:
    side, counts, expected = _windows(3, 400)
    rates = np.ones(len(counts))
    may, tests = side.screened(counts, rates, alpha, expected)
    found = side.compare(counts, rates, alpha, expected)
    assert not ((found.evidence > 1) & ~may).any()
    assert (found.tests == tests).all()
    assert 0.1 < may.mean() < 0.9, "they rule out some, and not all"


def test_a_column_compared_alone_is_compared_as_beside_the_others() -> None:
    side, counts, expected = _windows(4, 50)
    together = side.compare(counts, np.ones(50), 1e-4, expected)
    for c in range(len(side.places)):
        alone = side.alone(c).compare(counts[:, c : c + 1], np.ones(50), 1e-4, expected.of_column(c))
        assert (alone.evidence[:, 0] == together.evidence[:, c]).all()


def test_what_is_always_expected_gives_the_test_without_a_wave() -> None:
    side, counts, _ = _windows(5, 100)
    shape = (len(counts), *side.reference.shares.shape)
    same = Expected(
        np.broadcast_to(side.reference.shares, shape),
        np.broadcast_to(side.reference.rows, shape[:2]),
        np.zeros(shape[1], np.bool_),
    )
    with_it, without = (evaluate(side.reference, counts, 1e-4, None, one) for one in (same, None))
    assert (with_it.z == without.z).all()
    assert (with_it.exceedance == without.exceedance).all()
    assert (with_it.tests == without.tests).all()


def test_p_values_hold_at_every_time_of_day() -> None:
    """Windows drawn from the fitted wave, as the error of the fit is a part of the test: alpha is not exceeded."""
    prepared = PreparedReference.of(usual())
    side = Compared.of(prepared, numeric=True)
    place = next(c for c, at in enumerate(side.places.tolist()) if prepared.columns[at].name == "amount")
    over, tried, rng = 0, 0, np.random.default_rng(8)
    for hour in range(24):
        times = START_US + hour * HOUR_US + rng.integers(0, HOUR_US, 400)
        seasons, season = usual().seasons, side.season
        assert seasons is not None
        assert season is not None
        x = np.array([seasons.vector(int(us)) for us in times]) / (1 << 20)
        expected = season.expected(side.reference, x).of_column(place)
        codes = [
            np.searchsorted(prepared.columns[side.places[place]].bins.edges, _true_values(rng, int(us))) for us in times
        ]
        counts = np.array([np.bincount(row, minlength=10) for row in codes])[:, None]
        found = evaluate(side.reference.of_column(place), counts, 0.02, None, expected)
        over += int((found.exceedance > 1).sum())
        tried += int(found.tests.sum())
    # two groups of directions of alpha each, shared out among their directions
    assert over <= 0.02 * tried * 1.1
    assert over > 0


def _true_values(rng: np.random.Generator, us: int) -> Floats:
    return WAVE.wave(np.full(500, us / SECOND_US)) + rng.standard_normal(500)


def test_days_like_the_reference_are_silent() -> None:
    times = behind(6)
    judge = new_judge()
    assert judged(columns_of(times, 2), times, judge) == []
    assert judge.predictions == len(times)


def test_a_shift_on_top_of_the_wave_pages_and_stays_open() -> None:
    times = behind(2.5)
    before, after = columns_of(times, 3), columns_of(times, 3, level=0.5)
    at = int(1.6 * DAY * RATE)
    live = {name: np.concatenate([before[name][:at], after[name][at:]]) for name in before}
    judge = new_judge()
    transitions = judged(live, times, judge)
    first = transitions[0]
    assert [transition.severity for transition in transitions if transition.findings] == [PAGE] * len(transitions)
    assert at < first.predictions < at + 1_500
    (finding,) = first.findings
    assert (finding.key.subject, finding.key.cause, finding.direction) == ("amount", "distribution", "up")
    assert judge.book.incident is not None, "it lasts less than the day after which it would be a lasting ticket"
    assert "at this time of day usually" in finding.detail
    assert_usual(finding, times, at)


def assert_usual(finding: Finding, times: Ints, at: int) -> None:
    """The mean that it says is usual is that of the wave in its window."""
    inside = times[(times >= finding.window.start_us) & (times < finding.window.end_us)] / SECOND_US
    mean = finding.detail.split("usually ")[1].split(";")[0]
    assert float(mean) == pytest.approx(float(WAVE.wave(inside).mean()), abs=0.06)


def test_a_category_that_follows_the_wave_is_told_with_what_is_usual() -> None:
    times = behind(1.5)
    live = columns_of(times, 4)
    at = int(0.9 * DAY * RATE)
    live["kind"][at:][np.random.default_rng(1).random(len(times) - at) < 0.4] = "c"
    found = judged(live, times, new_judge())[0].findings
    (finding,) = (one for one in found if one.key.subject == "kind" and one.key.cause == "distribution")
    assert "share of " in finding.detail
    assert "at this time of day usually" in finding.detail


@pytest.mark.parametrize(("level", "later", "said"), [(0.0, 2.0, True), (0.5, 0.0, False)])
def test_a_day_that_has_moved_is_named_and_a_level_is_not(level: float, later: float, said: bool) -> None:
    times = behind(3)
    live = columns_of(times, 5, level=level, later=later)
    details = [finding.detail for transition in judged(live, times, new_judge()) for finding in transition.findings]
    assert details
    words = "the day comes 2 hours later than in the reference: a clock, the time zone or daylight saving?"
    assert any(words in detail for detail in details) == said


def test_a_state_restored_anywhere_gives_the_same_transitions() -> None:
    times = behind(2)
    live = columns_of(times, 6, level=0.2, later=1.0)
    panes = list(Simulation(usual(), pane_us=PANE_US).panes(live, pieces(times)))
    whole, found = new_judge(), []
    for pane in panes:
        found += whole.add(pane, 1.0)[1]
    again, cut = [], new_judge()
    for at, pane in enumerate(panes):
        if at % 37 == 0:
            state, cut = cut.to_state(), new_judge()
            trees = {name: decode(encode(getattr(state, name))) for name in ("causes", "base", "pyramid", "recent")}
            cut.restore(replace(state, **trees))
        again += cut.add(pane, 1.0)[1]
    assert found
    assert again == found


@pytest.mark.parametrize(
    ("days", "reason", "words"),
    [
        (4, "few_days", "4 days seen, 7 needed"),
        (2.3, "few_days", "2.3 days seen, 7 needed"),
        (1.5, None, "1.5 days seen, and a daily wave can be judged from 7 on"),
    ],
)
def test_a_reference_says_how_much_longer_it_has_to_be(days: float, reason: str | None, words: str) -> None:
    reference = reference_for(days)
    at = next(at for at, column in enumerate(reference.columns) if column.name == "amount")
    run = reference.variability.long_runs[at]
    assert not run.settled
    assert reason is None or run.reason == reason
    assert words in tickets_only(reference, at)
    assert any(words in note for note in paging_notes(reference))
    live = Simulation(reference, pane_us=PANE_US).judge().judge.ticket_reasons()["amount"]
    assert live.word == (reason or "unsettled")
    assert (reference.seasons is None) == (days < 2)


def test_what_is_compared_with_its_time_is_said() -> None:
    first, second = season_notes(usual(), "models[0].timezone")
    assert first.startswith("compared with what is usual at this time of day, UTC: amount (")
    assert "set models[0].timezone" in second
    assert len(list(season_notes(reference_for(8, "Europe/Berlin")))) == 1


def test_panes_of_a_model_without_waves_are_left_as_they_are() -> None:
    plain = replace(usual(), seasons=None)
    judge = Simulation(plain, pane_us=PANE_US).judge()
    pane = Pane(PaneKey(CREDIT, ""), START_US, START_US + PANE_US, Tally.empty(3, plain.width))
    judge.add(pane, 1.0)
    assert pane.tally.further == {}
    side = Compared.of(PreparedReference.of(plain), numeric=True)
    assert side.expected(window_of(1, (Block(0, 1, Tally.empty(3, plain.width)),))) is None
