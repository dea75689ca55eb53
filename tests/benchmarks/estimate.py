"""Performance estimated before labels come, against what the labels say: real data, chunk by chunk.

The reference is built by the product from labelled rows, later rows are counted and estimated by it. Noise is what
chance alone makes of a chunk's accuracy, the mean of sqrt(2 a (1 - a) / (pi n)); no change is the reference's figure.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import f1_score, mean_absolute_error, roc_auc_score, root_mean_squared_error

from monitor.count.columns.aggregator import Aggregator
from monitor.count.columns.pane_rows import Rows
from monitor.decode.columns import Group
from monitor.judge.estimated import Estimator
from monitor.reference.reference import Reference
from tests.benchmarks.material import data_folder, say, table
from tests.engine import CREDIT, EVENTS, START_US, build, event, settings

Floats = NDArray[np.float64]

EVENTS_A_SECOND: Final = 20
FIGURES: Final = {
    "binary": ("accuracy", "f1", "roc_auc"),
    "multiclass": ("accuracy", "f1"),
    "regression": ("mae", "rmse"),
}
HEAD = ("data", "chunk", "chunks", "figure", "realised", "MAE", "noise", "ratio", "MAE of no change", "correlation")


@dataclass(frozen=True)
class World:
    """Rows of a stream. `scores` (n, K) of K classes; of two, those of the positive one alone."""

    name: str
    task: str
    features: pd.DataFrame
    label: NDArray[Any]
    prediction: NDArray[Any]
    scores: Floats
    classes: tuple[str, ...]
    reference: slice
    later: slice
    chunks: tuple[int, ...]

    def built(self) -> Reference:
        """The reference of its rows, by the product."""
        kinds = {name: {"kind": "numeric"} for name in self.features.columns}
        return build(settings({"features": kinds, "task": self.task}), list(self._events(self.reference)))

    def _events(self, rows: slice) -> Iterator[dict[str, Any]]:
        features = self.features.iloc[rows].to_dict("records")
        columns = zip(
            features, self.label[rows].tolist(), self.prediction[rows].tolist(), self.scores[rows], strict=True
        )
        for at, (own, label, prediction, scores) in enumerate(columns):
            yield event(at / EVENTS_A_SECOND, features=own, label=label, prediction=prediction, **self._scored(scores))

    def _scored(self, scores: Floats) -> dict[str, Any]:
        if self.task == "regression":
            return {}
        if self.task == "binary":
            return {"score": float(scores[0])}
        return {"scores": dict(zip(self.classes, scores.tolist(), strict=True))}

    def group(self, rows: slice, aggregator: Aggregator) -> Group:
        """The rows as the decoder gives them, without labels."""
        number, scores, prediction = len(self.label[rows]), self.scores[rows], self.prediction[rows].tolist()
        names = [name for name, _ in aggregator.shape.key_features]
        own = None
        if self.task == "multiclass":
            places = {name: at for at, name in enumerate(self.classes)}
            own = scores[np.arange(number), [places[str(one)] for one in prediction]]
        return Group(
            key=CREDIT,
            rows=np.arange(number),
            has_features=np.ones(number, np.bool_),
            numeric=self.features[names].iloc[rows].to_numpy(np.float64).T.copy(),
            categorical=[],
            score=scores[:, 0] if self.task == "binary" else np.full(number, np.nan),
            prediction=prediction,
            label=[None] * number,
            confidence=own,
        )

    def realised(self, rows: slice) -> dict[str, float]:
        label, prediction = self.label[rows], self.prediction[rows]
        if self.task == "regression":
            return {"mae": mean_absolute_error(label, prediction), "rmse": root_mean_squared_error(label, prediction)}
        average = "binary" if self.task == "binary" else "macro"
        found = {"accuracy": float((label == prediction).mean()), "f1": f1_score(label, prediction, average=average)}
        if self.task == "binary":
            found["roc_auc"] = roc_auc_score(label, self.scores[rows, 0]) if len(set(label)) > 1 else np.nan
        return found


def estimates(world: World, reference: Reference, chunk: int) -> tuple[list[dict[str, float]], list[slice]]:
    """The figures of each whole chunk of the later rows, and where it lies."""
    aggregator, estimator = Aggregator(reference), Estimator(reference)
    first, last = world.later.start, world.later.stop
    number = (last - first) // chunk
    group = world.group(slice(first, first + number * chunk), aggregator)
    each = np.arange(number * chunk)
    starts, slots = np.arange(0, number * chunk, chunk), each // chunk
    rows = Rows(EVENTS, each, starts, slots, np.ones(len(each), np.bool_), START_US + each, each)
    found = [estimator.of_tally(tally) for tally in aggregator.count(group, rows)]
    places = [slice(first + at * chunk, first + (at + 1) * chunk) for at in range(number)]
    return [{} if one is None else dict(one.figures) for one in found], places


def lines(world: World) -> Iterator[list[object]]:
    reference = world.built()
    usual = world.realised(world.reference)
    for chunk in world.chunks:
        found, places = estimates(world, reference, chunk)
        realised = [world.realised(place) for place in places]
        for figure in FIGURES[world.task]:
            true, said = (np.array([one.get(figure, np.nan) for one in each]) for each in (realised, found))
            error, spread = np.abs(true - said).mean(), np.sqrt(2 * true * np.maximum(1 - true, 0) / (np.pi * chunk))
            noise = spread.mean() if figure == "accuracy" else np.nan
            varies = np.ptp(true) > 0 and np.ptp(said) > 0
            yield [
                world.name, chunk, len(places), figure, f"{true.min():.3f} to {true.max():.3f}", f"{error:.4f}",
                f"{noise:.4f}" if np.isfinite(noise) else "", f"{error / noise:.2f}" if np.isfinite(noise) else "",
                f"{np.abs(true - usual[figure]).mean():.4f}",
                f"{np.corrcoef(true, said)[0, 1]:+.2f}" if varies else "",
            ]  # fmt: skip


def acs() -> Iterator[World]:
    """Census rows of four years: as recorded, with their predictions, and by a model of half of the first year."""
    rows = pd.read_csv(data_folder() / "acs_employment_ma.csv.gz")
    features, label = rows.iloc[:, :16], rows.employed.to_numpy()
    first = int((rows.part == "reference").sum())
    places = slice(0, first), slice(first, len(rows))
    score = rows.predicted_probability.to_numpy()[:, None]
    chunks = (1_000, 5_000)
    given = rows.prediction.to_numpy()
    yield World("ACS employment, as recorded", "binary", features, label, given, score, (), *places, chunks)
    trained = np.zeros(len(rows), np.bool_)
    trained[:first:2] = True
    model = HistGradientBoostingClassifier(random_state=0).fit(features[trained], label[trained])
    kept, label = features[~trained], label[~trained]
    score = model.predict_proba(kept)[:, 1:]
    first = int((~trained[:first]).sum())
    places = slice(0, first), slice(first, len(kept))
    predicted = (score[:, 0] >= 0.5).astype(int)
    yield World("ACS employment, own model", "binary", kept, label, predicted, score, (), *places, chunks)


def trained_of_two(
    name: str, features: pd.DataFrame, label: NDArray[Any], trained: int, reference: int, chunk: int
) -> World:
    """Trained on the first rows, the reference behind them, then the rest."""
    numbers = features.apply(lambda column: column if column.dtype.kind in "if" else pd.factorize(column)[0])
    model = HistGradientBoostingClassifier(max_iter=80, random_state=0).fit(numbers.iloc[:trained], label[:trained])
    score = model.predict_proba(numbers)[:, 1:]
    places = slice(trained, trained + reference), slice(trained + reference, len(label))
    return World(name, "binary", numbers, label, (score[:, 0] >= 0.5).astype(int), score, (), *places, (chunk,))


def elec2() -> Iterator[World]:
    rows = pd.read_csv(data_folder() / "elec2.csv.gz")
    label = (rows["class"] == "UP").to_numpy(int)
    yield trained_of_two("elec2", rows.drop(columns=["class", "date"]), label, 9_000, 6_000, 1_000)


def bank() -> Iterator[World]:
    rows = pd.read_csv(data_folder() / "bank_marketing.csv.gz")
    features, label = rows.drop(columns=["y", "duration"]), (rows.y == "yes").to_numpy(int)
    yield trained_of_two("bank marketing", features, label, 14_000, 10_000, 1_000)


def covertype() -> Iterator[World]:
    """Seven classes, in random order."""
    rows = pd.read_csv(data_folder() / "covertype_sample.csv.gz")
    features = rows.drop(columns="cover").apply(lambda one: one if one.dtype.kind in "if" else pd.factorize(one)[0])
    label = rows.cover.to_numpy()
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(features[:3_000], label[:3_000])
    scores, classes = model.predict_proba(features), tuple(str(one) for one in model.classes_)
    predicted = model.classes_[scores.argmax(1)]
    places = slice(3_000, 6_000), slice(6_000, len(rows))
    yield World("covertype", "multiclass", features, label, predicted, scores, classes, *places, (500,))


def bikes() -> Iterator[World]:
    """Hourly demand: in its order, with the end of the first year as reference; and the first year by hour of day."""
    rows = pd.read_csv(data_folder() / "bike_sharing_hourly.csv.gz")
    wanted = [
        "season",
        "mnth",
        "hr",
        "holiday",
        "weekday",
        "workingday",
        "weathersit",
        "temp",
        "atemp",
        "hum",
        "windspeed",
    ]
    features, label = rows[wanted].astype(float), rows.cnt.to_numpy(float)
    model = HistGradientBoostingRegressor(max_iter=100, random_state=0).fit(features[:5_000], label[:5_000])
    predicted, places = model.predict(features), (slice(5_000, 8_645), slice(8_645, len(rows)))
    none = np.zeros((len(rows), 1))
    yield World("bike sharing, demand grows", "regression", features, label, predicted, none, (), *places, (720,))
    order = np.random.default_rng(0).permutation(8_645)
    shuffled = features.iloc[order].reset_index(drop=True), label[order]
    model = HistGradientBoostingRegressor(max_iter=100, random_state=0).fit(shuffled[0][:3_000], shuffled[1][:3_000])
    hours = np.concatenate(
        [np.arange(3_000, 6_000), 6_000 + np.argsort(shuffled[0].hr.to_numpy()[6_000:], kind="stable")]
    )
    kept = shuffled[0].iloc[hours].reset_index(drop=True)
    places = slice(0, 3_000), slice(3_000, len(hours))
    predicted = model.predict(kept)
    none = np.zeros((len(hours), 1))
    yield World(
        "bike sharing, by hour of day", "regression", kept, shuffled[1][hours], predicted, none, (), *places, (250,)
    )


WORLDS: Final[dict[str, Callable[[], Iterator[World]]]] = {
    "acs": acs, "covertype": covertype, "bikes": bikes, "elec2": elec2, "bank": bank,
}  # fmt: skip


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="estimate", description=__doc__)
    parser.add_argument("--data", action="append", choices=sorted(WORLDS), help="only these")
    asked = parser.parse_args(arguments)
    rows = [line for name in asked.data or WORLDS for world in WORLDS[name]() for line in lines(world)]
    table(HEAD, rows)
    say("ratio: of the estimate's mean absolute error to what chance alone makes of a chunk's accuracy")
