"""The alerts about models: a page, a ticket, and no data of a model."""

from __future__ import annotations

from monitor.publish.links import PAGE_ALERT, TICKET_ALERT
from monitor.publish.rules.alert import BRIDGED, CRITICAL, ONE_OF_ALL, WARNING, Alert
from monitor.publish.rules.annotations import drift_summary, findings, if_lasting, quiet_versions, since_when
from monitor.publish.traffic_series import TRAFFIC_STOPPED

_VERSION = ("model", "version")


def drift_page() -> Alert:
    return _drift(PAGE_ALERT, "page", CRITICAL, "", wait="30s")


def drift_ticket() -> Alert:
    """A lasting one too: what was a page is read by day, and another change pages."""
    text = if_lasting(
        "It was a page and it stays; another change opens a new page. ",
        "Not urgent: small, short so far, or in a column that has only tickets; the status page says which. ",
    )
    return _drift(TICKET_ALERT, "ticket", WARNING, text, wait="1m")


def _drift(name: str, incident: str, severity: str, text: str, wait: str) -> Alert:
    """Uses the newest value within `BRIDGED`, not the largest, so that an ended incident ends its alert at once."""
    active = f'({ONE_OF_ALL} (last_over_time(driftd_incident_active{{severity="{incident}"}}[{BRIDGED}])) == 1)'
    description = f"{text}Over the threshold: {findings(incident)}.{since_when(incident)}{quiet_versions()}"
    return Alert(name, active, severity, wait, "1m", drift_summary(incident), description, _VERSION)


def data_stale() -> Alert:
    """Waits ten minutes in addition to the range of five: a process that has just started has no increase yet.

    Not where a version's reference had gaps as long as this one: it is quiet, and has not stopped.
    """
    increase = 'increase(driftd_model_events_total{type!="label"}[5m])'
    nothing = f"sum without (instance, pod, version, type) ({increase}) == 0"
    return Alert(
        "DriftdDataStale",
        f"({nothing} unless on (model) {ONE_OF_ALL} ({TRAFFIC_STOPPED}) == 0)",
        WARNING, "10m", "1m",
        "{{ $labels.model }} is not watched: no event of it was accepted for 15 minutes",
        "driftd runs, and nothing of the model arrives or all of it is turned away. "
        "What was known of it stands still.",
        ("model",),
    )  # fmt: skip
