"""Which model versions are monitored, and with which reference; what becomes of an event of any other one."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.errors import UsageError
from monitor.events import ACCEPTED, IGNORED, OVER_LIMIT, UNKNOWN_MODEL, ModelKey, canonical
from monitor.reference.reference import FEATURE, Reference, load_reference
from monitor.settings.tree import Model, Settings, model_fingerprint
from monitor.stats.bins import CATEGORICAL, NUMERIC, width_of

PLACEHOLDER: Final = "{version}"
IGNORE: Final = "ignore"
VERSION_IN_PATH: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: model versions without a reference that are remembered by name
WITHOUT_REFERENCE: Final = 20


class Admission(NamedTuple):
    """What becomes of the events of a model version before lateness and duplicates are asked."""

    outcome: str
    reason: str
    lateness_us: int


@dataclass(frozen=True)
class Monitored:
    """A model version with all it is judged by. `settings_hash` binds its state to what gave it its meaning."""

    key: ModelKey
    model: Model
    reference: Reference
    lateness_us: int
    settings_hash: str


@dataclass(frozen=True, slots=True)
class ReferenceFault:
    """What is wrong with the reference of a model version: where, what, and what would be right.

    The version is `*` for a reference of every one, and "" where no file is there that would name one.
    """

    key: ModelKey
    text: str


class Catalog:
    """Looks model versions up; remembers the ones it met, so that their number stays within `limits.versions`."""

    def __init__(self, settings: Settings, references: dict[str, dict[str, Reference]]) -> None:
        """`references` by model name and version; the version `*` stands for every one."""
        self._settings = settings
        self._models = {model.name: model for model in settings.models}
        self._references = references
        self._monitored: dict[ModelKey, Monitored] = {}
        self._admissions: dict[ModelKey, Admission] = {}
        #: the first model versions that events came of, and that there is no reference for
        self.without_reference: list[ModelKey] = []

    @classmethod
    def load(cls, settings: Settings, folder: Path, config: str = "FILE") -> Catalog:
        """Read every reference the settings name. `config` is how a command names the settings file.

        Raises:
            UsageError: all faults at once.
        """
        catalog, faults = cls.load_sound(settings, folder, config)
        if faults:
            raise UsageError(fault.text for fault in faults)
        return catalog

    @classmethod
    def load_sound(cls, settings: Settings, folder: Path, config: str = "FILE") -> tuple[Catalog, list[ReferenceFault]]:
        """The same with the references that are sound, and every fault of the others."""
        faults: list[ReferenceFault] = []
        references = {
            model.name: _references_of(_Reading(model, at, folder, config, faults))
            for at, model in enumerate(settings.models)
        }
        return cls(settings, references), faults

    def unwatched(self, config: str = "FILE") -> list[ReferenceFault]:
        """The models of which no version is watched, because no file matches their `{version}`."""
        folder = self._settings.folder
        readings = [_Reading(model, at, folder, config, []) for at, model in enumerate(self._settings.models)]
        return [
            ReferenceFault(ModelKey(one.model.name, ""), _no_file_matches(one))
            for one in readings
            if PLACEHOLDER in one.model.reference
            and not (one.model.versions or self._references.get(one.model.name) or _wanted_files(one))
        ]

    def has_references(self) -> bool:
        """True when one was read for any model."""
        return any(self._references.values())

    def file_of(self, key: ModelKey) -> str:
        """The file that would be the reference of this version of a model of the settings, for a person."""
        path = self._settings.reference_path(self._models[key.model], key.version)
        return f"none: {key.version!r} cannot fill {PLACEHOLDER}" if path is None else str(path)

    def monitored(self, key: ModelKey) -> Monitored | None:
        """The model version, if its events are judged."""
        if self.admission(key).outcome != ACCEPTED:
            return None
        return self._monitored[key]

    def admission(self, key: ModelKey) -> Admission:
        """Outcome and reason for prediction and features events of this key; `accepted` when they are let in."""
        known = self._admissions.get(key)
        if known is not None:
            return known
        admission = self._admit(key)
        if len(self._admissions) < 10_000 or admission.outcome == ACCEPTED:
            self._admissions[key] = admission
        return admission

    def label_key(self, key: ModelKey) -> ModelKey:
        """The key a label counts under: a label without version goes to the model's only one, where it has only one."""
        model = self._models.get(key.model)
        if key.version or model is None or len(model.versions) != 1:
            return key
        return ModelKey(key.model, model.versions[0])

    def lateness_us(self, model_name: str) -> int:
        """How late events of a model of the settings may be; 0 for any other."""
        model = self._models.get(model_name)
        return 0 if model is None else self._settings.lateness_us(model)

    def label_admission(self, key: ModelKey) -> Admission:
        """The same for a label, whose version may be left out. A label meets no version: predictions do."""
        model = self._models.get(key.model)
        if model is None:
            return self.admission(key)
        if key.version and model.versions and key.version not in model.versions:
            return Admission(IGNORED, "version", 0)
        if key.version and self._reference(key) is None:
            return Admission(UNKNOWN_MODEL, "no_reference", 0)
        return Admission(ACCEPTED, "", self._settings.lateness_us(model))

    def _admit(self, key: ModelKey) -> Admission:
        model = self._models.get(key.model)
        if model is None:
            return Admission(UNKNOWN_MODEL, "not_configured", 0)
        if model.versions and key.version not in model.versions:
            return Admission(IGNORED, "version", 0)
        reference = self._reference(key)
        if reference is None:
            if len(self.without_reference) < WITHOUT_REFERENCE and key not in self.without_reference:
                self.without_reference.append(key)
            return Admission(UNKNOWN_MODEL, "no_reference", 0)
        seen = sum(known.model == key.model for known in self._monitored)
        if seen >= self._settings.limits.versions:
            return Admission(OVER_LIMIT, "versions", 0)
        lateness = self._settings.lateness_us(model)
        self._monitored[key] = Monitored(
            key, model, reference, lateness, settings_hash(self._settings, model, reference)
        )
        return Admission(ACCEPTED, "", lateness)

    def references(self) -> list[tuple[ModelKey, Reference]]:
        """Every reference that was read, by model and version (`*`: every version)."""
        return [
            (ModelKey(model, version), reference)
            for model, versions in self._references.items()
            for version, reference in sorted(versions.items())
        ]

    def _reference(self, key: ModelKey) -> Reference | None:
        versions = self._references.get(key.model, {})
        return versions.get(key.version) or versions.get("*")

    def expected(self) -> list[ModelKey]:
        """The model versions that the settings name and that have a reference."""
        named = [ModelKey(model.name, version) for model in self._models.values() for version in model.versions]
        return [key for key in named if self._reference(key) is not None]

    def described(self, key: ModelKey) -> tuple[Model, Reference]:
        """The settings and the reference of a model version that is expected or was met."""
        reference = self._reference(key)
        if reference is None:
            message = f"{key} has no reference"
            raise KeyError(message)
        return self._models[key.model], reference

    def seen(self) -> list[ModelKey]:
        """Model versions met so far, in that order."""
        return list(self._monitored)

    def restore(self, keys: Iterable[ModelKey]) -> None:
        """Meet the model versions of a state again, in its order."""
        for key in keys:
            self.admission(key)


