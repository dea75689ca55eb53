"""Annotation templates that Prometheus fills in when an alert fires: which columns changed, by how much, since when.

A phone shows only the summary. The names come from queries in the template and not from labels: labels are the alert's
identity, and must not change while findings come and go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from monitor.findings import TICKET
from monitor.judge.causes.catalog import NAMES as CAUSES
from monitor.judge.causes.catalog import with_share

#: most columns in a description, which is read on a phone
NAMED: Final = 5
LASTING_SINCE: Final = "driftd_incident_lasting_since_timestamp_seconds"
#: a start that is longer ago is written with its date
SAME_DAY_SECONDS: Final = 43_200

#: texts for causes; others are shown by their name
CAUSE_TEXTS: Final[Mapping[str, str]] = {name: cause.in_alert for name, cause in CAUSES.items() if cause.in_alert}


def drift_summary(incident: str) -> str:
    """`loans 1: amount outside its range in 100% since 15:17 UTC, and 1 more`."""
    active = _active(incident)
    effect = "max by (subject, cause, segment) (driftd_finding_effect_ratio{model=%[1]q,version=%[2]q})"
    worst = _query(f"topk(1, {active} * on (subject, cause, segment) {effect} or {active} * 0)")
    more = _query(f"count({active}) - 1 > 0")
    return (
        f"{{{{ $labels.model }}}} {{{{ $labels.version }}}}: "
        f"{{{{ with {worst} }}}}{{{{ with first . }}}}{_finding()}{{{{ end }}}}"
        f"{{{{ else }}}}differs from its reference{{{{ end }}}}"
        f"{_since(incident)}{{{{ with {more} }}}}, and {{{{ . | first | value }}}} more{{{{ end }}}}"
    )


def findings(incident: str) -> str:
    """`amount (outside), city (unseen)`: the open findings of the alert's model version."""
    active = _active(incident)
    named = f"{_query(f'topk({NAMED}, {active})')} | sortByLabel `subject`"
    one = (
        "{{ if $index }}, {{ end }}{{ .Labels.subject }} ({{ .Labels.cause }}"
        "{{ with .Labels.segment }} in {{ . }}{{ end }})"
    )
    return (
        f"{{{{ range $index, $finding := {named} }}}}{one}{{{{ else }}}}see driftd's page{{{{ end }}}}"
        f"{{{{ with {_query(f'count({active}) > {NAMED}')} }}}} ({NAMED} of {{{{ . | first | value }}}}){{{{ end }}}}"
    )


def if_lasting(text: str, otherwise: str) -> str:
    """`text` if the model version has a lasting ticket, else `otherwise`."""
    lasting = _query(f"max({_of_model(LASTING_SINCE)})")
    return f"{{{{ with {lasting} }}}}{text}{{{{ else }}}}{otherwise}{{{{ end }}}}"


def since_when(incident: str) -> str:
    """` Since 2026-11-22 10:04:30 +0000 UTC, event time.`, or nothing if the start is not known."""
    since = _query(_begun(incident))
    return f"{{{{ with {since} }}}} Since {{{{ . | first | value | humanizeTimestamp }}}}, event time.{{{{ end }}}}"


def _active(incident: str) -> str:
    chosen = f'model=%[1]q,version=%[2]q,severity="{incident}"'
    return f"max by (subject, cause, segment) (driftd_finding_active{{{chosen}}})"


def _query(text: str) -> str:
    """A template query; the alert's model is `%[1]q` in it, its version `%[2]q`."""
    return f"query (printf `{text}` $labels.model $labels.version)"


def _finding() -> str:
    """`amount in SEX=2 outside its range in 12%`, for a finding in `.Labels`."""
    own = {name: cause.of_model for name, cause in CAUSES.items() if cause.of_model}
    of_model = _by_cause(own, otherwise="predictions")
    subject = "{{ if ne .Labels.subject $labels.model }}{{ .Labels.subject }}{{ else }}" + of_model + "{{ end }}"
    segment = "{{ with .Labels.segment }} in {{ . }}{{ end }}"
    happened = _by_cause(CAUSE_TEXTS, otherwise="{{ .Labels.cause }}")
    return f"{subject}{segment} {happened}{_figure()}"


def _by_cause(words: Mapping[str, str], otherwise: str) -> str:
    """The words of the cause in `.Labels`."""
    causes: dict[str, str] = {}
    for cause, phrase in words.items():
        causes[phrase] = f'{causes.get(phrase, "")} "{cause}"'
    cases = " else ".join(f"if eq .Labels.cause{names} }}}}{phrase}{{{{" for phrase, names in causes.items())
    return f"{{{{ {cases} else }}}}{otherwise}{{{{ end }}}}"


def _figure() -> str:
    """` in 12%`: the share of events with the fault, or the share that moved."""
    chosen = "model=%[1]q,version=%[2]q,subject=%[3]q,cause=%[4]q,segment=%[5]q"
    values = "$labels.model $labels.version .Labels.subject .Labels.cause .Labels.segment"
    value = f'max(driftd_finding_value{{{chosen},cause=~"{"|".join(with_share("value"))}"}})'
    effect = f'max(driftd_finding_effect_ratio{{{chosen},cause=~"{"|".join(with_share("effect"))}"}})'
    share = f"query (printf `{value} or {effect}` {values})"
    return f"{{{{ with {share} }}}} in {{{{ . | first | value | humanizePercentage }}}}{{{{ end }}}}"


def _of_model(series: str) -> str:
    return f"{series}{{model=%[1]q,version=%[2]q}}"


def _begun(incident: str) -> str:
    """The start of an incident of that severity; a page and a lasting ticket may be open at the same time."""
    begun = f"max({_of_model('driftd_incident_since_timestamp_seconds')})"
    return f"(max({_of_model(LASTING_SINCE)}) or {begun})" if incident == TICKET else begun


def _since(incident: str) -> str:
    """` since 15:17 UTC`, with the date if that is more than SAME_DAY_SECONDS ago."""
    begun = _begun(incident)
    lately, before = _query(f"{begun} > {_now()}"), _query(f"{begun} <= {_now()}")
    return "".join(
        f'{{{{ with {start} }}}} since {{{{ (. | first | value | toTime).Format "{form}" }}}} UTC{{{{ end }}}}'
        for start, form in ((lately, "15:04"), (before, "Jan 2 15:04"))
    )


def _now() -> str:
    return f"time() - {SAME_DAY_SECONDS}"
