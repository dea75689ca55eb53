"""The shared reading of transitions for exports: each finding that was open in a time, with its newest figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monitor.clock import parse_rfc3339
from monitor.errors import UsageError
from monitor.settings.tree import Settings
from monitor.text import listed, many
from monitor.told.incidents import stories_of
from monitor.told.line import Line

#: subjects that name a feature although a word of driftd's has the same name
_FEATURE: Final = "feature."


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as it was told last, by `line`; `is_open`: nothing has ended it up to the end of the time."""

    model: str
    version: str
    line: Line
    finding: Mapping[str, Any]
    is_open: bool

    def text(self, name: str) -> str:
        """A field as text, "" where it is absent."""
        value = self.finding.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        """A field that is a number."""
        value = self.finding.get(name)
        try:
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        except OverflowError:  # a whole number beyond all that a daemon writes
            return None

    @property
    def column(self) -> str:
        """The column it is about, that a derived one comes from; "" for a fact about the whole model or several."""
        subject = self.text("derived_from") or self.text("subject")
        if subject == self.model or "~" in subject or subject.startswith("outcome."):
            return ""
        return subject.removeprefix(_FEATURE)

    @property
    def description(self) -> str:
        """In words, for a person on that platform."""
        segment = f" in {self.text('segment')}" if self.text("segment") else ""
        figure = f" {self.text('figure')}" if self.text("figure") else ""
        detail = self.text("detail")
        about = f"{self.text('subject')}: {self.text('cause')}{figure}{segment}"
        return f"{about}: {detail}" if detail else about

    @property
    def window(self) -> tuple[int, int, int]:
        """Start and end in microseconds, and the events in it."""
        window = self.finding.get("window")
        if not isinstance(window, dict):
            return self.line.told_us, self.line.told_us, 0
        return parse_rfc3339(str(window["start"])), parse_rfc3339(str(window["end"])), int(window.get("events", 0))


@dataclass(frozen=True, slots=True)
class Picked:
    """The findings of a time, worst first as they were told.

    `transitions` are the lines that were told in it, `windows` those that a replay wrote; `doubt`: why nothing
    found may not mean that all is well.
    """

    found: list[Found]
    transitions: list[Line]
    windows: list[dict[str, Any]]
    settings: Settings
    doubt: str | None = None

    def of_one_model(self) -> tuple[str, str]:
        """The only model version; a form that holds one cannot take several.

        Raises:
            UsageError: there are several.
        """
        keys = sorted({(one.model, one.version) for one in self.found})
        if len(keys) > 1:
            known = listed([f"{model} {version}" for model, version in keys], 10)
            raise UsageError(f"--model: this form holds one model version, and several have findings: {known}")
        return keys[0] if keys else ("", "")


def picked(
    lines: Iterable[Line],
    windows: Iterable[dict[str, Any]],
    settings: Settings,
    times: tuple[int | None, int],
    model: str | None = None,
    version: str | None = None,
) -> Picked:
    """The findings of a model and version, or of all, that were open at any time between these two."""
    start_us, end_us = times
    known = [line for line in lines if line.told_us < end_us and _is_of(line.data, model, version)]
    found: list[Found] = []
    told: list[Line] = []
    for story in stories_of(known):
        before = [line for line in story.lines if start_us is not None and line.told_us < start_us]
        within = list(story.lines[len(before) :])
        told += within
        newest = _newest([*before[-1:], *within])
        last = {_key(finding) for finding in _findings(story.lines[-1])}
        found += [
            Found(story.model, story.version, line, finding, key in last) for key, (line, finding) in newest.items()
        ]
    inside = [one for one in windows if _is_of(one, model, version) and _is_within(one, start_us, end_us)]
    return Picked(found, sorted(told, key=lambda line: line.told_us), inside, settings)


def said_of(left_out: Iterable[Found], form: str) -> str | None:
    """What a form has no place for, in words; None if that is nothing."""
    causes = Counter(one.text("cause") for one in left_out)
    if not causes:
        return None
    several = listed([f"{many(number, 'finding')} of {cause}" for cause, number in sorted(causes.items())], 20)
    return f"{form} has no form for {several}: left out"


def apart(found: Iterable[Found], takes: Callable[[Found], bool]) -> tuple[list[Found], list[Found]]:
    """Those that a form takes, and the others."""
    taken, left = list[Found](), list[Found]()
    for one in found:
        (taken if takes(one) else left).append(one)
    return taken, left


def _newest(lines: Iterable[Line]) -> dict[tuple[str, ...], tuple[Line, Mapping[str, Any]]]:
    newest: dict[tuple[str, ...], tuple[Line, Mapping[str, Any]]] = {}
    for line in lines:
        for finding in _findings(line):
            newest[_key(finding)] = (line, finding)
    return newest


def _findings(line: Line) -> Iterator[Mapping[str, Any]]:
    yield from line.data.get("findings", ())


def _key(finding: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(finding.get(part, "")) for part in ("subject", "cause", "segment", "figure"))


def _is_of(data: Mapping[str, Any], model: str | None, version: str | None) -> bool:
    return (model is None or data.get("model") == model) and (version is None or data.get("version") == version)


def _is_within(window: Mapping[str, Any], start_us: int | None, end_us: int) -> bool:
    at_us = parse_rfc3339(window["window"]["end"])
    return (start_us is None or at_us >= start_us) and at_us < end_us
