"""Settings of one sequential detector of a model. The names and defaults of its options are River's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field

from monitor.settings.types import (
    Count,
    CountOrNone,
    Description,
    Fault,
    Name,
    Part,
    Severity,
    Switch,
    number_only,
    shown,
)

Kind: TypeAlias = Literal["adwin", "page_hinkley", "kswin", "hddm_a", "hddm_w", "ddm", "eddm"]
KINDS: Final = frozenset(get_args(Kind))
#: what a detector follows if it is no column
ERROR: Final = "error"
#: the options of each kind
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "adwin": ("delta", "clock", "max_buckets", "min_window_length", "grace_period"),
    "page_hinkley": ("min_instances", "delta", "threshold", "alpha", "mode"),
    "kswin": ("alpha", "window_size", "stat_size", "seed"),
    "hddm_a": ("drift_confidence", "two_sided_test"),
    "hddm_w": ("drift_confidence", "lambda_val", "two_sided_test"),
    "ddm": ("warm_start", "drift_threshold"),
    "eddm": ("warm_start", "beta"),
}
#: kinds that take only right (0) and wrong (1)
OF_ERRORS: Final = ("hddm_a", "hddm_w", "ddm", "eddm")
#: the smallest and largest number of values that KSWIN compares: below, its exact p-values are not SciPy's
STAT_SIZES: Final = (10, 1_000)
WINDOW_SIZE: Final = 100
STAT_SIZE: Final = 30

OpenShare = Annotated[float, BeforeValidator(number_only), Field(gt=0, lt=1), Description("number between 0 and 1")]
Positive = Annotated[float, BeforeValidator(number_only), Field(gt=0), Description("number above 0")]
AtLeastZero = Annotated[float, BeforeValidator(number_only), Field(ge=0), Description("number from 0")]


class DetectorSettings(Part):
    """A sequential detector beside the tests: its findings have no share of the page budget."""

    kind: Kind = Field(description="the detector", examples=["adwin"])
    on: Name = Field(
        description="error (the errors of predictions that bring their own label), score, prediction, or a numeric"
        " feature, of which it gets the mean of each pane",
        examples=["error"],
    )
    severity: Severity = Field(
        default="info", description="of its findings; a page of it is outside the page budget, and check says so"
    )
    delta: AtLeastZero | None = Field(
        default=None, description="adwin: significance [0.002]; page_hinkley: tolerance [0.005]"
    )
    clock: Count | None = Field(default=None, description="adwin: checks with every so many values [32]")
    max_buckets: Count | None = Field(default=None, description="adwin: buckets of each size [5]")
    min_window_length: Count | None = Field(default=None, description="adwin: values of the smallest part [5]")
    grace_period: CountOrNone | None = Field(default=None, description="adwin: values before the first check [10]")
    min_instances: Count | None = Field(default=None, description="page_hinkley: values before a change [30]")
    threshold: Positive | None = Field(default=None, description="page_hinkley: the sum that is a change [50]")
    alpha: OpenShare | None = Field(
        default=None, description="page_hinkley: what is kept of the sum [0.9999]; kswin: significance [0.005]"
    )
    mode: Literal["up", "down", "both"] | None = Field(default=None, description="page_hinkley: the direction [both]")
    window_size: Count | None = Field(default=None, description="kswin: values of the window [100]")
    stat_size: Count | None = Field(default=None, description="kswin: the newest values that are compared [30]")
    seed: CountOrNone | None = Field(default=None, description="kswin: of the drawing of older values [0]")
    drift_confidence: OpenShare | None = Field(default=None, description="hddm_a, hddm_w: significance [0.001]")
    lambda_val: OpenShare | None = Field(default=None, description="hddm_w: weight of the newest value [0.05]")
    two_sided_test: Switch | None = Field(default=None, description="hddm_a, hddm_w: falls too [false]")
    warm_start: Count | None = Field(default=None, description="ddm: values, eddm: errors before a change [30]")
    drift_threshold: Positive | None = Field(default=None, description="ddm: standard deviations [3]")
    beta: OpenShare | None = Field(default=None, description="eddm: a change is less than this part [0.9]")

    def options(self) -> dict[str, float | int | str | bool]:
        """The options that are set."""
        given = {name: getattr(self, name) for name in OPTIONS[self.kind]}
        return {name: value for name, value in given.items() if value is not None}

    def cross_checks(self) -> Iterator[Fault]:
        if self.on != ERROR and self.kind in OF_ERRORS:
            others = ", ".join(kind for kind in OPTIONS if kind not in OF_ERRORS)
            yield ("on",), f"{shown(self.on)}: {self.kind} takes errors alone; write on: {ERROR}, or kind: {others}"
        for name in (name for names in OPTIONS.values() for name in names):
            if name in self.model_fields_set and name not in OPTIONS[self.kind]:
                known = ", ".join(OPTIONS[self.kind])
                yield (name,), f"means nothing for kind: {self.kind}, whose options are {known}"
        if self.kind == "adwin" and self.delta is not None and not 0 < self.delta < 1:
            yield ("delta",), f"{shown(self.delta)} is not between 0 and 1"
        if self.kind == "kswin":
            yield from self._sizes()

    def _sizes(self) -> Iterator[Fault]:
        window, newest = self.window_size or WINDOW_SIZE, self.stat_size or STAT_SIZE
        least, most = STAT_SIZES
        if not least <= newest <= most:
            yield ("stat_size",), f"{newest} is not from {least} to {most}"
        elif window < 2 * newest:
            text = (
                f"{window} is less than twice stat_size ({newest}): the newest values are compared with as many older"
            )
            yield ("window_size",), text
