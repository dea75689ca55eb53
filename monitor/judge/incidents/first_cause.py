"""Which finding of an incident is probably the first cause of the others, and the incident in words.

Several columns that move together are one incident. A column comes before the score that moved with it; among columns
the one that moves the score most, else the one that is furthest over its threshold; of two that are about equal the
earlier one. Whatever the score itself shows (its shape, that it is stuck) is an effect, not a cause. What a segment
shows of its own comes before the same thing of all events, which hold the segment.

Of a page it is among what pages and what may explain that: columns, whatever their severity. A ticket about something
else (groups, labels, a tag, how well the model does), which may be days old, explains no page and is only counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from monitor.findings import PAGE, SEVERITY_RANK, Finding, FindingKey
from monitor.reference.column import PREDICTION, SCORE
from monitor.text import listed, many

#: causes whose subject is the model and not a column; all that are about what it says, not about what it is given
_OF_MODEL: Final = ("performance", "calibration", "cost", "fairness")
_OUTPUTS: Final = (SCORE, PREDICTION, *_OF_MODEL)
#: causes that are about what comes back of its predictions: it never moved what the model says
_RESULTS: Final = ("outcome", "label_delay", "label_coverage")
#: subjects of the model's own columns: a feature of such a name has another subject
_OWN_COLUMNS: Final = (SCORE, PREDICTION)
#: causes that find values of another kind than the reference's, and the share of events from which on a column has them
_OTHER_VALUES: Final = frozenset(("missing", "absent", "unseen", "outside", "type"))
_STUCK: Final = "constant"
LEAST_OTHER_VALUES: Final = 0.2
_TRAFFIC: Final = "traffic"
#: causes about the stream and not about a column: as tickets they may explain a page that began with them
_OF_STREAM: Final = frozenset((_TRAFFIC, "duplicates", "clock", "schema"))
_ABSENT: Final = "absent"
#: derived columns named of one vector or text
MOST_NAMED: Final = 3
#: columns that changed together, each of which may look as ever: it moves the score like no column alone
_RELATION: Final = "relation"
#: two sizes that differ by less than this part of the larger one are equal
ABOUT_EQUAL: Final = 0.2


def likely_first(findings: Sequence[Finding]) -> Finding | None:
    """The likely first cause among findings, worst first; None where nothing that is watched explains the change."""
    known = _candidates(findings)
    first = _first(known)
    return None if first is None else _narrowed(first, known)


def _candidates(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Of findings that page those, and the tickets that may explain them; all where none pages."""
    pages = [one for one in findings if one.severity == PAGE]
    return [one for one in findings if one.severity == PAGE or _may_explain(one, pages)] if pages else findings


def _may_explain(ticket: Finding, pages: Sequence[Finding]) -> bool:
    """Whether what pages may be an effect of the ticket, or of what the ticket names as its own cause."""
    if _is_output(ticket):
        return ticket.explanation is not None and bool(ticket.explanation.parts)
    if ticket.key.cause in _OF_STREAM and not ticket.renamed_from:
        return any(abs(began(one) - began(ticket)) <= one.window.end_us - one.window.start_us for one in pages)
    return not ticket.aside


def _first(findings: Sequence[Finding]) -> Finding | None:
    outputs = sorted(
        (one for one in findings if _is_output(one)), key=lambda one: (-_rank(one), one.key.cause in _RESULTS)
    )
    inputs = [one for one in findings if not _is_output(one) and not is_stop(one)]
    explained = _explained(outputs)
    if explained is not None and explained.explanation is not None:
        named = [part.subject for part in explained.explanation.parts]
        by_name = (one for subject in named for one in inputs if one.key.subject == subject)
        related = (one for one in inputs if one.key.cause == _RELATION and not is_of_outputs(one))
        found = next(by_name, None) or next(related, None)
        if found is not None or _rank(explained) == max(map(_rank, findings)):
            return found
    return _largest(inputs) or next(iter(outputs or findings), None)


def _narrowed(first: Finding, findings: Sequence[Finding]) -> Finding:
    """In place of a finding of all events that of a segment, if one shows the same and is as grave."""
    same = [one for one in _in_segments(first, findings) if one.key.cause == first.key.cause]
    return next((one for one in same if _rank(one) >= _rank(first)), first)


def _rank(finding: Finding) -> int:
    return SEVERITY_RANK[finding.severity]


def _in_segments(finding: Finding, findings: Iterable[Finding]) -> list[Finding]:
    """What segments show of the same column, or of the same cause of the model; nothing of a segment's own finding."""
    if finding.key.segment:
        return []
    same = (one for one in findings if one.key.segment and one.key.subject == finding.key.subject)
    return [one for one in same if one.key.cause == finding.key.cause or one.key.cause not in _OF_MODEL]


def _explained(findings: Iterable[Finding]) -> Finding | None:
    """The first one with something to be said of what explains it; not that nothing does, where a segment shows it."""
    known = list(findings)
    told = ((one, one.explanation) for one in known if one.explanation is not None)
    return next((one for one, by in told if by.parts or not _in_segments(one, known)), None)


def is_stop(finding: Finding) -> bool:
    """Whether it says that no events come."""
    return finding.key.cause == _TRAFFIC and not finding.window.events


def _is_output(finding: Finding) -> bool:
    return finding.key.cause in (*_OUTPUTS, *_RESULTS) or finding.key.subject in _OWN_COLUMNS


def is_of_outputs(relation: Finding) -> bool:
    """Whether the finding of a pair of columns is about the model's own: what changed the score changes that too."""
    return any(
        relation.key.subject.startswith(f"{own}~") or relation.key.subject.endswith(f"~{own}") for own in _OWN_COLUMNS
    )


