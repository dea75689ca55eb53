"""The references in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.events import ModelKey
from monitor.reference.reference import Reference

#: instead of a version: all versions without their own reference
EVERY_VERSION = "*"


class References:
    """The only owner of the references that model versions are compared with, by model and version."""

    def __init__(
        self,
        by_model: Mapping[str, Mapping[str, Reference]],
        imports: Mapping[str, Mapping[str, Reference]] | None = None,
    ) -> None:
        """`imports` are those that are completed in a warm-up; nothing is judged by them before."""
        self._by_model = {model: dict(versions) for model, versions in by_model.items()}
        #: those of one version each, whatever it is called: an event may name the version `*`
        self._of_one: dict[ModelKey, Reference] = {}
        self._imports = {model: dict(versions) for model, versions in (imports or {}).items()}

    def imported(self, key: ModelKey) -> Reference | None:
        """The import that a model version begins with, until live windows have shown how they vary."""
        versions = self._imports.get(key.model, {})
        return versions.get(key.version) or versions.get(EVERY_VERSION)

    def imports(self) -> Iterator[tuple[ModelKey, Reference]]:
        """All imports, by model and version."""
        for model, versions in self._imports.items():
            for version, reference in sorted(versions.items()):
                yield ModelKey(model, version), reference

    def of(self, key: ModelKey) -> Reference | None:
        """The reference of a model version."""
        versions = self._by_model.get(key.model, {})
        return self._of_one.get(key) or versions.get(key.version) or versions.get(EVERY_VERSION)

    def put(self, key: ModelKey, reference: Reference) -> None:
        """Replace the reference of a model version."""
        self._of_one[key] = reference

    def has_any_of(self, model: str) -> bool:
        return any(key.model == model for key, _ in self) or bool(self._imports.get(model))

    def __iter__(self) -> Iterator[tuple[ModelKey, Reference]]:
        """All references, by model and version."""
        for model, versions in self._by_model.items():
            for version, reference in sorted(versions.items()):
                if ModelKey(model, version) not in self._of_one:
                    yield ModelKey(model, version), reference
        yield from sorted(self._of_one.items(), key=lambda one: one[0])

    def __len__(self) -> int:
        return sum(1 for _ in self)
