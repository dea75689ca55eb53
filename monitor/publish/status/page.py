"""The status page at `/`: the state of the monitor itself, incidents, and every model.

Static HTML without scripts, which browsers reload every 15 seconds. All foreign text (names, categories, details) is
escaped. An unknown value is shown as unknown, never as zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from monitor.clock import SECOND_US
from monitor.events import ACCEPTED
from monitor.findings import PAGE, TICKET
from monitor.publish import links
from monitor.publish.snapshot import Health, Snapshot
from monitor.publish.status.html import aged, ago, moment, name, text
from monitor.publish.status.incident_cards import ended_incidents, open_incidents, web_link
from monitor.publish.status.model_cards import FINE, UNKNOWN, badge, models_section, states_of
from monitor.publish.status.notices import notices
from monitor.publish.status.style import ICON, STYLE
from monitor.text import listed, many

REFRESH_SECONDS: Final = 15
#: the state of the monitor while it cannot judge all events
NOT_FINE: Final = "not fine"
#: reasons named of each kind of events that were not accepted
REASONS: Final = 3


def status_page(snapshot: Snapshot, health: Health, stuck: str, now_us: int) -> bytes:
    """The whole page in UTF-8. `stuck` is `SnapshotHolder.stuck_reason`'s: why the loop counts as stuck, else ""."""
    counts = _counts(snapshot)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}"><link rel="icon" href="{ICON}">',
        f"<title>{_title(snapshot, counts, health, stuck)}</title><style>{STYLE}</style></head><body><main>",
        f"<header><h1>driftd</h1><p>{_verdict(snapshot, counts)}</p><nav>",
        *(f'<a href="{path}">{path}</a>' for path in ("metrics", "livez", "readyz")),
        web_link(links.dashboard(snapshot.links), "dashboard"),
        f"</nav><small>as of {moment(now_us, seconds=True)}</small></header>",
        *_monitor(snapshot, health, stuck, now_us),
        *open_incidents(snapshot, now_us),
        *notices(snapshot, now_us),
        *ended_incidents(snapshot, now_us),
        *models_section(snapshot, now_us),
        "</main></body></html>\n",
    ]
    return "".join(parts).encode("utf-8", "replace")


class StatusPages:
    """Caches the rendered page: many clients may request it, and its content changes about twice a second."""

    def __init__(self) -> None:
        self._key: tuple[Snapshot, Health, str, int] | None = None
        self._page = b""

    def of(self, snapshot: Snapshot, health: Health, stuck: str, now_us: int) -> bytes:
        """The page, rendered again if the snapshot, the shown health or the second changed. Not thread-safe."""
        key = snapshot, replace(health, turned_monotonic=0.0), stuck, now_us // SECOND_US
        cached = self._key
        if cached is None or cached[0] is not snapshot or cached[1:] != key[1:]:
            self._page, self._key = status_page(snapshot, health, stuck, now_us), key
        return self._page


def monitor_state(snapshot: Snapshot, health: Health, stuck: str) -> tuple[str, str, str]:
    """The state of the monitor itself: (state for the colour, its name, a sentence); the most severe condition wins."""
    judged = any(model.judged_us is not None for model in snapshot.models)
    idle = snapshot.restored and not judged and not any(model.predictions for model in snapshot.models)
    if stuck:
        return PAGE, "stuck", f"It stands still: {stuck}. All below is from before."
    if health.failure:
        return TICKET, "failing", f"It cannot go on: {health.failure}."
    if snapshot.stalled:
        return TICKET, "stands still", f"It reads, but not all: {'; '.join(snapshot.stalled)}."
    if not (health.assigned and health.restored):
        return UNKNOWN, "restoring", f"It is starting: {', '.join(health.missing())}."
    if snapshot.not_fine:
        unread = "" if snapshot.references else "no model of the settings has a reference (see `driftd check`), and "
        return TICKET, NOT_FINE, f"It reads, {unread or 'and '}not all that comes can be judged:"
    if idle and not snapshot.models and not snapshot.references:
        return UNKNOWN, "idle", "It reads, and no model of the settings has a reference: see `driftd check`."
    if not health.caught_up_once:
        return UNKNOWN, "not caught up", "It reads, and has not reached the end of the topics since it began."
    if idle:
        return UNKNOWN, "idle", "It reads, and no event of a model that is watched has come yet."
    if snapshot.models and not judged and all(model.warmup is not None for model in snapshot.models):
        return (
            UNKNOWN,
            "warming up",
            "It reads, and every model is in its warm-up: below is when each is judged first.",
        )
    if snapshot.models and not judged:
        return UNKNOWN, "nothing judged yet", "It reads, and no model has had a whole window of events yet."
    return FINE, "fine", "It reads and judges."


