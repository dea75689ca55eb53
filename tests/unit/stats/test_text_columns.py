"""Characters, words, unknown words and scripts of texts, against plain Python and by hand."""

from __future__ import annotations

import re
import unicodedata
from pydoc_data.topics import topics

import numpy as np
import pytest

from monitor.stats.bins.name_bins import MAX_KNOWN, KnownNames, hash_of, hashes_of
from monitor.stats.derived import texts as text_columns
from monitor.stats.derived.scripts import scripts_of
from monitor.stats.derived.texts import BLOCK_TEXTS, LOOKED_AT, TextColumns, WordCounts, words_of

#: paragraphs of Python's own manual
PARAGRAPHS = [text for topic in topics.values() for text in topic.split("\n\n") if text.strip()]

SCRIPTS = {
    "The quick brown fox": "Latin",
    "Größe, naïve, Đà Nẵng": "Latin",
    "Привет, мир": "Cyrillic",
    "Καλημέρα κόσμε": "Greek",
    "שלום עולם": "Hebrew",
    "مرحبا بالعالم": "Arabic",
    "नमस्ते दुनिया": "Devanagari",
    "ওহে বিশ্ব": "Bengali",
    "สวัสดีชาวโลก": "Thai",
    "안녕하세요 세계": "Hangul",
    "你好世界": "Han",
    "𠀀𠀁": "Han",
    "日本語の文章です": "Japanese",
    "カタカナ": "Japanese",
    "ﾊﾝｶｸ": "Japanese",
    "\uff21\uff22\uff23": "Latin",
    "გამარჯობა": "Georgian",
    "Բարեւ": "Armenian",
    "ሰላም": "Ethiopic",
    "ok привет мир": "Cyrillic",
    "": "none",
    "12.50 !?": "none",
    "😀😀": "none",
}


def test_the_script_is_that_of_most_letters() -> None:
    assert dict(zip(SCRIPTS, scripts_of(list(SCRIPTS)), strict=True)) == SCRIPTS
    assert [scripts_of([text])[0] for text in SCRIPTS] == list(SCRIPTS.values())
    assert scripts_of([]) == []


