"""The page of series as prometheus_client writes it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from monitor.publish.family import clean_label
from monitor.publish.register import REGISTER
from monitor.publish.snapshot import Snapshot


class ByTheLibrary:
    """A collector of one snapshot, for a registry of prometheus_client."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        for series in REGISTER:
            if series.of_model and not self._snapshot.restored:
                continue
            family = Metric(series.name.removesuffix("_total"), series.meaning, series.kind)
            shown: set[tuple[str, ...]] = set()
            for row, number in series.rows(self._snapshot):
                cleaned = tuple(clean_label(value) for value in row)
                if cleaned not in shown:
                    shown.add(cleaned)
                    family.add_sample(series.name, dict(zip(series.labels, cleaned, strict=True)), number)
            yield family
