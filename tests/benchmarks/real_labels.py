"""Real data with labels that come late: every figure of a replay against scikit-learn's of the same rows.

Each stream is replayed in three ways: as it came; over several partitions with labels on topics of their own, shuffled
within minutes, in long panes; and with each label before its prediction, read in small polls. All give the same.
Flights have the times at which their labels came; other rows come 20 a second, their labels about ten minutes later.
Handwritten digits and forest covers have more than two classes, with the probability of each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from monitor.events import Partition
from monitor.stats.performance.score_grid import Scores, pr_auc, roc_auc
from tests.benchmarks.material import data_folder, table
from tests.engine import CREDIT, EVENTS, SECOND, START_US, Event, MemorySource, build, event, replayed, settings

Floats = NDArray[np.float64]

EVENTS_A_SECOND: Final = 20
REFERENCE_ROWS: Final = 1_000
HORIZON: Final = "7d"
#: areas are of scores on a grid, and state how far off they may be; all others are exact but for sums' last digits
AREAS: Final = {"roc_auc": roc_auc, "pr_auc": pr_auc}
EXACT: Final = 1e-6
HEAD = ("data", "rows", "way", "seconds", "figures", "largest difference", "of the areas", "as the first way")


@dataclass(frozen=True)
class Labelled:
    """Rows in time order: two features, what was predicted, and the label that came `delay_us` after `ts_us`."""

    name: str
    task: str
    features: Floats
    prediction: NDArray[Any]
    score: Floats | None
    label: NDArray[Any]
    ts_us: NDArray[np.int64]
    delay_us: NDArray[np.int64]
    #: (n, K) of more than two classes, which are the numbers from 0 on
    probabilities: Floats | None = None
    #: panes in which it is replayed, and longer ones
    panes: tuple[str, str] = ("10s", "1m")

    def predictions(self) -> list[Event]:
        columns = zip(self.features.tolist(), self.prediction.tolist(), self.ts_us.tolist(), strict=True)
        made = [
            event(0, id=str(at), features={"a": of[0], "b": of[1]}, prediction=prediction) | {"ts": ts}
            for at, (of, prediction, ts) in enumerate(columns)
        ]
        if self.score is not None:
            made = [one | {"score": score} for one, score in zip(made, self.score.tolist(), strict=True)]
        if self.probabilities is not None:
            rows = self.probabilities.tolist()
            named = [{str(at): probability for at, probability in enumerate(row)} for row in rows]
            made = [one | {"scores": scores} for one, scores in zip(made, named, strict=True)]
        return made

    def labels(self, delay_us: NDArray[np.int64]) -> list[Event]:
        times = (self.ts_us + delay_us).tolist()
        made = [
            {"type": "label", "model": "credit", "version": "1", "id": str(at), "label": label, "ts": ts}
            for at, (label, ts) in enumerate(zip(self.label.tolist(), times, strict=True))
        ]
        return sorted(made, key=lambda one: one["ts"])


def by_scikit_learn(of: Labelled) -> dict[str, float]:
    label, predicted = of.label, of.prediction
    if of.task == "regression":
        spread = label != 0
        return {
            "mae": metrics.mean_absolute_error(label, predicted),
            "rmse": metrics.root_mean_squared_error(label, predicted),
            "mape": metrics.mean_absolute_percentage_error(label[spread], predicted[spread]),
            "r2": metrics.r2_score(label, predicted),
            "bias": float((predicted - label).mean()),
        }
    average = "binary" if of.probabilities is None else "macro"
    found = {
        "accuracy": metrics.accuracy_score(label, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(label, predicted),
        "precision": metrics.precision_score(label, predicted, average=average),
        "recall": metrics.recall_score(label, predicted, average=average),
        "f1": metrics.f1_score(label, predicted, average=average),
        "mcc": metrics.matthews_corrcoef(label, predicted),
    }
    if of.score is not None:
        found |= {
            "log_loss": metrics.log_loss(label, of.score),
            "brier": metrics.brier_score_loss(label, of.score),
            "roc_auc": metrics.roc_auc_score(label, of.score),
            "pr_auc": metrics.average_precision_score(label, of.score),
        }
    if of.probabilities is not None:
        rows, classes = of.probabilities, np.arange(of.probabilities.shape[1])
        found |= {
            "log_loss": metrics.log_loss(label, rows, labels=classes),
            "brier": metrics.brier_score_loss(label, rows, labels=classes),
            "roc_auc": metrics.roc_auc_score(label, rows, labels=classes, multi_class="ovr", average="macro"),
            "pr_auc": metrics.average_precision_score(label[:, None] == classes, rows, average="macro"),
            "calibration_error": calibration_error(label == predicted, rows.max(axis=1)),
        }
    return {name: float(value) for name, value in found.items()}


def calibration_error(right: NDArray[np.bool_], confidence: Floats) -> float:
    """The mean distance of scikit-learn's calibration curve from the diagonal, by predictions."""
    share, mean = calibration_curve(right, confidence, n_bins=10)
    weight = np.bincount(np.searchsorted(np.linspace(0, 1, 11)[1:-1], confidence), minlength=10)
    return float(weight[weight > 0] @ np.abs(share - mean) / len(confidence))


