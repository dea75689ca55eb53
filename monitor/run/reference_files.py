"""The reference files that the settings name: found, read, verified; and how to build missing ones."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.count.admission.versions import Admission
from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.reference.configured import as_configured, contradictions
from monitor.reference.notes.performance import horizon_notes
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.run.reference_file import load_reference
from monitor.settings.model import Model
from monitor.settings.tree import Settings
from monitor.settings.version_path import PLACEHOLDER, filled, version_in


@dataclass(frozen=True, slots=True)
class ReferenceFault:
    """A fault of a model version's reference: where, what, and the remedy.

    The version is `*` for a reference of all versions, and "" if there is no file from which to read it.
    """

    key: ModelKey
    text: str


def load_references(settings: Settings, config: str = "FILE") -> References:
    """Read every reference the settings name. `config` is how a command names the settings file.

    Raises:
        UsageError: all faults at once.
    """
    references, faults = load_sound_references(settings, config)
    if faults:
        raise UsageError(fault.text for fault in faults)
    return references


def load_sound_references(settings: Settings, config: str = "FILE") -> tuple[References, list[ReferenceFault]]:
    """The valid references, and every fault of the others."""
    faults: list[ReferenceFault] = []
    references = {
        model.name: _references_of(_Reading(settings, model, at, config, faults))
        for at, model in enumerate(settings.models)
    }
    complete = {model: _only(of, alone=False) for model, of in references.items()}
    return References(complete, {model: _only(of, alone=True) for model, of in references.items()}), faults


def _only(references: Mapping[str, Reference], *, alone: bool) -> dict[str, Reference]:
    """Those that are imports alone, or the others."""
    return {version: one for version, one in references.items() if one.is_import_alone == alone}


def unwatched(settings: Settings, references: References, config: str = "FILE") -> list[ReferenceFault]:
    """Models without any watched version, because no file matches their `{version}` and none is learned."""
    if settings.unknown_models == "warmup":
        return []
    readings = [_Reading(settings, model, at, config, []) for at, model in enumerate(settings.models)]
    return [
        ReferenceFault(ModelKey(one.model.name, ""), _no_file_matches(one))
        for one in readings
        if PLACEHOLDER in one.model.file
        and not (one.model.versions or references.has_any_of(one.model.name) or _wanted_files(one))
    ]


def beyond_horizon(settings: Settings, references: References) -> list[ReferenceFault]:
    """Model versions whose settings do not wait for the labels that their reference had."""
    return [
        ReferenceFault(key, note)
        for key, reference in references
        if (model := settings.model(key.model)) is not None
        for note in horizon_notes(reference, model.labels.horizon)
    ]


def file_of(settings: Settings, key: ModelKey) -> str:
    """The path of the reference of this model version, as text for people."""
    model = settings.model(key.model)
    path = None if model is None else settings.reference_path(model, key.version)
    return f"none: {key.version!r} cannot fill {PLACEHOLDER}" if path is None else str(path)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads the references of one model; collects `faults`."""

    settings: Settings
    model: Model
    at: int
    config: str
    faults: list[ReferenceFault]

    @property
    def where(self) -> str:
        return f"models[{self.at}].reference"

    def add(self, version: str, *texts: str) -> None:
        self.faults.extend(ReferenceFault(ModelKey(self.model.name, version), text) for text in texts)


def _references_of(reading: _Reading) -> dict[str, Reference]:
    model, where = reading.model, reading.where
    if not model.file:
        return {}  # learned in a warm-up
    found: dict[str, Reference] = {}
    for version, path in _wanted_files(reading).items():
        try:
            reference = load_reference(path, build_command(model, version, path, reading.config))
        except UsageError as fault:
            reading.add(version, *(f"{where}: {line}" for line in fault.faults))
            continue
        if reference.is_import_alone and not reference.key.model:  # of no model yet
            reference = replace(reference, key=ModelKey(model.name, reference.key.version))
        if reference.key.model != model.name:
            built_for = f"was built for the model {reference.key.model!r}, not {model.name!r}"
            reading.add(version, f"{where}: {path} {built_for}")
            continue
        against = [f"models[{reading.at}].{fault}" for fault in contradictions(reference, model)]
        reading.add(version, *against)
        if not against:
            found[version] = as_configured(reference, model)
    return found


def admission_by(settings: Settings, config: str) -> Admission:
    """Who is watched under the settings of the file `config`, live and in every replay.

    Model versions without a file learn their reference where the settings want that.

    Raises:
        UsageError: as `load_references` does.
    """
    return Admission(settings, load_references(settings, config), warms_up=True)


def build_command(model: Model, version: str, path: Path, config: str) -> str:
    """The command that builds a reference, filled in as far as known. `version` may be `*`: one for all."""
    named = ["--version", version if version != "*" else next(iter(model.versions), "VERSION")]
    words = ["driftd", "reference", "build", "--config", config, "--model", model.name]
    words += [] if len(model.versions) == 1 else named
    return shlex.join([*words, "--rows", "10000", "SOURCE", "-o", _near(path)])


def _near(path: Path) -> str:
    """The path relative to the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _no_file_matches(reading: _Reading) -> str:
    model, pattern = reading.model, reading.model.file
    text = f"models[{reading.at}] {model.name}: no file matches {pattern}, so no version of it is watched"
    if PLACEHOLDER not in Path(pattern).name:
        return f"{text}; {PLACEHOLDER} has to stand in the file's own name, or models[{reading.at}].versions be named"
    path = reading.settings.folder / filled(pattern, "VERSION")
    return f"{text}; build one: {build_command(model, 'VERSION', path, reading.config)}"


def _wanted_files(reading: _Reading) -> dict[str, Path]:
    """{version: file} (`*`: all versions) of the listed versions, or of all that have a file if none is listed."""
    model, settings = reading.model, reading.settings
    if PLACEHOLDER not in model.file:
        return {"*": settings.folder / model.file}
    if not model.versions:
        return _files_on_disk(settings.folder / model.file)
    paths = {version: settings.reference_path(model, version) for version in model.versions}
    return {version: path for version, path in paths.items() if path is not None}


def _files_on_disk(pattern: Path) -> dict[str, Path]:
    """{version: file} of the files that match the pattern (the placeholder is in the file's name)."""
    if PLACEHOLDER not in pattern.name or not pattern.parent.is_dir():
        return {}
    found = ((version_in(pattern.name, path.name), path) for path in sorted(pattern.parent.iterdir()))
    return {version: path for version, path in found if version is not None}
