"""Documents that are generated from the code by `python -m tests.documents`; a test checks that they are current."""

from __future__ import annotations

import json
from pathlib import Path

from monitor.clock import parse_rfc3339
from monitor.decode.native.rows import Row
from monitor.events import OUTCOMES, REASONS, ModelKey, Partition
from monitor.findings import Finding, FindingKey, Span, Transition
from monitor.publish.series import document as series_document
from monitor.settings.document import settings_reference
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from tests.architecture_document import architecture_document
from tests.benchmarks.bench_table import page as performance_document

DOCS = Path(__file__).resolve().parent.parent / "docs"
_MADE = "This file is generated from the code by `python -m tests.documents`; do not edit it."

FIELDS = {
    "type": "`prediction`, `features` or `label`. Absent: a prediction if there is a `prediction` or `score`, a label"
    " if there is a `label` and no `features`, else features",
    "model": "the model's name; required unless `inputs[].model` is set, which takes precedence",
    "version": 'its version, `""` when absent; `inputs[].version` takes precedence. A label may leave it out',
    "id": "string of at most 256 characters, or an integer; required for a label. Key the record by it, so that"
    " duplicates are detected",
    "ts": "RFC 3339 with offset (without one: in the zone of `inputs[].timezone`, the earlier time if it is ambiguous),"
    " or a Unix time in s, ms or µs, distinguished by magnitude; absent: the record's timestamp",
    "features": "an object {name: value} with numbers, strings, booleans, null, or a list of numbers for a vector",
    "prediction": "the model's output: number, string or boolean",
    "score": "probability of the positive class, 0 to 1",
    "scores": "or an object {class: probability}; that of `positive` is the score. Of more than two classes give every"
    " one: [log loss and areas](labels.md#the-figures) need them",
    "label": "the truth; also in a prediction if it is known already. Null revokes an earlier one",
    "value": "with a label: a business figure (money, minutes)",
    "tags": "an object of strings; those that `segments` of the settings names cut the events",
    "outcomes": "with a label, or instead of one: an object {name: value} of further results that come later, such as a"
    " judge's score, a rating, a refund: numbers, strings, booleans. Null revokes an earlier one; beside outcomes a"
    " null `label` says nothing",
}
OUTCOME_MEANINGS = {
    "rejected": "it is invalid; there is a reason (below), and the record is a dead letter",
    "unknown_model": "no model of that name is in the settings, or its version has no reference, and none is learned"
    " (`unknown_models`)",
    "ignored": "a tombstone (a record without a value), a version that the settings do not list, or a record of a kind"
    " that its format leaves aside",
    "over_limit": "more versions of a model than `limits.versions`, or models that are not in the settings than"
    " `limits.models`",
    "late": "its time is more than `allowed_lateness` behind the clock of its partition ([deciding.md](deciding.md))",
    "duplicate": "a prediction whose id is among the last `id_memory` of its partition",
    "accepted": "it is counted and judged",
}
QUALITY_MEANINGS = {
    "missing": "the value is null, or NaN, which is how pandas and NumPy write it",
    "absent": "the key is not there",
    "unseen": "a category that is not in the reference",
    "outside": "a number beyond the reference's range and a margin",
    "type": "text for a number, infinity, a list, an object. In a numeric column `true` and `false` are 1 and 0. For a "
    "vector: another length, or something in it that is no finite number",
}


def settings_document() -> str:
    """docs/settings.md"""
    return f"# Settings\n\nWhat `driftd settings` prints. {_MADE}\n\n```yaml\n{settings_reference().rstrip()}\n```\n"


