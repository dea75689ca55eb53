"""The dashboard's first row: is the monitor alive and fresh, which models are bad, pages against the budget.

Queries ask for the series of the register alone. Figures that the state keeps are shown as they are; an increase is
made only of what counts with the process.
"""

from __future__ import annotations

from typing import Final

from monitor.count.losses import TOLERATED_SHARE
from monitor.publish.dashboards.panels import (
    STATES,
    Panel,
    at_once,
    in_rows,
    lines,
    merged,
    over_time,
    panel,
    stat,
    value_words,
    with_column,
)
from monitor.publish.links import DASHBOARD
from monitor.publish.rules.health import BEHIND_SECONDS, CHECKPOINT_LEAST_SECONDS

UID: Final = DASHBOARD
JOB: Final = 'job=~"$job"'

_SHOW_MODEL: Final = (
    f"/d/{UID}?var-datasource=${{datasource}}&var-model=${{__data.fields.model:percentencode}}"
    "&var-version=${__data.fields.version:percentencode}&${__url_time_range}"
)


def state_of(selector: str) -> str:
    """2 while a page is open, 1 for a ticket, 0 when it is known that none is."""
    page, ticket = (f'driftd_incident_active{{{selector}, severity="{severity}"}}' for severity in ("page", "ticket"))
    return f"max by (model, version) (2 * {page} or {ticket})"


def fleet() -> list[Panel]:
    """Is the monitor itself alive and fresh; which models are bad, since when; pages against the budget."""
    return [
        _open("page", "red"), _open("ticket", "orange"), _restored(), _checkpoint_age(), _gaps(), _dropped(),
        _models(), _events(), _rejected(), _lost(), _lag(), _watermark_age(), _promise(), _monitor_load(),
    ]  # fmt: skip


def _open(severity: str, colour: str) -> Panel:
    active = f'driftd_incident_active{{{JOB}, severity="{severity}"}}'
    return stat(
        f"Open: {severity}",
        "Model versions with an open incident of this severity. Above 0: see the table of models, open the runbook of "
        "the model, and look at its row below.",
        at_once(f"sum(max by (model, version) ({active}))"),
        unit="none",
        no_value="nothing judged yet",
        steps=((None, "green"), (1, colour)),
    )


def _restored() -> Panel:
    return stat(
        "Restored",
        "Whether the state is restored; before that no model has any series. Waiting for more than a minute: the log "
        "says what the state waits for.",
        at_once(f"min(driftd_restored{{{JOB}}})"),
        unit="none",
        no_value="no driftd",
        steps=((None, "red"), (1, "green")),
        mappings=value_words(((0, "waiting", "red"), (1, "yes", "green"))),
    )


def _checkpoint_age() -> Panel:
    return stat(
        "Checkpoint age",
        "How long ago the newest checkpoint was written. Red: the disk of state.path is full or read-only, or the loop "
        "is stuck; the log has the reason. A restart would read again from that checkpoint on.",
        at_once(f"time() - max(driftd_checkpoint_timestamp_seconds{{{JOB}}})"),
        unit="s",
        no_value="no checkpoint yet",
        steps=((None, "green"), (CHECKPOINT_LEAST_SECONDS / 2, "orange"), (CHECKPOINT_LEAST_SECONDS, "red")),
    )


def _gaps() -> Panel:
    return stat(
        "Lost to retention",
        "Records that Kafka had removed before they were read, over the time range; they are in no statistic. Above 0: "
        "lengthen the topic's retention, or find out why driftd was down or behind for longer than that.",
        at_once(f"sum(increase(driftd_offset_gap_records_total{{{JOB}}}[$__range]))"),
        unit="short",
        no_value="none",
        steps=((None, "green"), (1, "red")),
        decimals=0,
    )


def _dropped() -> Panel:
    return stat(
        "Series not shown",
        "Series left out because of limits.series: first bins, then distances, then figures of quiet subjects. Above "
        "0: watch fewer columns (kind: ignore), or raise limits.series if Prometheus can take it.",
        at_once(f"max(driftd_series_dropped{{{JOB}}})"),
        unit="none",
        no_value="no driftd",
        steps=((None, "green"), (1, "orange")),
    )


