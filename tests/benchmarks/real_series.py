"""Real series without a known change, judged: pages and how long they stood, at one a second and at their own pace.

Rows are events in their order, the first ones the reference, and live ones follow it at once. Where a file says when
each row was, that is its own pace, so that daily, weekly and yearly waves are what they were. What the series' notes
call a change comes behind the rows taken here; two of them move all the same: the visibility of `noaa` over decades,
and `flights` with its seasons.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from monitor.clock import SECOND_US
from tests.benchmarks.material import data_folder, say, table
from tests.benchmarks.quality import may_page
from tests.engine import START_US
from tests.simulated import PANE_US, Columns, Ints, Simulation, part_of, reference_of
from tests.traffic_kinds import Values

#: how a file says when its rows were; local times that are not said to be in a zone are read as UTC
TIMES: Final[dict[str, Callable[[pd.DataFrame], Any]]] = {
    "vic_elec_halfhourly": lambda rows: pd.to_datetime(rows["time_utc"], utc=True),
    "bike_sharing_hourly": lambda rows: (
        pd.to_datetime(rows["dteday"], utc=True) + pd.to_timedelta(rows["hr"], unit="h")
    ),
    "powersupply": lambda rows: _from("1995-01-01", rows, "h"),
    "elec2": lambda rows: _from("1996-05-07", rows, "30min"),
    "noaa_weather": lambda rows: _from("1949-01-01", rows, "D"),
    "flights_nyc_2013": lambda rows: pd.to_datetime("2013-" + rows["sched_dep"], utc=True),
}
#: series whose values are codes, not amounts
CODES: Final = frozenset({"weathersit", "SEX", "MAR", "RAC1P", "soil", "wilderness"})


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of a file, some rows of it, the first `reference` of which are the reference.

    `pace_us` between two where the file does not say when each was.
    """

    name: str
    file: str
    columns: str
    reference: int
    pace_us: int = 0
    first: int = 0
    last: int | None = None
    timezone: str = "UTC"

    def read(self, folder: Path) -> tuple[Columns, Ints]:
        """Values by column and the rows' own times; rows that lack a value are left out."""
        rows = pd.read_csv(folder / f"{self.file}.csv.gz", low_memory=False)
        if self.file == "nab_series":
            rows = rows[rows["series"].str.startswith("machine_temperature")].reset_index(drop=True)
        when = TIMES[self.file](rows) if self.file in TIMES else None
        rows = rows[self.columns.split()].iloc[self.first : self.last].dropna()
        columns = {name: _values(rows[name]) for name in rows}
        if when is None:
            return columns, _spaced(len(rows), self.pace_us)
        return columns, np.array(when[rows.index].astype("datetime64[us, UTC]").astype("int64"), np.int64)


MELBOURNE: Final = "Australia/Melbourne"
WEATHER: Final = "temp dew_point sea_level_pressure visibility wind_mean wind_max"
FLIGHTS: Final = "carrier origin distance temp wind_speed visib pressure"
SERIES: Final = (
    *(
        Series(name, "vic_elec_halfhourly", "demand temperature", rows, timezone=MELBOURNE)
        for name, rows in (("vic_elec", 10_000), ("vic_elec, a year", 17_520), ("vic_elec, two years", 35_088))
    ),
    Series("elec2", "elec2", "nswprice nswdemand", 9_062, last=17_424),
    Series("powersupply", "powersupply", "supply_main supply_other", 5_985),
    Series("powersupply, two years", "powersupply", "supply_main supply_other", 17_520),
    # some sixty days are missing behind row 12,500: from there on the file's year is out of step
    *(
        Series(name, "noaa_weather", WEATHER, 3_631, last=last)
        for name, last in (("noaa, 34 years", 12_500), ("noaa, all", None))
    ),
    Series("bike, weather", "bike_sharing_hourly", "temp hum windspeed weathersit", 3_475),
    Series("bike, weather, a year", "bike_sharing_hourly", "temp hum windspeed weathersit", 8_645),
    Series("machine temperature", "nab_series", "value", 4_539, 300 * SECOND_US, last=16_057),
    Series("flights", "flights_nyc_2013", FLIGHTS, 10_000, last=80_000),
    Series(
        "acs, first year", "acs_employment_ma", "AGEP SCHL MAR RELP SEX RAC1P", 10_000, 459 * SECOND_US, last=68_785
    ),
    Series("covertype", "covertype_sample", "elevation aspect slope roadways wilderness soil", 2_000, SECOND_US),
    Series(
        "insects, still",
        "insects_gradual_balanced",
        " ".join(f"a{at}" for at in range(1, 34)),
        2_000,
        60 * SECOND_US,
        3_500,
        10_000,
    ),
)


def _spaced(rows: int, gap_us: int) -> Ints:
    return START_US + gap_us * np.arange(rows)


def _from(first: str, rows: pd.DataFrame, step: str) -> pd.Series[Any]:
    return pd.Series(pd.date_range(first, periods=len(rows), freq=step, tz="UTC"), index=rows.index)


def _values(column: pd.Series[Any]) -> Values:
    if column.name in CODES or not pd.api.types.is_numeric_dtype(column):
        return np.array(column.map(str), object)
    return np.array(column, np.float64)


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="real-series", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="parts of names, between commas")
    asked = parser.parse_args(arguments)
    wanted = [word for word in asked.only.split(",") if word]
    folder = data_folder()
    rows = []
    for series in SERIES:
        if not wanted or any(word in series.name for word in wanted):
            rows += [_said(row) for row in _judged(series, folder)]
    say()
    table(("series", "pace", "events judged", "pages", "under a page", "columns", "may page", "of what", "waves"), rows)


def _said(row: list[str]) -> list[str]:
    say("  ".join(row))
    return row


def _judged(series: Series, folder: Path) -> Iterator[list[str]]:
    if not (folder / f"{series.file}.csv.gz").is_file():
        yield [series.name, "left out: no such file", *[""] * 7]
        return
    columns, times = series.read(folder)
    live, at = part_of(columns, series.reference), series.reference
    for pace, when in (("one a second", _spaced(len(times), SECOND_US)), ("its own", times)):
        reference = reference_of(columns, at, PANE_US, times=when, timezone=series.timezone)
        simulation = Simulation(reference)
        judge = simulation.judge()
        found = simulation.run_at(live, when[at:], judge)
        pages = Counter(f"{subject} {cause}" for _, subject, cause, _ in found.pages)
        of_what = ", ".join(starmap("{1} x {0}".format, pages.most_common(4)))
        under = f"{found.paged_events / max(found.events, 1):.1%}"
        watched = f"{len(reference.columns)} of {len(columns)}"
        waves = ", ".join(
            f"{reference.columns[at].name} {'+'.join(one.terms)}"
            for at, one in (reference.seasons.columns.items() if reference.seasons else ())
        )
        may = f"{may_page(judge):.0%}"
        yield [series.name, pace, f"{found.events:,}", str(len(found.pages)), under, watched, may, of_what, waves]
