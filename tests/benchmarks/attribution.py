"""What moved the score: planted causes on real rows, named by the product; and false residual tickets a month.

The rows, the boosted model and the planted causes are those of `relations.py` in the folder of yardsticks.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np

from monitor.errors import UsageError
from monitor.findings import Finding
from monitor.judge.attribution.moved import UNEXPLAINED
from monitor.judge.causes.residual import RESIDUAL
from monitor.judge.incidents.first_cause import likely_first
from monitor.judge.incidents.incident import worst_first
from monitor.judge.model import ModelJudge
from tests.benchmarks.material import data_folder, quality_folder, say, table
from tests.simulated import MONTH_EVENTS, Columns, Simulation, reference_of
from tests.traffic import autoregressive

DATA_SETS: Final = ("credit_default", "bank_marketing", "acs_employment_ma")
REFERENCE_ROWS: Final = 10_000
LIVE: Final = 4_000
QUIET: Final = 20
SERVING: Final = ("serving +0.1 logit", "serving +0.3 logit", "serving capped at 0.5", "client score +0.7 logit")
HEAD = (
    "planted", "n", "incident", "score or residual", "likely cause right", "in the first three", "share", "others",
    "unexplained", "residual",
)  # fmt: skip


def yardstick() -> ModuleType:
    """The script with the rows, the model and the planted causes."""
    spec = importlib.util.spec_from_file_location("relations", quality_folder() / "relations.py")
    assert spec is not None, "a path of a file"
    assert spec.loader is not None, "of Python"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class World:
    """One data set: the rows, the model, and its most important columns first."""

    script: Any
    names: list[str]
    rows: Any
    categorical: dict[str, bool]
    model: Any
    order: list[int]

    @classmethod
    def of(cls, script: Any, data: str, seed: int) -> World:  # noqa: ANN401 - a module without types
        names, rows, categorical, model = script.world(str(data_folder()), seed, data)
        head, rng = rows[:LIVE], np.random.default_rng([seed, 5])
        score, weight = model.score(head), []
        for at in range(len(names)):
            shuffled = head.copy()
            shuffled[:, at] = rng.permutation(head[:, at])
            weight.append(np.abs(model.score(shuffled) - score).mean())
        return cls(script, names, rows, categorical, model, list(np.argsort(-np.array(weight))))

    def columns(self, rows: Any, score: Any) -> Columns:  # noqa: ANN401 - as above
        """As the product takes them: categories as text."""
        out: dict[str, Any] = {}
        for at, name in enumerate(self.names):
            own = rows[:, at]
            if self.categorical[name]:
                out[name] = np.array([None if np.isnan(x) else f"c{x:g}" for x in own.tolist()], object)
            else:
                out[name] = own
        return out | {"score": score}

    def planted(self, rng: np.random.Generator) -> Iterator[tuple[str, tuple[int, ...], Any, Any]]:
        """(kind, the true columns, rows, scores) of every planted cause."""
        deviations = np.nanstd(self.rows, 0)
        script, important = self.script, self.order[:8]
        for kind, moved, go in script.plantings(
            self.names, self.rows, self.categorical, deviations, important, self.order, rng
        ):
            true = moved
            tag, rows = rng.integers(0, 8, LIVE), self.rows[rng.integers(0, len(self.rows), LIVE)]
            if isinstance(go, tuple):  # the true one of two is the one that moves the score more by itself
                alone = [abs((self.model.score(one(rows, rng, tag)) - self.model.score(rows)).mean()) for one in go]
                if max(alone) < 2 * min(alone):
                    continue
                true = (moved[int(alone[1] > alone[0])],)
                rows = go[1](go[0](rows, rng, tag), rng, tag)
            else:
                rows = go(rows, rng, tag)
            yield kind, true, rows, self.model.score(rows)
        for kind in SERVING + ("nothing",) * QUIET:
            rows = self.rows[rng.integers(0, len(self.rows), LIVE)]
            yield kind, (), rows, self._served(kind, self.model.score(rows), rng)

    def _served(self, kind: str, score: Any, rng: np.random.Generator) -> Any:  # noqa: ANN401 - as above
        logit = np.log(score / (1 - score))
        if kind.startswith("serving +"):
            return 1 / (1 + np.exp(-logit - float(kind.split()[1])))
        if kind == "client score +0.7 logit":
            return np.where(rng.integers(0, 8, LIVE) == 2, 1 / (1 + np.exp(-logit - 0.7)), score)
        return np.minimum(score, 0.5) if kind == "serving capped at 0.5" else score


@dataclass(frozen=True)
class Told:
    """What the product said at the end of one planted stream."""

    incident: bool
    about_score: bool
    right: bool
    in_three: bool
    share: float
    others: int
    unexplained: bool
    residual: bool


def told(judge: ModelJudge, true: Sequence[str]) -> Told:
    findings = worst_first(judge.book.open)
    first = likely_first(findings)
    about = [one for one in findings if one.key.cause == "score"]
    parts = next((one.explanation.parts for one in about if one.explanation is not None), ())
    ranked = [part.subject for part in parts] + [one.key.subject for one in _by_size(findings)]
    ranked = list(dict.fromkeys(([first.key.subject] if first is not None else []) + ranked))
    return Told(
        bool(findings),
        bool(about),
        first is not None and _is_one_of(first.key.subject, true),
        any(_is_one_of(subject, true) for subject in ranked[:3]),
        sum(part.share or 0.0 for part in parts if part.subject in true) if parts else float("nan"),
        sum(part.subject not in true for part in parts),
        any(one.explanation is not None and one.explanation.text == UNEXPLAINED for one in about),
        any(one.key.figure == RESIDUAL for one in about),
    )


def _is_one_of(subject: str, true: Sequence[str]) -> bool:
    """A pair of columns names both."""
    return any(name in true for name in subject.split("~"))


def _by_size(findings: Sequence[Finding]) -> list[Finding]:
    features = [one for one in findings if one.key.cause != "score"]
    return sorted(features, key=lambda one: (-abs(one.score_shift or 0.0), -one.exceedance))


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="attribution")
    parser.add_argument("--references", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--months", type=float, default=0.0, help="of quiet traffic a kind; 0: none")
    asked = parser.parse_args(arguments)
    script = yardstick()
    if asked.months:
        _quiet_months(World.of(script, DATA_SETS[0], asked.seed), asked.months, asked.seed)
        return
    results: dict[str, list[Told]] = {}
    began = time.process_time()
    for data in DATA_SETS:
        world = World.of(script, data, asked.seed)
        for number in range(asked.references):
            _judge_planted(world, np.random.default_rng([asked.seed, 4, number]), results)
    _show(results)
    say(f"{time.process_time() - began:.0f} s of processor time")


def _judge_planted(world: World, rng: np.random.Generator, results: dict[str, list[Told]]) -> None:
    rows = world.rows[rng.integers(0, len(world.rows), REFERENCE_ROWS)]
    reference = reference_of(world.columns(rows, world.model.score(rows)), REFERENCE_ROWS)
    effects = reference.effects
    assert effects is not None, "the events have a score"
    say(f"{len(world.names)} columns, {effects.bins} bins explain {effects.explained:.3f} of the score's variance")
    simulation = Simulation(reference)
    for kind, true, live, score in world.planted(rng):
        judge = simulation.judge()
        simulation.run(world.columns(live, score), int(rng.integers(1 << 30)), judge)
        results.setdefault(kind, []).append(told(judge, [world.names[at] for at in true]))


def _show(results: dict[str, list[Told]]) -> None:
    rows = [_row(kind, several) for kind, several in results.items()]
    named = [one for kind, several in results.items() for one in several if _has_a_cause(kind)]
    table(HEAD, [*rows, _row("all causes in columns", named)])


def _has_a_cause(kind: str) -> bool:
    return kind not in {"nothing", "shuffled", "mix", *SERVING}


def _row(kind: str, several: Sequence[Told]) -> list[object]:
    opened = [one for one in several if one.incident]
    shares = [one.share for one in several if not np.isnan(one.share)]

    def part(of: Sequence[Told], field: str) -> str:
        return f"{np.mean([getattr(one, field) for one in of]):.2f}" if of else "-"

    return [
        kind,
        len(several),
        part(several, "incident"),
        part(several, "about_score"),
        part(opened, "right"),
        part(opened, "in_three"),
        f"{np.median(shares):.2f}" if shares else "-",
        part(opened, "others"),
        part(several, "unexplained"),
        part(several, "residual"),
    ]


def _quiet_months(world: World, months: float, seed: int) -> None:
    rows: list[list[object]] = []
    for kind in ("independent", "AR 0.5", "AR 0.9", "AR 0.99", "bursts of 10", "blocks of 700"):
        rng = np.random.default_rng([seed, 9])
        order = _in_order(world, kind, REFERENCE_ROWS + round(months * MONTH_EVENTS), rng)
        score = world.model.score(world.rows)
        try:
            head = world.rows[order[:REFERENCE_ROWS]]
            reference = reference_of(world.columns(head, score[order[:REFERENCE_ROWS]]), REFERENCE_ROWS)
        except UsageError as error:
            say(f"{kind}: {error}")
            continue
        effects, simulation = reference.effects, Simulation(reference)
        assert effects is not None, "the events have a score"
        judge, opened, before = simulation.judge(), 0, 0
        for at in range(REFERENCE_ROWS, len(order), 100_000):
            here = order[at : at + 100_000]
            simulation.run(world.columns(world.rows[here], score[here]), seed + at, judge)
            now = judge.book.tickets
            opened, before = opened + (now - before), now
        residual = sum(1 for key in {*judge.book.open, *judge.book.ended_us} if key.figure == RESIDUAL)
        rows.append(
            [kind, f"{effects.explained:.2f}", f"{effects.score.ratio:.1f}", f"{effects.residual.ratio:.1f}",
             "yes" if effects.may_be_judged else "no", residual, judge.book.pages, opened]
        )  # fmt: skip
    table(("traffic", "R2", "V score", "V residual", "judged", "residual", "pages", "tickets"), rows)


def _in_order(world: World, kind: str, count: int, rng: np.random.Generator) -> Any:  # noqa: ANN401 - places of rows
    """Places of rows as that kind of traffic brings them; neighbours are alike along the first principal component."""
    rows = np.nan_to_num((world.rows - np.nanmean(world.rows, 0)) / np.maximum(np.nanstd(world.rows, 0), 1e-9))
    along = np.argsort(rows @ np.linalg.svd(rows, full_matrices=False)[2][0])
    if kind.startswith("AR"):
        latent = autoregressive(rng, count, float(kind.split()[1]))
        ranks = np.argsort(np.argsort(latent)) * len(along) // count
        return along[ranks]
    if kind == "bursts of 10":
        return np.repeat(rng.integers(0, len(along), count // 10 + 1), 10)[:count]
    if kind == "blocks of 700":
        starts = np.repeat(rng.random(count // 700 + 1), 700)[:count]
        return along[np.minimum(((0.25 * starts + 0.75 * rng.random(count)) * len(along)).astype(int), len(along) - 1)]
    return rng.integers(0, len(along), count)


if __name__ == "__main__":
    run(sys.argv[1:])
