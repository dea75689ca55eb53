"""Never-seen values that are known ones written otherwise are said to be, and no others."""

from __future__ import annotations

import pytest

from monitor.judge.words.spelling import spelling

KNOWN = ("web", "branch", "New York", "7", "42", " padded")


@pytest.mark.parametrize(
    ("unseen", "words"),
    [
        ({"WEB": 20, "Branch": 3}, "; they are known values but for case"),
        ({"web ": 9, "\tnew york": 1}, "; they are known values but for case and surrounding spaces"),
        ({"padded": 5}, "; they are known values but for surrounding spaces"),
        ({"007": 5, "042": 5}, "; they are known values but for leading zeros"),
        ({"WEB": 20, "kiosk": 3}, "; most are known values but for case"),
        ({"": 7, "  ": 1}, "; they are empty"),
        ({"": 7, "kiosk": 1}, "; most are empty"),
        ({"WEB": 1, "kiosk": 3}, ""),
        ({"700": 5, "w e b": 5, "webs": 1}, ""),
        ({}, ""),
    ],
)
def test_what_is_said_of_never_seen_values(unseen: dict[str, int], words: str) -> None:
    said = spelling(unseen, KNOWN)
    assert said.words == words
    assert bool(said.next_step) == bool(words)


def test_a_long_value_is_known_by_its_beginning() -> None:
    assert spelling({("A" * 47) + "…": 3}, ("a" * 60,)).words == "; they are known values but for case"
