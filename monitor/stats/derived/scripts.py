"""The Unicode script of a text: of most of its letters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: of a text without letters, and of letters of scripts that are not listed
NONE: Final = "none"
OTHER: Final = "other"
#: Han with Hiragana or Katakana; Chinese has Han alone
JAPANESE: Final = "Japanese"
HAN: Final = "Han"
KANA: Final = "kana"
#: the first word of the name that Unicode gives the letters of a script
_BY_NAME: Final = {
    "LATIN": "Latin", "GREEK": "Greek", "CYRILLIC": "Cyrillic", "ARMENIAN": "Armenian", "HEBREW": "Hebrew",
    "ARABIC": "Arabic", "SYRIAC": "Syriac", "THAANA": "Thaana", "NKO": "NKo", "DEVANAGARI": "Devanagari",
    "BENGALI": "Bengali", "GURMUKHI": "Gurmukhi", "GUJARATI": "Gujarati", "ORIYA": "Oriya", "TAMIL": "Tamil",
    "TELUGU": "Telugu", "KANNADA": "Kannada", "MALAYALAM": "Malayalam", "SINHALA": "Sinhala", "THAI": "Thai",
    "LAO": "Lao", "TIBETAN": "Tibetan", "MYANMAR": "Myanmar", "GEORGIAN": "Georgian", "HANGUL": "Hangul",
    "ETHIOPIC": "Ethiopic", "CHEROKEE": "Cherokee", "KHMER": "Khmer", "MONGOLIAN": "Mongolian",
    "HIRAGANA": KANA, "KATAKANA": KANA, "CJK": HAN, "BOPOMOFO": HAN,
}  # fmt: skip
#: scripts by code; the first is that of characters that are no letters
SCRIPTS: Final = (NONE, OTHER, *dict.fromkeys(_BY_NAME.values()))
_CODES: Final = {name: code for code, name in enumerate(SCRIPTS)}
#: the characters of the first plane have a table; beyond it Han (planes 2 and 3) and others
_TABLE: Final = 1 << 16
_PLANE_2: Final = 0x20000
_PLANE_4: Final = 0x40000
_WIDTHS: Final = {"FULLWIDTH", "HALFWIDTH"}


@cache
def _table() -> NDArray[np.uint8]:
    """The script of each character below U+10000; made when the first text comes."""
    codes = np.zeros(_TABLE, np.uint8)
    for point in range(_TABLE):
        character = chr(point)
        if unicodedata.category(character)[0] == "L":
            words = unicodedata.name(character, "").split(" ")
            first = words[1] if words[0] in _WIDTHS else words[0].partition("-")[0]
            codes[point] = _CODES[_BY_NAME.get(first, OTHER)]
    return codes


def _codes_of(text: str) -> NDArray[np.uint8]:
    """The script of each character."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = _table()[np.minimum(points, _TABLE - 1)]
    beyond = points >= _TABLE
    if beyond.any():
        is_han = (points >= _PLANE_2) & (points < _PLANE_4)
        codes[beyond] = np.where(is_han[beyond], _CODES[HAN], _CODES[NONE])
    return codes


def scripts_of(texts: Sequence[str]) -> list[str]:
    """The script of most letters of each text; of equally many the one first in `SCRIPTS`."""
    if not texts:
        return []
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    whose = np.repeat(np.arange(len(texts)), lengths)
    size = len(SCRIPTS)
    counts: Ints = np.bincount(whose * size + _codes_of("".join(texts)), minlength=len(texts) * size)
    counts = counts.reshape(len(texts), size)
    counts[:, _CODES[NONE]] = 0
    kana = counts[:, _CODES[KANA]]
    counts[:, _CODES[KANA]] += np.where(kana > 0, counts[:, _CODES[HAN]], 0)
    names = [JAPANESE if name == KANA else name for name in SCRIPTS]
    return [names[code] for code in counts.argmax(1).tolist()]