def _models() -> Panel:
    by, info = "by (model, version)", f"driftd_model_info{{{JOB}}}"
    state = f"({state_of(JOB)} or max {by} ({info}) - 2)"
    team = f"topk {by} (1, max by (model, version, team, runbook_url) ({info}))"
    active = f"max by (model, version, subject, cause) (driftd_finding_active{{{JOB}}})"
    effect = f"max by (model, version, subject, cause) (driftd_finding_effect_ratio{{{JOB}}})"
    queries = in_rows(
        f"{state} * on (model, version) group_left (team, runbook_url) {team}",
        f"1000 * max {by} (driftd_incident_since_timestamp_seconds{{{JOB}}})",
        f"count {by} ({active})",
        f"topk {by} (1, ({effect} and {active}) or 0 * {active})",
    )
    table = panel(
        "table",
        "Models",
        "Every model version, the worst first: its state, since when the change shows (event time), how many findings "
        "are over their thresholds, and the column that moved most. Click a model to see it below; its runbook says "
        "what to do. Not judged yet: too few events since the start.",
        queries,
        size=(24, 8),
        unit="none",
        no_value="-",
    )
    names = {
        "model": "model", "version": "version", "Value #A": "state", "Value #B": "since", "subject": "moved most",
        "cause": "cause", "Value #D": "change", "Value #C": "findings", "team": "team", "runbook_url": "runbook",
    }  # fmt: skip
    with_column(table, "model", links=[{"title": "show this model", "url": _SHOW_MODEL}])
    with_column(table, "state", mappings=value_words(STATES), custom__cellOptions={"type": "color-background"})
    with_column(table, "since", unit="dateTimeAsIso")
    with_column(table, "change", unit="percentunit", decimals=1)
    with_column(table, "runbook", links=[{"title": "open the runbook", "url": "${__value.raw}", "targetBlank": True}])
    return merged(table, names, sort="state")


def _events() -> Panel:
    return lines(
        "Events by outcome",
        "Every event is in exactly one outcome; all but accepted should be near 0. Late: raise allowed_lateness or "
        "find the slow producer. Duplicate: a producer retries without idempotence. Rejected: "
        "the reasons are in the next panel.",
        [over_time(f"sum by (outcome) (rate(driftd_events_total{{{JOB}}}[$__rate_interval]))", "{{outcome}}")],
        unit="eps",
        no_value="no driftd",
        stacked=True,
    )


def _rejected() -> Panel:
    rejected = f'rate(driftd_events_total{{{JOB}, outcome="rejected"}}[$__rate_interval])'
    return lines(
        "Rejected by reason",
        "Events that could not be taken, and records handed to the rejects topic. Any: read the newest records there, "
        "whose headers name reason and position, then fix the producer.",
        [
            over_time(f"sum by (reason) ({rejected}) > 0", "{{reason}}"),
            over_time(f"sum(rate(driftd_dead_letters_total{{{JOB}}}[$__rate_interval]))", "dead letters (records)"),
        ],
        unit="eps",
        no_value="none rejected",
    )


def _lost() -> Panel:
    return lines(
        "Lost events",
        "Of the newest 1,000 events of each topic, and of each model, the share that is in no verdict. Above 5 % of a "
        "topic, or all of a model: driftd's status page and log show which events, where, and the remedy.",
        [
            over_time(f"max by (topic) (driftd_lost_events_ratio{{{JOB}}})", "{{topic}}"),
            over_time(f"max by (model) (driftd_model_lost_events_ratio{{{JOB}}})", "model {{model}}"),
        ],
        unit="percentunit",
        no_value="no event yet",
        steps=((None, "green"), (TOLERATED_SHARE, "red")),
    )


def _lag() -> Panel:
    return lines(
        "Lag",
        "Records that wait to be read. Steadily rising: more traffic than one process takes; give it a core of its "
        "own. Verdicts come late then and stay exact.",
        [over_time(f"sum by (topic) (driftd_lag_records{{{JOB}}})", "{{topic}}")],
        unit="short",
        no_value="nothing read yet",
    )


def _watermark_age() -> Panel:
    oldest = f"min by (topic) (driftd_watermark_timestamp_seconds{{{JOB}}})"
    return lines(
        "Watermark age",
        "How far the events that are complete lie behind the present, by the slowest partition of each topic. Rising "
        "with traffic: driftd is behind (see the lag), or the producer's clock stands. Rising without: it is quiet.",
        [over_time(f"time() - {oldest}", "{{topic}}")],
        unit="s",
        no_value="no event yet",
        steps=((None, "green"), (BEHIND_SECONDS, "red")),
    )


def _grown(counter: str) -> str:
    return f"sum(max by (model, version) (increase({counter}{{{JOB}}}[$__range])))"


def _promise() -> Panel:
    return lines(
        "Pages against the promise",
        "Within a time as long as the range shown, up to each moment, over all models: incidents that became a page, "
        "and the false pages that all tests were allowed to cost. Pages far above that without real faults: "
        "build the references from more days.",
        [
            over_time(_grown("driftd_pages_total"), "pages"),
            over_time(_grown("driftd_expected_false_pages_total"), "promised false pages"),
        ],
        unit="short",
        no_value="no model yet",
    )


def _monitor_load() -> Panel:
    return lines(
        "Records and open panes",
        "Records read in a second, and panes that still take events. Records at 0 while the lag rises: see /readyz and "
        "the log. Panes rising without end: one partition's event time is far behind the others.",
        [
            over_time(f"sum by (topic) (rate(driftd_records_total{{{JOB}}}[$__rate_interval]))", "records: {{topic}}"),
            over_time(f"max(driftd_open_panes{{{JOB}}})", "open panes"),
        ],
        unit="short",
        no_value="no driftd",
    )
