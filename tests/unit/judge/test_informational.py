"""Informational findings of one moment are bounded, and none is lost from the words."""

from __future__ import annotations

from dataclasses import replace

from monitor.findings import INFO
from monitor.judge.incidents.informational import MOST, bounded
from tests.books import finding


def test_a_change_of_every_column_is_a_few_findings_that_name_the_others() -> None:
    many = [finding(f"c{at}", INFO, exceedance=2.0 + at) for at in range(8)]
    kept = bounded(many)
    assert [one.key.subject for one in kept] == ["c7", "c6", "c5"]
    assert [one.detail for one in kept[:-1]] == [one.detail for one in (many[7], many[6])]
    assert kept[-1].detail.endswith("the same, but smaller, in c4, c3, c2, c1, c0")


def test_other_causes_have_their_own_bound_and_few_are_left_as_they_are() -> None:
    few = [finding("a", INFO), finding("b", INFO, cause="missing"), finding("c", INFO)]
    assert sorted(bounded(few), key=lambda one: one.key) == sorted(few, key=lambda one: one.key)
    assert len(bounded([replace(one, statistic="adwin") for one in few] * MOST)) == 2 * MOST
