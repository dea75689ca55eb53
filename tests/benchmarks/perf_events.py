"""Native prediction events, usually with 25 features (20 numbers, 5 categories); the same bytes from the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from monitor.count.admission.versions import Admission
from monitor.events import ModelKey
from monitor.reference.file.encoding import with_hash
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.run.reference_file import save_reference
from monitor.settings.tree import Settings
from tests.engine import build

NAMES = tuple(f"feature_{i:02d}" for i in range(25))
NUMBERS = 20
COLOURS = ("red", "green", "blue", "black")
START_MS = 1_764_000_000_000
REFERENCE_ROWS = 10_000

Event = dict[str, Any]
Fault = Callable[[Event, int], None]


def well(_event: Event, _number: int) -> None:
    """No fault."""


def one_text(event: Event, _number: int) -> None:
    """A text in a number's place, always the same one."""
    event["features"][NAMES[5]] = "n/a"


def any_text(event: Event, number: int) -> None:
    """A text in a number's place, each time in another one's."""
    event["features"][NAMES[number % NUMBERS]] = "n/a"


def bad_score(event: Event, _number: int) -> None:
    """The whole event is rejected."""
    event["score"] = 2


@dataclass(frozen=True)
class PerfEvents:
    """`number` events, `gap_ms` apart, of the models perf-0, perf-1, ... in turn.

    Of every 25 `features` the first 20 are numbers and the others categories.
    """

    number: int
    models: int = 1
    gap_ms: float = 10
    seed: int = 0
    fault: Fault = well
    features: int = len(NAMES)

    def __iter__(self) -> Iterator[Event]:
        rng = random.Random(self.seed)
        names = [f"feature_{k:02d}" for k in range(self.features)]
        for i in range(self.number):
            features: dict[str, object] = {
                name: round(rng.gauss(k, 1 + k / 10), 6) if k % len(NAMES) < NUMBERS else rng.choice(COLOURS)
                for k, name in enumerate(names)
            }
            if i % 50 == 0:
                features[NAMES[3]] = None
            event: Event = {
                "type": "prediction",
                "id": f"p-{i:09d}",
                "model": f"perf-{i % self.models}",
                "version": "1",
                "ts": START_MS + round(i * self.gap_ms),
                "features": features,
                "prediction": i % 2 if self.models == 1 else rng.randrange(2),
                "score": round(rng.random(), 6),
            }
            self.fault(event, i)
            yield event

    def values(self) -> list[bytes]:
        return [json.dumps(event, separators=(",", ":")).encode() for event in self]

    def templates(self) -> list[bytes]:
        """Values that leave open what has to differ when they are used again: `template % (number, time in ms)`."""
        events = (event | {"id": "p-%09d", "ts": "%d"} for event in self)
        return [json.dumps(e, separators=(",", ":")).replace('"ts":"%d"', '"ts":%d').encode() for e in events]


def perf_tree(models: int, **exceedance: object) -> dict[str, object]:
    """Settings as they are without changes."""
    watched = [{"name": f"perf-{at}", "versions": ["1"], "reference": "perf.json"} for at in range(models)]
    return {"inputs": [{"topic": "perf"}], "models": watched} | exceedance


def perf_references(
    settings: Settings, gap_ms: float = 10, features: int = len(NAMES), *, labelled: bool = False
) -> dict[str, dict[str, Reference]]:
    """One reference for each model of the settings, all of them alike; `gap_ms` between two events of one model.

    From `labelled` rows performance is estimated.
    """
    first = ModelKey("perf-0", "1")
    stream = list(PerfEvents(REFERENCE_ROWS, gap_ms=gap_ms, seed=1, features=features))
    stream = [event | {"label": event["prediction"]} for event in stream] if labelled else stream
    built = build(settings, stream, first)
    keys = [ModelKey(model.name, "1") for model in settings.models]
    return {key.model: {key.version: with_hash(replace(built, key=key))} for key in keys}


def write_perf_settings(
    folder: Path, models: int, gap_ms: float, *, features: int = len(NAMES), **exceedance: object
) -> Path:
    """A settings file and its references, `gap_ms` between two events of one model."""
    tree = perf_tree(models, **exceedance)
    for model, versions in perf_references(Settings.model_validate(perf_tree(models)), gap_ms, features).items():
        save_reference(versions["1"], folder / f"{model}.json")
    names = [f"perf-{at}" for at in range(models)]
    tree["models"] = [{"name": name, "versions": ["1"], "reference": f"{name}.json"} for name in names]
    config = folder / "driftd.yaml"
    config.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return config


def perf_admission(settings: Settings, gap_ms: float = 10, *, labelled: bool = False) -> Admission:
    return Admission(settings, References(perf_references(settings, gap_ms, labelled=labelled)))
