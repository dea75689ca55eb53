"""The remedy for late events, as text for people."""

from __future__ import annotations

from monitor.events import ModelKey
from monitor.settings.duration import lateness_for
from monitor.settings.tree import Settings


def late_remedy(behind_us: int, setting: str, *, in_a_file: bool = False) -> str:
    """The lateness to set under `setting` for events this far behind, or a question if a clock is more likely wrong."""
    enough = lateness_for(behind_us)
    if not enough:
        return "is a producer's clock wrong?"
    return f"{setting}.allowed_lateness: {enough} would take them" + (", or --sort" if in_a_file else "")


def lateness_setting(settings: Settings, key: ModelKey | None) -> str:
    """The setting of the lateness of a model's events; the common one if the settings do not name the model."""
    names = [model.name for model in settings.models]
    return f"models[{names.index(key.model)}]" if key is not None and key.model in names else "windows"
