"""What every cause keeps, each a function from a cause and its examples to faults.

`test_cause_laws.py` holds all causes to them, and shows each law a cause that breaks it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any, Final, get_args

from monitor.count.exchange import Pane
from monitor.count.task_state import PaneKey
from monitor.findings import INFO, TICKET, Finding, FindingKey
from monitor.judge.causes.catalog import CAUSES, NAMES
from monitor.judge.causes.cause import Candidate, Cause, Evaluation, SequentialCause
from monitor.judge.windows.pyramid import BaseWindow, RecentPanes, WindowPyramid, window_of
from monitor.settings.later import LATER_CAUSES
from monitor.settings.model import Cause as InSettings
from monitor.state.codec import decode, encode
from monitor.state.frozen import frozen
from monitor.stats.tallies.block import Block
from monitor.stats.testing.ending import LEFT_AT_END
from tests.engine import CREDIT
from tests.laws.cause_examples import (
    BEFORE,
    WITHOUT_EXAMPLES,
    Example,
    LabelledPane,
    made,
    panes,
    prepared,
    reference_panes,
)

#: one false finding in this many tests: as strict as a model's budget makes it
ALPHA: Final = 1e-7
#: of the threshold
CHANCE: Final = 0.5
SIZES: Final = (0.0, 0.02, 0.1, 0.4, 1.0)
WEAK: Final = 0.1

Law = Callable[[type[Cause[Any]], Sequence[Example]], Iterator[str]]


def has_examples(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """An effect for each of its names."""
    if cause in WITHOUT_EXAMPLES:
        return
    shown = {example.key.cause for example in examples}
    yield from (f"{name.name} has no example" for name in cause.names if name.name not in shown)
    yield from (f"{name} is none of its names" for name in shown - {name.name for name in cause.names})


def silent(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """It finds nothing in the reference itself, nor where an effect has no size."""
    walked = [reference_panes(), *(panes_of(example, 0.0) for example in examples)]
    for blocks in walked:
        yield from (f"found {finding.key} in the reference" for finding in found(made(cause), blocks))


def monotone(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """A larger effect is never less over, and the whole effect is found; below half a threshold is chance alone."""
    for example in examples:
        by_size = [max(strength(cause, example, size), CHANCE) for size in SIZES]
        if any(larger < smaller * (1 - 1e-9) for smaller, larger in pairwise(by_size)):
            yield f"{example.key}: a larger effect is less over: {by_size}"
        if by_size[0] > 1 or by_size[-1] <= 1:
            yield f"{example.key}: not from below its threshold to above: {by_size}"
        if not any(finding.key == example.key for finding in found(made(cause), panes_of(example, 1.0))):
            yield f"{example.key}: the whole effect is not found"


def same_under_merging(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """A window's findings are those of its events, whatever tallies they lay in and in whatever order these came."""
    for example in examples:
        blocks = changed(example)
        fine = window_findings(watching(cause, blocks), blocks)
        for name, merged in (("merged", blocks), ("backwards", blocks[::-1])):
            coarse = window_findings(watching(cause, blocks), [merge(merged)])
            if [undated(finding) for finding in coarse] != [undated(finding) for finding in fine]:
                yield f"{example.key}: {name}, other findings"
            began = zip(coarse, fine, strict=False)
            yield from (f"{a.key}: {name}, began later" for a, b in began if _since(a) > _since(b))


