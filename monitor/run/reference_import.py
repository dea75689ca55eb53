"""`driftd reference import`: another system's files become a reference, which a warm-up completes."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.reference.imports.catalog import IMPORTS
from monitor.reference.imports.columns import imported_reference
from monitor.reference.imports.shape import ImportedFile
from monitor.reference.reference import Reference
from monitor.sources.kinds import LINES, PARQUET, ROWS, has_ending
from monitor.sources.readers import Records, csv_rows, json_lines, parquet_rows
from monitor.sources.streams import Stream
from monitor.text import many

#: largest file that is read, bytes; statistics of 10,000 columns have a tenth of it
LARGEST_BYTES: Final = 512 * 1024 * 1024
#: the files of a folder that may be meant
_MEANT: Final = re.compile(
    r"MLmodel|MLTable|(?![._]).*\.(json|ya?ml|pb|pbtxt|tfrecord|parquet|(csv|jsonl|ndjson)(\.gz|\.zst)?)", re.IGNORECASE
)
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
        found = [path for path in sorted(source.rglob("*")) if path.is_file() and _MEANT.fullmatch(path.name)]
        if not found:
            raise UsageError(f"{source}: holds no file that is understood; name the files themselves")
        if len(found) > MOST_FILES:
            raise UsageError(f"{source}: holds {len(found):,} files; name those that are meant")
        yield from map(_read, found)


def _read(path: Path) -> ImportedFile:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UsageError(f"{path}: larger than {LARGEST_BYTES:,} bytes, the limit for an import")
        if has_ending(path, (*LINES, *ROWS, *PARQUET)):
            return ImportedFile(str(path), b"", _table(path))
        return ImportedFile(str(path), path.read_bytes())
    except OSError as failure:
        raise UsageError(f"{path}: cannot be read: {failure.strerror}") from None


def _table(path: Path) -> dict[str, list[object]]:
    """The columns of a table; a row without one of them has null there.

    Raises:
        UsageError: it is damaged, or a line is no object.
    """
    columns: dict[str, list[object]] = {}
    count = 0
    with contextlib.ExitStack() as stack:
        records = _records(path)
        stack.callback(records.file.close)
        for line, value in _numbered(records):
            row = _row(value, f"{path}:{line}")
            for name in row.keys() - columns.keys():
                columns[name] = [None] * count
            for name, cells in columns.items():
                cells.append(row.get(name))
            count += 1
    if not count:
        raise UsageError(f"{path}: the table is empty")
    return dict(sorted(columns.items()))


def _numbered(records: Records) -> Iterator[tuple[int, bytes]]:
    """Each record with the number of its line or row."""
    for block in records.blocks:
        yield from zip(block.lines.tolist(), block.values, strict=True)


def _records(path: Path) -> Records:
    if has_ending(path, PARQUET):
        return parquet_rows(str(path), path, {}, None, texts=())
    stream = Stream(path)
    return csv_rows(stream, {}, None, texts=()) if has_ending(path, ROWS) else json_lines(stream, None)


def _row(value: bytes, place: str) -> dict[str, object]:
    try:
        row = json.loads(value)
    except (ValueError, RecursionError):
        raise UsageError(f"{place}: is no JSON object; write one a line") from None
    if not isinstance(row, dict):
        raise UsageError(f"{place}: is no JSON object; write one a line")
    return row
