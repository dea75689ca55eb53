"""`driftd reference import`: another system's files become a reference, which a warm-up completes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.reference.imports.catalog import IMPORTS
from monitor.reference.imports.columns import imported_reference
from monitor.reference.imports.shape import ImportedFile
from monitor.reference.reference import Reference
from monitor.text import many

#: largest file that is read, bytes; statistics of 10,000 columns have a tenth of it
LARGEST_BYTES: Final = 512 * 1024 * 1024
#: most files of a folder
MOST_FILES: Final = 1_000


def import_reference(system: str, sources: Sequence[Path], key: ModelKey, slice_name: str = "") -> Reference:
    """The reference of the files; nothing is judged by it before a warm-up has shown how live windows vary.

    Raises:
        UsageError: a file cannot be read, or is none of that system.
    """
    data = IMPORTS[system](list(_files(sources)), slice_name)
    reference = imported_reference(data, key)
    if not reference.columns:
        why = "; ".join(f"{name}: {reason}" for name, reason in reference.ignored[:5])
        raise UsageError(f"{sources[0]}: none of its {many(len(data.columns), 'column')} can be watched: {why}")
    return reference


def _files(sources: Sequence[Path]) -> Iterator[ImportedFile]:
    for source in sources:
        if not source.is_dir():
            yield _read(source)
            continue
        found = sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
        if not found:
            raise UsageError(f"{source}: is an empty folder")
        if len(found) > MOST_FILES:
            raise UsageError(f"{source}: holds {len(found):,} files; name those that are meant")
        yield from map(_read, found)


def _read(path: Path) -> ImportedFile:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UsageError(f"{path}: larger than {LARGEST_BYTES:,} bytes, the limit for an import")
        return ImportedFile(str(path), path.read_bytes())
    except OSError as failure:
        raise UsageError(f"{path}: cannot be read: {failure.strerror}") from None