@pytest.mark.parametrize(
    "text", [text for text, script in SCRIPTS.items() if script not in {"none", "Han", "Japanese"}]
)
def test_the_script_is_in_the_names_of_the_letters(text: str) -> None:
    (script,) = scripts_of([text])
    named = [unicodedata.name(char).removeprefix("FULLWIDTH ").split(" ")[0] for char in text if char.isalpha()]
    assert max(set(named), key=named.count) == script.upper()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World! don't", ["hello", "world", "don", "t"]),
        ("12.50 EUR for A4711", ["00", "00", "eur", "for", "a0000"]),
        ("snake_case STRASSE Straße", ["snake", "case", "strasse", "strasse"]),
        ("हिन्दी में लिखा।", ["हिन्दी", "में", "लिखा"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("日本語 ver2", ["日本", "本語", "ver0"]),
        ("日", ["日"]),
        ("iPhone用", ["iphone", "用"]),
        ("안녕 세계", ["안녕", "세계"]),
        ("", []),
        (" \t\n…—", []),
    ],
)
def test_words_are_runs_of_letters_and_pairs_where_no_spaces_are_written(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_the_figures_are_those_of_plain_python() -> None:
    known = {word for text in PARAGRAPHS[:400] for word in re.findall(r"[a-z0]+", text.lower())}
    columns = TextColumns(KnownNames(np.unique(hashes_of(sorted(known)))))
    texts = [text for text in PARAGRAPHS[400:900] if text.isascii()]
    lengths, numbers, unknown = columns.of(texts)
    for at, text in enumerate(texts):
        words = re.findall(r"[a-z0]+", re.sub("[0-9]", "0", text.lower().replace("_", " ")))
        assert lengths[at] == len(text)
        assert numbers[at] == len(words)
        assert unknown[at] == (sum(word not in known for word in words) / len(words) if words else 0)
    assert 0 < unknown.mean() < 1


def test_a_text_has_the_same_figures_in_any_batch() -> None:
    texts = [*SCRIPTS, *PARAGRAPHS[:50]]
    columns = TextColumns(KnownNames(np.unique(hashes_of(words_of(" ".join(PARAGRAPHS[:20]))))))
    whole = columns.of(texts)
    assert np.concatenate([columns.of([text]) for text in texts], axis=1).tobytes() == whole.tobytes()
    assert columns.of([]).shape == (3, 0)


def test_words_are_looked_for_in_the_beginning_of_a_long_text() -> None:
    columns = TextColumns(KnownNames(hashes_of(["a"])))
    length, words, unknown = columns.of(["a " * LOOKED_AT + "b"])[:, 0].tolist()
    assert (length, words, unknown) == (2 * LOOKED_AT + 1, LOOKED_AT / 2, 0)
    assert columns.scripts(["a" * LOOKED_AT + "я" * 2 * LOOKED_AT]) == ["Latin"]


@pytest.mark.parametrize("size", [1, 7, 250, 1_000])
def test_the_words_of_a_reference_do_not_depend_on_how_it_is_read(size: int) -> None:
    whole, parts = WordCounts(), WordCounts()
    whole.add(PARAGRAPHS[:1_000])
    for at in range(0, 1_000, size):
        parts.add(PARAGRAPHS[at : min(at + size, 1_000)])
    for one, other in zip(whole.finish(), parts.finish(), strict=True):
        assert one.to_bytes() == other.to_bytes()


def test_the_words_are_those_of_any_block_and_for_the_own_rows_those_of_two() -> None:
    counts = WordCounts()
    blocks = [["often one"] * BLOCK_TEXTS, ["often two"] * BLOCK_TEXTS, ["often three"]]
    for block in blocks:
        counts.add(block)
    known, elsewhere = counts.finish()
    assert set(known.hashes.tolist()) == set(map(hash_of, ["often", "one", "two", "three"]))
    assert elsewhere.hashes.tolist() == [hash_of("often")]


def test_the_own_rows_have_as_many_unknown_words_as_new_ones() -> None:
    """Else every word that comes only now and then would be a change."""
    order = np.random.default_rng(3).permutation(len(PARAGRAPHS)).tolist()
    texts = [PARAGRAPHS[at] for at in order]
    reference, new = texts[:2_000], texts[2_000:]
    counts = WordCounts()
    counts.add(reference)
    known, elsewhere = counts.finish()
    own, live = TextColumns(elsewhere).of(reference)[2], TextColumns(known).of(new)[2]
    error = np.hypot(own.std() / np.sqrt(len(own)), live.std() / np.sqrt(len(live)))
    assert live.mean() > 0.02
    assert abs(own.mean() - live.mean()) < 4 * error
    assert TextColumns(known).of(reference)[2].max() == 0


def test_as_many_words_are_kept_as_fit_the_most_frequent_ones() -> None:
    counts = WordCounts()
    for block in range(3):
        counts.add([" ".join(f"{_letters(at)}" for at in range(0, 24_000, block + 1))] + [""] * (BLOCK_TEXTS - 1))
    known, elsewhere = counts.finish()
    assert len(elsewhere.hashes) <= len(known.hashes) <= MAX_KNOWN
    assert len(known.hashes) > 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_columns, "MAX_COUNTED", 1_000)
    counts = WordCounts()
    for block in range(40):
        rare = [" ".join(f"{_letters(block * 500 + at)}" for at in range(500))]
        counts.add(rare + ["common words"] * (BLOCK_TEXTS - 1))
    known, elsewhere = counts.finish()
    assert len(known.hashes) <= 1_000
    assert set(map(hash_of, ["common", "words"])) == set(elsewhere.hashes.tolist())


def _letters(number: int) -> str:
    """A word of its own for each number, without digits."""
    return "w" + "".join(chr(ord("a") + int(digit)) for digit in str(number))
