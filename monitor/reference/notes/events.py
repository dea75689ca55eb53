"""Notes for people on the events of a reference: unused fields, mixed kinds, columns that begin late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np

from monitor.records import PlaceText
from monitor.reference.column import (
    ABOVE_OUTSIDE,
    BELOW_OUTSIDE,
    DRIFT_OUTSIDE,
    DRIFT_WIDTHS,
    FEATURE,
    NEAR_OUTSIDE,
    PREDICTION,
    SCORE,
    Column,
)
from monitor.reference.plan.columns import Plan
from monitor.reference.plan.values import RENEWED_SHARE, is_code, is_written_number
from monitor.reference.reference import Reference
from monitor.reference.survey.events import Survey
from monitor.reference.survey.values import BOOLEAN, INFINITE, LIST, NULL, NUMBER, NUMBERS, OBJECT, TEXT, Sample
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.derived.columns import TEXT as TEXT_KIND
from monitor.stats.derived.columns import VECTOR, Derived
from monitor.stats.performance.figures import MULTICLASS
from monitor.text import listed, many, percent, quoted

#: names in one line, and classes listed with their shares
MAX_NAMED: Final = 10
MAX_COLUMNS: Final = 100
#: least values of a column before a late begin is noted; evenly spread, an eighth of them would have come earlier
MIN_LATE_VALUES: Final = 40
LATE_SHARE: Final = 1 / 8
#: least expected share of new values that is noted: a smaller one changes no finding
MIN_UNSEEN: Final = 0.01
#: base windows between which values can be compared; all values of a single one would be new
LEAST_WINDOWS_OF_NAMES: Final = 2
#: least dispersion that is noted: it makes the smallest detectable change four times as large
MIN_RESTLESS: Final = 16

_NO_VALUE: Final = frozenset(("na", "n/a", "nan", "null", "none", "nil", "-", "?", "#n/a", ""))
#: the keys of `ticket_only` that are a part of `outside`, in words
_AT_MOST_TICKETS: Final = {
    NEAR_OUTSIDE: "outside, unless farther than the range is wide,",
    DRIFT_OUTSIDE: f"outside, up to {DRIFT_WIDTHS} times as far as the range is wide,",
    ABOVE_OUTSIDE: f"outside, up to {DRIFT_WIDTHS} times as far above as the range is wide,",
    BELOW_OUTSIDE: f"outside, up to {DRIFT_WIDTHS} times as far below as the range is wide,",
}
_BITS: Final = frozenset(("0", "1"))
_TRUTHS: Final = frozenset(("true", "false"))
#: forms in the order in which they are listed, with their plural
_WORDS: Final = {
    NUMBER: "numbers", TEXT: "text", BOOLEAN: "booleans", INFINITE: "infinite numbers",
    NUMBERS: "lists of numbers", LIST: "lists", OBJECT: "objects",
}  # fmt: skip


def field_notes(events: int, with_features: bool, unread: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Notes on missing features and on unused fields; `unread` the most frequent first."""
    named = listed([f"{name} ({many(count, 'event')})" for name, count in unread], MAX_NAMED)
    if events and not with_features:
        fields = f" Fields that nobody reads: {named}" if named else ""
        yield f"no event has features: only score and prediction will be watched.{fields}"
    elif named:
        yield f"fields that nobody reads: {named}"


def reference_notes(reference: Reference, settings_name: str) -> Iterator[str]:
    """Notes on a finished reference, for build and check; `settings_name` is the path of the model's settings."""
    features = any(column.role == FEATURE for column in reference.columns) or bool(reference.ignored)
    yield from field_notes(reference.events, features, reference.unread)
    if note := positive_note(reference, f"{settings_name}.positive"):
        yield note
    for column in (column for column in reference.columns if not column.is_presence):
        if reason := reference.unwatched_reason(column):
            yield f"{column.name}: its distribution is not watched: {reason}"
        yield from _unseen(reference, column)
        for cause, why in column.ticket_only:
            yield f"{column.name}: {why}: {_AT_MOST_TICKETS.get(cause, cause)} is at most a ticket"
        yield from _incidents(reference, column)
        yield from _restless(reference, column)


def _incidents(reference: Reference, column: Column) -> Iterator[str]:
    """Runs of one value that are too few to be a habit: they do not count when a live run is judged."""
    if column.modal_share == 1:
        return
    at = next(at for at, one in enumerate(reference.columns) if one is column)
    lengths = reference.variability.equal_runs[at].incidents(column.modal_share)
    if lengths:
        runs, taken = ("a run", "an incident") if len(lengths) == 1 else (f"{len(lengths)} runs", "incidents")
        yield (
            f"{column.name}: {runs} of equal values ({listed([f'{one:,}' for one in lengths], MAX_NAMED)}), far longer "
            f"than all others: taken for {taken}; if this is usual, build the reference from a longer time"
        )


