"""The incidents of the status page: open ones with every finding, and the last ended ones."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from monitor.findings import PAGE, SEVERITY_RANK, Figures
from monitor.judge.causes.catalog import NAMES as CAUSES
from monitor.judge.causes.catalog import cause_named, next_step_of, sample_of
from monitor.judge.causes.cause import Cause
from monitor.publish import links
from monitor.publish.snapshot import ColumnView, FindingView, IncidentView, ModelView, Snapshot
from monitor.publish.status.html import ago, moment, name, since, text
from monitor.publish.status.model_cards import FINE, badge, states_of
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.text import listed, many, number, probability

#: partitions whose records are offered for fetching
FETCHED: Final = 3
#: findings of an incident that are shown unfolded
SHOWN: Final = 5
#: columns named that another version shows, too
NAMED: Final = 5
#: ended incidents that are shown
ENDED: Final = 10
LASTING: Final = "Lasting: was a page and is still open. A different change, or 1.5 times this one, opens a new page."


def open_incidents(snapshot: Snapshot, now_us: int) -> Iterator[str]:
    """The open incidents: pages first, then by age, the oldest first."""
    opened = [incident for incident in snapshot.incidents if incident.severity]
    yield "<section><h2>Open incidents</h2>"
    if not opened:
        judged = FINE in states_of(snapshot).values()
        yield "<p>None.</p>" if judged else "<p>None; no model was judged yet.</p>"
    order = sorted(opened, key=lambda one: (-SEVERITY_RANK.get(one.severity, 0), one.since_us or 0))
    places = {model.key: at for at, model in enumerate(snapshot.models)}
    for incident in order:
        at = places.get(incident.key)
        yield from _incident(snapshot, incident, None if at is None else (at, snapshot.models[at]), now_us)
    yield "</section>"


def _incident(
    snapshot: Snapshot, incident: IncidentView, place: tuple[int, ModelView] | None, now_us: int
) -> Iterator[str]:
    model = None if place is None else place[1]
    views = [view for view in snapshot.findings if view.key == incident.key and view.lasting == incident.lasting]
    renamed = {view.renamed_to for view in views}
    views = sorted((view for view in views if view.finding not in renamed), key=lambda view: view.rank)
    words = f"lasting {incident.severity}" if incident.lasting else ""
    yield f'<section class="card {text(incident.severity)}"><h3>{badge(incident.severity, words)} '
    yield f"{name(str(incident.key))}{': ' + text(incident.summary) if incident.summary else ''}</h3>"
    where = "" if place is None else f' · <a href="#m{place[0]}">its figures</a>'
    yield f"<p>{since(incident.since_us, now_us)}{_more(snapshot, incident, model)}{where}</p>"
    if incident.lead:
        yield f"<p>{text(incident.lead[:1].upper() + incident.lead[1:])}.</p>"
    if views and (step := views[0].next_step or next_step_of(views[0].finding.cause)):
        yield f"<p>Next, about {name(views[0].parent or views[0].finding.subject)}: {text(step)}.</p>"
    yield from (f"<p>{sentence}</p>" for sentence in _in_other_versions(snapshot, incident, views))
    yield f"<p class=soft>{LASTING}</p><ol>" if incident.lasting else "<ol>"
    for at, view in enumerate(views):
        if at == SHOWN and len(views) > SHOWN + 1:
            yield f"</ol><details><summary>{many(len(views) - SHOWN, 'more finding')}</summary><ol start={SHOWN + 1}>"
        yield f"<li><p><b>{name(view.finding.subject)}</b> {text(_cause(view.finding.cause))}"
        yield f" <small>{_tags(view)}, {since(view.since_us, now_us)}</small></p>"
        yield f"<p>{text(view.headline)}</p>" if at or not incident.summary.startswith(view.headline) else ""
        yield f"<p>{text(view.detail)}</p><p class=soft>{_evidence(model, view)}</p>"
    yield "</ol></details>" if len(views) > SHOWN + 1 else "</ol>"
    if lines := "\n".join(text(line, 1_000) for line in _commands(incident, views)):
        yield f"<details><summary>Commands</summary><pre>{lines}</pre>"
        yield "</details>"
    yield "</section>"


def _in_other_versions(snapshot: Snapshot, incident: IncidentView, views: Sequence[FindingView]) -> Iterator[str]:
    """Whether the other versions that were judged since the incident's start show the same: only this one, or all."""
    own = {view.finding for view in views}
    for other in snapshot.models:
        same_model = other.key.model == incident.key.model and other.key != incident.key
        judged = other.judged_us is not None and other.judged_us > (incident.since_us or 0)
        if not (same_model and judged and other.stopped_since_us is None):
            continue
        shared = {view.finding for view in snapshot.findings if view.key == other.key} & own
        named = name(listed(dict.fromkeys(view.finding.subject for view in views if view.finding in shared), NAMED))
        version = f"Version {name(other.key.version)}"
        yield f"{version} shows the same: {named}." if shared else f"{version} does not show this."