_EXPLAINED = """\
`likely_cause` is the subject that probably changed first; absent where nothing that is watched explains the change. A
finding of the score has `explained_by`, what moved with it: `[{"subject": "PAY_0", "share": 0.8, "in_moved_bins":
1.3}]`, shares of the change by the effect of the column's bins, and of the change that falls on events in its moved
bins (which counts twice what columns share), both null where the reference never had such values and cannot tell; `[]`
if no column explains it. A feature's `score_shift` is how far it
moves the mean score alone, in the score's standard deviations ([deciding](deciding.md#what-moved-the-score)). `figure`
is `residual` for what no column explains. `next_step` is what to do first, where that is not what the cause always says
(a column that was renamed, two that look exchanged, never-seen values spelled otherwise, what no column explains).
`derived_from` is the vector or text that the subject was computed from, which `next_step` is about.
`segment` is `SEX=2` where the change is of one
[segment](deciding.md#segments) alone; `window.events` are all events of the window."""


_BESIDE = """\
`driftd accept` writes to the same topic: CloudEvents of the type `io.driftd.act`, keyed by the incident, whose `data`
is `{"kind": "act", "act": "accept", "incident": …, "note": …}`. Consumers distinguish them by the type.
Another reference is written as `{"kind": "act", "act": "rebase", "model": …, "version": …, "at": …, "reference":
{"before": …, "after": …}, "settings": {"before": …, "after": …}, "note": …}`, keyed by the model version
([tuning](tuning.md)). `silenced: {"until": …, "reason": …}` in a transition: a silence holds back its page.

The daemon says of itself when it starts and stops, and which records were gone before it read them: CloudEvents of the
type `io.driftd.notice`. All three types but `accept` are a chain of hashes, which `driftd audit` verifies
([audit](audit.md)): the event's attributes `chain`, `chainnumber`, `chainbefore`, `chainhash`.

### CloudEvents as headers, for Knative

`outputs.cloudevents: structured` (the default) writes one JSON object with attributes and `data`, and the header
`content-type: application/cloudevents+json`. `binary` writes the `data` alone as the record's value; the attributes are
headers, as Knative's brokers, channels and KafkaSource keep events and its triggers filter them:

| header | is |
|---|---|
| `ce_specversion` | `1.0` |
| `ce_id` | incident and number of the transition |
| `ce_type` | `io.driftd.incident`, `io.driftd.act`, `io.driftd.notice` |
| `ce_source` | `driftd/` and `kafka.group_id` |
| `ce_subject` | model and version |
| `ce_time` | when it was sent |
| `ce_severity`, `ce_transition` | of an incident; in structured mode attributes of the same names |
| `ce_chain`, `ce_chainnumber`, `ce_chainbefore`, `ce_chainhash` | the place in the chain |
| `content-type` | `application/json` |

A trigger that wants the pages alone, behind a KafkaSource on the alert topic; it gets every transition of a page, as one can begin
as a ticket that is `escalated`:

```yaml
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: pages}
spec:
  broker: default
  filter: {attributes: {type: io.driftd.incident, severity: page}}
  subscriber: {ref: {apiVersion: v1, kind: Service, name: on-page}}
```

`driftd accept`, `driftd audit` and the daemon read both modes, also on one topic after the setting was changed."""


