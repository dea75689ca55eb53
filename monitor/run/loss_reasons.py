"""Why events were not counted and the remedy, as text for people; shared by daemon, replay and reference build."""

from __future__ import annotations

from typing import Final

from monitor.events import UNKNOWN_MODEL, ModelKey
from monitor.settings.duration import lateness_for
from monitor.settings.tree import Settings
from monitor.text import listed

#: most names in a list
NAMED: Final = 10
UNIQUE_ID: Final = "`id` has to be unique for each prediction; leave it out if there is none"


def not_watched(settings: Settings, key: ModelKey, outcome: str, where: str = "") -> str:
    """Why events of a model version are not admitted; `where` is inserted, such as ` (3 events, first at x.jsonl:1)`.

    `outcome` is `unknown_model`, or `ignored` for a version that is not listed.
    """
    model = settings.model(key.model)
    if model is None:
        names = listed((one.name for one in settings.models), NAMED)
        return f'model "{key.model}" is not in the settings{where}; known: {names}'
    at = f"models[{settings.models.index(model)}]"
    version = f'version "{key.version}" of {model.name}'
    if outcome == UNKNOWN_MODEL:
        return f"{version} has no reference{where}: {at}.reference is {model.file}"
    versions = listed((f'"{one}"' for one in model.versions), NAMED)
    return f"{version} is not watched{where}: {at}.versions lists {versions}"


def late_remedy(behind_us: int, setting: str, *, in_a_file: bool = False) -> str:
    """The lateness to set under `setting` for events this far behind, or a question if a clock is more likely wrong."""
    enough = lateness_for(behind_us)
    if not enough:
        return "is a producer's clock wrong?"
    return f"{setting}.allowed_lateness: {enough} would accept them" + (", or --sort" if in_a_file else "")


def lateness_setting(settings: Settings, key: ModelKey | None) -> str:
    """The setting of the lateness of a model's events; the common one if the settings do not name the model."""
    names = [model.name for model in settings.models]
    return f"models[{names.index(key.model)}]" if key is not None and key.model in names else "windows"
