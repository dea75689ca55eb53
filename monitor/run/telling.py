"""Notices of the daemon's own start and stop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitor import __version__
from monitor.chain import Told
from monitor.clock import rfc3339
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey
from monitor.findings import Rebase
from monitor.notices import STARTED, STOPPED, Notice
from monitor.reference.monitored import settings_hash
from monitor.settings.tree import Settings
from monitor.state.directory import Loaded


def started(settings: Settings, admission: Admission, loaded: Loaded | None, now_us: int) -> Notice:
    """The daemon begins to read: from which state, and what each model version is compared with."""
    models = [
        {
            "model": key.model,
            "version": key.version,
            "reference": reference.hash,
            "settings": settings_hash(settings, model, reference),
        }
        for key, reference in admission.references
        if (model := admission.model(key.model)) is not None
    ]
    facts: dict[str, Any] = {
        "driftd": __version__,
        "state": "new" if loaded is None else "restored",
        "saved": None if loaded is None else rfc3339(loaded.tree["saved_at"]),
        "checkpoint": 0 if loaded is None else loaded.sequence,
        "models": models,
    }
    return Notice(STARTED, now_us, facts=facts)


def stopped(now_us: int) -> Notice:
    """The daemon was asked to end, and ends."""
    return Notice(STOPPED, now_us)


def rebased_in(told: Iterable[Told]) -> set[ModelKey]:
    """The model versions that have another reference."""
    return {one.key for one in told if isinstance(one, Rebase)}
