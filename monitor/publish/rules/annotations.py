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
from monitor.judge.causes.traffic import TRAFFIC
from monitor.publish.traffic_series import TRAFFIC_STOPPED

#: most columns in a description, which is read on a phone; in a summary, beside the likely first cause
NAMED: Final = 5
ALSO: Final = 2
LASTING_SINCE: Final = "driftd_incident_lasting_since_timestamp_seconds"
#: a start that is longer ago is written with its date
SAME_DAY_SECONDS: Final = 43_200

#: in place of a rank that is not known: behind all others
UNRANKED: Final = 1_000_000

#: selects the series of one finding in a query
OF_FINDING: Final = "model=%[1]q,version=%[2]q,subject=%[3]q,cause=%[4]q,segment=%[5]q"
#: texts for causes; others are shown by their name
CAUSE_TEXTS: Final[Mapping[str, str]] = {name: cause.in_alert for name, cause in CAUSES.items() if cause.in_alert}


def drift_summary(incident: str) -> str:
    """`loans 1: amount outside its range in 100% since 15:17 UTC; also city, income and 3 more`.

    The likely first cause, as on the status page, and its own start.
    """
    worst = _query(f"topk(1, {_likely_first(_active(incident))})")
    return (
        f"{{{{ $labels.model }}}} {{{{ $labels.version }}}}: "
        f"{{{{ with {worst} }}}}{{{{ with first . }}}}{_finding()}{_since(incident)}{_others(incident)}"
        f"{_no_more_events()}{{{{ end }}}}"
        f"{{{{ else }}}}differs from its reference{{{{ end }}}}"
    )


def _no_more_events() -> str:
    """`; no events come now`: a finding of traffic is a ticket, which a page hides."""
    stopped = _query(f"{_of_model(TRAFFIC_STOPPED)} == 1")
    words = f"{{{{ with {stopped} }}}}; no events come now{{{{ end }}}}"
    return f"{{{{ if ne .Labels.cause `{TRAFFIC}` }}}}{words}{{{{ end }}}}"


def _others(incident: str) -> str:
    """`; also city, income and 3 more`: the other subjects, the worst first."""
    subjects = f"max by (subject) ({_likely_first(_active(incident, ',subject!=%[3]q'))})"
    values = "$labels.model $labels.version .Labels.subject"
    named = f"query (printf `topk({ALSO}, {subjects})` {values}) | sortByLabel `subject`"
    more = f"query (printf `count({subjects}) - {ALSO} > 0` {values})"
    return (
        f"{{{{ range $index, $other := {named} }}}}{{{{ if $index }}}}, {{{{ else }}}}; also {{{{ end }}}}"
        f"{{{{ $other.Labels.subject }}}}{{{{ end }}}}"
        f"{{{{ with {more} }}}} and {{{{ . | first | value }}}} more{{{{ end }}}}"
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


def quiet_versions() -> str:
    """` Version 1 does not show this.`: the other versions with events now that have no open incident."""
    quiet = "max by (version) (driftd_incident_active{model=%[1]q,version!=%[2]q}) == 0"
    events = 'sum by (version) (increase(driftd_model_events_total{model=%[1]q,type!="label"}[15m])) > 0'
    named = f"{_query(f'topk({ALSO}, {quiet} and on (version) {events})')} | sortByLabel `version`"
    return f"{{{{ range {named} }}}} Version {{{{ .Labels.version }}}} does not show this.{{{{ end }}}}"


def _active(incident: str, also: str = "") -> str:
    chosen = f'model=%[1]q,version=%[2]q,severity="{incident}"{also}'
    return f"max by (subject, cause, segment) (driftd_finding_active{{{chosen}}})"


def _likely_first(active: str) -> str:
    """Each of these findings with minus its rank, so that the largest is the first; far below where it has none."""
    rank = "max by (subject, cause, segment) (driftd_finding_rank{model=%[1]q,version=%[2]q})"
    return f"({active} * on (subject, cause, segment) -{rank} or {active} * -{UNRANKED})"


def _query(text: str) -> str:
    """A template query; the alert's model is `%[1]q` in it, its version `%[2]q`."""
    return f"query (printf `{text}` $labels.model $labels.version)"


def _query_of_finding(text: str) -> str:
    """A template query about the finding in `.Labels`, which `OF_FINDING` selects."""
    return f"query (printf `{text}` $labels.model $labels.version .Labels.subject .Labels.cause .Labels.segment)"


def _finding() -> str:
    """`amount in SEX=2 outside its range in 12%`, for a finding in `.Labels`."""
    own = {name: cause.of_model for name, cause in CAUSES.items() if cause.of_model}
    of_model = _by_cause(own, otherwise="predictions")
    subject = "{{ if ne .Labels.subject $labels.model }}{{ .Labels.subject }}{{ else }}" + of_model + "{{ end }}"
    segment = "{{ with .Labels.segment }} in {{ . }}{{ end }}"
    happened = _by_cause(CAUSE_TEXTS, otherwise="{{ .Labels.cause }}")
    stopped = f"{{{{ with {_query(f'{_of_model(TRAFFIC_STOPPED)} == 1')} }}}}no events{{{{ else }}}}"
    traffic = f"{{{{ if eq .Labels.cause `{TRAFFIC}` }}}}{stopped}traffic changed{{{{ end }}}}{{{{ else }}}}"
    return f"{traffic}{subject}{segment} {happened}{_figure()}{{{{ end }}}}"


def _by_cause(words: Mapping[str, str], otherwise: str) -> str:
    """The words of the cause in `.Labels`."""
    causes: dict[str, str] = {}
    for cause, phrase in words.items():
        causes[phrase] = f'{causes.get(phrase, "")} "{cause}"'
    cases = " else ".join(f"if eq .Labels.cause{names} }}}}{phrase}{{{{" for phrase, names in causes.items())
    return f"{{{{ {cases} else }}}}{otherwise}{{{{ end }}}}"


def _figure() -> str:
    """` in 12%`: the share of events with the fault, or the share that moved."""
    value = f'max(driftd_finding_value{{{OF_FINDING},cause=~"{"|".join(with_share("value"))}"}})'
    effect = f'max(driftd_finding_effect_ratio{{{OF_FINDING},cause=~"{"|".join(with_share("effect"))}"}})'
    share = _query_of_finding(f"{value} or {effect}")
    return f"{{{{ with {share} }}}} in {{{{ . | first | value | humanizePercentage }}}}{{{{ end }}}}"


def _of_model(series: str) -> str:
    return f"{series}{{model=%[1]q,version=%[2]q}}"


def _begun(incident: str) -> str:
    """The start of an incident of that severity; a page and a lasting ticket may be open at the same time."""
    begun = f"max({_of_model('driftd_incident_since_timestamp_seconds')})"
    return f"(max({_of_model(LASTING_SINCE)}) or {begun})" if incident == TICKET else begun


def _since(incident: str) -> str:
    """` since 15:17 UTC`, of the finding in `.Labels`; with the date if that is more than SAME_DAY_SECONDS ago.

    Of the incident where the finding's own start is not known.
    """
    begun = f"(max(driftd_finding_since_timestamp_seconds{{{OF_FINDING}}}) or {_begun(incident)})"
    return "".join(
        f"{{{{ with {_query_of_finding(f'{begun} {when} {_now()}')} }}}} since "
        f'{{{{ (. | first | value | toTime).Format "{form}" }}}} UTC{{{{ end }}}}'
        for when, form in ((">", "15:04"), ("<=", "Jan 2 15:04"))
    )


def _now() -> str:
    return f"time() - {SAME_DAY_SECONDS}"
