"""Addresses that are written where people read: made of `links` in the settings, "" where that is silent."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from monitor.events import ModelKey
from monitor.settings.tree import Links

#: the Grafana dashboard's own name in its address
DASHBOARD: Final = "driftd"
PAGE_ALERT, TICKET_ALERT = "DriftdModelDriftPage", "DriftdModelDriftTicket"


def status(links: Links) -> str:
    """driftd's own page."""
    return links.status or ""


def runbook(links: Links, alert: str) -> str:
    """The page of an alert: its name stands for `{alert}`, or at the end."""
    if links.runbooks is None:
        return ""
    return links.runbooks.replace("{alert}", alert) if "{alert}" in links.runbooks else _below(links.runbooks, alert)


def dashboard(links: Links, model: str = "", version: str = "") -> str:
    """The dashboard; with a model, at that model version. Both names have to be escaped already."""
    if links.dashboards is None:
        return ""
    return _below(links.dashboards, f"d/{DASHBOARD}") + (f"?var-model={model}&var-version={version}" if model else "")


def of_incident(links: Links, key: ModelKey, severity: str, own_runbook: str = "") -> dict[str, str]:
    """All that is known by name; the model's own runbook wins over that of all."""
    named = {
        "status": status(links),
        "runbook": own_runbook or runbook(links, PAGE_ALERT if severity == "page" else TICKET_ALERT),
        "dashboard": dashboard(links, _escaped(key.model), _escaped(key.version)),
    }
    return {name: address for name, address in named.items() if address}


def _below(base: str, path: str) -> str:
    return f"{base.rstrip('/')}/{path}"


def _escaped(name: str) -> str:
    return quote(name.encode("utf-8", "replace"), safe="")
