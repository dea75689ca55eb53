"""The pages of docs/platforms: their settings, their commands, and the output they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parents[1] / "docs" / "platforms"
_SETTINGS: Final = re.compile(r"^## The settings(?::[^\n]*)?\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_BLOCK: Final = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


class Way(NamedTuple):
    """A platform's way from its settings to the first finding."""

    page: str
    settings: str
    on_sample: list[str]
    shown: list[str]
    on_topic: list[str]

    @property
    def sample(self) -> Path:
        """The recording that the commands read."""
        return FOLDER / self.on_sample[-1].split()[-1]

    @property
    def name(self) -> str:
        return self.sample.name.partition(".")[0]


def ways() -> list[Way]:
    """All of them, of all pages."""
    found = []
    for page in sorted(FOLDER.glob("*.md")):
        for section in _SETTINGS.findall(page.read_text(encoding="utf-8")):
            blocks = _BLOCK.findall(section)
            assert [kind for kind, _ in blocks] == ["yaml", "bash", "", "bash"], page.name
            settings, on_sample, shown, on_topic = (text for _, text in blocks)
            found.append(Way(page.name, settings, *(text.splitlines() for text in (on_sample, shown, on_topic))))
    return found
