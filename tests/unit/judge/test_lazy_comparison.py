"""What is compared alone is as beside the others, and what is over is never passed as quiet."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.judge.comparison.columns import Compared
from monitor.judge.comparison.lazy_comparison import MOST_ALONE, LazyComparison, Measured
from monitor.judge.windows.prepared_reference import FASTER, PreparedReference
from tests.unit.judge.test_compared import ALPHA, COLUMNS, RATES, live, reference

WHOLE = reference(COLUMNS)
PREPARED = PreparedReference.of(WHOLE)
SIDES = (Compared.of(PREPARED, numeric=True), Compared.of(PREPARED, numeric=False))
PLACE = {int(at): (s, c) for s, side in enumerate(SIDES) for c, at in enumerate(side.places.tolist())}


def measured(seed: int, alpha: float = ALPHA) -> Measured:
    counts = live(WHOLE, seed)
    comparisons = tuple(LazyComparison(side, counts[:, side.places], RATES, alpha) for side in SIDES)
    return Measured(comparisons, PLACE, PREPARED, counts.sum(2).max(1).tolist())


@pytest.mark.parametrize("first", [0, 7, 20])
def test_a_column_compared_alone_has_the_same_figures_to_the_last_digit(first: int) -> None:
    asked = range(first, first + 2 * MOST_ALONE if first < 20 else len(COLUMNS))
    one, together = measured(2), measured(2)
    for column in asked:
        assert one.exceedance_of(column).tolist() == together.exceedance[:, column].tolist(), column
    assert all(("every" in one.__dict__) == (len(one._alone) >= MOST_ALONE) for one in one.comparisons if one._alone)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [1e-3, 1e-6])
def test_what_is_over_may_be_over_and_the_tests_are_those_made(seed: int, alpha: float) -> None:
    one = measured(seed, alpha)
    assert (one.exceedance > 1).any()
    assert not (one.exceedance > 1)[~one.may_be_over].any()
    assert one.tests == sum(int(side.tests.sum()) for side in one.sides)
    assert (np.asarray(RATES) > FASTER).any()
    assert not one.may_be_over.all()
