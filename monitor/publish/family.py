"""The text of one series with all its rows in the Prometheus text format, written again only where rows changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

from prometheus_client.utils import floatToGoString

from monitor.publish.column_series import Series
from monitor.publish.rows import Row

#: longest label value, in characters
LABEL_LIMIT: Final = 256
#: label values that are kept as they are written, at most 8 MB of them
LABELS_KEPT: Final = 32_768
#: numbers below this are written as Python writes them; further ones get their exponent sooner
AS_PYTHON: Final = 1e6
#: rows that are written and kept together: well below a millisecond, and 50 kB
PART: Final = 500


def clean_label(text: str) -> str:
    """`text` as a label value: printable, without lone surrogates, at most LABEL_LIMIT characters.

    A lone surrogate cannot be encoded and would fail the whole scrape. A changed text ends in a hash of the original,
    so that two different texts never become the same series.
    """
    if len(text) <= LABEL_LIMIT and text.isprintable():
        return text
    mark = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    room = LABEL_LIMIT - len(mark) - 1
    printable = "".join(char if char.isprintable() else "\ufffd" for char in text[:room])
    return f"{printable}~{mark}"


class Family:
    """The text of a series. Kept are the rows of before with the names of their samples, and their text in parts.

    Equal rows are the same text: nobody has to say what changed. Labels change seldom and numbers often, so the names
    of the samples are kept while the labels stay. Not by prometheus_client, which takes ten times as long for thousands
    of series.
    """

    def __init__(self, series: Series, part: int = PART) -> None:
        """`part` is how many rows are written and kept together."""
        self._step = part
        meaning = series.meaning.replace("\\", r"\\").replace("\n", r"\n")
        self._head = f"# HELP {series.name} {meaning}\n# TYPE {series.name} {series.kind}\n".encode()
        self._sample = _sample(series.name, series.labels).format
        self._rows: list[Row] = []
        self._named: list[str] = []
        self._parts: list[bytes] = []
        self._text = self._head

    def text(self, rows: Sequence[Row]) -> bytes:
        """The text of these rows; a second row of the same labels is left out."""
        rows = list(rows)
        if rows == self._rows:
            return self._text
        if [labels for labels, _ in rows] != [labels for labels, _ in self._rows]:
            self._named, self._parts = [self._sample(*map(_label, labels)) for labels, _ in rows], []
        if len(set(self._named)) < len(rows):
            self._parts = [_without_repeats(self._named, rows)]
        else:
            self._parts = [self._part(rows, at) for at in range(0, len(rows), self._step)]
        self._text, self._rows = b"".join([self._head, *self._parts]), rows
        return self._text

    def _part(self, rows: list[Row], at: int) -> bytes:
        some = rows[at : at + self._step]
        if self._parts and some == self._rows[at : at + self._step]:
            return self._parts[at // self._step]
        return "".join(
            [
                f"{name} {_number(number)}\n"
                for name, (_, number) in zip(self._named[at : at + self._step], some, strict=True)
            ]
        ).encode()


def _without_repeats(named: list[str], rows: list[Row]) -> bytes:
    """A feature may be named `score`, too; a duplicate sample fails the scrape."""
    first: dict[str, float] = {}
    for name, (_, number) in zip(named, rows, strict=True):
        first.setdefault(name, number)
    return "".join([f"{name} {_number(number)}\n" for name, number in first.items()]).encode()


def _number(value: float) -> str:
    number = float(value) + 0.0  # -0.0 becomes 0.0, which it is equal to
    if -AS_PYTHON < number < AS_PYTHON:
        return repr(number)
    text: str = floatToGoString(number)  # type: ignore[no-untyped-call]  # prometheus_client leaves it without types
    return text


@cache
def _sample(name: str, labels: tuple[str, ...]) -> str:
    """The name and labels of a sample, sorted, with a place for the value of each label."""
    pairs = ",".join(f'{label}="{{{at}}}"' for label, at in sorted(zip(labels, range(len(labels)), strict=True)))
    return f"{name}{{{{{pairs}}}}}" if pairs else name


@lru_cache(maxsize=LABELS_KEPT)
def _label(text: str) -> str:
    """A value as it stands between quotes; kept, because a page has the same ones again and again."""
    return clean_label(text).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
