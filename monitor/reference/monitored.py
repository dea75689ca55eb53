"""A model version with its settings and reference."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from monitor.events import ModelKey
from monitor.reference.reference import Reference
from monitor.settings.model import Model
from monitor.settings.tree import Settings, model_fingerprint


@dataclass(frozen=True)
class Monitored:
    """A model version with its settings and reference; its saved state is valid only for this `settings_hash`.

    `warmed_up`: the reference was, or will be, learned in a warm-up. Its rows hold accepted events and their columns,
    so that nothing is known of repeated ids, wrong clocks and other columns.
    """

    key: ModelKey
    model: Model
    reference: Reference
    lateness_us: int
    settings_hash: str
    warmed_up: bool = False


def settings_hash(settings: Settings, model: Model, reference: Reference) -> str:
    """`sha256:…` over everything that the meaning of a model's state depends on."""
    meaning: dict[str, Any] = {**model_fingerprint(settings, model), "reference": reference.hash}
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
