"""The rules file as a whole.

Every alert has a page of its name in docs/runbooks. Model names and versions are asked for in the series and not
written into the rules, so that the rules stay right when a model is added.
"""

from __future__ import annotations

from typing import Final

import yaml

from monitor.publish.rules import drift, events, health
from monitor.publish.rules.alert import Rule
from monitor.settings.tree import Settings

FILE: Final = "driftd.rules.yml"
HEADER: Final = """\
# Made by `driftd rules` from the settings; make it anew when they change. Prometheus 2.42 or newer.
# DriftdDown asks for the scrape job by its name: driftd.
"""


def rules_yaml(settings: Settings) -> str:
    """The text of a rules file."""
    group = {"name": "driftd", "rules": rules(settings)}
    body = yaml.dump({"groups": [group]}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000)
    return HEADER + body


def rules(settings: Settings) -> list[Rule]:
    """The alerts; those of the checkpoint only where checkpoints are kept."""
    kept = settings.state.store == "directory"
    checkpoint = [health.checkpoint_stale(settings), health.checkpoint_failing()] if kept else []
    of_models = [drift.drift_page(), drift.drift_ticket(), drift.data_stale()]
    of_events = [events.events_lost(), events.events_unjudged()]
    of_records = [events.records_unreadable(), events.position_stalled()]
    of_itself = [health.down(), health.not_restored(), *checkpoint, health.lag_growing()]
    return [alert.rule(settings) for alert in (*of_models, *of_events, *of_records, *of_itself)]


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
