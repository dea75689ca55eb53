"""How often each detector alarmed though nothing changed, for whoever lets it page: measured by `detector-alarms`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.findings import INFO
from monitor.settings.detector import ERROR, DetectorSettings
from monitor.settings.model import Model

#: alarms per million events with River's defaults (docs/detectors.md): of errors that are independent, the worst of 2,
#: 10 and 30 %, and of errors in blocks of ten
ON_ERRORS: Final = {
    "adwin": (0, 1_464),
    "page_hinkley": (96, 456),
    "kswin": (92, 1_692),
    "hddm_a": (10, 3_810),
    "hddm_w": (416, 1_956),
    "ddm": (18, 4_004),
    "eddm": (50, 3_140),
}
#: ... and of the means of panes: of values that are independent, and in blocks of 700
ON_MEANS: Final = {"adwin": (0, 500), "page_hinkley": (28, 712), "kswin": (56, 460)}


def detector_notes(model: Model) -> Iterator[tuple[int, str]]:
    """(place of a detector that is more than `info`, what it may cost)."""
    for at, detector in enumerate(model.detectors):
        if detector.severity != INFO:
            yield at, _note(detector)


def _note(detector: DetectorSettings) -> str:
    on_errors = detector.on == ERROR
    independent, blocks = (ON_ERRORS if on_errors else ON_MEANS)[detector.kind]
    what, length = ("errors", "ten") if on_errors else ("values", "700")
    return (
        f"{detector.kind} on {detector.on} may open a {detector.severity} outside the page budget: where nothing "
        f"changed it raised, with River's defaults, {independent:,} alarms in a million independent {what} and "
        f"{blocks:,} in blocks of {length}; a page a month is 0.2 in a million at 100 events a minute"
    )