def settings_hash(settings: Settings, model: Model, reference: Reference) -> str:
    """`sha256:…` over what changes the meaning of a model's state."""
    meaning: dict[str, Any] = {**model_fingerprint(settings, model), "reference": reference.hash}
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Reading:
    """The references of one model being read: what is found wrong goes to `faults`."""

    model: Model
    at: int
    folder: Path
    config: str
    faults: list[ReferenceFault]

    @property
    def where(self) -> str:
        return f"models[{self.at}].reference"

    def add(self, version: str, *texts: str) -> None:
        self.faults.extend(ReferenceFault(ModelKey(self.model.name, version), text) for text in texts)


def _references_of(reading: _Reading) -> dict[str, Reference]:
    model, where = reading.model, reading.where
    if not model.reference:
        reading.add("*", f"{where}: is missing; name a file that `driftd reference build` made")
        return {}
    found: dict[str, Reference] = {}
    for version, path in _wanted_files(reading).items():
        try:
            reference = load_reference(path, build_command(model, version, path, reading.config))
        except UsageError as fault:
            reading.add(version, *(f"{where}: {line}" for line in fault.faults))
            continue
        if reference.key.model != model.name:
            built_for = f"was built for the model {reference.key.model!r}, not {model.name!r}"
            reading.add(version, f"{where}: {path} {built_for}")
            continue
        contradictions = [f"models[{reading.at}].{fault}" for fault in _contradictions(reference, model)]
        reading.add(version, *contradictions)
        if not contradictions:
            found[version] = _as_configured(reference, model)
    return found


