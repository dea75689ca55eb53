"""The definition of an alert, and its conversion to a rule of a Prometheus rules file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from monitor.publish import links
from monitor.settings.tree import Settings

Rule: TypeAlias = dict[str, Any]

CRITICAL, WARNING = "critical", "warning"
#: a gap of this length in the series (a restart, a failed scrape) neither ends an alert nor changes its labels
BRIDGED: Final = "5m"
#: one series of all processes: several may export the same figure
ONE_OF_ALL: Final = "max without (instance, pod)"
SUM_OF_ALL: Final = "sum without (instance, pod)"
TEAM: Final = "{{ with $labels.team }} Team: {{ . }}.{{ end }}"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `wait` becomes `for` in its rule, `keep_for` becomes `keep_firing_for`.

    `model` are the labels of the alert that name a model: model and version, model alone, or none.
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
        """The rule of a rules file; an annotation without a value is left out."""
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
        """The model's own runbook if it has one, else the one of this alert."""
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
    """Escape braces, which Prometheus would take for a template."""
    return address.replace("{", "%7B").replace("}", "%7D")


def _with_team(alert: str, on: str) -> str:
    """Add the labels team and runbook_url of the model, if there are any; without them the alert fires, too.

    Of several teams (during a rolling update of the settings) one is taken: with two the join is an error, and no alert
    fires.
    """
    info = f"max by ({on}, team, runbook_url) (last_over_time(driftd_model_info[{BRIDGED}]))"
    one = f"topk by ({on}) (1, {info})"
    return f"{alert} * on ({on}) group_left (team, runbook_url) {one}\nor on ({on})\n{alert}"
