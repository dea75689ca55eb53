"""URLs of the status page, runbooks and dashboards from `links` in the settings; "" for a link that is not set."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from monitor.events import ModelKey
from monitor.settings.tree import Links

#: the Grafana dashboard's uid in its URL
DASHBOARD: Final = "driftd"
PAGE_ALERT, TICKET_ALERT = "DriftdModelDriftPage", "DriftdModelDriftTicket"


def status(links: Links) -> str:
    """The status page."""
    return links.status or ""


def runbook(links: Links, alert: str) -> str:
    """The runbook of an alert: its name replaces `{alert}`, or is appended."""
    if links.runbooks is None:
        return ""
    return links.runbooks.replace("{alert}", alert) if "{alert}" in links.runbooks else _below(links.runbooks, alert)


def dashboard(links: Links, model: str = "", version: str = "") -> str:
    """The dashboard, of a model version if `model` is given. Both names must be URL-escaped."""
    if links.dashboards is None:
        return ""
    return _below(links.dashboards, f"d/{DASHBOARD}") + (f"?var-model={model}&var-version={version}" if model else "")


def of_incident(links: Links, key: ModelKey, severity: str, own_runbook: str = "") -> dict[str, str]:
    """The URLs of an incident by name, without empty ones; the model's own runbook wins over the general one."""
    urls = {
        "status": status(links),
        "runbook": own_runbook or runbook(links, PAGE_ALERT if severity == "page" else TICKET_ALERT),
        "dashboard": dashboard(links, _escaped(key.model), _escaped(key.version)),
    }
    return {name: url for name, url in urls.items() if url}


def _below(base: str, path: str) -> str:
    return f"{base.rstrip('/')}/{path}"


def _escaped(name: str) -> str:
    return quote(name.encode("utf-8", "replace"), safe="")