def build_command(model: Model, version: str, path: Path, config: str) -> str:
    """The command that builds a reference, filled in as far as it is known. `version` may be `*`: one for all."""
    named = ["--version", version if version != "*" else next(iter(model.versions), "VERSION")]
    words = ["driftd", "reference", "build", "--config", config, "--model", model.name]
    words += [] if len(model.versions) == 1 else named
    return shlex.join([*words, "--rows", "10000", "SOURCE", "-o", _near(path)])


def _near(path: Path) -> str:
    """The path as it is written in the working folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _no_file_matches(reading: _Reading) -> str:
    model, pattern = reading.model, reading.model.reference
    text = f"models[{reading.at}] {model.name}: no file matches {pattern}, so no version of it is watched"
    if PLACEHOLDER not in Path(pattern).name:
        return f"{text}; {PLACEHOLDER} has to stand in the file's own name, or models[{reading.at}].versions be named"
    path = reading.folder / pattern.replace(PLACEHOLDER, "VERSION")
    return f"{text}; build one: {build_command(model, 'VERSION', path, reading.config)}"


def _contradictions(reference: Reference, model: Model) -> Iterator[str]:
    """Where the settings say of the model what its reference was not built for."""
    kinds = {column.name: column.bins.kind for column in reference.columns if column.role == FEATURE}
    ignored = dict(reference.ignored)
    for name, feature in model.features.items():
        if name not in kinds and name not in ignored:
            yield f"features.{name}: no event of the reference has it; build the reference again or leave it out"
        elif feature.kind in {NUMERIC, CATEGORICAL} and kinds.get(name) != feature.kind:
            was = kinds.get(name) or f"ignored ({ignored[name]})"
            yield f"features.{name}.kind: {feature.kind}, but the reference has it as {was}; build the reference again"
    if model.task is not None and model.task != reference.task:
        yield f"task: {model.task}, but the reference was built for {reference.task}; build the reference again"


def _as_configured(reference: Reference, model: Model) -> Reference:
    """The reference without the features that the settings ignore, under the settings' positive class."""
    kept = [
        at
        for at, column in enumerate(reference.columns)
        if column.role != FEATURE or column.name not in model.features or model.features[column.name].kind != IGNORE
    ]
    return replace(
        reference,
        positive=canonical(model.positive),
        columns=tuple(reference.columns[at] for at in kept),
        counts=_narrowed(reference, kept),
        variability=reference.variability.of(kept),
    )


def _narrowed(reference: Reference, kept: list[int]) -> NDArray[np.int64]:
    """Counts of the kept columns, padded to the widest of them."""
    width = width_of([reference.columns[at].bins for at in kept])
    counts = reference.counts[kept]
    return np.concatenate([counts[:, :width], counts[:, reference.width :]], axis=1)


def _wanted_files(reading: _Reading) -> dict[str, Path]:
    model, folder = reading.model, reading.folder
    pattern = str(model.reference)
    if PLACEHOLDER not in pattern:
        return {"*": folder / pattern}
    wanted: dict[str, Path] = {}
    for version in model.versions:
        if VERSION_IN_PATH.fullmatch(version):
            wanted[version] = folder / pattern.replace(PLACEHOLDER, version)
        else:
            allowed = f"the version {version!r} cannot fill {PLACEHOLDER}; allowed are A-Z a-z 0-9 . _ -"
            reading.add(version, f"{reading.where}: {allowed}")
    return wanted if model.versions else _files_on_disk(folder / pattern)


def _files_on_disk(pattern: Path) -> dict[str, Path]:
    """Every version a file of this pattern exists for (the placeholder stands in the file's name)."""
    if PLACEHOLDER not in pattern.name or not pattern.parent.is_dir():
        return {}
    before, after = pattern.name.split(PLACEHOLDER, 1)
    name = re.compile(re.escape(before) + "(" + VERSION_IN_PATH.pattern + ")" + re.escape(after))
    matches = ((name.fullmatch(path.name), path) for path in sorted(pattern.parent.iterdir()))
    return {match[1]: path for match, path in matches if match}
