"""The incidents of the status page: those that are open, with every finding, and the last ones that are over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from monitor.findings import SEVERITY_RANK, Figures
from monitor.judge.causes.catalog import NAMES as CAUSES
from monitor.judge.causes.catalog import cause_named
from monitor.judge.causes.cause import Cause
from monitor.publish import links
from monitor.publish.snapshot import ColumnView, FindingView, IncidentView, ModelView, Snapshot
from monitor.publish.status.html import ago, moment, name, since, text
from monitor.publish.status.model_cards import FINE, badge, states_of
from monitor.stats.bins import NUMERIC
from monitor.text import many, number, probability

#: ended incidents that are shown
ENDED: Final = 10
LASTING: Final = "Lasting: it was a page, and it stays. Another change, or this one half as large again, pages anew."


def open_incidents(snapshot: Snapshot, now_us: int) -> Iterator[str]:
    """Pages first, the oldest of them first."""
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
    found = [view for view in snapshot.findings if view.key == incident.key and view.lasting == incident.lasting]
    found.sort(key=lambda view: (-SEVERITY_RANK.get(view.severity, 0), -_over(_measured(model, view)[1])))
    words = f"lasting {incident.severity}" if incident.lasting else ""
    yield f'<section class="card {text(incident.severity)}"><h3>{badge(incident.severity, words)} '
    yield f"{name(str(incident.key))}{': ' + _summary(found) if found else ''}</h3>"
    where = "" if place is None else f' · <a href="#m{place[0]}">its figures</a>'
    yield f"<p>{since(incident.since_us, now_us)}{_more(snapshot, incident, model)}{where}</p>"
    yield f"<p class=soft>{LASTING}</p><ol>" if incident.lasting else "<ol>"
    for at, view in enumerate(found):
        column, figures = _measured(model, view)
        yield f"<li><p><b>{name(view.finding.subject)}</b> {text(_cause(view.finding.cause))}"
        yield f" <small>{_tags(view)}, {since(view.since_us, now_us)}</small></p>"
        yield f"<p>{text(view.headline)}</p>" if at else ""
        yield f"<p>{text(view.detail)}</p><p class=soft>{_how_sure(column, figures)}</p>"
    yield "</ol></section>"


def _cause(name: str) -> str:
    """A cause in words behind a column's name; one that has none is said by its own."""
    known = CAUSES.get(name)
    return name if known is None else known.on_page or name


def _summary(found: Sequence[FindingView]) -> str:
    """What moved: the worst finding's words, as the alert says them."""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return text(found[0].headline) + more


def _tags(view: FindingView) -> str:
    rest = [view.severity, view.finding.figure, view.finding.segment]
    return ", ".join(name(word) for word in rest if word)


def _more(snapshot: Snapshot, incident: IncidentView, model: ModelView | None) -> str:
    """Runbook and dashboard, as far as the settings know them."""
    own = "" if model is None else model.runbook
    known = links.of_incident(snapshot.links, incident.key, incident.severity, own)
    parts = [web_link(known.get(what, ""), what) for what in ("runbook", "dashboard")]
    return "".join(f" · {part}" for part in parts if part)


def web_link(address: str, words: str) -> str:
    """A link only where it leads to the web; anything else is shown as it is written."""
    if not address:
        return ""
    if not address.lower().startswith(("http://", "https://")):
        return f"{words}: {name(address)}"
    return f'<a href="{text(address, 2_000)}" rel="noreferrer noopener">{words}</a>'


def _measured(model: ModelView | None, view: FindingView) -> tuple[ColumnView | None, Figures | None]:
    """The finding's column, None where it is about none, and its newest figures, where the snapshot has them."""
    if model is None:
        return None, None
    subject, cause = view.finding.subject, view.finding.cause
    column = next((column for column in model.columns if column.name == subject), None)
    beside = (figures for name, figures in model.figures if name == subject)
    known = beside if column is None else iter(column.figures)
    return column, next((figures for figures in known if figures.cause == cause), None)


def _over(figures: Figures | None) -> float:
    return 0.0 if figures is None or figures.exceedance != figures.exceedance else figures.exceedance


def _how_sure(column: ColumnView | None, figures: Figures | None) -> str:
    """How large the change is in the newest look, and how unlikely by chance."""
    if figures is None:
        return "Figures: in the alert, not on this page."
    seen = f"{_size(column, figures)} in a window of {many(figures.samples, 'event')}"
    sure = f"{number(figures.exceedance)} times the threshold, {probability(figures.p)}"
    return f"Latest evaluation: {seen}; {sure}."


def _size(column: ColumnView | None, figures: Figures) -> str:
    cause = cause_named(figures.cause) or Cause
    return cause.size(figures, numeric=column is not None and column.kind == NUMERIC)


def ended_incidents(snapshot: Snapshot, now_us: int) -> Iterator[str]:
    """What is over: what it was, from when to when."""
    if not snapshot.ended:
        return
    yield "<section><h2>Ended incidents</h2><ol class=card>"
    for one in snapshot.ended[:ENDED]:
        yield f"<li><p>{badge(one.severity)} {text(one.summary or str(one.key))}</p>"
        exceedance = f"{moment(one.ended_us)}, {ago(one.ended_us, now_us)}"
        yield f"<p class=soft>since {moment(one.since_us)}, over at {exceedance}</p>"
        yield f"<p>{text('; '.join(one.findings))}</p></li>" if one.findings else "</li>"
    yield "</ol></section>"
