"""An audit as one self-contained HTML file: no script, no request, all foreign text escaped, its tables with heads."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from monitor.clock import rfc3339
from monitor.publish.status.html import name, text
from monitor.text import many, number
from monitor.told.articles import ARTICLES, NOTE
from monitor.told.audit import Audit
from monitor.told.audit_text import act_words, gap_words, verdict
from monitor.told.incidents import Story
from monitor.told.line import Line

#: every pair of text and background has a contrast of at least 4.5
_STYLE: Final = """
:root{color-scheme:light dark;--ground:#fff;--text:#16191d;--soft:#535c66;--rule:#d5dae0;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ground:#0f1215;--text:#e8ebee;--soft:#a3adb8;--rule:#323a43;--bad:#ff8f85}}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:70rem;margin:auto;padding:1rem}
h1{font-size:1.375rem}h2{font-size:1.125rem;margin:2rem 0 .25rem}h3{font-size:1rem;margin:1.25rem 0 .25rem}
p{margin:.25rem 0}.soft{color:var(--soft);font-size:.875rem}.bad{color:var(--bad);font-weight:700}
table{border-collapse:collapse;width:100%;margin:.5rem 0}caption{text-align:left;font-weight:600;padding:.25rem 0}
th,td{text-align:left;vertical-align:top;padding:.375rem .75rem .375rem 0;border-top:1px solid var(--rule)}
thead th{color:var(--soft);font-size:.8125rem}code{font-size:.8125rem}
@media print{h2,h3,caption{break-after:avoid}tr{break-inside:avoid}}
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
_EVIDENCE: Final = ("what", "severity", "value", "threshold", "p", "effect", "window", "records")
#: longest summary and detail, in characters
_LONG: Final = 4_000


def audit_html(audit: Audit) -> str:
    """The file."""
    return "\n".join(_page(audit)) + "\n"


def _page(audit: Audit) -> Iterator[str]:
    begin = "the beginning" if audit.start_us is None else rfc3339(audit.start_us)
    title = f"What was told from {begin} to {rfc3339(audit.end_us)}"
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<title>{text(title)}</title><style>{_STYLE}</style></head><body><main>"
    yield f"<h1>{text(title)}</h1>"
    yield f"<p>By driftd on {name(audit.told.where)}; made {_moment(audit.made_us)}.</p>"
    yield f'<p class="soft">{text(NOTE)}</p>'
    yield from _section("chains", "Is it all there?", _verdict(audit))
    yield from _section("monitoring", "When the daemon ran", _monitoring(audit))
    yield from _section("incidents", f"Incidents ({len(audit.stories)})", _incidents(audit))
    yield from _section("acts", "What people decided", _acts(audit))
    yield "</main></body></html>"


def _section(part: str, title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f'<section aria-labelledby="{part}"><h2 id="{part}">{text(title)}</h2>{_article(part)}'
    yield from lines
    yield "</section>"


def _article(part: str) -> str:
    article, asks = ARTICLES[part]
    return f'<p class="soft">EU AI Act, {text(article)}: {text(asks)}.</p>'


def _verdict(audit: Audit) -> Iterator[str]:
    found = "Nothing is missing or changed, as far as the chains tell." if audit.chains else "There is no chain."
    found = f"{many(len(audit.faults), 'fault')}: lines are missing, changed or added." if audit.faults else found
    yield f"<p{' class=bad' if audit.faults else ''}>{text(found)}</p><ul>"
    yield from (f"<li>{text(line.strip(), _LONG)}</li>" for line in verdict(audit))
    yield "</ul>"


def _monitoring(audit: Audit) -> Iterator[str]:
    found = audit.monitoring
    if not found.known:
        yield "<p>No start or stop of the daemon is told: nothing is known of times without monitoring.</p>"
        return
    rows = [
        (
            "unknown" if one.start_us is None else _moment(one.start_us),
            "not over" if one.end_us is None else _moment(one.end_us),
            text(one.why),
        )
        for one in found.without
    ]
    yield from _table("Times without monitoring", ("from", "to", "why"), rows)
    yield from _table(
        "Records that were gone before they were read",
        ("told", "which", "record"),
        [(_moment(line.told_us), text(gap_words(line)), _place(line)) for line in found.gaps],
    )
    yield from _table("Starts", ("at", "driftd", "compared with", "record"), [_start(line) for line in found.starts])


def _start(line: Line) -> tuple[str, ...]:
    models = line.data.get("models")
    known = [one for one in models if isinstance(one, dict)] if isinstance(models, list) else []
    several = "<br>".join(
        f"{name(str(one.get('model')))} {name(str(one.get('version')))}: reference {_code(one.get('reference'))}, "
        f"settings {_code(one.get('settings'))}"
        for one in known
    )
    return _moment(line.told_us), text(str(line.data.get("driftd", ""))), several, _place(line)


def _incidents(audit: Audit) -> Iterator[str]:
    for story in audit.stories:
        yield from _story(story, audit)


def _story(story: Story, audit: Audit) -> Iterator[str]:
    over, team = story.resolved, audit.team_of(story.model)
    end = "open" if over is None else f"resolved {_moment(over.told_us)}"
    yield f"<h3>{name(story.model)} {name(story.version)}: {text(story.worst)}, {end}</h3>"
    whom = f" For {name(team)}." if team else ""
    whole = "" if story.is_whole else " Its beginning is not there."
    yield f"<p>Incident {_code(story.incident)}.{whom}{whole}</p>"
    heads = ("told", "what", "against", "record")
    yield from _table("What was told", heads, [_transition(line) for line in story.lines])
    yield _article("evidence")
    yield from _table("Evidence, as it was first told", _EVIDENCE, list(_findings(story.lines)))


def _transition(line: Line) -> tuple[str, ...]:
    data = line.data
    counts = f"{data.get('predictions', '?')} predictions, {data.get('labels', '?')} labels"
    what = f"{text(data['transition'])}, {text(data['severity'])}: {text(data['summary'], _LONG)}"
    against = f"reference {_code(data['reference'])}<br>settings {_code(data['settings'])}"
    seen = f'<span class="soft">verdict of {text(data["at"])}, after {text(counts)}</span>'
    return _moment(line.told_us), f"{what}<br>{seen}", against, _place(line)


def _findings(lines: Iterable[Line]) -> Iterator[tuple[str, ...]]:
    """Each finding once, with the figures with which it was told first."""
    seen: set[tuple[str, ...]] = set()
    for finding in (one for line in lines for one in line.data.get("findings", ())):
        parts = ("subject", "cause", "segment", "figure", "severity")
        key = tuple(str(finding.get(part, "")) for part in parts)
        if key in seen:
            continue
        seen.add(key)
        window = finding.get("window")
        span = [str(window.get(edge, "?")) for edge in ("start", "end", "events")] if isinstance(window, dict) else []
        where = f" in {name(key[2])}" if key[2] else ""
        what = f"{name(key[0])}: {text(' '.join(filter(None, (key[1], key[3]))))}{where}"
        detail = f'<br><span class="soft">{text(str(finding.get("detail", "")), _LONG)}</span>'
        figures = [_figure(finding.get(each)) for each in ("value", "threshold", "p")]
        effect = f"{_figure(finding.get('effect'))} {text(str(finding.get('effect_unit', '')))}"
        events = f"{text(span[0])} to {text(span[1])}, {text(span[2])} events" if span else ""
        records = text(json.dumps(finding.get("records", {}), ensure_ascii=False), _LONG)
        yield what + detail, text(key[4]), *figures, effect, events, f"<code>{records}</code>"


def _acts(audit: Audit) -> Iterator[str]:
    rows = [(_moment(line.told_us), text(act_words(line), _LONG), _place(line)) for line in audit.acts]
    yield from _table("Acceptances and other references", ("told", "what", "record"), rows)


def _table(caption: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows of HTML; a sentence where there are none."""
    if not rows:
        yield f"<p>{text(caption)}: none.</p>"
        return
    top = "".join(f'<th scope="col">{text(head)}</th>' for head in heads)
    yield f"<table><caption>{text(caption)}</caption><thead><tr>{top}</tr></thead><tbody>"
    for first, *others in rows:
        yield f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"
    yield "</tbody></table>"


def _moment(us: int) -> str:
    stamp = rfc3339(us)
    return f'<time datetime="{stamp}">{stamp}</time>'


def _place(line: Line) -> str:
    link = "in no chain" if line.link is None else f"line {line.link.number} of {line.link.chain[:8]}"
    verified = "" if line.verifies() else ' <strong class="bad">changed</strong>'
    return f'<code>{text(line.place)}</code><br><span class="soft">{text(link)}</span>{verified}'


def _code(value: object) -> str:
    return f"<code>{text(str(value))}</code>"


def _figure(value: object) -> str:
    try:
        return text(number(float(value))) if isinstance(value, int | float) else text(str(value or ""))
    except OverflowError:  # a whole number beyond all that a daemon writes
        return text(str(value), _LONG)
