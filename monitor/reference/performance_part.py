"""What a reference knows of its model's performance: the labels that came, and how much errors varied in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from monitor.stats.performance.figures import COST
from monitor.stats.performance.judged_errors import CELLS
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.variance.long_run import LongRun

#: share of the labels that have come when a cohort is judged
MATURE: Final = 0.95
#: share of the values that may still be replaced or taken back then
STILL_REVISED: Final = 0.01
#: least base windows of labelled predictions in a reference whose errors are compared
LEAST_WINDOWS: Final = 6
#: labels of a segment in the reference from which on its errors are compared
LEAST_LABELS: Final = 250

#: least labelled predictions of a base window
BASE_LABELS: Final = 250


@dataclass(frozen=True, slots=True)
class ErrorVariation:
    """How much one error varied: V of its rows, and by how much it was higher, and lower, than in the rest of the
    reference in windows of 1, 2, 4, ... base windows."""

    long_run: LongRun
    rises: tuple[float, ...] = ()
    falls: tuple[float, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"long_run": self.long_run.to_plain(), "rises": list(self.rises), "falls": list(self.falls)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ErrorVariation:
        """Back from `to_plain`."""
        run = LongRun.from_plain(plain["long_run"])
        return cls(run, tuple(map(float, plain["rises"])), tuple(map(float, plain["falls"])))


@dataclass(frozen=True, slots=True)
class ReferencePerformance:
    """The labelled predictions of a reference.

    `windows` base windows of them, of `rows` rows and `base_us` microseconds each on average; `errors` by figure.
    `came` is the share of the late labels that had come after rising delays (microseconds after the end of a cohort of
    predictions), and empty where all came with their predictions; `late` is how many of the labels came late.
    `settled_us` is the delay after which few labels are replaced or taken back any more; 0 where few ever are.
    `segments` are the same of the labels of each segment by its number, with nothing of late ones; `tally` is not cut.
    """

    tally: LabelTally
    windows: int
    rows: float
    base_us: int
    errors: Mapping[str, ErrorVariation]
    came: tuple[tuple[int, float], ...] = ()
    late: int = 0
    segments: Mapping[int, ReferencePerformance] = field(default_factory=dict)
    settled_us: int = 0

    @property
    def usual_us(self) -> int | None:
        """The delay after which nearly all labels have come; None where none came late."""
        return usual_us(self.came)

    @property
    def maturity_us(self) -> int | None:
        """The same where they also change no more."""
        return maturity_us(self.came, self.settled_us)

    def variation(self, figure: str) -> ErrorVariation | None:
        """How much an error varied; costs as the cell of the confusion matrix that varies most."""
        if figure != COST:
            return self.errors.get(figure)
        cells = [self.errors[cell].long_run for cell in CELLS if cell in self.errors]
        return ErrorVariation(max(cells, key=lambda run: float(run.variance[0]))) if cells else None

    def of_segments(self, numbers: Mapping[int, int]) -> ReferencePerformance:
        """With some of the segments alone, by their new numbers {old: new}."""
        return replace(self, segments={numbers[at]: one for at, one in self.segments.items() if at in numbers})

    def to_plain(self) -> dict[str, Any]:
        """As JSON; sums of any size as text, as not every reader takes integers beyond 64 bits."""
        tally = self.tally.to_state()
        if self.tally.sums:
            tally["label_sums"] = {name: str(total) for name, total in sorted(self.tally.sums.items())}
        segments = [[at, one.to_plain()] for at, one in sorted(self.segments.items())]
        return {
            "tally": tally,
            "windows": self.windows,
            "rows": self.rows,
            "base_us": self.base_us,
            **({"came": [list(one) for one in self.came], "late": self.late} if self.came else {}),
            **({"settled_us": self.settled_us} if self.settled_us else {}),
            "errors": {name: one.to_plain() for name, one in sorted(self.errors.items())},
            **({"segments": segments} if segments else {}),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ReferencePerformance:
        """Back from `to_plain`."""
        tally = dict(plain["tally"])
        tally["label_sums"] = {name: int(total) for name, total in tally.get("label_sums", {}).items()}
        labels = LabelTally.from_state(tally)
        return cls(
            labels,
            int(plain["windows"]),
            float(plain["rows"]),
            int(plain["base_us"]),
            {name: ErrorVariation.from_plain(one) for name, one in plain["errors"].items()},
            tuple((int(delay), float(share)) for delay, share in plain.get("came", ())),
            # files of before hold no number: then all came late
            int(plain.get("late", labels.total if plain.get("came") else 0)),
            {int(at): cls.from_plain(one) for at, one in plain.get("segments", ())},
            int(plain.get("settled_us", 0)),
        )


def usual_us(came: Iterable[tuple[int, float]]) -> int | None:
    """The delay after which nearly all values have come; None where none came late."""
    return next((delay for delay, share in came if share >= MATURE), None)


def maturity_us(came: Iterable[tuple[int, float]], settled_us: int) -> int | None:
    """The delay after which a cohort is judged: nearly all values have come, and few are revised any more."""
    usual = usual_us(came)
    return None if usual is None else max(usual, settled_us)


def is_judged(known: ReferencePerformance | None) -> bool:
    """Whether there are enough labelled predictions to compare errors with."""
    return known is not None and known.windows >= LEAST_WINDOWS
