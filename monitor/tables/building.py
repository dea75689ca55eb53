"""A reference from a table: the one that `driftd reference build` makes of the same rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from html import escape
from pathlib import Path
from typing import Any

from monitor.clock import SECOND_US, SystemClock
from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.frames.columns import columns_of
from monitor.judge.windows.pyramid import BASE_EVENTS
from monitor.reference.notes.show import reference_text
from monitor.reference.reference import Reference
from monitor.run import reference_build
from monitor.run.first_pass import EventRange
from monitor.run.reference_file import load_reference as load_file
from monitor.run.reference_file import save_reference
from monitor.settings.load import settings_of
from monitor.settings.tree import Settings
from monitor.tables.roles import Roles, native_events
from monitor.tables.source import TABLE, TableRows

#: time between rows that have none
STEP_US = SECOND_US


class TableReference:
    """A reference, and how the columns of its table were read.

    Attributes:
        reference: what the engine compares with; the same as in a file of `driftd reference build`.
        roles: which columns were the time, the prediction and so on; None for one that was read from a file.
        notes: what a person should know of it, one line each: columns that are ignored, rows that were lost.
        fairness: the `fairness` of its settings, None without, or for one that was read from a file.
    """

    def __init__(
        self,
        reference: Reference,
        roles: Roles | None = None,
        notes: tuple[str, ...] = (),
        fairness: Mapping[str, Any] | None = None,
    ) -> None:
        self.reference = reference
        self.roles = roles
        self.notes = notes
        self.fairness = fairness

    @property
    def has_times(self) -> bool:
        """Whether its rows had times of their own."""
        return self.roles is None or "ts" in self.roles.columns

    @property
    def step_us(self) -> int:
        """The time between rows without times that come at the reference's own rate."""
        return max(self.reference.base_us // BASE_EVENTS, 1) if self.has_times else STEP_US

    def save(self, path: str | Path) -> str:
        """Write the file that the settings of the daemon can name; returns its hash.

        Raises:
            UsageError: the file cannot be written.
        """
        return save_reference(self.reference, Path(path))

    def __str__(self) -> str:
        return reference_text(self.reference)

    def _repr_html_(self) -> str:
        """The same text, for Jupyter."""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"{notes}<pre>{escape(str(self))}</pre>"

    def __repr__(self) -> str:
        of = self.reference
        return f"<reference of {of.key}: {of.events:,} rows, {len(of.columns)} columns, {of.hash[:23]}>"


def build_reference(
    data: object,
    *,
    timestamps: str | None = None,
    prediction: str | None = None,
    score: str | Mapping[Any, str] | None = None,
    label: str | None = None,
    tags: Collection[str] = (),
    ignore: Collection[str] = (),
    kinds: Mapping[str, str] | None = None,
    model: str = "model",
    version: str = "1",
    settings: Mapping[str, Any] | None = None,
) -> TableReference:
    """A reference from a table: what other tables, or live events, are compared with.

    `data` is a pandas or polars DataFrame, an Arrow table, anything with an Arrow stream, or a dict of columns. Its
    columns are features, but for those that are named here:

    - `timestamps`: when the row was, as times, RFC 3339 text, or numbers since 1970 (s, ms, µs or ns by magnitude). A
      time without an offset is UTC. Rows are taken in the order of their times. Without it they are taken in the order
      of the table, as if one came each second; so daily waves and the rate of traffic are not known.
    - `prediction` and `label`: what the model said, and what turned out to be right: a class or a number.
    - `score`: the probability of the positive class; or {class: column}.
    - `tags`: names of groups a row belongs to; `ignore`: columns that are left out.

    `kinds` says what a feature is where that is not as it seems: {"zip": "categorical"}; also `numeric`, `vector`,
    `text` and `ignore`. `model` and `version` name what the rows are of. `settings` are those of the model, as in the
    settings file: {"task": "binary", "positive": "yes"}.

    Raises:
        UsageError: every fault of the arguments and the table.
    """
    roles = Roles.of(timestamps, prediction, score, label, tags, ignore)
    key, clock = ModelKey(model, version), SystemClock()
    written = dict(settings or {})
    features = {name: {"kind": kind} for name, kind in (kinds or {}).items()}
    if features:
        written["features"] = {**written.get("features", {}), **features}
    configured = table_settings(model, written)
    rows = TableRows(native_events(columns_of(data), roles, key, STEP_US), configured, clock)
    notes: list[str] = []
    built = reference_build.build_reference(configured, key, rows.open, clock, EventRange(), notes.append)
    return TableReference(built, roles, tuple(notes), written.get("fairness"))


def load_reference(path: str | Path) -> TableReference:
    """A reference from a file of `driftd reference build`, or of `save`.

    Raises:
        UsageError: the file is missing, damaged, or of another format.
    """
    return TableReference(load_file(Path(path)))


def table_settings(model: str, of_model: Mapping[str, Any]) -> Settings:
    """Settings of one model, as a file of settings would have them, and otherwise their defaults.

    Raises:
        UsageError: all faults.
    """
    if fixed := sorted({"name", "reference", "versions"} & set(of_model)):
        raise UsageError(f"settings: {', '.join(fixed)}: the arguments say that already; leave it out")
    return settings_of(
        {
            "inputs": [{"topic": TABLE.topic}],
            "models": [{"name": model, "reference": "none.json", **of_model}],
            "unknown_models": "ignore",
        }
    )
