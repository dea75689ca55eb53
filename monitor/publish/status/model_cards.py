"""The models of the status page: their state, their page budget, and their columns by exceedance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Final

from monitor.clock import MINUTE_US
from monitor.events import ModelKey
from monitor.findings import PAGE, TICKET
from monitor.judge.causes.fairness import Unfairness
from monitor.judge.estimated import Estimated
from monitor.judge.promise.words import HEADS, statement, table
from monitor.publish.snapshot import ColumnView, ModelView, OutcomeSegment, OutcomeView, Snapshot
from monitor.publish.status.drawing import drawing
from monitor.publish.status.html import aged, moment, name, since, text
from monitor.reference.notes.estimate import ESTIMATED
from monitor.reference.notes.performance import came_in_words
from monitor.settings.duration import in_words
from monitor.stats.derived.columns import DERIVED_KINDS
from monitor.stats.performance.figures import SHARES
from monitor.stats.performance.outcome_tally import LABEL_VALUE
from monitor.text import expected, many, number, percent

#: segments whose performance is shown
SEGMENTS_SHOWN: Final = 24
#: shares of the labels whose delays are shown
CAME_SHOWN: Final = (0.5, 0.95, 1.0)
#: the join of labels is so far behind what was judged before that is said
LABELS_BEHIND_US: Final = 10 * MINUTE_US
#: a column with this exceedance or more is shown unfolded
NEAR: Final = 0.5
#: most rows of quiet columns on the page, shared equally by its models, and the least of one model
QUIET_ROWS, LEAST_ROWS = 1_000, 5
#: a promise has so many times fewer rows: the columns of which a change pages latest
QUIET_TO_PROMISED: Final = 5

#: figures of an estimate on the page; all of them are series
ESTIMATED_SHOWN: Final = frozenset(("accuracy", "f1", "roc_auc", "mae", "rmse"))
FINE: Final = "fine"
UNKNOWN: Final = "unknown"
_BADGES: Final = {PAGE: ("■", "page"), TICKET: ("▲", "ticket"), FINE: ("✓", "fine"), UNKNOWN: ("?", "not judged yet")}
_ORDER: Final = (PAGE, TICKET, UNKNOWN, FINE)


def badge(state: str, words: str = "") -> str:
    """A state as a sign and text (by default the state's own), so that it does not depend on colour."""
    sign, own = _BADGES.get(state, ("", state))
    return f'<span class="badge {state if sign else UNKNOWN}">{sign} {text(words or own)}</span>'


def states_of(snapshot: Snapshot) -> dict[int, str]:
    """Page, ticket, fine or unknown, by the index of the model in the snapshot."""
    severities: dict[ModelKey, set[str]] = {}
    for incident in snapshot.incidents:
        severities.setdefault(incident.key, set()).add(incident.severity)
    return {at: _state(model, severities.get(model.key, set())) for at, model in enumerate(snapshot.models)}


def _state(model: ModelView, severities: Set[str]) -> str:
    """The worst of its incidents."""
    for severity in (PAGE, TICKET):
        if severity in severities:
            return severity
    return UNKNOWN if model.judged_us is None or model.stopped_since_us is not None else FINE


def exceedance_of(column: ColumnView) -> float | None:
    """The exceedance of the column's worst cause (1: at the threshold); None before anything was judged."""
    known = [figures.exceedance for figures in column.figures if not math.isnan(figures.exceedance)]
    return max(known, default=None)


def models_section(snapshot: Snapshot, now_us: int) -> Iterator[str]:
    """All models: pages first, then by exceedance within a state."""
    yield "<section><h2>Models</h2>"
    if not snapshot.models:
        yield "<p>No model is watched.</p>" if snapshot.restored else "<p>Nothing is known of the models yet.</p>"
    else:
        line, area = drawing((), (1, 3, 2)), drawing((1, 3, 2), ())
        yield f'<p class="soft key">{area}reference {line}newest long window, or what came since a finding began, '
        yield "by bin. The percentage is how much of its threshold a feature reaches: at 100 % it is a finding.</p>"
    states, subjects = states_of(snapshot), _subjects(snapshot)
    rows = max(LEAST_ROWS, QUIET_ROWS // max(1, len(snapshot.models)))
    for at in sorted(states, key=lambda at: (_ORDER.index(states[at]), -_worst(snapshot.models[at]))):
        model = snapshot.models[at]
        yield f'<section class="card {states[at]}" id="m{at}">'
        yield from _head(snapshot, model, states[at], now_us)
        yield from _columns(snapshot, model, subjects.get(model.key, frozenset()), rows)
        yield from _promise(model, rows)
        yield "</section>"
    yield "</section>"


def _subjects(snapshot: Snapshot) -> Mapping[object, frozenset[str]]:
    subjects: dict[object, frozenset[str]] = {}
    for view in snapshot.findings:
        subjects[view.key] = subjects.get(view.key, frozenset()) | {view.finding.subject}
    return subjects


def _worst(model: ModelView) -> float:
    return max((exceedance_of(column) or 0.0 for column in model.columns), default=0.0)


def _head(snapshot: Snapshot, model: ModelView, state: str, now_us: int) -> Iterator[str]:
    team = f" <small>team {name(model.team)}</small>" if model.team else ""
    yield f"<h3>{badge(state)} {name(str(model.key))}{team}</h3>"
    incident = next((one for one in snapshot.incidents if one.key == model.key and one.severity), None)
    if incident is not None:
        yield f"<p>{since(incident.since_us, now_us)}</p>"
    yield "<dl>"
    for term, value in _model_rows(snapshot, model, now_us):
        yield f"<div><dt>{term}<dd>{value}</div>"
    yield "</dl>"


def _model_rows(snapshot: Snapshot, model: ModelView, now_us: int) -> Iterator[tuple[str, str]]:
    yield "Predictions", f"{model.predictions:,} <small>{many(model.labels, 'label')}</small>"
    yield "Judged up to", "not yet" if model.judged_us is None else aged(model.judged_us, now_us)
    if model.warmup is not None:
        yield "Reference", text(str(model.warmup), 1_000)
    if model.stopped_since_us is not None:
        yield "No events since", aged(model.stopped_since_us, now_us)
    if model.budget_us:
        budget = f"budget: {number(model.budget_pages)} in {in_words(model.budget_us)}"
        promise = f"{expected(model.expected_false_pages)} false ones expected so far, {budget}"
        yield "Pages", f"{model.pages:,} sent <small>{promise}</small>"
    yield from _labels(snapshot, model, now_us)
    yield from _performance(model)
    yield from (_fairness(one) for one in model.fairness)
    yield from (_outcome(one) for one in model.outcomes)
    yield from _outcomes_by_segment(model)
    if model.estimated is not None:
        yield from _estimated_rows(model, model.estimated)
    if model.silence is not None:
        until_us, reason = model.silence
        yield "No pages until", moment(until_us) + (f" <small>{text(reason)}</small>" if reason else "")
    if model.excluded:
        yield "In excluded times, never to be judged", many(model.excluded, "event")
    if unjudged := snapshot.unjudged.get(model.key):
        yield "Accepted, never to be judged", many(unjudged, "event")


def _labels(snapshot: Snapshot, model: ModelView, now_us: int) -> Iterator[tuple[str, str]]:
    """When labels come after their predictions; that they are not joined, and for what they wait."""
    if model.labels_came:
        shown = came_in_words([one for one in model.labels_came if one[1] in CAME_SHOWN])
        yield "Labels come, in the reference", shown
    joined_us = snapshot.labels_joined_us.get(model.key.model)
    held_by = snapshot.labels_held_by.get(model.key.model)
    if joined_us is not None and held_by is not None and (model.judged_us or 0) - joined_us > LABELS_BEHIND_US:
        words = f"{text(held_by)} is not read further; predictions wait for its labels"
        yield "Labels joined up to", f"{aged(joined_us, now_us)} <small>{words}</small>"


def _performance(model: ModelView) -> Iterator[tuple[str, str]]:
    """The newest figures, and what they are of; that nothing is known where labels do not come."""
    if not model.performance:
        if model.labels:
            yield "Performance", "not known <small>fewer than 250 labels, or they stopped</small>"
        return
    values = (f"{text(name.replace('_', ' '), 80)} {_figure(name, value)}" for name, value in model.performance)
    of = f"of the newest {many(model.performance_labels, 'label')}"
    if model.performance_until_us is not None:
        of += f", predictions up to {moment(model.performance_until_us)}"
    if model.performance_not_judged:
        of += f"; not judged: {text(model.performance_not_judged)}"
    yield "Performance", f"{', '.join(values)} <small>{of}</small>"
    yield from _by_segment(model)


def _by_segment(model: ModelView) -> Iterator[tuple[str, str]]:
    """The first figures of each segment, those with the most labels first."""
    each = sorted(model.performance_segments, key=lambda one: -one.labels)
    for one in each[:SEGMENTS_SHOWN]:
        values = (f"{text(name.replace('_', ' '), 80)} {_figure(name, value)}" for name, value in one.figures[:4])
        of = f"<small>of {many(one.labels, 'label')}</small>"
        yield f"Performance in {text(one.segment, 80)}", f"{', '.join(values)} {of}"
    if len(each) > SEGMENTS_SHOWN:
        yield "Performance in other segments", f"<small>{len(each) - SEGMENTS_SHOWN} more, in the series</small>"


def _fairness(one: Unfairness) -> tuple[str, str]:
    """How far the groups of a feature are apart, with the interval and what is permitted."""
    estimate, metric = one.estimate, one.metric.replace("_", " ")
    between = f"95 % interval {estimate.lower:.2f} to {estimate.upper:.2f}, permitted {one.permitted:.2f}"
    of = f"{text(one.low, 80)} beside {text(one.high, 80)}"
    return f"Fairness by {text(one.feature, 80)}", f"{metric} {estimate.value:.2f} <small>{between}; {of}</small>"


def _outcome(one: OutcomeView) -> tuple[str, str]:
    """The newest mean or shares of a named outcome, beside those of the reference; of values what 1,000 labels have."""
    of = f"of the newest {many(one.values, 'value')}, predictions up to {moment(one.until_us)}"
    of += "" if one.judged else "; not judged: the reference has too few values"
    return _values(one.name, one.whole, of)


def _outcomes_by_segment(model: ModelView) -> Iterator[tuple[str, str]]:
    """The same of segments, those with the most values first."""
    each = sorted(((of, one.name) for one in model.outcomes for of in one.segments), key=lambda pair: -pair[0].values)
    for of, outcome in each[:SEGMENTS_SHOWN]:
        term, value = _values(outcome, of, f"of {many(of.values, 'value')}")
        yield f"{term} in {text(of.segment, 80)}", value
    if len(each) > SEGMENTS_SHOWN:
        yield "Outcomes in other segments", f"<small>{len(each) - SEGMENTS_SHOWN} more, in the series</small>"


def _values(outcome: str, one: OutcomeSegment, of: str) -> tuple[str, str]:
    """The mean or the shares; `of` says of what."""
    if outcome == LABEL_VALUE and one.mean is not None:
        beside = "" if one.mean_before is None else f"{number(1000 * one.mean_before)} in the reference; "
        return "Value of 1,000 labels", f"{number(1000 * one.mean)} <small>{beside}{of}</small>"
    if one.mean is not None:
        value = f"mean {number(one.mean)}"
        value += "" if one.mean_before is None else f" <small>{number(one.mean_before)} in the reference;</small>"
    else:
        before = dict(one.shares_before)
        value = ", ".join(
            f"{text(category, 80)} {percent(share)} <small>({percent(before.get(category, 0.0))})</small>"
            for category, share in one.shares
        )
    return f"Outcome {text(outcome, 80)}", f"{value} <small>{of}</small>"


def _figure(name: str, value: float) -> str:
    return percent(value) if name in SHARES else number(value)


def _estimated_rows(model: ModelView, estimated: Estimated) -> Iterator[tuple[str, str]]:
    """The first figures, with what they assume in their name; pale where labels contradict it."""
    words = f"over {many(estimated.samples, 'prediction')}"
    words += "; the labels that came contradict it" if model.contradicted else ""
    for figure, value in estimated.figures:
        if figure in ESTIMATED_SHOWN:
            shown = number(value) if model.task == "regression" else percent(value)
            shown = f"<small>{shown}</small>" if model.contradicted else shown
            yield f"{text(figure, 80)} <small>{ESTIMATED[model.task]}</small>", f"{shown} <small>{words}</small>"


def _columns(snapshot: Snapshot, model: ModelView, subjects: frozenset[str], rows: int) -> Iterator[str]:
    by_exceedance = sorted(model.columns, key=lambda column: -(exceedance_of(column) or 0.0))
    loud = [c for c in by_exceedance if c.name in subjects or (exceedance_of(c) or 0.0) >= NEAR]
    others = [c for c in by_exceedance if c.name not in subjects and (exceedance_of(c) or 0.0) < NEAR]
    quiet = [c for c in others if exceedance_of(c) is not None]
    unknown = [c for c in others if exceedance_of(c) is None and not c.unwatched]
    if loud:
        yield from _ended_note(snapshot, model, [c for c in loud if c.name not in subjects])
        yield from _table("Moved, or near it", loud, len(loud))
    yield from _folded(many(len(quiet), "quiet feature"), quiet, rows)
    waits = "not judged yet" if model.judged_us is None else "in no window yet since driftd was started"
    waiting = [column for column in unknown if model.judged_us is None or not any(column.live)]
    mute = [column for column in unknown if column not in waiting]
    yield from _folded(f"{many(len(waiting), 'feature')} {waits}", waiting, rows)
    why = "too few values in every window for how much the reference's own windows vary"
    yield from _folded(f"{many(len(mute), 'feature')} without a verdict: {why}", mute, rows)
    yield from _unwatched([column for column in model.columns if column.unwatched], rows)


def _ended_note(snapshot: Snapshot, model: ModelView, loud: Sequence[ColumnView]) -> Iterator[str]:
    """Why a column can be over its threshold in a model without incident: long windows still hold the old events."""
    ended = next((one for one in snapshot.ended if one.key == model.key), None)
    if ended is not None and any((exceedance_of(column) or 0.0) >= 1 for column in loud):
        yield f"<p class=soft>The long windows still hold events from before {moment(ended.ended_us)}, when its last "
        yield "incident ended. The newest windows are below their thresholds.</p>"


def _unwatched(columns: Sequence[ColumnView], rows: int) -> Iterator[str]:
    """The columns whose distribution is not watched, each with its reason."""
    if columns:
        named = "; ".join(f"{name(column.name)} ({text(column.unwatched)})" for column in columns[:rows])
        more = f"; and {len(columns) - rows:,} more" if len(columns) > rows else ""
        yield f"<p class=soft>Distribution not watched: {named}{more}</p>"


def _promise(model: ModelView, rows: int) -> Iterator[str]:
    """What is promised of the model, and of each column."""
    if (promise := model.promise) is None:
        return
    yield "<details><summary>What it promises</summary>"
    yield "".join(f'<p class="soft says">{text(sentence)}</p>' for sentence in statement(promise))
    yield f"<table class=promise><thead><tr>{''.join(f'<th>{text(head)}' for head in HEADS)}</thead>"
    most = max(LEAST_ROWS, rows // QUIET_TO_PROMISED)
    latest = sorted(promise.columns, key=lambda column: column.named.us, reverse=True)[:most]
    for first, *others in table(replace(promise, columns=tuple(latest))):
        yield f"<tr><th>{name(first)}{''.join(f'<td>{text(cell)}' for cell in others)}\n"
    yield "</table>"
    if len(promise.columns) > most:
        yield f"<p>and {len(promise.columns) - most:,} more that page sooner</p>"
    yield "</details>"


def _folded(summary: str, columns: Sequence[ColumnView], rows: int) -> Iterator[str]:
    if columns:
        yield f"<details><summary>{summary}</summary>"
        yield from _table("", columns, rows)
        yield "</details>"


def _table(caption: str, columns: Sequence[ColumnView], rows: int) -> Iterator[str]:
    parts = f"<caption>{caption}</caption>" if caption else ""
    yield f"<table>{parts}<thead><tr><th>Feature<th>Reference and live</thead>"
    for column in columns[:rows]:
        what = column.kind if column.kind in DERIVED_KINDS else column.role
        role = f" <small>{text(what)}</small>" if what != "feature" else ""
        yield f"<tr><th>{text(column.name, 80)}{role}<td>{drawing(column.reference, column.live)}"
        yield f"<div>{_column_text(column)}</div>\n"
    yield "</table>"
    if len(columns) > rows:
        yield f"<p>and {len(columns) - rows:,} more, which are not shown</p>"


def _column_text(column: ColumnView) -> str:
    """The text of a column: its exceedance and changed quality counts, and from NEAR on further figures."""
    exceedance = exceedance_of(column)
    loud = exceedance is not None and exceedance >= NEAR
    parts = [] if exceedance is None else [_nearness(exceedance)]
    parts += [*_live(column), *_changed_quality(column)]
    most = _most_moved(column) if loud else ""
    more = [f"{text(of)} {number(value)}" for of, value in column.distances if of == "psi"]
    if column.live_since_us is not None:  # the distances are of another window
        more = [f"live: {many(sum(column.live), 'value')} since {moment(column.live_since_us)}"]
    if column.ticket_text:
        more.append(f"its distribution is at most a ticket: {text(column.ticket_text)}")
    lines = ["; ".join(parts), most, f"<small>{'; '.join(more)}</small>" if loud and more else ""]
    return "<br>".join(line for line in lines if line)


def _nearness(exceedance: float) -> str:
    """The exceedance as text; never rounded up to 100 % below the threshold."""
    if exceedance >= 1:
        return f"<b>{number(exceedance)}</b> times its threshold"
    percent = min(99, round(100 * exceedance))
    return f"<b>{percent} %</b> of its threshold" if exceedance >= NEAR else f"{percent} %"


def _live(column: ColumnView) -> Iterator[str]:
    if not sum(column.live):
        yield "no live values" if _quality_counts_occur(column) else "nothing yet"


def _quality_counts_occur(column: ColumnView) -> bool:
    return any(now > 0 for _, _, now in column.quality_counts)


def _changed_quality(column: ColumnView) -> Iterator[str]:
    seen = sum(column.live) > 0 or _quality_counts_occur(column)
    for quality_count, before, now in column.quality_counts:
        after = percent(now) if seen else "nothing yet"
        if percent(before) != after and (seen or before):
            yield f"{text(quality_count)} {percent(before)} → {after}"


def _most_moved(column: ColumnView) -> str:
    """The bin with the largest change of its share, with both shares."""
    before, now = sum(column.reference), sum(column.live)
    if not before or not now or len(column.bins) != len(column.reference) or len(column.bins) != len(column.live):
        return ""
    shares = [(r / before, v / now) for r, v in zip(column.reference, column.live, strict=True)]
    at = max(range(len(shares)), key=lambda at: abs(shares[at][1] - shares[at][0]))
    return f"{name(column.bins[at])}: {percent(shares[at][0])} → {percent(shares[at][1])}"
