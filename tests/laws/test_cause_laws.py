"""Every cause of the tuple keeps the laws, and each law has a cause to catch."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest

from monitor.findings import PAGE, FindingKey
from monitor.judge.causes.catalog import CAUSES, EXPLAINED_BY, NAMES, cause_named, with_share
from monitor.judge.causes.cause import Candidate, Cause, CauseName, Evaluation
from monitor.judge.causes.constant import Constant
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.errors import Errors
from monitor.judge.causes.quality import Quality
from monitor.judge.causes.residual import Residual
from monitor.judge.windows.prepared_reference import Floats
from monitor.judge.windows.pyramid import Windows
from monitor.settings.model import Cause as InSettings
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.later import Later
from tests.house import ROOT
from tests.laws import cause_laws
from tests.laws.cause_examples import EXAMPLES, Example, feature
from tests.laws.cause_laws import LAWS, Law

MISSING = (Example(FindingKey("LIMIT", "missing"), feature("LIMIT", None)),)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_every_cause_keeps_the_law(law: Law, cause: type[Cause[Any]]) -> None:
    faults = list(law(cause, EXAMPLES.get(cause, ())))
    assert not faults, "\n".join(faults)


def test_every_cause_of_the_settings_is_some_causes_name() -> None:
    assert set(get_args(InSettings)) <= set(NAMES)


def test_the_table_of_the_docs_has_every_cause() -> None:
    page = (ROOT / "docs" / "deciding.md").read_text(encoding="utf-8")
    rows = page.partition("| cause |")[2].partition("\n\n")[0].splitlines()[2:]
    assert {name for row in rows for name in re.findall("`(.+?)`", row.split("|")[1])} == set(NAMES)


def test_a_name_leads_to_its_cause_and_an_unknown_one_to_none() -> None:
    assert cause_named("constant") is Constant
    assert cause_named("tomorrows") is None
    assert EXPLAINED_BY["distribution"] == ("constant",)
    assert set(with_share("value")) == {*QUALITY_COUNTS, "label_delay", "label_coverage"}


class WithoutExample(Quality):
    names = (*Quality.names, CauseName("distribution"))


class Nervous(Quality):
    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        return super().candidates(replace(evaluation, alpha=1.5, _measured={}), recent)


class Weary(Quality):
    """The more there is, the less it says."""

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        known = super().exceedance(key, evaluation)
        return None if known is None else 1e6 / (1 + known)


class Unforgiving(Quality):
    """Whatever was once is left for ever."""

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        return 1.0


class Shortsighted(Quality):
    """Judges only the last part of a window."""

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        if evaluation.windows.parts[0][-1].tally.events > 250:
            yield from super().candidates(evaluation, recent)


class Counting(Quality):
    """Keeps a state that no checkpoint knows."""

    calls = 0

    def recent_candidates(self, evaluation: Evaluation) -> Iterator[Candidate]:
        self.calls += 1
        return super().recent_candidates(evaluation) if self.calls % 5 else iter(())


class Forgetful(Errors):
    def restore(self, state: dict[str, Any]) -> None:
        self._fed = []


class Absentminded(Quality):
    """Knows no more where the hits were."""

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing is taken."""


class Trusting(Distribution):
    """Knows no more how live traffic varies."""

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing is taken."""


class Misremembering(Distribution):
    """Takes the near events of the base window that is filling for more alike than they were."""

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._agreement.same = self._agreement.pairs


class Living(Quality):
    """Its state is that of when it is written, not that of the cut."""

    def to_state(self) -> dict[str, Any]:
        return {"all": Later(super().to_state)}


class Unspeakable(Quality):
    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        for candidate in super().candidates(evaluation, recent):
            finding = replace(candidate.finding(), threshold=math.nan)
            yield candidate._replace(finding=lambda finding=finding: finding)  # type: ignore[misc]  # bound now


class Boasting(Quality):
    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        return (one._replace(exceedance=one.exceedance + 1) for one in super().candidates(evaluation, recent))


class Greedy(Errors):
    """Claims what is another's."""

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return 2.0


class Free(Quality):
    def tests(self) -> int:
        return 0


class Loud(Residual):
    """Pages, and spends nothing of the page budget."""

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        return (one._replace(severity=PAGE) for one in super().candidates(evaluation, recent))


class Renamed(Quality):
    names = (CauseName("missing", in_alert="not there"), *Quality.names[1:])


@pytest.mark.parametrize(
    ("law", "cause"),
    [
        (cause_laws.has_examples, WithoutExample),
        (cause_laws.silent, Nervous),
        (cause_laws.monotone, Weary),
        (cause_laws.same_under_merging, Shortsighted),
        (cause_laws.same_under_cutting, Counting),
        (cause_laws.same_under_cutting, Forgetful),
        (cause_laws.same_under_cutting, Absentminded),
        (cause_laws.same_under_cutting, Trusting),
        (cause_laws.same_under_cutting, Misremembering),
        (cause_laws.still_after_a_cut, Living),
        (cause_laws.serialisable, Unspeakable),
        (cause_laws.consistent, Boasting),
        (cause_laws.consistent, Greedy),
        (cause_laws.ending, Unforgiving),
        (cause_laws.pays, Free),
        (cause_laws.pays, Loud),
        (cause_laws.named, Renamed),
    ],
)
def test_each_law_catches_a_cause_that_breaks_it(law: Law, cause: type[Cause[Any]]) -> None:
    examples = next((EXAMPLES[one] for one in (Errors, Distribution, Residual) if issubclass(cause, one)), MISSING)
    assert list(law(cause, examples))


def test_every_law_is_shown_a_cause_to_catch() -> None:
    (parametrized,) = test_each_law_catches_a_cause_that_breaks_it.pytestmark
    assert {law for law, _ in parametrized.args[1]} == set(LAWS)
