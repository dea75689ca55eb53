"""One reference in a file: written atomically, and verified by its hash when read."""

from __future__ import annotations

import json
from pathlib import Path

from monitor.errors import UsageError
from monitor.reference.file.encoding import FORMATS, digest, from_json, to_json
from monitor.reference.file.validity import LARGEST_BYTES, fault_of
from monitor.reference.reference import Reference


def save_reference(reference: Reference, path: Path) -> str:
    """Write the file; returns the hash.

    Raises:
        UsageError: the file cannot be written.
    """
    body = to_json(reference)
    body["hash"] = digest(body)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".unfinished")
        unfinished.write_text(json.dumps(body, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as failure:
        raise UsageError(f"{path}: cannot be written: {failure.strerror}") from failure
    return str(body["hash"])


def load_reference(path: Path, how: str = "") -> Reference:
    """Read a reference file. `how` is the command that builds it, if known.

    Raises:
        UsageError: missing, unreadable, another format, or edited by hand since it was built.
    """
    make = how or f"driftd reference build --config FILE --model NAME --rows 10000 SOURCE -o {path}"
    again = f": {how}" if how else ""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UsageError(f"{path}: larger than {LARGEST_BYTES:,} bytes, the limit for a reference")
        body = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as failure:
        raise UsageError(f"{path}: cannot be read ({failure.strerror}); build it: {make}") from None
    except ValueError as fault:
        raise UsageError(
            f"{path}: is not JSON ({fault}), so not a reference; name another file, or build it again{again}"
        ) from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deep for a reference; build the reference again{again}") from None
    if not isinstance(body, dict) or body.get("format") not in FORMATS:
        found = body.get("format") if isinstance(body, dict) else type(body).__name__
        reported = f"format {repr(found)[:60]} is not {FORMATS[0]!r}"
        raise UsageError(f"{path}: {reported}; build it again from the same events: {make}")
    damage = fault_of(body)
    if damage:
        raise UsageError(f"{path}: is damaged ({damage}); build it again{again}")
    if body.get("hash") != digest(body):
        raise UsageError(f"{path}: was changed after it was built (its hash does not match); build it again{again}")
    return from_json(body)


def _no_number(word: str) -> float:
    message = f"{word} is not a JSON number"
    raise ValueError(message)