def _restless(reference: Reference, column: Column) -> Iterator[str]:
    """A reference that contains the kind of change it should detect, or cycles as large."""
    at = next(at for at, one in enumerate(reference.columns) if one is column)
    variances = reference.variability.long_runs[at].variance
    times = float(np.median(variances)) if len(variances) else 1.0
    if times >= MIN_RESTLESS:
        yield (
            f"{column.name}: its windows vary {times:,.0f} times more than chance would have it, so only large "
            "changes are seen; where the reference holds a change, build it from a time without one (--from, --to)"
        )


def _unseen(reference: Reference, column: Column) -> Iterator[str]:
    """Never-seen values that the reference itself predicts."""
    at = next(at for at, one in enumerate(reference.columns) if one is column)
    values = int(reference.counts[at, : column.bins.bins].sum())
    share = int(reference.variability.unseen_expected[at]) / max(values, 1)
    if reference.base_windows < LEAST_WINDOWS_OF_NAMES:
        if share:
            few = f"{many(reference.events, 'event')} are no two base windows to compare"
            yield f"{column.name}: unseen is not watched: {few}"
    elif share >= RENEWED_SHARE:
        yield f"{column.name}: {percent(share)} of events bring a new value: unseen is not watched; kind: ignore"
    elif share >= MIN_UNSEEN:
        new = f"{percent(share)} of events are expected to bring a new value"
        yield f"{column.name}: {new}; unseen is judged against that"


def positive_note(reference: Reference, setting: str) -> str:
    """What does not work because `positive` is not one of the classes; "" if it is, or is not needed."""
    predicted = next((c for c in reference.columns if c.role == PREDICTION and c.bins.kind == CATEGORICAL), None)
    has_score = any(column.role == SCORE for column in reference.columns)
    remedy = f"set {setting}"
    if reference.score_classes and not has_score:
        if reference.positive in reference.score_classes:
            return ""
        classes = _shares(reference, predicted) or listed([quoted(name) for name in reference.score_classes], MAX_NAMED)
        unnamed = [name for name in reference.score_classes if predicted and name not in predicted.bins.categories]
        if reference.task == MULTICLASS:
            return f"no score is watched; to watch that of one class, {remedy} to it (one of {classes})"
        also = f" (`scores` also names {listed(map(quoted, unnamed), MAX_NAMED)})" if predicted and unnamed else ""
        return f"positive is {reference.positive}, and no class is: {classes}{also}. No score is watched; {remedy}"
    if predicted is None or reference.task != "binary":
        return ""
    if reference.positive in (*predicted.bins.categories, *sum(predicted.bins.bucket_names, ())):
        return ""
    if reference.positive in _BITS and set(predicted.bins.categories) <= _BITS:
        return ""  # a binary model that never predicted 1
    return f"positive is {reference.positive}, and no class is: {_shares(reference, predicted)}; {remedy}"


def _shares(reference: Reference, column: Column | None) -> str:
    if column is None:
        return ""
    at = next(at for at, one in enumerate(reference.columns) if one is column)
    counts = reference.labelled(at).tolist()
    names = [quoted(name) for name in column.bins.categories] + ["others"] * bool(column.bins.buckets)
    shares = zip(names, counts, strict=True)
    return listed([f"{name} {percent(count / max(sum(counts), 1))}" for name, count in shares], MAX_NAMED)


def column_notes(survey: Survey, plan: Plan, place: PlaceText, *, table: bool) -> Iterator[str]:
    """Notes on single columns; `table`: the events come from a .csv, which has no types."""
    kinds = {column.name: column.kind for column in plan.columns if column.role == FEATURE}
    derived = {one.parent: one for one in plan.derived}
    for name, sample in sorted(survey.features.items()):
        if name in derived:
            yield f"{name}: {_derived(derived[name], sample, place)}"
        elif name in kinds:
            yield from (f"{name}: {note}" for note in _forms(sample, kinds[name], place, table=table))
        if note := _late(survey.events, sample, place):
            yield f"{name}: {note}"
    numbers = [name for name in survey.features if kinds.get(name) == NUMERIC and not survey.features[name].forms[TEXT]]
    if table and numbers:
        yield (
            f"read as numbers, as a .csv has no types: {listed(numbers, MAX_COLUMNS)}; in events, text such as "
            f'"12" would count as type: set kind: {CATEGORICAL} where they have text'
        )


def _derived(derived: Derived, sample: Sample, place: PlaceText) -> str:
    """What is watched of a vector or text, and how many values are none."""
    names = [*derived.numeric, *([derived.script] if derived.script else [])]
    what = f"a vector of {derived.valid}" if derived.kind == VECTOR else "a text"
    usual = {VECTOR: NUMBERS, TEXT_KIND: TEXT}[derived.kind]
    note = f"{what}, watched by {listed(names, MAX_NAMED)}"
    others = {form: n for form, n in sample.forms.items() if form not in {usual, NULL}}
    if not others:
        return note
    share = sum(others.values()) / max(sum(n for form, n in sample.forms.items() if form != NULL), 1)
    first = min((sample.firsts[form] for form in others), key=lambda one: (one.partition, one.offset))
    return f"{note}; {percent(share)} are none (first {place(first.partition, first.offset)}) and count as type"


