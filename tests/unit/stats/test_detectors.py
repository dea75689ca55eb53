"""River's detectors in our own arithmetic: the same decisions on any sequence, and states that continue exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river import drift
from river.drift import binary

from monitor.state.codec import decode, encode
from monitor.stats.detectors.adwin import Adwin
from monitor.stats.detectors.detector import Detector, error_sequence
from monitor.stats.detectors.error_detectors import Ddm, Eddm, HddmA, HddmW
from monitor.stats.detectors.value_detectors import Kswin, PageHinkley, least_difference

Floats = NDArray[np.float64]

#: ours, River's, and options other than the defaults, which both take
Pair = tuple[type[Detector], Callable[..., Any], dict[str, Any]]
BINARY: dict[str, Pair] = {
    "ddm": (Ddm, binary.DDM, {"warm_start": 60, "drift_threshold": 2.5}),
    "eddm": (Eddm, binary.EDDM, {"warm_start": 20, "beta": 0.85}),
    "hddm_a": (HddmA, binary.HDDMA, {"two_sided_test": True}),
    "hddm_w": (
        HddmW,
        binary.HDDMW,
        {"two_sided_test": True, "lambda_val": 0.02},
    ),
}
ANY: dict[str, Pair] = {
    "adwin": (Adwin, drift.ADWIN, {"delta": 0.05, "clock": 1, "grace_period": 30}),
    "page_hinkley": (PageHinkley, drift.PageHinkley, {"threshold": 15.0, "mode": "down", "delta": 0.01}),
    "kswin": (Kswin, drift.KSWIN, {"alpha": 0.05, "window_size": 60, "stat_size": 20, "seed": 7}),
}
ALL = BINARY | ANY


def errors(seed: int) -> Floats:
    """Six stretches, each with an error rate of its own."""
    rng = np.random.default_rng(seed)
    rates = np.repeat(rng.uniform(0.02, 0.5, 6), 700)
    return (rng.random(len(rates)) < rates).astype(float)


def values(seed: int) -> Floats:
    """Stretches with means of their own; heavy tails with every third seed."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=1_500) if seed % 3 else rng.lognormal(0, 1.5, 1_500)
    return noise + np.repeat(rng.normal(0, 0.6, 5), 300)


def sequences(name: str, seed: int) -> list[float]:
    made = values(seed) if name in ANY and seed % 2 else errors(seed)
    if name == "kswin":  # River's takes a millisecond a value
        made = made[::2][:750]
    return list(map(float, made))


def own(name: str, *, options: bool) -> Detector:
    ours, _, given = ALL[name]
    return ours(**given) if options else ours()


def river(name: str, *, options: bool) -> Any:  # noqa: ANN401  # River has no types here
    _, theirs, given = ALL[name]
    return theirs(**given) if options else theirs(**({"seed": 0} if name == "kswin" else {}))


@pytest.mark.parametrize("options", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_it_detects_what_river_detects_and_when(name: str, options: bool) -> None:
    found = 0
    for seed in range(6):
        ours, theirs = own(name, options=options), river(name, options=options)
        for at, value in enumerate(sequences(name, seed)):
            theirs.update(value)
            changed = ours.update(value)
            assert changed == theirs.drift_detected, f"seed {seed}, value {at}"
            if changed:
                found += 1
                ours.reset()
    assert found >= 3


def test_the_window_of_adwin_is_rivers_to_the_last_digit() -> None:
    for seed in range(4):
        ours, theirs = Adwin(), drift.ADWIN()  # type: ignore[no-untyped-call]  # River has no types here
        for value in values(seed).tolist():
            theirs.update(value)  # type: ignore[no-untyped-call]  # as above
            changed = ours.update(value)
            assert (ours.width, ours.total, ours.variance) == (theirs.width, theirs.total, theirs.variance)
            assert ours.estimation == theirs.estimation
            if changed:
                ours.reset()


@pytest.mark.parametrize("name", ALL)
def test_a_restored_detector_continues_as_if_nothing_had_been(name: str) -> None:
    for seed in range(3):
        whole, cut = own(name, options=False), own(name, options=False)
        for at, value in enumerate(sequences(name, seed)[:1_400]):
            if at % 97 == 0:
                state = decode(encode(cut.to_state()))
                cut = own(name, options=False)
                cut.restore(state)
            changed = whole.update(value)
            assert cut.update(value) == changed, f"seed {seed}, value {at}"
            if changed:
                whole.reset()
                cut.reset()
        assert encode(cut.to_state()) == encode(whole.to_state())


@pytest.mark.parametrize("name", ALL)
def test_after_a_reset_it_is_as_new(name: str) -> None:
    detector = own(name, options=False)
    for value in sequences(name, 0)[:300]:
        detector.update(value)
    detector.reset()
    assert encode(detector.to_state()) == encode(own(name, options=False).to_state())


@pytest.mark.parametrize("n", [10, 30, 47])
@pytest.mark.parametrize("alpha", [0.05, 0.005, 1e-6])
def test_the_least_difference_of_kswin_is_scipys(n: int, alpha: float) -> None:
    from scipy.stats import ks_2samp  # noqa: PLC0415  # slow to import

    least = next(
        (h for h in range(1, n + 1) if h / n > 0.1 and ks_2samp(range(n), np.arange(n) + h - 0.5).pvalue <= alpha),
        n + 1,
    )
    assert least_difference(n, alpha) == least


def test_errors_are_as_many_as_counted_in_an_order_of_their_own() -> None:
    for n, wrong in ((0, 0), (1, 1), (7, 0), (7, 7), (250, 31)):
        sequence = error_sequence(n, wrong, 1_764_000_000_000_000)
        assert (len(sequence), int(sequence.sum())) == (n, wrong)
    orders = {error_sequence(60, 12, seed * 10_000_000).tobytes() for seed in range(200)}
    assert len(orders) == 200


def test_every_place_of_a_pane_is_as_often_wrong_and_pairs_are_too() -> None:
    drawn = np.array([error_sequence(20, 5, seed * 10_000_000) for seed in range(20_000)])
    assert np.abs(drawn.mean(0) - 5 / 20).max() < 5 * np.sqrt(0.25 * 0.75 / 20_000)
    both = (drawn[:, :-1] & drawn[:, 1:]).mean(0)
    expected = 5 / 20 * 4 / 19
    assert np.abs(both - expected).max() < 5 * np.sqrt(expected / 20_000)


def test_rounding_below_no_variance_is_no_change() -> None:
    ours = Adwin(clock=1)
    for _ in range(40):
        ours.update(0.0)
    ours.restore(ours.to_state() | {"variance": -1e-18})
    assert not ours.update(0.0)