# the ways

Way = Callable[[Labelled], tuple[dict[Partition, list[Event]], int, str]]


def as_it_came(of: Labelled) -> tuple[dict[Partition, list[Event]], int, str]:
    """One partition of both."""
    both = sorted([*of.predictions(), *of.labels(of.delay_us)], key=lambda one: one["ts"])
    return {EVENTS: both}, 500, of.panes[0]


def over_partitions(of: Labelled) -> tuple[dict[Partition, list[Event]], int, str]:
    """Three partitions of predictions and two of labels, these shuffled within minutes; longer panes."""
    rng = np.random.default_rng(1)
    predictions, labels = of.predictions(), of.labels(of.delay_us)
    order = np.argsort([one["ts"] + rng.integers(0, 120 * SECOND) for one in labels], kind="stable")
    labels = [labels[at] for at in order.tolist()]
    parts = {Partition("events", part): predictions[part::3] for part in range(3)}
    return parts | {Partition("labels", part): labels[part::2] for part in range(2)}, 5_000, of.panes[1]


def labels_first(of: Labelled) -> tuple[dict[Partition, list[Event]], int, str]:
    """Each label a minute before its prediction, in polls of 97 records."""
    return (
        {EVENTS: of.predictions(), Partition("labels", 0): of.labels(np.full(len(of.label), -60 * SECOND))},
        97,
        of.panes[0],
    )


WAYS: Final[Mapping[str, Way]] = {
    "as it came": as_it_came,
    "partitions": over_partitions,
    "labels first": labels_first,
}


def figures(of: Labelled, way: Way) -> tuple[dict[str, float], dict[str, float]]:
    """The realised figures of a replay's summary, and by how much each may be off."""
    streams, chunk, pane = way(of)
    model: dict[str, object] = {"labels": {"horizon": HORIZON}, "task": of.task}
    tree = settings(model, windows={"pane": pane}, id_memory=0)
    reference = build(tree, of.predictions()[:REFERENCE_ROWS])
    lines, result = replayed(tree, reference, MemorySource(streams, chunk))
    [known] = lines[-1]["models"]
    found = {name: one["realised"] for name, one in known["performance"].items() if "realised" in one}
    tally = result.pipeline.totals.labels.of(CREDIT)
    made = {
        name: tally.class_scores.mean_area(area) if tally.class_scores else area(Scores.of(tally.scores))
        for name, area in AREAS.items()
    }
    areas = {name: area for name, area in made.items() if area is not None}
    return found, {name: areas[name].error + EXACT if name in areas else EXACT for name in found}


def differences(of: Labelled, found: Mapping[str, float]) -> dict[str, float]:
    """By figure how far it is from scikit-learn's, relative to that where it is larger than 1.

    Raises:
        KeyError: one is missing.
    """
    return {name: abs(found[name] - true) / max(abs(true), 1.0) for name, true in by_scikit_learn(of).items()}


# the data


