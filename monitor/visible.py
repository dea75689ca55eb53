"""Escapes characters of foreign text that a terminal does not show or that control it."""

from __future__ import annotations

import json
import unicodedata
from typing import Final

#: Unicode categories: control, format (direction marks, zero width), surrogate, line and paragraph separator
_INVISIBLE: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_KEPT: Final = "\n\t"


def visible(text: str) -> str:
    """`text` with those characters escaped as in JSON (`\\u202e`), except newlines and tabs.

    A JSON text stays valid and equal.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def one_line(text: str) -> str:
    """The same for text within a line: every character that is not printable is escaped, also newlines and tabs."""
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _shown(char: str) -> str:
    return json.dumps(char)[1:-1] if unicodedata.category(char) in _INVISIBLE and char not in _KEPT else char