def _commands(incident: IncidentView, views: Sequence[FindingView]) -> Iterator[str]:
    """What an operator types next: fetch the records behind the first finding, accept a page that is to stay."""
    for (topic, partition), (first, last) in views[0].records[:FETCHED] if views else ():
        source = shlex.quote(f"kafka://{topic}/{partition}?offsets={first}-{last}")
        out = shlex.quote(f"{topic}-{partition}.records.jsonl")
        yield f"driftd record {source} -o {out} --config F"
    if incident.id and incident.severity == PAGE and not incident.lasting:
        yield f"driftd accept {shlex.quote(incident.id)} --note 'why it stays' --config F"


def _cause(name: str) -> str:
    """The text for a cause, shown after the column's name; by default the cause's name."""
    known = CAUSES.get(name)
    return name if known is None else known.on_page or name


def _tags(view: FindingView) -> str:
    silenced = "no page during a silence" if view.silenced else ""
    rest = [view.severity, silenced, view.finding.figure, view.finding.segment]
    return ", ".join(name(word) for word in rest if word)


def _more(snapshot: Snapshot, incident: IncidentView, model: ModelView | None) -> str:
    """Links to the runbook and the dashboard, if they are set."""
    own = "" if model is None else model.runbook
    known = links.of_incident(snapshot.links, incident.key, incident.severity, own)
    parts = [web_link(known.get(what, ""), what) for what in ("runbook", "dashboard")]
    return "".join(f" · {part}" for part in parts if part)


def web_link(address: str, words: str) -> str:
    """A link for an http or https address; any other address is shown as text."""
    if not address:
        return ""
    if not address.lower().startswith(("http://", "https://")):
        return f"{words}: {name(address)}"
    return f'<a href="{text(address, 2_000)}" rel="noreferrer noopener">{words}</a>'


def _evidence(model: ModelView | None, view: FindingView) -> str:
    """The window that the finding's figures are of, how sure they are, and what the newest base window alone shows."""
    window, newest = view.window, view.newest
    if window is None or not window.events:  # of a state of before, or of no events
        return ""
    chance = "" if view.p is None else f", {text(probability(view.p))}"
    of = many(window.events, sample_of(view.finding.cause))
    words = f"In {of} up to {moment(window.end_us)}: {number(view.exceedance)} times the threshold{chance}."
    if newest is None or newest.samples >= window.events:
        return words
    columns = () if model is None else model.columns
    column = next((column for column in columns if column.name == view.finding.subject), None)
    size = text(_size(column, newest)) + (", below the threshold" if newest.exceedance < 1 else "")
    return f"{words} The newest {many(newest.samples, 'event')} alone: {size}."


def _size(column: ColumnView | None, figures: Figures) -> str:
    cause = cause_named(figures.cause) or Cause
    return cause.size(figures, numeric=column is not None and column.kind == NUMERIC)


def ended_incidents(snapshot: Snapshot, now_us: int) -> Iterator[str]:
    """The ended incidents: what each was, and from when to when."""
    if not snapshot.ended:
        return
    yield "<section><h2>Ended incidents</h2><ol class=card>"
    for one in snapshot.ended[:ENDED]:
        yield f"<li><p>{badge(one.severity)} {text(one.summary or str(one.key))}</p>"
        ended = f"{moment(one.ended_us)}, {ago(one.ended_us, now_us)}"
        yield f"<p class=soft>since {moment(one.since_us)}, ended {ended}</p>"
        yield f"<p>{text('; '.join(one.findings))}</p></li>" if one.findings else "</li>"
    yield "</ol></section>"
