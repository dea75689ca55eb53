"""`driftd dashboards`: one Grafana dashboard over the series of the register, made by code.

Its variables choose the data source, the job of the scrape, a model version, a distance and a feature; no name of any
installation is written into it.
"""

from __future__ import annotations

import json
from typing import Any, Final

from monitor.publish.dashboards.fleet import JOB, UID, fleet
from monitor.publish.dashboards.model import MODEL, live_against_reference, model
from monitor.publish.dashboards.panels import SOURCE, placed
from monitor.stats.distances import DISTANCES

SCHEMA_VERSION: Final = 39
FILE: Final = f"{UID}.json"
_FIRST_DISTANCE: Final = "jensen_shannon"

Tree = dict[str, Any]


def dashboards() -> dict[str, str]:
    """The text of each file by its name."""
    return {FILE: json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"}


def dashboard() -> Tree:
    """The dashboard as Grafana's interface takes it (dashboard JSON, schema 39: Grafana 10.3 or newer)."""
    rows = [
        ("Fleet", fleet()),
        ("Model $model $version", model()),
        ("Live against reference: $feature", live_against_reference()),
    ]
    return {
        "id": None,
        "uid": UID,
        "title": "driftd: drift of models",
        "description": "Is the monitor fresh, which models are bad, what moved. Made by `driftd dashboards`.",
        "tags": ["driftd", "drift"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "utc",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": _variables()},
        "annotations": {"list": _annotations()},
        "panels": placed(rows),
        "links": [],
    }


def _variables() -> list[Tree]:
    return [
        {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "hide": 0},
        _asked("job", "Job", "label_values(driftd_build_info, job)")
        | {"multi": True, "includeAll": True, "allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]}},
        _asked("model", "Model", f"label_values(driftd_model_info{{{JOB}}}, model)"),
        _asked("version", "Version", f'label_values(driftd_model_info{{{JOB}, model="$model"}}, version)'),
        _distance(),
        _asked("feature", "Feature", f"label_values(driftd_reference_bin_ratio{{{MODEL}}}, feature)"),
    ]


def _asked(name: str, label: str, query: str) -> Tree:
    """A variable whose values Prometheus knows; asked again when the time range changes."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
    }


def _distance() -> Tree:
    chosen = [{"text": name, "value": name, "selected": name == _FIRST_DISTANCE} for name in DISTANCES]
    return {
        "type": "custom",
        "name": "distance",
        "label": "Distance",
        "query": ",".join(DISTANCES),
        "options": chosen,
        "current": {"text": _FIRST_DISTANCE, "value": _FIRST_DISTANCE},
        "hide": 0,
        "multi": False,
        "includeAll": False,
    }


def _annotations() -> list[Tree]:
    """An incident is one stretch from its opening to its end, as is its part as a lasting ticket; a new reference is a
    mark of five minutes.
    """
    known = f"max by (model, version, reference) (driftd_model_info{{{MODEL}}})"
    before = f"max by (model, version, reference) (driftd_model_info{{{MODEL}}} offset 5m)"
    return [
        _annotation(
            "Incidents",
            f"max by (model, version, severity) (driftd_incident_active{{{MODEL}}}) == 1",
            "{{model}} {{version}}: {{severity}}",
            "red",
        ),
        _annotation(
            "Lasting",
            f"max by (model, version) (driftd_incident_lasting_since_timestamp_seconds{{{MODEL}}}) > 0",
            "{{model}} {{version}}: a page that lasts, now a ticket",
            "orange",
        ),
        _annotation("New reference", f"{known} unless {before}", "{{model}} {{version}}: {{reference}}", "blue"),
    ]


def _annotation(name: str, expression: str, title: str, colour: str) -> Tree:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": expression,
        "step": "60s",
        "titleFormat": title,
        "textFormat": "",
        "tagKeys": "",
        "useValueForTime": False,
    }