def _counts(snapshot: Snapshot) -> dict[str, int]:
    states = list(states_of(snapshot).values())
    open_ones = [incident.severity for incident in snapshot.incidents if incident.severity]
    return {PAGE: open_ones.count(PAGE), TICKET: open_ones.count(TICKET)} | {
        state: states.count(state) for state in (FINE, UNKNOWN)
    }


def _title(snapshot: Snapshot, counts: dict[str, int], health: Health, stuck: str) -> str:
    urgent = [many(counts[state], state) for state in (PAGE, TICKET) if counts[state]]
    state, word, _ = monitor_state(snapshot, health, stuck)
    if state in (PAGE, TICKET):
        urgent.insert(0, f"monitor {word}")
    return f"{', '.join(urgent) or 'status'} - driftd"


def _verdict(snapshot: Snapshot, counts: dict[str, int]) -> str:
    """The number of models by state, in one line."""
    words = [badge(state, many(counts[state], state)) for state in (PAGE, TICKET) if counts[state]]
    words += [badge(FINE, f"{counts[FINE]:,} fine")] if counts[FINE] else []
    words += [badge(UNKNOWN, f"{counts[UNKNOWN]:,} not judged yet")] if counts[UNKNOWN] else []
    return f"{''.join(words)}<small>of {many(len(snapshot.models), 'model')}</small>" if snapshot.models else ""


def _monitor(snapshot: Snapshot, health: Health, stuck: str, now_us: int) -> Iterator[str]:
    state, word, sentence = monitor_state(snapshot, health, stuck)
    yield f'<section><h2>The monitor itself</h2><div class="card {state}">'
    yield f"<p>{badge(state, word)} {text(sentence)}</p>"
    yield from (f"<p>{text(reason)}</p>" for reason in snapshot.not_fine)
    yield "<dl>"
    for term, value in _monitor_rows(snapshot, now_us):
        yield f"<div><dt>{term}<dd>{value}</div>"
    yield "</dl></div></section>"


def _monitor_rows(snapshot: Snapshot, now_us: int) -> Iterator[tuple[str, str]]:
    yield "Lag", _lag(snapshot)
    if snapshot.watermarks:
        slowest = min(snapshot.watermarks, key=lambda partition: snapshot.watermarks[partition])
        newest = max(snapshot.watermarks.values())
        yield "Newest event", aged(newest, now_us)
        if len(snapshot.watermarks) > 1:
            yield "Furthest behind", f"{ago(snapshot.watermarks[slowest], now_us)} <small>{name(str(slowest))}</small>"
    else:
        yield "Newest event", "none seen yet"
    saved = snapshot.checkpoint_us
    yield "Last checkpoint", "none since it began" if saved is None else aged(saved, now_us)
    if lost := sum(snapshot.unreadable.values()):
        yield "Unreadable since it began", f"{many(lost, 'record')} <small>passed; the log has the place</small>"
    if gone := sum(snapshot.retention_gaps.values()):
        yield "Lost to retention", f"{many(gone, 'record')} <small>gone before they were read</small>"
    if not_accepted := _not_accepted(snapshot):
        yield "Events not accepted", not_accepted
    if snapshot.dead_letters:
        yield "Rejected since it began", many(snapshot.dead_letters, "record")


def _lag(snapshot: Snapshot) -> str:
    if not snapshot.lags:
        return "not known yet"
    total = sum(snapshot.lags.values())
    worst = max(snapshot.lags, key=lambda partition: snapshot.lags[partition])
    most = f", most in {name(str(worst))}: {snapshot.lags[worst]:,}" if total and len(snapshot.lags) > 1 else ""
    return f"{many(total, 'record')} <small>in {many(len(snapshot.lags), 'partition')}{most}</small>"


def _not_accepted(snapshot: Snapshot) -> str:
    """`59 of 514 events: 47 duplicate, 12 rejected (json 10, ts 2)`, "" if all were accepted."""
    by_outcome: dict[str, dict[str, int]] = {}
    for (_, outcome, reason), count in snapshot.events.items():
        if count and outcome != ACCEPTED:
            reasons = by_outcome.setdefault(outcome, {})
            reasons[reason] = reasons.get(reason, 0) + count
    if not by_outcome:
        return ""
    lost, total = sum(sum(reasons.values()) for reasons in by_outcome.values()), sum(snapshot.events.values())
    kinds = sorted(by_outcome, key=lambda outcome: -sum(by_outcome[outcome].values()))
    words = "; ".join(_outcome(outcome, by_outcome[outcome]) for outcome in kinds)
    return f"{lost:,} of {many(total, 'event')} <small>{text(words, 1_000)}</small>"


def _outcome(outcome: str, reasons: dict[str, int]) -> str:
    most = sorted(reasons, key=lambda reason: -reasons[reason])
    named = [f"{reason} {reasons[reason]:,}" for reason in most if reason]
    return f"{sum(reasons.values()):,} {outcome.replace('_', ' ')}" + (f" ({listed(named, REASONS)})" if named else "")