def read(name: str, rows: int | None, folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv.gz", nrows=rows)


def steady(rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times 20 a second, and delays about ten minutes."""
    delays = 600 * np.random.default_rng(0).lognormal(0, 0.3, rows)
    return START_US + np.arange(rows) * SECOND // EVENTS_A_SECOND, (delays * SECOND).astype(np.int64)


def classified(name: str, features: pd.DataFrame, label: NDArray[Any], **over: Any) -> Labelled:  # noqa: ANN401 - fields
    """Trained on the first third; predicted is the rest."""
    numbers = features.apply(lambda column: column if column.dtype.kind in "if" else pd.factorize(column)[0])
    trained = len(label) // 3
    numbers = numbers.fillna(numbers.mean())
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(numbers[:trained], label[:trained])
    score = model.predict_proba(numbers)[trained:, 1]
    ts_us, delay_us = steady(len(score))
    of = {"ts_us": ts_us, "delay_us": delay_us} | over
    two = numbers.iloc[trained:, :2].to_numpy(float)
    return Labelled(name, "binary", two, (score >= 0.5).astype(int), score, label[trained:], **of)


def acs(rows: int | None, folder: Path) -> Labelled:
    known = read("acs_employment_ma", rows, folder)
    score, two = known.predicted_probability.to_numpy(float), known[["AGEP", "SCHL"]].to_numpy(float)
    times = steady(len(known))
    return Labelled("acs", "binary", two, known.prediction.to_numpy(), score, known.employed.to_numpy(), *times)


def flights(rows: int | None, folder: Path) -> Labelled:
    known = read("flights_nyc_2013", rows, folder)
    label, first = known.late15.to_numpy(int), len(known) // 3
    at = pd.to_datetime("2013-" + known.sched_dep, utc=True).astype("datetime64[us, UTC]").astype("int64").to_numpy()
    delay = (known.minutes_to_label.to_numpy(float) * 60 * SECOND).astype(np.int64)
    features = known[["distance", "temp", "wind_speed", "visib", "pressure", "carrier", "origin", "dest"]]
    order = np.argsort(at[first:], kind="stable")
    made = classified("flights", features, label, ts_us=at[first:], delay_us=delay[first:])
    assert made.score is not None
    return replace(
        made,
        features=made.features[order],
        prediction=made.prediction[order],
        score=made.score[order],
        label=made.label[order],
        panes=("10m", "1h"),  # an event every two minutes, for a year
        ts_us=made.ts_us[order],
        delay_us=made.delay_us[order],
    )


def elec2(rows: int | None, folder: Path) -> Labelled:
    known = read("elec2", rows, folder)
    return classified("elec2", known.drop(columns=["class", "date"]), (known["class"] == "UP").to_numpy(int))


def bank(rows: int | None, folder: Path) -> Labelled:
    known = read("bank_marketing", rows, folder)
    if rows is not None:  # the first rows have hardly any that said yes
        known = read("bank_marketing", None, folder).sample(rows, random_state=0)
    return classified("bank", known.drop(columns=["y", "duration"]), (known.y == "yes").to_numpy(int))


def bikes(rows: int | None, folder: Path) -> Labelled:
    known = read("bike_sharing_hourly", rows, folder)
    features, label = known[["hr", "temp", "weekday", "workingday", "hum"]].astype(float), known.cnt.to_numpy(float)
    trained = len(label) // 3
    model = LinearRegression().fit(features[:trained], label[:trained])
    predicted, two = model.predict(features)[trained:], features.iloc[trained:, :2].to_numpy(float)
    return Labelled("bikes", "regression", two, predicted, None, label[trained:], *steady(len(predicted)))


def of_many(name: str, features: NDArray[Any], label: NDArray[Any]) -> Labelled:
    """Trained on the first third; `label` (n,) are numbers from 0 on."""
    trained = len(label) // 3
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(features[:trained], label[:trained])
    probabilities, two = model.predict_proba(features[trained:]), features[trained:, 20:22].astype(float)
    predicted, times = probabilities.argmax(axis=1), steady(len(probabilities))
    return Labelled(name, "multiclass", two, predicted, None, label[trained:], *times, probabilities=probabilities)


def digits(rows: int | None, _: Path) -> Labelled:
    features, label = load_digits(return_X_y=True)
    return of_many("digits", features[:rows], label[:rows])


def covers(rows: int | None, folder: Path) -> Labelled:
    known = read("covertype_sample", rows, folder)
    label = np.unique(known.cover, return_inverse=True)[1]
    soil = pd.factorize(known.soil)[0]
    others = known.drop(columns=["cover", "soil"]).select_dtypes("number").assign(soil=soil)
    wide = np.hstack([others.to_numpy(float), soil[:, None] == np.arange(soil.max() + 1)])
    return of_many("covers", wide, label)


STREAMS: Final[Mapping[str, Callable[[int | None, Path], Labelled]]] = {
    "acs": acs, "flights": flights, "elec2": elec2, "bank": bank, "bikes": bikes,
    "digits": digits, "covers": covers,
}  # fmt: skip


def _rows(name: str, rows: int | None) -> Iterator[list[object]]:
    of, first = STREAMS[name](rows, data_folder()), None
    for way, made in WAYS.items():
        began = time.process_time()
        found, _ = figures(of, made)
        first = first or found
        away = differences(of, found)
        exact = max(one for figure, one in away.items() if figure not in AREAS)
        areas = max((away[figure] for figure in AREAS if figure in away), default=0.0)
        yield [
            name, f"{len(of.label):,}", way, f"{time.process_time() - began:.1f}", len(away),
            f"{exact:.1e}", f"{areas:.1e}", "equal" if found == first else "NOT",
        ]  # fmt: skip


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="real-labels", description=__doc__)
    parser.add_argument("--data", action="append", choices=sorted(STREAMS), help="only these")
    parser.add_argument("--rows", type=int, help="only the first rows")
    asked = parser.parse_args(arguments)
    for name in asked.data or STREAMS:
        table(HEAD, list(_rows(name, asked.rows)))
