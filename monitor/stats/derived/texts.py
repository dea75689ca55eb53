"""Derived columns of texts: characters, words, the share of words that the reference never had, the script.

Of the reference's words only hashes are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.bins.name_bins import MAX_KNOWN, Hashes, KnownNames, hashes_of
from monitor.stats.derived.scripts import scripts_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: characters of a text in which words and script are looked for; its length counts all of them
LOOKED_AT: Final = 5_000
#: marks that are written above, below or within a word, and are no letters for `\w`
_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u0900-\u0963\u0966-\u0dff\u0f71-\u0f84\u200c\u200d"
)
#: scripts without spaces: Thai, Lao, Myanmar, Khmer, kana, Han
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
_HAS_UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
_WORDS: Final = re.compile(f"[\\w{_MARKS}]+")
_RUNS: Final = re.compile(f"([{_UNSPACED}]+)|([^{_UNSPACED}]+)")
_DIGIT: Final = re.compile(r"\d")

#: texts of a block of the reference; a word of one block alone is not known there, as it would not be in new traffic
BLOCK_TEXTS: Final = 250
#: most words counted; beyond it those of the fewest blocks are forgotten, down to half of it
MAX_COUNTED: Final = 1 << 18


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, with 0 for each digit; pairs of neighbours in scripts without spaces."""
    shown = text[:LOOKED_AT].casefold().replace("_", " ")
    words = _WORDS.findall(_DIGIT.sub("0", shown))
    if shown.isascii() or not _HAS_UNSPACED.search(shown):
        return words
    return [part for word in words for run in _RUNS.finditer(word) for part in _parts(*run.groups())]


def _parts(unspaced: str | None, spaced: str | None) -> list[str]:
    if spaced or unspaced is None:
        return [spaced or ""]
    return list(map("".join, pairwise(unspaced))) if len(unspaced) > 1 else [unspaced]


@dataclass(frozen=True)
class TextColumns:
    """The derived columns of texts; `known` are the words of the reference."""

    known: KnownNames

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the derived columns that are numbers, in the order of `of`."""
        return ("length", "words", "unknown_words")

    def of(self, texts: Sequence[str]) -> Floats:
        """(3, n) characters, words, and share of words that are not known (0 without words)."""
        words = [words_of(text) for text in texts]
        numbers = np.fromiter(map(len, words), np.int64, len(texts))
        distinct = list(dict.fromkeys(chain.from_iterable(words)))
        is_known = self.known.holds(hashes_of(distinct)).tolist() if distinct else []
        unknown_words = {word for word, known in zip(distinct, is_known, strict=True) if not known}
        unknown = np.fromiter((sum(map(unknown_words.__contains__, one)) for one in words), np.int64, len(texts))
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        return np.vstack([lengths, numbers, unknown / np.maximum(numbers, 1)])

    def scripts(self, texts: Sequence[str]) -> list[str]:
        """The script (n,) of each text."""
        return scripts_of([text[:LOOKED_AT] for text in texts])


class WordCounts:
    """In how many blocks of the reference each word is, by hash; bounded.

    In the reference a word is known if another block has it too: then its texts have as many unknown words as new
    texts have. So the words of the reference are those of one block, and for its own rows those of two.
    """

    def __init__(self) -> None:
        self._hashes: Hashes = np.zeros(0, np.uint64)
        self._blocks: Ints = np.zeros(0, np.int64)
        self._waiting: set[str] = set()
        self._texts = 0

    def add(self, texts: Sequence[str]) -> None:
        """Take the next texts; the result does not depend on how they are cut into calls."""
        for text in texts:
            self._waiting.update(words_of(text))
            self._texts += 1
            if self._texts % BLOCK_TEXTS == 0:
                self._close()

    def _close(self) -> None:
        """End a block."""
        own = np.unique(hashes_of(sorted(self._waiting)))
        self._waiting = set()
        every = np.concatenate([self._hashes, own])
        self._hashes, place = np.unique(every, return_inverse=True)
        counts = np.concatenate([self._blocks, np.ones(len(own), np.int64)])
        self._blocks = np.bincount(place, weights=counts, minlength=len(self._hashes)).astype(np.int64)
        if len(self._hashes) > MAX_COUNTED:
            kept = np.sort(np.lexsort((self._hashes, -self._blocks))[: MAX_COUNTED // 2])
            self._hashes, self._blocks = self._hashes[kept], self._blocks[kept]

    def finish(self) -> tuple[KnownNames, KnownNames]:
        """The words of the reference, and those that its own rows are counted with."""
        if self._waiting:
            self._close()
        least = 1
        while (self._blocks >= least).sum() > MAX_KNOWN:
            least += 1
        return (
            KnownNames(self._hashes[self._blocks >= least]),
            KnownNames(self._hashes[self._blocks > least]),
        )
