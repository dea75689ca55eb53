"""What every alert is made of: an expression, two sentences, and the links that the settings know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from monitor.publish import links
from monitor.settings.tree import Settings

Rule: TypeAlias = dict[str, Any]

CRITICAL, WARNING = "critical", "warning"
#: a failed scrape or a restart within this time neither ends an alert nor changes its labels
BRIDGED: Final = "5m"
#: several processes may show the same thing
ONE_OF_ALL: Final = "max without (instance, pod)"
SUM_OF_ALL: Final = "sum without (instance, pod)"
TEAM: Final = "{{ with $labels.team }} Team: {{ . }}.{{ end }}"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; `keep_for` is how long it goes on after its expression has ended.

    `model` says which of the labels model and version it has: both, the first alone, or none.
    """

    name: str
    expr: str
    severity: str
    wait: str
    keep_for: str
    summary: str
    description: str
    model: tuple[str, ...] = ()

    def rule(self, settings: Settings) -> Rule:
        """As a rules file holds it; an annotation without a value is left out."""
        expr = _with_team(self.expr, ", ".join(self.model)) if self.model else self.expr
        annotations = {
            "summary": self.summary,
            "description": self.description + (TEAM if self.model else ""),
            "runbook_url": self._runbook(settings),
            "dashboard_url": self._dashboard(settings),
            "status_url": _literal(links.status(settings.links)),
        }
        return {
            "alert": self.name,
            "expr": expr,
            "for": self.wait,
            "keep_firing_for": self.keep_for,
            "labels": {"severity": self.severity},
            "annotations": {name: text for name, text in annotations.items() if text},
        }

    def _runbook(self, settings: Settings) -> str:
        """The model's own, where it has one, else the page of this alert."""
        page = _literal(links.runbook(settings.links, self.name))
        if not self.model or not any(model.runbook for model in settings.models):
            return page
        return "{{ with $labels.runbook_url }}{{ . }}" + (f"{{{{ else }}}}{page}" if page else "") + "{{ end }}"

    def _dashboard(self, settings: Settings) -> str:
        address = _literal(links.dashboard(settings.links))
        if not address or not self.model:
            return address
        chosen = (f"var-{label}={{{{ urlquery $labels.{label} }}}}" for label in self.model)
        return f"{address}?{'&'.join(chosen)}"


def _literal(address: str) -> str:
    """Braces of an address are no template."""
    return address.replace("{", "%7B").replace("}", "%7D")


def _with_team(alert: str, on: str) -> str:
    """Team and runbook of the model, where there are any; never a reason not to fire.

    Of several teams (a rolling change of the settings) one is taken: two would be an error and no alert.
    """
    info = f"max by ({on}, team, runbook_url) (last_over_time(driftd_model_info[{BRIDGED}]))"
    one = f"topk by ({on}) (1, {info})"
    return f"{alert} * on ({on}) group_left (team, runbook_url) {one}\nor on ({on})\n{alert}"
