"""`driftd rules`: alerting rules for Prometheus (2.42 or newer), made from the settings alone.

Every alert has a page of its name in docs/runbooks. Model names and versions are asked for in the series and not
written into the rules, so that the rules stay right when a model is added.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import yaml

from monitor.clock import SECOND_US
from monitor.settings import Settings

Rule: TypeAlias = dict[str, Any]

CRITICAL, WARNING = "critical", "warning"
HEADER: Final = """\
# Made by `driftd rules` from the settings; make it anew when they change. Prometheus 2.42 or newer.
# DriftdDown asks for the scrape job by its name: driftd.
"""

#: a failed scrape or a restart within this time neither ends an alert nor changes its labels
BRIDGED: Final = "5m"
#: names in a description; a page is read on a telephone
NAMED: Final = 5
CHECKPOINT_LEAST_SECONDS: Final = 120
CHECKPOINTS_MISSED: Final = 12
BEHIND_SECONDS: Final = 300

_ONE_OF_ALL: Final = "max without (instance, pod)"


def rules_yaml(settings: Settings) -> str:
    """The text of a rules file."""
    group = {"name": "driftd", "rules": rules(settings)}
    body = yaml.dump({"groups": [group]}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000)
    return HEADER + body


def rules(settings: Settings) -> list[Rule]:
    """The alerts; that of the checkpoint only where checkpoints are kept."""
    checkpoint = [_checkpoint_stale(settings)] if settings.state.store == "directory" else []
    return [_drift_page(), _drift_ticket(), _data_stale(), _down(), _not_restored(), *checkpoint, _lag_growing()]


def _drift_page() -> Rule:
    return _drift("DriftdModelDriftPage", "page", CRITICAL, "has drifted from its reference", wait="30s")


def _drift_ticket() -> Rule:
    text = "differs from its reference, too little to wake anybody"
    return _drift("DriftdModelDriftTicket", "ticket", WARNING, text, wait="1m")


def _drift(name: str, incident: str, severity: str, text: str, wait: str) -> Rule:
    """The newest value within `BRIDGED` and not the largest: an incident that ended ends its alert at once."""
    active = f'({_ONE_OF_ALL} (last_over_time(driftd_incident_active{{severity="{incident}"}}[{BRIDGED}])) == 1)'
    description = f"Over the threshold: {_findings(incident)}.{_since()}{_team()}"
    return _alert(
        name, _with_team(active, "model, version"), severity, wait, "1m",
        f"{{{{ $labels.model }}}} {{{{ $labels.version }}}} {text}", description,
    )  # fmt: skip


def _data_stale() -> Rule:
    """Five minutes in the range and ten of waiting: a process that has just begun has nothing in its range yet."""
    increase = 'increase(driftd_model_events_total{type!="label"}[5m])'
    silent = f"(sum without (instance, pod, version, type) ({increase}) == 0)"
    return _alert(
        "DriftdDataStale", _with_team(silent, "model"), WARNING, "10m", "1m",
        "{{ $labels.model }} is not watched: no event of it was accepted for 15 minutes",
        "driftd runs, and nothing of the model arrives or all of it is turned away. "
        "What was known of it stands still." + _team(),
    )  # fmt: skip


def _down() -> Rule:
    lost = f'{_ONE_OF_ALL} (up{{job="driftd"}}) == 0\nor on ()\nabsent(driftd_build_info)'
    return _alert(
        "DriftdDown", lost, CRITICAL, "5m", "1m",
        "driftd has not answered for 5 minutes: no model is watched",
        "Prometheus reaches no driftd. Its records wait in Kafka and are judged once it is back, "
        "if that is before the topic's retention removes them.",
    )  # fmt: skip


def _not_restored() -> Rule:
    return _alert(
        "DriftdNotRestored", "max without (instance, pod) (driftd_restored) == 0", CRITICAL, "5m", "1m",
        "driftd has waited 5 minutes for its state: no model is watched",
        "It runs and has not begun to judge; until then no model has any series.",
    )  # fmt: skip


def _checkpoint_stale(settings: Settings) -> Rule:
    limit = max(CHECKPOINT_LEAST_SECONDS, CHECKPOINTS_MISSED * settings.state.every // SECOND_US)
    return _alert(
        "DriftdCheckpointStale",
        f"time() - {_ONE_OF_ALL} (driftd_checkpoint_timestamp_seconds) > {limit}", WARNING, "1m", "1m",
        "driftd has not written a checkpoint for {{ $value | humanizeDuration }}",
        "After a restart it would read and judge again from the newest checkpoint on; "
        "usually the disk of state.path is full or read-only.",
    )  # fmt: skip


def _lag_growing() -> Rule:
    """Not a number of records but of seconds: how long the lag would take at the speed of the last five minutes."""
    over = "sum without (instance, pod, partition)"
    behind = f"{over} (driftd_lag_records) > {BEHIND_SECONDS} * {over} (rate(driftd_records_total[5m]))"
    return _alert(
        "DriftdLagGrowing", f"{behind}\nand\n{over} (deriv(driftd_lag_records[15m])) >= 0", WARNING, "10m", "5m",
        "driftd is more than 5 minutes behind on {{ $labels.topic }} and does not catch up",
        "{{ $value | humanize }} records wait. Verdicts come as late as the events are read; they stay exact.",
    )  # fmt: skip


def _alert(name: str, expr: str, severity: str, wait: str, keep: str, summary: str, description: str) -> Rule:
    page = f"docs/runbooks/{name}.md"
    of_the_model = f"{{{{ with $labels.runbook_url }}}}{{{{ . }}}}{{{{ else }}}}{page}{{{{ end }}}}"
    return {
        "alert": name,
        "expr": expr,
        "for": wait,
        "keep_firing_for": keep,
        "labels": {"severity": severity},
        "annotations": {
            "summary": summary,
            "description": description,
            "runbook_url": of_the_model if "runbook_url" in expr else page,
        },
    }


def _with_team(alert: str, on: str) -> str:
    """Team and runbook of the model, where there are any; never a reason not to fire.

    Of several teams (a rolling change of the settings) one is taken: two would be an error and no alert.
    """
    info = f"max by ({on}, team, runbook_url) (last_over_time(driftd_model_info[{BRIDGED}]))"
    one = f"topk by ({on}) (1, {info})"
    return f"{alert} * on ({on}) group_left (team, runbook_url) {one}\nor on ({on})\n{alert}"


def _findings(incident: str) -> str:
    """Columns and causes of the alert's model version, by a query at the time of the alert."""
    lookup = f'driftd_finding_active{{model=%q,version=%q,severity="{incident}"}}'
    all_of_it = f"max by (subject, cause, segment) ({lookup})"
    named = f"query (printf `topk({NAMED}, {all_of_it})` $labels.model $labels.version) | sortByLabel `subject`"
    more = f"query (printf `count({all_of_it}) > {NAMED}` $labels.model $labels.version)"
    one = (
        "{{ if $index }}, {{ end }}{{ .Labels.subject }} ({{ .Labels.cause }}"
        "{{ with .Labels.segment }} in {{ . }}{{ end }})"
    )
    return (
        f"{{{{ range $index, $finding := {named} }}}}{one}{{{{ else }}}}see driftd's page{{{{ end }}}}"
        f"{{{{ with {more} }}}} ({NAMED} of {{{{ . | first | value }}}}){{{{ end }}}}"
    )


def _since() -> str:
    lookup = "max(driftd_incident_since_timestamp_seconds{model=%q,version=%q})"
    found = f"query (printf `{lookup}` $labels.model $labels.version)"
    return f"{{{{ with {found} }}}} Since {{{{ . | first | value | humanizeTimestamp }}}}, event time.{{{{ end }}}}"


def _team() -> str:
    return "{{ with $labels.team }} Team: {{ . }}.{{ end }}"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
