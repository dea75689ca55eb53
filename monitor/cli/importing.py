"""`driftd reference import`: writes the file, and says what is in it and what is not."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.reference.notes.show import reference_text
from monitor.run.reference_file import save_reference
from monitor.run.reference_import import import_reference


def imported_as(arguments: Namespace, output: Path) -> str:
    """Import and write the file; returns what a person reads.

    Raises:
        UsageError: a source cannot be read, or is none of that system.
    """
    if output.is_dir():
        raise UsageError(f"-o: {output} is a folder; name the file, as {output / 'reference.json'}")
    key = ModelKey(arguments.model, arguments.version)
    reference = import_reference(arguments.system, list(map(Path, arguments.source)), key, arguments.slice)
    digest = save_reference(replace(reference, note=arguments.note), output)
    written = f"written to {output} ({digest}); name it in the settings as models[].reference"
    return f"{reference_text(reference)}\n\n{written}"