def same_under_cutting(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """Findings do not depend on where a checkpoint cuts the stream; what has no state keeps none."""
    for example in examples:
        for size in (WEAK, 1.0):  # of a whole effect less depends on what is remembered
            blocks = panes_of(example, size)
            whole = found(made(cause), blocks)
            for every in (1, 7):
                if found(made(cause), blocks, cut_every=every) != whole:
                    yield f"{example.key}: cut every {every} panes, other findings"


def still_after_a_cut(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """What a checkpoint has of it does not change while it goes on: it is written meanwhile."""
    for example in examples:
        cuts: list[tuple[Any, bytes]] = []

        def cut(judged: Cause[Any], cuts: list[tuple[Any, bytes]] = cuts) -> None:
            kept = frozen(judged.to_state()) if judged.state_name else {}
            cuts.append((kept, bytes(encode(kept))))

        found(made(cause), panes_of(example, 1.0), after=cut)
        changed = [at for at, (kept, content) in enumerate(cuts) if bytes(encode(kept)) != content]
        if changed:
            yield f"{example.key}: {len(changed)} cuts changed, the first one that of pane {changed[0]}"


def serialisable(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """Findings are JSON as the interface has it, and say what they are the same way everywhere."""
    names = {name.name for name in cause.names}
    for example in examples:
        for finding in found(made(cause), panes_of(example, 1.0)):
            try:
                text = json.dumps(finding.to_json(), allow_nan=False)
            except (TypeError, ValueError) as error:
                yield f"{finding.key}: {error}"
                continue
            if json.loads(text) != finding.to_json():
                yield f"{finding.key}: JSON does not give it back"
            if finding.key.cause not in names or not finding.headline or not finding.detail:
                yield f"{finding.key}: without words, or under another's name"


def consistent(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """Candidate, finding, recheck and figures of one window agree, and no other cause knows the finding."""
    for example in examples:
        judged, evaluation = watching(cause, changed(example)), evaluated(changed(example))
        for candidate in judged.candidates(evaluation, None):
            yield from _disagreements(judged, candidate, evaluation)
        for other in CAUSES:
            known = made(other).exceedance(example.key, evaluation) is not None
            if known and not issubclass(cause, other):
                yield f"{example.key}: {other.__name__} takes it for its own"
        if judged.exceedance(FindingKey("nobody", example.key.cause), evaluation) is not None:
            yield f"{example.key}: also of a subject that is not there"


def ending(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """All of a change is left in the window it opened with, little in the reference; no other cause measures it."""
    judged, fine = made(cause), evaluated(reference_panes())
    for example in examples:
        evaluation = evaluated(changed(example))
        then = judged.change(example.key, evaluation.windows, 0)
        if then is None:
            continue
        left, after = (judged.left(example.key, then, one) for one in (evaluation, fine))
        if abs(left - 1) > 1e-9 or not after <= LEFT_AT_END:
            yield f"{example.key}: {left:g} is left at its opening, {after:g} without it"
        effects = {one.effect for one in window_findings(judged, changed(example)) if one.key == example.key}
        again = judged.effect(example.key, evaluation)
        if again is not None and any(abs(again - effect) > 1e-9 for effect in effects):
            yield f"{example.key}: the effect measured again is {again:g}, its finding's {effects}"
        for other in CAUSES:
            if not issubclass(cause, other) and made(other).change(example.key, evaluation.windows, 0) is not None:
                yield f"{example.key}: {other.__name__} measures its change"


def _disagreements(judged: Cause[Any], candidate: Candidate, evaluation: Evaluation) -> Iterator[str]:
    key, finding = candidate.key, candidate.finding()
    if (finding.key, finding.severity, finding.exceedance) != candidate[:3]:
        yield f"{key}: the finding is not its candidate's"
    if judged.exceedance(key, evaluation) != candidate.exceedance or candidate.exceedance <= 1:
        yield f"{key}: the recheck does not give the finding's exceedance"
    for subject, figures in judged.figures(evaluation):
        if (subject, figures.cause) == key[:2] and figures.exceedance != candidate.exceedance:
            yield f"{key}: the figures have another exceedance"
        if not judged.size(figures, numeric=True) or figures.cause not in {name.name for name in judged.names}:
            yield f"{subject}: figures without words, or under another's name"


def pays(cause: type[Cause[Any]], examples: Sequence[Example]) -> Iterator[str]:
    """What can open an incident is a test the page budget counts; or a ticket, of a cause with a budget of its own."""
    judged = made(cause)
    for example in examples:
        evaluation = evaluated(changed(example))
        for tests, candidates in (
            (judged.tests(), judged.candidates(evaluation, None)),
            (judged.tests_of_recent(), judged.recent_candidates(evaluation)),
        ):
            free = {INFO, TICKET} if cause.own_budget else {INFO}
            if tests == 0 and any(candidate.severity not in free for candidate in candidates):
                yield f"{example.key}: found by no test"


def named(cause: type[Cause[Any]], _examples: Sequence[Example]) -> Iterator[str]:
    """Its names are those of the settings, and one name is called the same by all causes."""
    settable = {*get_args(InSettings), *LATER_CAUSES}
    yield from (f"{name.name} is no cause of the settings" for name in cause.names if name.name not in settable)
    yield from (f"{name.name} is called otherwise elsewhere" for name in cause.names if NAMES.get(name.name) != name)
    yield from (f"it explains {name}, which is no cause" for name in cause.explains if name not in NAMES)
    yield from (f"{n.name}: {n.share} is no figure" for n in cause.names if n.share not in {"", "value", "effect"})


LAWS: Final[tuple[Law, ...]] = (
    has_examples,
    silent,
    monotone,
    same_under_merging,
    same_under_cutting,
    still_after_a_cut,
    serialisable,
    consistent,
    ending,
    pays,
    named,
)


@cache
def panes_of(example: Example, size: float) -> list[LabelledPane]:
    """As the example's, counted once."""
    return panes(example, size)


@cache
def changed(example: Example) -> list[Block]:
    """The panes that hold nothing but the whole effect."""
    blocks: list[Block] = []
    before = 0
    for block in panes_of(example, 1.0):
        if before >= BEFORE:
            blocks.append(block)
        before += block.tally.events
    return blocks


def merge(blocks: Sequence[Block]) -> Block:
    """All as one, added up in the order given."""
    tally = blocks[0].tally.copy()
    for block in blocks[1:]:
        tally.merge(block.tally)
    return Block(min(block.start_us for block in blocks), max(block.end_us for block in blocks), tally)


def evaluated(blocks: Sequence[Block]) -> Evaluation:
    """One window of these blocks."""
    return Evaluation(prepared(), window_of(4, tuple(blocks)), ALPHA)


def watching(cause: type[Cause[Any]], blocks: Sequence[Block]) -> Cause[Any]:
    """The cause as it is after these panes."""
    judged, base = made(cause), BaseWindow()
    for block in blocks:
        judged.observe(block, base.add(_pane(block)))
    return judged


def window_findings(judged: Cause[Any], blocks: Sequence[Block]) -> list[Finding]:
    return [candidate.finding() for candidate in judged.candidates(evaluated(blocks), None)]


def undated(finding: Finding) -> Finding:
    """Since when is known as exactly as the tallies are fine."""
    return replace(finding, since_us=None)


def _since(finding: Finding) -> int:
    return finding.window.start_us if finding.since_us is None else finding.since_us


def found(
    judged: Cause[Any],
    blocks: Sequence[LabelledPane],
    cut_every: int = 0,
    after: Callable[[Cause[Any]], None] = lambda _judged: None,
) -> list[Finding]:
    """All that is over as the panes come, at every length; `cut_every` so many panes the cause is made from scratch.

    `after` is called after each pane.
    """
    recent, base, pyramid = RecentPanes(), BaseWindow(), WindowPyramid(64)
    findings: list[Finding] = []
    for at, block in enumerate(blocks, 1):
        pane = _pane(block)
        newest, whole = recent.add(pane), base.add(pane)
        if judged.state_name:  # others are asked to remember nothing
            judged.observe(block, whole)
        if newest is not None:
            candidates = judged.recent_candidates(Evaluation(prepared(), newest, ALPHA))
            findings += [candidate.finding() for candidate in candidates]
        if whole is not None:
            candidates = judged.candidates(Evaluation(prepared(), pyramid.add(whole), ALPHA), newest)
            findings += [candidate.finding() for candidate in candidates]
        if isinstance(judged, SequentialCause):
            findings += judged.follow(block, block.labels)
        after(judged)
        if cut_every and at % cut_every == 0:
            judged = _restored(judged)
    return findings


def _restored(judged: Cause[Any]) -> Cause[Any]:
    again = made(type(judged))
    if judged.state_name:
        again.restore(decode(encode(judged.to_state())))
    return again


def strength(cause: type[Cause[Any]], example: Example, size: float) -> float:
    """The most that the effect's key is over: in any base window, or as a sequential cause found it."""
    judged, blocks = made(cause), panes_of(example, size)
    if isinstance(judged, SequentialCause):
        return max((one.exceedance for one in found(judged, blocks) if one.key == example.key), default=0.0)
    return max(judged.exceedance(example.key, evaluated([block])) or 0.0 for block in _base_windows(blocks))


def _base_windows(blocks: Sequence[Block]) -> Iterator[Block]:
    base = BaseWindow()
    for block in blocks:
        whole = base.add(_pane(block))
        if whole is not None:
            yield whole


def _pane(block: Block) -> Pane:
    return Pane(PaneKey(CREDIT, ""), block.start_us, block.end_us, block.tally)
