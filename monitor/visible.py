"""Text of others as a terminal may show it: what cannot be seen or moves the cursor is written out."""

from __future__ import annotations

import json
import unicodedata
from typing import Final

#: controls, formats (marks of direction, of no width, that join letters), halves of surrogate pairs, ends of line
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_KEPT: Final = "\n\t"


def visible(text: str) -> str:
    """`text` with those characters as JSON writes them (`\\u202e`), line ends and tabs as they are.

    Inside a JSON text it says the same as before.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def one_line(text: str) -> str:
    """The same for a text within a line: line ends and tabs, and spaces of other kinds, are written out as well."""
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _shown(char: str) -> str:
    return json.dumps(char)[1:-1] if unicodedata.category(char) in _UNSEEN and char not in _KEPT else char
