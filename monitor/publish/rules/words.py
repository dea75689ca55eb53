"""Sentences that Prometheus fills in when an alert fires: what moved, by how much, since when.

A telephone shows the summary alone. Names come by a query at that moment, so that the alert's own labels, which say
which alert it is, stay the same while findings come and go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from monitor.findings import TICKET
from monitor.judge.causes.catalog import NAMES as CAUSES
from monitor.judge.causes.catalog import with_share

#: names in a description; a page is read on a telephone
NAMED: Final = 5
LASTING_SINCE: Final = "driftd_incident_lasting_since_timestamp_seconds"
#: a beginning that is longer ago is said with its day
SAME_DAY_SECONDS: Final = 43_200

#: what is said of a cause; another one is said by its name
HAPPENED: Final[Mapping[str, str]] = {name: cause.in_alert for name, cause in CAUSES.items() if cause.in_alert}


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
    """Columns and causes of the alert's model version."""
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


def if_lasting(words: str, otherwise: str) -> str:
    """One of two texts, as the model version has a lasting ticket or not."""
    found = _query(f"max({_series(LASTING_SINCE)})")
    return f"{{{{ with {found} }}}}{words}{{{{ else }}}}{otherwise}{{{{ end }}}}"


def since_when(incident: str) -> str:
    """A sentence of its own, to the second."""
    found = _query(_begun(incident))
    return f"{{{{ with {found} }}}} Since {{{{ . | first | value | humanizeTimestamp }}}}, event time.{{{{ end }}}}"


def _active(incident: str) -> str:
    chosen = f'model=%[1]q,version=%[2]q,severity="{incident}"'
    return f"max by (subject, cause, segment) (driftd_finding_active{{{chosen}}})"


def _query(text: str) -> str:
    """A query with the alert's model as `%[1]q` and its version as `%[2]q`."""
    return f"query (printf `{text}` $labels.model $labels.version)"


def _finding() -> str:
    """Of a finding in `.Labels`: column, segment, what happened, in how many events."""
    own = {name: cause.of_model for name, cause in CAUSES.items() if cause.of_model}
    of_model = _by_cause(own, otherwise="predictions")
    subject = "{{ if ne .Labels.subject $labels.model }}{{ .Labels.subject }}{{ else }}" + of_model + "{{ end }}"
    segment = "{{ with .Labels.segment }} in {{ . }}{{ end }}"
    happened = _by_cause(HAPPENED, otherwise="{{ .Labels.cause }}")
    return f"{subject}{segment} {happened}{_figure()}"


def _by_cause(words: Mapping[str, str], otherwise: str) -> str:
    """The words of the cause in `.Labels`."""
    causes: dict[str, str] = {}
    for cause, said in words.items():
        causes[said] = f'{causes.get(said, "")} "{cause}"'
    cases = " else ".join(f"if eq .Labels.cause{names} }}}}{said}{{{{" for said, names in causes.items())
    return f"{{{{ {cases} else }}}}{otherwise}{{{{ end }}}}"


def _figure() -> str:
    """` in 12%`: the share of events in which a fact holds, or that moved."""
    chosen = "model=%[1]q,version=%[2]q,subject=%[3]q,cause=%[4]q,segment=%[5]q"
    values = "$labels.model $labels.version .Labels.subject .Labels.cause .Labels.segment"
    value = f'max(driftd_finding_value{{{chosen},cause=~"{"|".join(with_share("value"))}"}})'
    effect = f'max(driftd_finding_effect_ratio{{{chosen},cause=~"{"|".join(with_share("effect"))}"}})'
    found = f"query (printf `{value} or {effect}` {values})"
    return f"{{{{ with {found} }}}} in {{{{ . | first | value | humanizePercentage }}}}{{{{ end }}}}"


def _series(name: str) -> str:
    return f"{name}{{model=%[1]q,version=%[2]q}}"


def _begun(incident: str) -> str:
    """When an incident of that severity began: a ticket may be a lasting one beside a page."""
    begun = f"max({_series('driftd_incident_since_timestamp_seconds')})"
    return f"(max({_series(LASTING_SINCE)}) or {begun})" if incident == TICKET else begun


def _since(incident: str) -> str:
    """` since 15:17 UTC`, with the day when it is longer ago."""
    begun = _begun(incident)
    lately, before = _query(f"{begun} > {_now()}"), _query(f"{begun} <= {_now()}")
    return "".join(
        f'{{{{ with {found} }}}} since {{{{ (. | first | value | toTime).Format "{form}" }}}} UTC{{{{ end }}}}'
        for found, form in ((lately, "15:04"), (before, "Jan 2 15:04"))
    )


def _now() -> str:
    return f"time() - {SAME_DAY_SECONDS}"
