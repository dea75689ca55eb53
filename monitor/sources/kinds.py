"""The kind of a file by its name, of a pipe by its first bytes; and the faults of a command's path arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from monitor.errors import UsageError
from monitor.sources.csv_rows import mapping_faults
from monitor.sources.recordings import ENDINGS as RECORDINGS
from monitor.sources.recordings import begins_as_recording
from monitor.sources.streams import Stream, is_pipe, shown_name

LINES: Final = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".jsonl.zst", ".ndjson.zst")
ROWS: Final = (".csv", ".csv.gz", ".csv.zst")
PARQUET: Final = (".parquet",)
#: files of tables, which need a mapping of their columns
TABLES: Final = (*ROWS, *PARQUET)
UNDERSTOOD: Final = (
    ".jsonl (or .ndjson), .csv, .records.jsonl, each also with .gz or .zst, .parquet, and - for standard input"
)
_PARQUET_MAGIC: Final = b"PAR1"

#: the end of a line of pretty-printed JSON, whose value continues in the next line
_CONTINUES: Final = re.compile(rb"[\[{,]\s*$")


def has_ending(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)


def kind_of(path: Path, stream: Stream | None, *, mapped: bool) -> tuple[str, ...]:
    """`RECORDINGS`, `ROWS`, `PARQUET` or `LINES`: by the name, else by the first bytes of `stream`; `mapped`: --map was
    given."""
    named = next((kind for kind in (RECORDINGS, ROWS, PARQUET, LINES) if has_ending(path, kind)), None)
    if named is not None or stream is None:
        return named or LINES
    beginning = stream.beginning()
    if begins_as_recording(beginning):
        return RECORDINGS
    if beginning.startswith(_PARQUET_MAGIC):
        return PARQUET
    return ROWS if mapped else LINES


def argument_faults(
    paths: Sequence[Path], csv_map: Mapping[str, str] | None, *, maps_itself: bool = False
) -> list[str]:
    """The faults of paths and mapping that show without opening a file; `maps_itself`: the settings map columns."""
    if not paths:
        return [f"no file given; understood are {UNDERSTOOD}"]
    faults = [fault for path in paths if (fault := _path_fault(path))]
    faults += [f"{shown_name(path)}: given twice" for path in sorted(set(paths)) if paths.count(path) > 1]
    rows = [path for path in paths if has_ending(path, TABLES)]
    may_be_rows = any(is_unnamed_pipe(path) for path in paths)
    if csv_map is not None and not rows and not may_be_rows and not faults:
        faults.append("--map is for .csv and .parquet files, and none is given")
    if csv_map is None and not maps_itself:
        endings = [PARQUET[0] if has_ending(path, PARQUET) else ROWS[0] for path in rows]
        named = zip(rows, endings, strict=True)
        faults += [f"{path}: a {ending} file needs --map column=field, at least one for ts" for path, ending in named]
    elif csv_map is not None and (rows or may_be_rows):
        faults += mapping_faults(csv_map)
    return faults


def is_unnamed_pipe(path: Path) -> bool:
    """Whether it is a pipe whose name has none of the known endings."""
    return is_pipe(path) and not has_ending(path, (*LINES, *TABLES, *RECORDINGS))


def _path_fault(path: Path) -> str:
    if is_pipe(path):
        return ""
    if path.is_dir():
        return f"{path} is a folder; name its files: {path}/*{_ending_in(path)}"
    if not path.suffix and not path.exists():
        return f"{path}: there is no such file; a topic is written 'kafka://{path}?from=earliest'"
    if not has_ending(path, (*LINES, *TABLES)):
        return f"{path}: unknown kind of file; understood are {UNDERSTOOD}{_other_way(path)}"
    if not path.exists():
        return f"{path}: there is no such file"
    return "" if path.is_file() else f"{path}: neither a file nor a pipe"


def _other_way(path: Path) -> str:
    """A hint how to read a file with another common ending; "" for the rest."""
    if has_ending(path, (".xlsx", ".xls", ".ods")):
        return "; save the table as .csv"
    if has_ending(path, (".txt", ".json", ".log", ".dat", ".data")):
        return f"; where it holds one of them, give it as - < {path}"
    return ""


def _ending_in(folder: Path) -> str:
    """The known ending of the first such file of a folder; `.jsonl` if it has none."""
    try:
        names = sorted(path.name.lower() for path in folder.iterdir())
    except OSError:
        names = []
    known = sorted({*RECORDINGS, *TABLES, *LINES}, key=len, reverse=True)
    return next((ending for name in names for ending in known if name.endswith(ending)), ".jsonl")


def require_one_value_a_line(stream: Stream) -> None:
    """Require that the first value does not continue in the next line.

    Raises:
        UsageError: the file is pretty-printed, or one array over many lines.
    """
    lines = [line for line in stream.first_lines()[:100] if line.strip()]
    if len(lines) > 1 and _CONTINUES.search(lines[0]) and not _is_json(lines[0]) and not _is_event(lines[1]):
        query = ".[]" if lines[0].lstrip().startswith(b"[") else "."
        raise UsageError(
            f"{stream.name}:1: one value a line is expected; this file is pretty-printed: a value spans several lines; "
            f"convert it: jq -c '{query}' {stream.name} > lines.jsonl"
        )


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _is_event(line: bytes) -> bool:
    """Whether a line is a whole object: then the line before it is damaged, not pretty-printed."""
    return line.lstrip().startswith(b"{") and _is_json(line)
