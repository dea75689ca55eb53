"""What is served after any changes is what a first rendering of the same snapshot is; gzip of it is the same bytes."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from monitor.events import ModelKey, Partition
from monitor.findings import TICKET, FindingKey
from monitor.publish.column_series import Series
from monitor.publish.family import Family
from monitor.publish.packed import Page
from monitor.publish.rows import Row
from monitor.publish.series import SeriesPage, render
from monitor.publish.snapshot import ColumnView, FindingView, ModelView, Snapshot
from tests.snapshots import column, model

NAMES = st.sampled_from(["a", "b", "score", 'a"b', "a\nb", "\ud800", "x" * 300])
NUMBERS = st.one_of(
    st.integers(0, 3),
    st.sampled_from([0.0, -0.0, 1.0, 1e6, 1e300, float("inf"), float("nan"), 2**53 + 1]),
    st.booleans(),
)
ROWS = st.lists(st.tuples(st.tuples(NAMES, NAMES), NUMBERS), max_size=8)


@given(st.lists(ROWS, max_size=6), st.integers(1, 4))
def test_rows_are_written_the_same_whatever_was_written_before(turns: list[list[Row]], part: int) -> None:
    series = Series("driftd_some", "gauge", ("one", "two"), "Some.", "None.", lambda _: ())
    kept = Family(series, part)
    for rows in turns:
        assert kept.text(rows) == Family(series).text(rows)


def counted(one: ColumnView, more: int) -> ColumnView:
    return replace(one, total=tuple(count + more for count in one.total))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Of a few models that come and go, whose counts rise and findings open and end."""
    names = draw(st.lists(st.sampled_from(["credit", "fraud", "churn"]), unique=True))
    models: list[ModelView] = []
    for name in names:
        features = draw(st.lists(st.sampled_from(["age", "income"]), min_size=1, unique=True))
        columns = tuple(
            counted(column(one, draw(st.sampled_from([0.0, 1.2])), 7), draw(st.integers(0, 2))) for one in features
        )
        models.append(replace(model(name, columns), predictions=draw(st.integers(0, 3))))
    found = [FindingView(ModelKey(name, "1"), FindingKey("age", "distribution"), TICKET) for name in names]
    return Snapshot(
        restored=draw(st.booleans()),
        records={Partition("events", 0): draw(st.integers(0, 3))},
        models=tuple(models),
        findings=tuple(draw(st.lists(st.sampled_from(found), unique_by=id))) if found else (),
    )


@given(st.lists(snapshots(), min_size=1, max_size=5), st.sampled_from([30, 100, 10_000]))
def test_a_page_is_what_a_first_rendering_is(turns: list[Snapshot], limit: int) -> None:
    page = SeriesPage(limit)
    for snapshot in turns:
        fresh = render(snapshot, limit)
        plain = page.body(snapshot, gzip=False)
        packed = gzip.decompress(page.body(snapshot, gzip=True))
        assert plain[: len(fresh)] == packed[: len(fresh)] == fresh
        assert plain[len(fresh) :].startswith(b"# HELP")


@given(st.binary(max_size=5_000), st.lists(st.binary(max_size=500), max_size=4))
def test_gzip_is_one_whole_member_of_the_same_bytes(text: bytes, ends: list[bytes]) -> None:
    page = Page(text)
    for end in [*ends, b""]:
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)  # one member only, with its checksum and length
        assert unpack.decompress(page.packed(end)) == text + end == page.plain(end)
        assert unpack.eof
        assert unpack.unused_data == b""
