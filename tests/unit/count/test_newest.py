"""The chains of meetings equal a dictionary, whatever is added, dropped, and asked."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.count.labels.newest import Names, NewestMeetings
from monitor.stats.tallies.number_table import Positions

NAMES = 4
#: of one step: how many predictions come, which of those held get a meeting under which name, how many are dropped
STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sets(st.tuples(st.integers(0, 30), st.integers(0, NAMES - 1)), max_size=8),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(STEPS)
def test_the_newest_meeting_is_that_of_a_dictionary(steps: list[tuple[int, set[tuple[int, int]], int]]) -> None:
    chains, expected = NewestMeetings(), dict[tuple[int, int], int]()
    names, of, first, end, dropped = list[int](), list[int](), 0, 0, 0

    def names_of(meetings: Positions) -> Names:
        assert (meetings >= dropped).all(), "a meeting that was dropped"
        return np.array(names, np.int64)[meetings]

    for come, wanted, gone in steps:
        chains.add_predictions(come)
        end += come
        met = {(first + at, name) for at, name in wanted if first + at < end}
        chains.add_meetings(len(met))
        for prediction, name in sorted(met):
            expected[prediction, name] = len(names)
            names.append(name)
            of.append(prediction)
        new = np.arange(len(names) - len(met), len(names))
        chains.set(np.array(of[len(names) - len(met) :], np.int64), new)
        first = min(first + gone, end)
        dropped += next((at for at, one in enumerate(of[dropped:]) if one >= first), len(of) - dropped)
        chains.drop_before(first, dropped)
        asked = [(prediction, name) for prediction in range(first, end) for name in range(NAMES)]
        columns = np.array(asked, np.int64).reshape(-1, 2)
        found = chains.find(columns[:, 0], columns[:, 1], names_of).tolist()
        assert found == [expected.get(one, -1) for one in asked]
