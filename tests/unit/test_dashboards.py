"""The dashboard: what Grafana needs of each panel, and that its queries ask for what the register has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest

from monitor.cli.parser import main
from monitor.publish.dashboards.dashboard import FILE, dashboard, dashboards
from monitor.publish.register import REGISTER
from tests.real_parts.install import ROOT

Tree = dict[str, Any]

DONE, USAGE = 0, 2
LABELS: Final = {series.name: set(series.labels) for series in REGISTER}
#: of every scrape, and made by the queries themselves
OTHER_LABELS: Final = {"job", "instance", "order"}
#: series that no panel shows, and why
NOT_SHOWN: Final = {
    "driftd_warmup_ratio": "the status page says it in words, with the forecast",
    "driftd_first_verdict_timestamp_seconds": "the same",
    "driftd_checkpoint_bytes": "of use to whoever plans a disk, not to whoever is on call",
    "driftd_checkpoint_parts": "the same",
    "driftd_checkpoint_stop_seconds": "the same",
    "driftd_checkpoint_seconds": "for whoever sizes the process, beside driftd_loop_seconds_total",
    "driftd_checkpoint_failures_total": "an alert of its own and the status page say it, with the reason",
    "driftd_position_stalled": "the same",
    "driftd_input_format_info": "for whoever sets an input up, as driftd check says it",
    "driftd_pairs_waiting": "the same",
    "driftd_pairs_given_up_total": "the same",
    "driftd_unreadable_records_total": "the same; the log has the place",
    "driftd_loop_seconds_total": "for whoever sizes the process",
    "driftd_fast_path": "the same; the log says why it is 0",
    "driftd_clock_skew_events_total": "usual after every pause in traffic; asked for where a clock is doubted",
    "driftd_excluded_events_total": "planned by whoever wrote the settings; the page has the number",
    "driftd_traffic_stopped": "alerts say it, with the time of the last event",
    "driftd_silenced": "the same; the page says until when, and why",
    "driftd_finding_since_timestamp_seconds": "the alert and the page say it in words",
    "driftd_finding_rank": "orders the alert's findings; the panel of findings has figures with units",
    "driftd_feature_watched": "the page names each feature with its reason",
    "driftd_feature_may_page": "the same",
    "driftd_feature_detection_seconds": "the page has it beside what is not seen, and why",
    "driftd_feature_effective_events": "the same",
    "driftd_labels_joined_timestamp_seconds": "a runbook asks for it; the page names what holds labels back",
    "driftd_labels_waiting": "asked for where driftd_labels_total says that labels expire",
    "driftd_predictions_waiting": "for whoever sizes the process",
    "driftd_predictions_let_go_total": "the same; what it costs is shown as labels that expire",
}


def panels() -> list[Tree]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> list[tuple[str, str]]:
    """(where it stands, query): of panels, annotations and variables."""
    made = dashboard()
    found = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    found += [(one["name"], one["expr"]) for one in made["annotations"]["list"]]
    asked = [one for one in made["templating"]["list"] if one["type"] == "query"]
    return found + [(one["name"], one["definition"]) for one in asked]


def series_in(text: str) -> set[str]:
    return set(re.findall(r"driftd_\w+", text))


def inside(text: str, start: int) -> str:
    """What stands between the parenthesis at `start` and the one that closes it; parentheses in strings are none."""
    bare = re.sub(r'"[^"]*"', lambda string: "_" * len(string[0]), text)
    depth = 0
    for at in range(start, len(bare)):
        depth += {"(": 1, ")": -1}.get(bare[at], 0)
        if depth == 0:
            return text[start + 1 : at]
    raise AssertionError(f"not closed: {text}")


def words(labels: str) -> set[str]:
    return set(re.findall(r"\w+", labels))


def aggregations(text: str) -> Iterator[tuple[set[str], str]]:
    """(labels, what is aggregated) of every `by (labels) (...)`."""
    for by in re.finditer(r"by \(([^)]*)\) \(", text):
        yield words(by[1]), inside(text, by.end() - 1)


# what Grafana needs


def test_the_checked_in_copy_is_what_the_code_makes() -> None:
    assert {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "grafana").iterdir()} == dashboards()


def test_the_text_is_one_dashboard_with_its_own_address() -> None:
    made = json.loads(dashboards()[FILE])
    assert made == dashboard()
    assert made["id"] is None, "an id of another installation would overwrite whatever has it"
    assert made["uid"]
    assert made["schemaVersion"] == 39


def test_panels_have_their_own_ids_and_do_not_overlap() -> None:
    every = dashboard()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    assert len({panel["title"] for panel in every}) == len(every)
    cells = [
        (
            panel["title"],
            {(place["x"] + right, place["y"] + down) for right in range(place["w"]) for down in range(place["h"])},
        )
        for panel in every
        for place in [panel["gridPos"]]
    ]
    for (one, its), (other, others) in combinations(cells, 2):
        assert not its & others, f"{one} lies over {other}"
    assert all(0 <= x < 24 for _, its in cells for x, _ in its)


def test_every_panel_says_what_it_shows_in_which_unit_and_what_to_do() -> None:
    for panel in panels():
        defaults = panel["fieldConfig"]["defaults"]
        assert len(panel["description"]) > 60, panel["title"]
        assert defaults["unit"], panel["title"]
        assert defaults["noValue"], panel["title"]
        assert defaults["thresholds"]["steps"][0]["value"] is None
        references = [target["refId"] for target in panel["targets"]]
        assert references == sorted(set(references))
        assert references, panel["title"]


def test_everything_asks_the_chosen_data_source() -> None:
    made = dashboard()
    asking = [target for panel in panels() for target in panel["targets"]] + panels() + made["annotations"]["list"]
    asking += [one for one in made["templating"]["list"] if one["type"] == "query"]
    assert all(one["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for one in asking)


def test_every_variable_that_is_used_is_there_and_every_one_there_is_used() -> None:
    names = [one["name"] for one in dashboard()["templating"]["list"]]
    assert names[:2] == ["datasource", "job"], "what others are asked with comes before them"
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(dashboard())))
    assert used == set(names)


# what is asked


def test_queries_ask_only_for_series_that_exist() -> None:
    for where, query in expressions():
        assert series_in(query), where
        assert series_in(query) <= LABELS.keys(), where


def test_every_series_is_shown_or_left_out_for_a_reason() -> None:
    shown = set().union(*(series_in(query) for _, query in expressions()))
    assert shown | NOT_SHOWN.keys() == LABELS.keys()
    assert not shown & NOT_SHOWN.keys()


def test_a_query_selects_and_groups_by_labels_that_its_series_have() -> None:
    for where, query in expressions():
        for name, selector in re.findall(r"(driftd_\w+)\{([^}]*)\}", query):
            selected = set(re.findall(r"(\w+)=", selector))
            assert selected <= LABELS[name] | OTHER_LABELS, f"{where}: {name}"
        for labels, aggregated in aggregations(query):
            for name in series_in(aggregated):
                assert labels <= LABELS[name], f"{where}: {name}"


def test_a_model_is_asked_for_by_name_and_version_and_everything_by_its_job() -> None:
    for where, query in expressions():
        for name, selector in re.findall(r"(driftd_\w+)(\{[^}]*\}|)", query):
            assert 'job=~"$job"' in selector or where == "job", f"{where}: {name}"
            assert ('model="$model", version="$version"' in selector) == ("version=" in selector), f"{where}: {name}"


def test_a_legend_names_labels_that_the_result_has() -> None:
    legends = [(target["legendFormat"], target["expr"]) for panel in panels() for target in panel["targets"]] + [
        (one["titleFormat"], one["expr"]) for one in dashboard()["annotations"]["list"]
    ]
    named = 0
    for legend, query in legends:
        labels = set(re.findall(r"\{\{(\w+)\}\}", legend))
        grouped = [group for group, _ in aggregations(query)]
        assert all(labels <= group for group in grouped[:1]), query
        assert not labels or grouped, query
        named += len(labels)
    assert named


def test_rates_take_the_interval_that_fits_the_scrapes_and_counters_are_never_shown_raw() -> None:
    for where, query in expressions():
        assert set(re.findall(r"\[([^]]*)\]", re.sub(r'"[^"]*"', "", query))) <= {"$__rate_interval", "$__range"}, where
        for before, name in re.findall(r"(\w*\(|)(driftd_\w+_total)", query):
            assert before in {"rate(", "increase("}, f"{where}: {name}"


def test_a_table_keeps_the_columns_that_its_queries_make() -> None:
    for panel in panels():
        for change in panel.get("transformations", []):
            if change["id"] == "filterFieldsByName":
                kept = {name for name in change["options"]["include"]["names"] if name.startswith("Value #")}
                assert kept == {f"Value #{target['refId']}" for target in panel["targets"]}, panel["title"]
                labels = set().union(*(group for _, query in expressions() for group, _ in aggregations(query)))
                rest = set(change["options"]["include"]["names"]) - kept - {"Value"}
                assert rest <= labels | OTHER_LABELS, panel["title"]
        columns = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
        named = [change["options"].get("renameByName", {}) for change in panel.get("transformations", [])]
        assert columns <= {name for names in named for name in names.values()}, panel["title"]


# the command


def test_the_command_writes_the_files_into_a_folder_that_it_makes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "made" / "here"
    assert main(["dashboards", "-o", str(folder)]) == DONE
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == dashboards()
    out, err = capsys.readouterr()
    assert out == ""
    assert str(folder / FILE) in err


def test_a_dash_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboards", "-o", "-"]) == DONE
    assert capsys.readouterr() == (dashboards()[FILE], "")


@pytest.mark.parametrize("place", ["file", "file/below", "folder"])
def test_a_folder_that_cannot_be_written_to_is_reported_in_a_line(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "folder" / FILE).mkdir(parents=True)  # its place is taken: refused also to root
    assert main(["dashboards", "-o", str(tmp_path / place)]) == USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"driftd: -o: {tmp_path}")
    assert err.endswith("; name a folder that can be written to\n")
    assert err.count("\n") == 1
