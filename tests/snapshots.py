"""Snapshots for tests of the status page: models in every state, many features, and hostile names."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any, Final

from monitor.clock import DAY_US, HOUR_US, SECOND_US
from monitor.events import ModelKey, Partition
from monitor.findings import PAGE, Figures, FindingKey, Span
from monitor.judge.causes.fairness import GroupRate, Unfairness
from monitor.judge.causes.segment_errors import SegmentFigures
from monitor.judge.warmup import Progress
from monitor.publish.snapshot import (
    ColumnView,
    FindingView,
    IncidentView,
    ModelView,
    OutcomeSegment,
    OutcomeView,
    Snapshot,
)
from monitor.stats.testing.fairness import Estimate
from monitor.stats.testing.promise import SHIFT, ColumnPromise, ModelPromise, Within

NOW_US: Final = 1_795_000_000 * SECOND_US
HOSTILE: Final = "<img src=x onerror=alert(1)>\"'&\u202e<script>alert(1)</script>"
BINS: Final = ("to 3", *(f"{at} to {at + 2}" for at in range(3, 19, 2)), "above 19")

IN_WARMUP = Progress(2_500, 10_000, 9, 40, 1_800_100_000_000_000, "")


#: figures of formats that were found, and of sides of calls
CALLS: Final[dict[str, Any]] = {
    "formats": {"events": "kserve"},
    "pairs_waiting": {"calls": 6},
    "pairs_given_up": {("events", "request"): 2},
}

#: the newest values of named outcomes, those of a segment too
NAMED: Final = (
    OutcomeView(
        "judge",
        900,
        1_764_000_600_000_000,
        mean=0.7,
        mean_before=0.72,
        segments=(OutcomeSegment("EDU=low", 60, mean=0.6, mean_before=0.7),),
    ),
    OutcomeView("topic", 900, 1_764_000_600_000_000, shares=(("refund", 0.1), ("(other)", 0.9))),
)

#: what is known of a segment, and of two groups that are compared
BY_GROUP: Final[dict[str, Any]] = {
    "performance_segments": (SegmentFigures("EDU=low", 60, (("accuracy", 0.75),)),),
    "group_rates": (
        GroupRate("SEX", "SEX=2", "positive_rate", 0.2, 400),
        GroupRate("SEX", "SEX=1", "positive_rate", 0.4, 500),
    ),
    "fairness": (Unfairness("SEX", "disparate_impact", Estimate(0.5, 0.41, 0.61), "SEX=2", "SEX=1", 0.8),),
}


def column(
    name: str, exceedance: float | None, seed: int = 0, bins: tuple[str, ...] = BINS, missing: float = 0.0
) -> ColumnView:
    """A column with this exceedance; never judged if `over` is None."""
    dice = random.Random(seed)
    reference = tuple(900 + dice.randrange(200) for _ in bins)
    shape = ColumnView(name, "feature", "numeric", bins, reference, (0,) * len(bins), (0,) * len(bins))
    shape = replace(shape, quality_counts=(("missing", 0.0, 0.0), ("unseen", 0.0, 0.0)))
    if exceedance is None:
        return shape
    live = tuple(round(100 * (1 + dice.uniform(-0.1, 0.1)) * (1 + 0.12 * exceedance * at)) for at in range(len(bins)))
    figures = [
        Figures(
            "distribution", 31.9 * exceedance, 31.9, 0.08 * exceedance, 10 ** (-4.0 * exceedance), sum(live), exceedance
        )
    ]
    if missing:
        figures.append(Figures("missing", missing, float("nan"), missing, 1e-9, sum(live), exceedance / 2))
    return replace(
        shape,
        live=live,
        total=live,
        quality_counts=(("missing", 0.0, missing), ("unseen", 0.0, 0.0)),
        figures=tuple(figures),
        distances=(("psi", 0.04 * exceedance), ("jensen_shannon", 0.1 * exceedance)),
    )


def promise_of(*names: str) -> ModelPromise:
    """0.3 sd within 20 minutes; behind the first column every third one has only tickets."""
    columns = tuple(_tickets_only(name) if at % 3 == 2 else _sees(name) for at, name in enumerate(names))
    return ModelPromise(1.0, 1.0, 30 * DAY_US, 10_000, 1.7, 1.0, (450.0 * SECOND_US,), PAGE, columns)


def _sees(name: str) -> ColumnPromise:
    soon, later = Within(8, 2_000, 1_200 * SECOND_US), Within(70, 17_500, 10_500 * SECOND_US)
    return ColumnPromise(name, SHIFT, 0.3, soon, 0.15, 0.06, 0.07, (later, soon), 9_000)


def _tickets_only(name: str) -> ColumnPromise:
    none, never = math.inf, Within(math.inf, math.inf, math.inf)
    return ColumnPromise(name, SHIFT, none, never, none, none, none, (), 40, "the reference is too short")


def model(
    name: str, columns: tuple[ColumnView, ...], *, judged: bool = True, pages: int = 0, promised: bool = False
) -> ModelView:
    return ModelView(
        ModelKey(name, "1"),
        team="risk",
        runbook="https://runbooks.example/drift",
        reference="c0ffee",
        expected_false_pages=0.21 if judged else 0.0,
        pages=pages,
        task="classification",
        budget_pages=1.0,
        budget_us=30 * DAY_US,
        predictions=1_234_567 if judged else 12,
        labels=45_678 if judged else 0,
        judged_us=NOW_US - 720 * SECOND_US if judged else None,
        columns=columns,
        performance=(("accuracy", 0.934),) if judged else (),
        performance_labels=1_000 if judged else 0,
        promise=promise_of(*(column.name for column in columns)) if promised else None,
    )


def busy_snapshot() -> Snapshot:
    """A page with 25 features, a ticket, a quiet model, one not judged yet; with hostile names."""
    loud = (column("AGE", 5.9, 1, missing=0.03), column("LIMIT_BAL", 1.4, 2), column("BILL_AMT1", 0.7, 3))
    gone = replace(column("PAY_0", None, 4), quality_counts=(("absent", 0.0, 1.0),), figures=(_absent(),))
    quiet = tuple(column(f"PAY_AMT{at}", 0.3 / at, at) for at in range(1, 22))
    credit = model("credit-default", (*quiet[:4], *loud, gone, *quiet[4:]), pages=1, promised=True)
    categories = column(f"class {HOSTILE}", 1.2, 5, (HOSTILE, "b", "(rare)"))
    harm = model(f"fraud {HOSTILE}", (categories, column("amount", 0.2, 6)))
    models = (
        model("churn", tuple(column(f"f{at}", 0.02 * at, at) for at in range(8))),
        model("newcomer", tuple(column(f"g{at}", None, at) for at in range(6)), judged=False),
        harm,
        credit,
    )
    return Snapshot(
        restored=True,
        records={Partition("events", at): 1_000_000 for at in range(4)},
        watermarks={Partition("events", at): NOW_US - (at * 40 + 3) * SECOND_US for at in range(4)},
        lags={Partition("events", at): at * 127 for at in range(4)},
        retention_gaps={Partition("events", 2): 42},
        dead_letters=17,
        checkpoint_us=NOW_US - 24 * SECOND_US,
        models=models,
        incidents=(
            IncidentView(models[0].key),
            IncidentView(models[1].key),
            IncidentView(harm.key, "ticket", NOW_US - 26 * HOUR_US, "i1", summary=_finding_of_harm(harm.key).headline),
            IncidentView(
                credit.key, "page", NOW_US - 3 * HOUR_US, "i2", summary="PAY_0 is gone (and 3 other findings)"
            ),
        ),
        findings=(*_findings(credit.key), _finding_of_harm(harm.key)),
    )


def lasting_snapshot() -> Snapshot:
    """The busy one, with a lasting ticket next to the page."""
    busy = busy_snapshot()
    key, begun = busy.incidents[-1].key, NOW_US - 50 * HOUR_US
    found = FindingView(
        key,
        FindingKey("BILL_AMT1", "distribution"),
        "ticket",
        begun,
        "BILL_AMT1 moved up by 0.4 sd (cut-point distance 0.15)",
        "mean 5.122e+04 -> 8.07e+04",
        lasting=True,
    )
    lasting = IncidentView(key, "ticket", begun, "i0", lasting=True)
    return replace(busy, incidents=(*busy.incidents, lasting), findings=(*busy.findings, found))


def _absent() -> Figures:
    return Figures("absent", 1.0, float("nan"), 1.0, 0.0, 5_200, 40.0)


def _findings(key: ModelKey) -> tuple[FindingView, ...]:
    moved = FindingKey("AGE", "distribution")
    words = "mean 35.49 -> 44.1; share above 41: 0.276 -> 0.553"
    return (
        FindingView(
            key,
            FindingKey("AGE", "missing"),
            "ticket",
            NOW_US - 2 * HOUR_US,
            "AGE is missing in 3.0%",
            "share missing: 0.0000 -> 0.0300",
        ),
        FindingView(
            key,
            moved,
            "page",
            NOW_US - 3 * HOUR_US,
            "AGE moved up by 0.93 sd (cut-point distance 0.28, allowed 0.05)",
            words,
            window=Span(NOW_US - 4 * HOUR_US, NOW_US, 5_200),
            p=2.5e-24,
            exceedance=5.9,
        ),
        FindingView(
            key,
            FindingKey("PAY_0", "absent"),
            "page",
            NOW_US - HOUR_US,
            "PAY_0 is gone",
            "share absent: 0.0000 -> 1.0000",
            window=Span(NOW_US - HOUR_US, NOW_US, 5_200),
            p=0.0,
            exceedance=40.0,
            newest=replace(_absent(), samples=260),
        ),
        FindingView(
            key,
            FindingKey("LIMIT_BAL", "distribution"),
            "ticket",
            NOW_US - HOUR_US // 2,
            "LIMIT_BAL moved down by 0.2 sd (cut-point distance 0.09)",
            "mean 1.674e+05 -> 1.42e+05",
        ),
    )


def _finding_of_harm(key: ModelKey) -> FindingView:
    subject = FindingKey(f"class {HOSTILE}", "distribution")
    headline = f"class {HOSTILE}: shares changed by up to 0.2"
    return FindingView(key, subject, "ticket", NOW_US - 26 * HOUR_US, headline, f"share of {HOSTILE}: 0.333 -> 0.410")


def with_labels(key: ModelKey, **fields: Any) -> Snapshot:  # noqa: ANN401  # the fields of a snapshot
    """A snapshot with predictions and labels of a model version."""
    return Snapshot(
        **fields,
        model_events={(key, "prediction"): 100},
        label_fates={(key, "matched"): 90, (key, "expired"): 3},
        outcome_fates={(key, "judge", "matched"): 60},
        labels_waiting={key: 5},
        predictions_waiting={key.model: 1_000},
        predictions_let_go={key.model: 20},
        labels_joined_us={key.model: 1_763_805_600_000_000},
        labels_held_by={key.model: "labels-0"},
    )


def wide_snapshot(models: int, features: int) -> Snapshot:
    """So many judged models with the given number of features each; every model has an open ticket."""
    views = tuple(
        model(
            f"model-{at}",
            tuple(column(f"feature_{n}", 1.2 if n == 3 else 0.02 * n, 31 * at + n) for n in range(features)),
        )
        for at in range(models)
    )
    return Snapshot(
        restored=True,
        lags={Partition("events", 0): 0},
        watermarks={Partition("events", 0): NOW_US},
        checkpoint_us=NOW_US,
        models=views,
        incidents=tuple(IncidentView(view.key, "ticket", NOW_US - HOUR_US) for view in views),
        findings=tuple(
            FindingView(
                view.key,
                FindingKey("feature_3", "distribution"),
                "ticket",
                NOW_US - HOUR_US,
                "feature_3 moved up by 0.2 sd (cut-point distance 0.1)",
                "mean 3.1 -> 4.2",
            )
            for view in views
        ),
    )
