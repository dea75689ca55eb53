"""Every query of the dashboard on a real Prometheus that scrapes a real daemon with a drift in it."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import pytest

from monitor.clock import SystemClock
from monitor.publish.dashboards.dashboard import dashboard
from monitor.publish.server import Server
from monitor.publish.snapshot import IncidentView, OutcomeView, Snapshot, SnapshotHolder
from tests.engine import Credit, Event
from tests.integration.conftest import Site
from tests.real_parts.prometheus import Prometheus
from tests.real_parts.waiting import wait_until
from tests.snapshots import BY_GROUP, lasting_snapshot, model

Tree = dict[str, Any]

pytestmark = pytest.mark.kafka

#: what Grafana puts in; All of a variable is its `allValue`
CHOSEN: Final = {
    "job": ".+", "model": "credit", "version": "1", "feature": "AGE", "distance": "jensen_shannon",
    "__rate_interval": "15s", "__range": "120s",
}  # fmt: skip
RANGE_SECONDS: Final = 120
#: once these have a result, Prometheus has seen all of the scene
LAST_TO_COME: Final = (
    "driftd_smallest_detectable_effect_ratio",
    'driftd_finding_active{subject="AGE"}',
    "increase(driftd_feature_bin_events_total[15s]) > 0",
    "driftd_performance_ratio",
    "driftd_checkpoint_timestamp_seconds",
)

#: series of named outcomes, segments and groups, which the scene has none of
NOT_IN_SCENE: Final = ("driftd_outcome", "driftd_performance_segment", "driftd_fairness", "driftd_group")
OUTCOMES: Final = (
    OutcomeView("judge", 900, 1_764_000_600_000_000, mean=0.7, mean_before=0.72),
    OutcomeView("topic", 900, 1_764_000_600_000_000, shares=(("refund", 0.1), ("(other)", 0.9))),
)


def filled(text: str) -> str:
    """As Grafana fills it in; a variable that nobody defined stays and is refused by Prometheus."""
    return re.sub(r"\$(\w+)", lambda found: CHOSEN.get(found[1], found[0]), text)


@dataclass
class Scene:
    """What Grafana asks of a Prometheus."""

    seen: Prometheus

    def answer(self, target: Tree) -> list[Tree]:
        """The series of a query that have a number, as {labels, values}."""
        query, now = filled(target["expr"]), time.time()
        if target.get("instant"):
            found = [(one["metric"], [one["value"]]) for one in self.seen.query(query)]
        else:
            exceedance = {"start": f"{now - RANGE_SECONDS}", "end": f"{now}", "step": "1"}
            data = json.loads(self.seen.get("/api/v1/query_range", query=query, **exceedance))["data"]["result"]
            found = [(one["metric"], one["values"]) for one in data]
        numbers = ((labels, [float(value) for _, value in values]) for labels, values in found)
        return [
            {"labels": labels, "values": values}
            for labels, values in numbers
            if any(math.isfinite(value) for value in values)
        ]

    def label_values(self, definition: str) -> list[str]:
        """What a variable of the form label_values(series, label) offers, asked as Grafana asks."""
        form = re.fullmatch(r"label_values\((.*), (\w+)\)", filled(definition))
        assert form is not None, definition
        answer = json.loads(self.seen.get(f"/api/v1/label/{form[2]}/values", **{"match[]": form[1]}))
        values: list[str] = answer["data"]
        return values


def labelled(stream: Credit) -> list[Event]:
    """Predictions that bring their label; every fifth is wrong."""
    events = list(stream)
    for number, event in enumerate(events):
        event["label"] = event["prediction"] if number % 5 else 1 - event["prediction"]
    return events


def mostly_without_age(event: Event, rng: np.random.Generator) -> None:
    if rng.random() < 0.8:
        del event["features"]["AGE"]


def scraping(port: int) -> Tree:
    """The settings of a Prometheus that scrapes once a second."""
    job = {"job_name": "driftd", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    return {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}


@pytest.fixture
def scene(site: Site, prometheus_parts: None) -> Iterator[Scene]:
    site.make_topics()
    credit = {"name": "credit", "versions": ["1"], "reference": "credit.json", "team": "lending"}
    site.write(models=[credit], windows={"allowed_lateness": "0s", "idle_after": "2s"})
    running = site.start()
    running.wait_ready()
    with Prometheus(scraping(running.port)) as seen:
        rejected = 'driftd_events_total{outcome="rejected", reason="no_event"}'
        site.produce(["no event"])
        wait_until(lambda: seen.query(f"{rejected} > 0"), "Prometheus sees a first record")
        drifting = labelled(Credit(1_000, seed=2, change=700, fault=mostly_without_age))
        site.produce(["no event", *drifting[:950]])
        running.wait_for("incident_opened")
        wait_until(lambda: seen.query("driftd_feature_bin_events_total > 0"), "Prometheus sees the model's counters")
        site.produce(drifting[950:])
        for query in LAST_TO_COME:
            wait_until(partial(seen.query, query), query)
        yield Scene(seen)


def panels() -> dict[str, Tree]:
    return {panel["title"]: panel for panel in dashboard()["panels"] if panel["type"] != "row"}


def test_every_query_has_a_result_where_its_subject_exists(scene: Scene) -> None:
    empty = [
        (title, target["refId"])
        for title, panel in panels().items()
        for target in panel["targets"]
        if not _is_not_in_scene(target) and not scene.answer(target)
    ]
    assert empty == []
    for annotation in dashboard()["annotations"]["list"]:
        # nothing lasts in the scene: see the test of a lasting ticket
        assert bool(scene.answer(annotation)) is (annotation["name"] != "Lasting"), annotation["name"]
    asked = {one["name"]: one["definition"] for one in dashboard()["templating"]["list"] if one["type"] == "query"}
    offered = {name: scene.label_values(definition) for name, definition in asked.items()}
    assert offered.keys() == {"job", "model", "version", "feature"}
    assert (offered["job"], offered["model"], offered["version"]) == (["driftd"], ["credit"], ["1"])
    assert {"AGE", "LIMIT", "BILL", "EDU"} <= set(offered["feature"])
    _assert_the_model_is_told(scene)
    _assert_shares_are_shares(scene)


def _is_not_in_scene(target: Tree) -> bool:
    return any(name in target["expr"] for name in NOT_IN_SCENE)


def test_queries_of_named_outcomes_segments_and_groups_have_results(prometheus_parts: None) -> None:
    views = (replace(model("credit", ()), outcomes=OUTCOMES, **BY_GROUP),)
    snapshots = SnapshotHolder(SystemClock())
    snapshots.show(Snapshot(restored=True, models=views, outcome_fates={(views[0].key, "judge", "matched"): 60}))
    server = Server(snapshots, "127.0.0.1", 0)
    server.start()
    asked = [target for panel in panels().values() for target in panel["targets"] if _is_not_in_scene(target)]
    assert all(any(name in target["expr"] for target in asked) for name in NOT_IN_SCENE)
    try:
        with Prometheus(scraping(server.port)) as seen:
            wait_until(lambda: seen.query("rate(driftd_outcomes_total[20s])"), "two scrapes")
            assert [target["expr"] for target in asked if not Scene(seen).answer(target)] == []
    finally:
        server.close()


def test_a_lasting_ticket_is_its_own_annotation(prometheus_parts: None) -> None:
    snapshots = SnapshotHolder(SystemClock())
    views = (model("credit", ()),)
    whole = lasting_snapshot()
    lasts = replace(next(one for one in whole.incidents if one.lasting), key=views[0].key)
    snapshots.show(Snapshot(restored=True, models=views, incidents=(lasts,)))
    server = Server(snapshots, "127.0.0.1", 0)
    server.start()
    (lasting,) = (one for one in dashboard()["annotations"]["list"] if one["name"] == "Lasting")
    try:
        with Prometheus(scraping(server.port)) as seen:
            wait_until(lambda: seen.query("driftd_model_info"), "the models")
            assert Scene(seen).answer(lasting)
    finally:
        server.close()


def test_a_model_that_was_not_judged_yet_is_in_the_table_and_is_not_called_fine(prometheus_parts: None) -> None:
    views = (model("judged", ()), model("newcomer", (), judged=False))
    snapshots = SnapshotHolder(SystemClock())
    snapshots.show(Snapshot(restored=True, models=views, incidents=(IncidentView(views[0].key),)))
    server = Server(snapshots, "127.0.0.1", 0)
    server.start()
    try:
        with Prometheus(scraping(server.port)) as seen:
            wait_until(lambda: seen.query("driftd_model_info"), "the models")
            states = Scene(seen).answer(panels()["Models"]["targets"][0])
    finally:
        server.close()
    assert {one["labels"]["model"]: one["values"] for one in states} == {"judged": [0.0], "newcomer": [-1.0]}


def _assert_the_model_is_told(scene: Scene) -> None:
    """The table of models: a page, its team, since when by people's clocks, and the column that is mostly gone."""
    [state], [since], [count], [worst] = map(scene.answer, panels()["Models"]["targets"])
    assert state["values"] == [2.0]
    assert {"model": "credit", "version": "1", "team": "lending"}.items() <= state["labels"].items()
    [begun] = scene.seen.query("driftd_incident_since_timestamp_seconds")
    assert since["values"] == [1000 * float(begun["value"][1])]
    assert count["values"][0] >= 1
    assert (worst["labels"]["subject"], worst["labels"]["cause"]) == ("AGE", "absent")
    [incident] = scene.answer(panels()["Incidents"]["targets"][0])
    assert incident["values"][-1] == 2.0


def _assert_shares_are_shares(scene: Scene) -> None:
    """The same bins on both sides, in one order, and on each side the whole."""
    title = "$feature: live against reference"
    reference, live = map(scene.answer, panels()[title]["targets"])
    assert {bar["labels"]["bin"] for bar in live} == {bar["labels"]["bin"] for bar in reference}
    for bars in (reference, live):
        assert sum(bar["values"][0] for bar in bars) == pytest.approx(1.0)
        ordered = [bar["labels"]["bin"] for bar in sorted(bars, key=lambda bar: float(bar["labels"]["order"]))]
        uppers = [float(name.split()[-1]) for name in ordered[:-1]]
        assert uppers == sorted(uppers)
        assert (ordered[0].split()[0], ordered[-1].split()[0]) == ("below", "above")