def _forms(sample: Sample, kind: str, place: PlaceText, *, table: bool) -> Iterator[str]:
    """A column with values of several types, or with texts that look like another type."""
    forms = {form: sample.forms[form] for form in _WORDS if sample.forms[form]}
    total = sum(forms.values())
    texts = Counter(value for value in sample.values if isinstance(value, str)) if forms.get(TEXT) else Counter()
    if table and set(forms) == {BOOLEAN}:
        yield "the texts True and False are read as true and false, as events have them (1 and 0 in JSON are the same)"
    elif len(forms) > 1 and not (kind == NUMERIC and set(forms) == {NUMBER, BOOLEAN}):
        parts = ", ".join(f"{percent(count / total)} {_WORDS[form]}" for form, count in forms.items())
        yield f"{parts} ({_first_other(sample, kind, place)}): read as {kind}{_consequence(forms, kind, texts)}"
    elif kind == NUMERIC and forms.get(BOOLEAN):
        yield f"{percent(forms[BOOLEAN] / total)} booleans: true and false count as 1 and 0"
    elif set(forms) == {TEXT}:
        yield from _texts(texts)
    if table and sample.forms[NULL]:
        share = percent(sample.forms[NULL] / sample.forms.total())
        other = "a separate value" if kind == CATEGORICAL else "of the wrong type"
        yield f'{share} empty cells are read as null (missing); an empty text "" in an event is {other}'


def _first_other(sample: Sample, kind: str, place: PlaceText) -> str:
    """The first value that is not of the column's kind."""
    usual = (NUMBER, BOOLEAN) if kind == NUMERIC else (TEXT,)
    others = [form for form in sample.firsts if form not in (*usual, NULL)]
    form = min(others, key=lambda one: (one != TEXT, one))
    first = sample.firsts[form]
    shown = f"{quoted(first.value)}, " if form == TEXT else ""
    return f"first {shown}{place(first.partition, first.offset)}"


def _consequence(forms: Mapping[str, int], kind: str, texts: Counter[str]) -> str:
    """What the mix leads to, and the remedy."""
    if kind == NUMERIC:
        odd = "the text counts as type" if forms.get(TEXT) else "the rest counts as type"
        modal = texts.most_common(1)[0][0] if texts else "x"
        if modal.strip().lower() in _NO_VALUE:
            return f", {odd}; write null (an empty cell in a .csv) for missing values"
        if is_written_number(modal):
            return f", {odd}; write all of them as plain numbers (1234.5), or set kind: {CATEGORICAL}"
        return f", {odd}; set kind: {CATEGORICAL} to take both as categories"
    if {LIST, NUMBERS, OBJECT} & forms.keys():
        return ", lists and objects count as type"
    if texts and all(map(is_code, texts)):
        return "; digits with leading zeros are codes, which JSON has to carry as text"
    return ": a number is the category of its text"


def _texts(texts: Counter[str]) -> Iterator[str]:
    if texts and {text.lower() for text in texts} <= _TRUTHS:
        names = " and ".join(sorted(texts, reverse=True))
        yield f"the texts {names}; the JSON booleans true and false would be other values (1 and 0)"
    elif texts and all(map(is_code, texts)):
        yield "digits with leading zeros, read as text; JSON numbers would lose the zeros and be other values"
    elif texts and all(map(is_written_number, texts)):
        yield "text that reads as numbers: watched as categories; send plain numbers to have it watched as numeric"
    else:
        unwritten = {text: count for text, count in texts.items() if text.strip().lower() in _NO_VALUE - {""}}
        if unwritten:
            name, share = max(unwritten, key=lambda text: unwritten[text]), sum(unwritten.values()) / texts.total()
            yield f"{percent(share)} are {quoted(name)}, a category as any other; write null for missing values"


def _late(events: int, sample: Sample, place: PlaceText) -> str:
    """A column that begins or ends within the reference."""
    values = sample.forms.total() - sample.forms[NULL]
    if values < MIN_LATE_VALUES:
        return ""
    if sample.first - 1 > LATE_SHARE * events:
        firsts = [first for form, first in sample.firsts.items() if form != NULL]
        first = min(firsts, key=lambda one: (one.partition, one.offset))
        began = f"event {sample.first:,} of {events:,} ({place(first.partition, first.offset)})"
        return f"its first value comes with {began}; build from there on, as before it counts as absent or missing"
    if events - sample.last > LATE_SHARE * events:
        return f"its last value comes with event {sample.last:,} of {events:,}; it is gone from there on"
    return ""
