"""Classes and numbers (predictions, labels, outcomes) as 64 bits each, so that many of them fit a table.

A number or a boolean is the bits of its float; null and text are NaNs with a payload. A text is the number of its entry
in a bounded list; beyond the list it is a hash of 50 bits, which is no known class: of two such texts only matters
whether they are equal, and two different ones are taken for equal with a probability of 2^-50.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from monitor.events import canonical

#: different texts of a model that are kept as they are
MOST_TEXTS: Final = 4_096

_NAN: Final = 0x7FF8 << 48
#: the bits of null, which is also that of a prediction or label that is not there
NULL: Final = _NAN
_HASHED: Final = 1 << 50
_PAYLOAD: Final = _HASHED - 1
_NUMBERS: Final = frozenset({int, float, bool, type(None)})
#: integers from here on are not all floats
_LARGE: Final = 2.0**53

Bits = NDArray[np.uint64]


class Answers:
    """The texts of one model, and the bits of its answers."""

    def __init__(self, *, all_floats: bool = False) -> None:
        """`all_floats`: a whole number that is no float is the nearest one, and no text of its own."""
        self._all_floats = all_floats
        self.texts: list[str] = []
        self._codes: dict[str, int] = {}

    def restore(self, texts: Iterable[str]) -> None:
        self.texts = list(texts)
        self._codes = {text: _NAN | (1 + at) for at, text in enumerate(self.texts)}

    def bits(self, values: Sequence[object]) -> Bits:
        """The bits (n,) of values: str, int, float, bool or None."""
        if _NUMBERS.issuperset(map(type, values)):
            numbers = np.array(values, np.float64) + 0.0  # None becomes NaN, -0.0 becomes 0.0
            if self._all_floats or not (np.abs(numbers) >= _LARGE).any():
                return np.where(np.isnan(numbers), np.uint64(NULL), numbers.view(np.uint64))
        return np.fromiter(map(self._bits_of, values), np.uint64, len(values))

    def _bits_of(self, value: object) -> int:
        if value is None:
            return NULL
        if isinstance(value, str):
            known = self._codes.get(value)
            return self._coded(value) if known is None else known
        number = float(value)  # type: ignore[arg-type]  # the decoder gives text, numbers and booleans
        if isinstance(value, int) and int(number) != value and not self._all_floats:
            return self._bits_of(canonical(value))
        (bits,) = struct.unpack("<Q", struct.pack("<d", number + 0.0))
        return int(bits)

    def _coded(self, text: str) -> int:
        if len(self.texts) >= MOST_TEXTS:
            return _NAN | _HASHED | _hash_of(text)
        self.texts.append(text)
        code = self._codes[text] = _NAN | len(self.texts)
        return code

    def values(self, bits: Bits) -> list[object]:
        """Back from bits: text, float or None; a hashed text is one that is no class."""
        if not len(bits):
            return []
        numbers = bits.view(np.float64)
        values: list[object] = numbers.tolist()
        for at in np.flatnonzero(np.isnan(numbers)).tolist():
            values[at] = self._text(int(bits[at]))
        return values

    def _text(self, bits: int) -> str | None:
        if bits == NULL:
            return None
        code = bits & _PAYLOAD
        return f"\0{code:x}" if bits & _HASHED else self.texts[code - 1]


def hashed_text(text: str) -> str:
    """What comes back for a text that was one too many."""
    return f"\0{_hash_of(text):x}"


def _hash_of(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode()) & _PAYLOAD