def has_other_values(finding: Finding) -> bool:
    """Whether many values are of another kind than the reference's: what they do to the score, it cannot tell."""
    if finding.factor is not None or finding.key.cause == _STUCK:
        return True
    return finding.key.cause in _OTHER_VALUES and finding.effect >= LEAST_OTHER_VALUES


def _largest(findings: Sequence[Finding]) -> Finding | None:
    """Of the worst severity the largest, or an earlier one that is about as large."""
    if not findings:
        return None
    worst = max(map(_rank, findings))
    serious = [one for one in findings if _rank(one) == worst]
    moving = [one for one in serious if one.score_shift]
    sizes = [abs(one.score_shift or 0.0) for one in moving] or [one.exceedance for one in serious]
    equal = [one for one, size in zip(moving or serious, sizes, strict=True) if size >= (1 - ABOUT_EQUAL) * max(sizes)]
    return min(equal, key=began)


def began(finding: Finding) -> int:
    """Since when the finding's change shows, in microseconds."""
    return finding.window.start_us if finding.since_us is None else finding.since_us


def likely_order(findings: Sequence[Finding]) -> list[Finding]:
    """Findings, worst first, with the likely first cause before all others."""
    first = likely_first(findings)
    return sorted(findings, key=lambda one: one is not first)


def likely_cause(findings: Sequence[Finding]) -> str:
    """The subject of the likely first cause, "" where there is none."""
    first = likely_first(findings)
    return "" if first is None else first.key.subject


def renames(findings: Iterable[Finding]) -> dict[str, Finding]:
    """{column that is gone: the finding of the new column with its values}, for those that are one fault."""
    known = list(findings)
    gone = {one.key.subject for one in known if one.key.cause == _ABSENT}
    return {one.renamed_from: one for one in known if one.renamed_from in gone}


def as_one(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, a column that was renamed once: its absence, with the words of the new column."""
    renamed = renames(findings)
    kept = [one for one in findings if one not in renamed.values()]
    return [
        replace(one, headline=renamed[one.key.subject].headline)
        if one.key.cause == _ABSENT and one.key.subject in renamed
        else one
        for one in kept
    ]


def in_words(findings: Sequence[Finding]) -> str:
    """The worst finding if it is graver than the likely first cause, that, what explains the score, how many others.

    That no events come is said before all: everything else is of before. A segment with a finding of the same is named.
    Of a page are told what pages, and the likely first cause, as a ticket if it is one; other tickets are counted.
    """
    findings = as_one(findings)
    known = _candidates(findings)
    explained = _explained(known)
    first = likely_first(findings) or explained or findings[0]
    graver = [_narrowed(findings[0], findings)] if _rank(findings[0]) > _rank(first) else []
    stopped = [one for one in findings if is_stop(one) and one is not first]
    pages = any(one.severity == PAGE for one in findings)
    in_segments = [one for one in _in_segments(first, known) if not pages or _rank(one) >= _rank(first)]
    told = [*stopped, *graver, first, *in_segments[:1]]
    tickets = [one for one in told if pages and one.severity != PAGE and one not in stopped]
    words = "; ".join(
        dict.fromkeys(
            ("ticket: " if one in tickets else "") + _headline(one, findings if one is first else ()) for one in told
        )
    )
    if explained is not None and explained.explanation is not None:
        words += f"; {explained.explanation.text}"
    named = {_subject(one) for one in told} | ({_subject(explained)} if explained is not None else set())
    others = _counted([one for one in findings if _subject(one) not in named], pages=pages, again=bool(tickets))
    return words + (f" (and {others})" if others else "")


def _counted(findings: Sequence[Finding], *, pages: bool, again: bool) -> str:
    """`2 other findings, 1 ticket`: of a page its tickets on their own; `again`: one of these is told."""
    subjects = {_subject(one) for one in findings}
    grave = {_subject(one) for one in findings if one.severity == PAGE} if pages else subjects
    light = len(subjects) - len(grave)
    parts = [(len(grave), "other finding"), (light, "other ticket" if again else "ticket")]
    return ", ".join(many(number, what) for number, what in parts if number)


def _subject(finding: Finding) -> FindingKey | str:
    """What it counts as among several: derived columns of one vector or text are one fault of it."""
    return finding.parent or finding.key


def _headline(finding: Finding, findings: Sequence[Finding]) -> str:
    return _of_parent(finding, findings) + finding.headline


def _of_parent(first: Finding, findings: Sequence[Finding]) -> str:
    """`emb changed in 6 of its derived columns (emb.norm, emb.p1, ...): `, "" for a column of its own."""
    columns = list(dict.fromkeys(one.key.subject for one in findings if one.parent and one.parent == first.parent))
    if len(columns) <= 1:
        return ""
    return f"{first.parent} changed in {len(columns)} of its derived columns ({listed(columns, MOST_NAMED)}): "


def lead(findings: Sequence[Finding]) -> str:
    """Where to look first, as a sentence: the likely first cause and what it explains; "" where that is plain."""
    findings = as_one(findings)
    known = _candidates(findings)
    explained = _explained(known)
    explanation = None if explained is None else explained.explanation
    first = likely_first(findings)
    alone = len({one.key.subject for one in findings if not is_stop(one)}) <= 1
    if first is None or (alone and explanation is None):
        return "" if explanation is None else explanation.text
    where = f" in {first.key.segment}" if first.key.segment else ""
    return f"likely first cause: {first.key.subject}{where}" + ("" if explanation is None else f"; {explanation.text}")
