"""What is said of warm-ups: how one goes on and what it has learned; and the learned reference as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from monitor.clock import rfc3339
from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.judge.warmup import BASE_WINDOWS, Progress, Warmup, WarmupState
from monitor.judge.words.setting_notes import NO_LATE_LABELS, NO_SEGMENT_LABELS
from monitor.log import get_log
from monitor.loop.warming import Ended, LearningStopped, Warming
from monitor.run.reference_file import save_reference
from monitor.settings.tree import Settings
from monitor.tenfold import Tenfold
from monitor.text import many

_log = get_log(__name__)

#: a running warm-up is logged so often
STEPS: Final = 4
#: what happens after a warm-up without a reference, and what a person can do
REMEDY: Final = (
    "the warm-up begins again with the next events; correct the settings or the events, or give it a reference file "
    "(driftd reference build)"
)

#: what a stop in the middle of learning means
LEARNED_AGAIN: Final = "records since the last checkpoint are read again, and the reference is learned after the start"


def ticking(beat: Callable[[], object], asked_to_stop: Callable[[], bool]) -> Callable[[], None]:
    """What is called while a reference is learned, which may take seconds: the process lives, and a stop is seen."""

    def tick() -> None:
        beat()
        if asked_to_stop():
            raise LearningStopped

    return tick


def ended_line(ended: Ended) -> dict[str, Any]:
    """The JSON line of a warm-up that has ended."""
    state = ended.state
    return {
        "kind": "warmup",
        "model": state.key.model,
        "version": state.key.version,
        "at": rfc3339(state.at_us),
        "reference": "" if state.reference is None else state.reference.hash,
        "predictions": state.predictions,
        "base_windows": state.base_windows,
        "failure": state.failure,
        "text": _text(ended),
    }


def _text(ended: Ended) -> str:
    """What became of a warm-up, as a sentence."""
    state, name = ended.state, f"{ended.state.key.model} {ended.state.key.version}".rstrip()
    if state.reference is None:
        return f"{name}: no reference could be learned, so it is not judged: {state.failure}; {REMEDY}"
    of = f"{many(state.predictions, 'prediction')} in {many(state.base_windows, 'base window')}"
    short = (
        f"; fewer than {BASE_WINDOWS}, as their rows reached {ended.limit}: build a reference from more events"
        if ended.limit and state.base_windows < BASE_WINDOWS
        else ""
    )
    columns, learned = many(len(state.reference.columns), "column"), state.reference.hash[:19]
    return (
        f"{name}: reference learned from {of}, {columns} ({learned}…); judged from here on{short}{_not_learned(state)}"
    )


def _labels(state: WarmupState) -> str:
    """What is not learned of labels that came, and the remedy; "" where none came later than its prediction."""
    late = state.labels - (0 if state.reference is None else state.reference.labels)
    if late <= 0:
        return ""
    return f"; not learned from {many(late, 'label')} that came later than their predictions: {NO_LATE_LABELS}"


def _not_learned(state: WarmupState) -> str:
    return f"{_labels(state)}{_segments(state)}"


def _segments(state: WarmupState) -> str:
    """What is not judged of segments, as the labels of a model in a warm-up are not cut; "" without segments."""
    return "" if state.reference is None or state.reference.segments is None else f"; {NO_SEGMENT_LABELS}"


def not_judged(warmup: Warmup) -> str:
    """Why a model version was not judged, and the remedy."""
    key = warmup.state.key
    name = f"{key.model} {key.version}".rstrip()
    if warmup.state.failure:
        return f"{name}: not judged, {warmup.progress()}; {REMEDY}"
    return (
        f"{name}: not judged, still {warmup.progress()}; give more events, a smaller reference.warmup, or a reference "
        "file (driftd reference build)"
    )


class WarmupLog:
    """Logs the warm-ups of the daemon, and writes each learned reference beside its state."""

    def __init__(self, warming: Warming, settings: Settings) -> None:
        self._warming = warming
        self._settings = settings
        #: quarters that were logged, by model version; -1: has ended
        self._logged: dict[ModelKey, int] = {}
        self._failures = Tenfold()

    def log(self) -> None:
        """Log what is new."""
        for key, warmup in self._warming.warmups.items():
            if self._logged.get(key, 0) >= 0 and warmup.in_warmup:
                self._log_progress(key, warmup.progress())
        while self._warming.ended:
            self._log_ended(self._warming.ended.popleft())

    def _log_progress(self, key: ModelKey, progress: Progress) -> None:
        step = 1 + int(STEPS * progress.share)
        if step > self._logged.get(key, 0):
            self._logged[key] = step
            _log.info("warmup", model=key.model, version=key.version, why=str(progress))

    def _log_ended(self, ended: Ended) -> None:
        state = ended.state
        self._logged[state.key] = -1
        named = {"model": state.key.model, "version": state.key.version, "why": _text(ended)}
        if state.reference is None:
            if self._failures.again(state.key):
                _log.error("warmup_failed", **named, times=state.failures + 1)
            return
        _log.info("reference_learned", **named, seconds=round(ended.seconds, 2), file=self._written(ended))

    def _written(self, ended: Ended) -> str:
        """The file of the learned reference; "" where there is none. It is a copy: the state has the reference."""
        if self._settings.state.store != "directory" or ended.state.reference is None:
            return ""
        path = learned_file(self._settings.state.path, ended.state.key)
        try:
            save_reference(ended.state.reference, path)
        except UsageError as fault:
            _log.warning("reference_not_written", why=str(fault), consequence="the state has it all the same")
            return ""
        return str(path)


def learned_file(folder: Path, key: ModelKey) -> Path:
    """Where a learned reference is written: `warmup-<model>-<version>.json`, other characters as in a URL."""
    return folder / f"warmup-{quote(key.model, safe='')[:100]}-{quote(key.version, safe='')[:100]}.json"