def events_document() -> str:
    """docs/events.md"""
    assert tuple(FIELDS) == Row.__struct_fields__
    assert tuple(OUTCOME_MEANINGS) == OUTCOMES
    assert tuple(QUALITY_MEANINGS) == QUALITY_COUNTS
    event = {
        "type": "prediction", "id": "p-1", "model": "loans", "version": "1", "ts": "2026-11-22T10:00:00Z",
        "features": {"age": 41, "amount": 1200.5, "channel": "web"}, "score": 0.31, "prediction": 0,
    }  # fmt: skip
    return f"""\
# Events

{_MADE}

## What comes in

One JSON object per Kafka record, or an array of them, UTF-8:

```json
{json.dumps(event)}
```

{_table(("field", "meaning"), FIELDS)}

Null is the same as absence in every field, in `tags` and in `scores`, except the `label` of a label event. A UTF-8
byte order mark before a value is skipped. Unknown fields are ignored; of two fields with the same name the last counts.
Classes and categories compare as text: `true` = `1` = `1.0` = `"1"`.

An invalid field outside `features` rejects the event. An invalid value of a feature does not: it is counted in one of
these quality counts, which each feature has in addition to its bins and which are judged separately.

{_table(("quality count", "when"), QUALITY_MEANINGS)}

## Outcomes

Each event ends in exactly one outcome, checked in this order. A record that cannot be parsed is one rejected event.

{_table(("outcome", "when"), OUTCOME_MEANINGS)}

{_table(("reason", "of a rejected event"), REASONS)}

A rejected record goes to `outputs.rejects_topic` unchanged, with the header names of Kafka Connect
(`__connect.errors.topic`, `.partition`, `.offset`, `.exception.message`) and `driftd.error.code`, the reason.
Record batches that cannot be decompressed or parsed have the code `unreadable_…` and the bytes of the batch.

## What comes out

Transitions of incidents on `outputs.alerts_topic`, as CloudEvents 1.0 of the type `io.driftd.incident`, keyed by the
incident; `driftd replay --json` writes the same objects. This is the `data` of one:

```json
{json.dumps(_transition().to_json(), indent=1, ensure_ascii=False)}
```

`transition` is `opened`, `updated`, `escalated`, `deescalated`, `lasting` or `resolved`; there is one open incident for
each model version, as severe as its worst finding, and at most one lasting ticket: a page that was open for
`lasting_after` or was accepted. Findings of a lasting ticket have a `level`, their effect when it became lasting
([deciding](deciding.md)). `at` is the event time of the verdict, `since` when the change began.
{_EXPLAINED}
`p` is null where a rule decides and no test: events that stopped, a new column.
`records` are the first and last offset of the window by partition, for `driftd record`. `links` are the URLs in the
settings, if any: `status`, `runbook`, `dashboard`. The CloudEvent's `id` is the incident and the number of the
transition: after a crash one may come twice, with the same id and content.

{_BESIDE}
"""


def _table(heads: tuple[str, str], rows: dict[str, str]) -> str:
    lines = [f"| {heads[0]} | {heads[1]} |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {text} |" for name, text in rows.items())])


def _transition() -> Transition:
    start, end = parse_rfc3339("2026-11-22T10:04:30Z"), parse_rfc3339("2026-11-22T10:07:00Z")
    finding = Finding(
        FindingKey("AGE", "distribution"), "page", Span(start, end, 500), 2, "cut_point", 6.6, 5.4, 4e-11, 0.12,
        "share moved", 1.6, "up", "mean 35.5 -> 38.2; share above 41: 0.25 -> 0.33",
        records={Partition("model-events", 0): (120, 371), Partition("model-events", 2): (88, 340)},
    )  # fmt: skip
    summary = "credit 1: AGE moved up by 0.3 sd (cut-point distance 0.12, allowed 0.06)"
    return Transition(
        "credit/1/0d3f5a", 1, "opened", ModelKey("credit", "1"), "page", end, 25_250, 23_800, "sha256:9f2c",
        "sha256:51ab", start, summary, (finding,),
    )  # fmt: skip


def decisions_document() -> str:
    """docs/decisions/README.md"""
    pages = sorted(page for page in (DOCS / "decisions").glob("*.md") if page.name != "README.md")
    listed = "\n".join(f"- [{_title(page)}]({page.name})" for page in pages)
    return f"""\
# Decisions

{_MADE} It lists the pages of this folder by their titles.

One page for each decision: context, decision, consequences, and measurements. A decision that is reversed keeps its
page, with a note on what replaced it.

{listed}
"""


def _title(page: Path) -> str:
    first = page.read_text(encoding="utf-8").split("\n", 1)[0]
    assert first.startswith("# "), f"{page.name} does not begin with a title"
    return first.removeprefix("# ")


DOCUMENTS = {
    "settings.md": settings_document,
    "events.md": events_document,
    "series.md": series_document,
    "architecture.md": architecture_document,
    "decisions/README.md": decisions_document,
    "performance.md": performance_document,
}


if __name__ == "__main__":
    for name, made in DOCUMENTS.items():
        (DOCS / name).write_text(made(), encoding="utf-8")
