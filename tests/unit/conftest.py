"""Fixtures of the unit tests."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from monitor.settings.load import load_settings
from monitor.settings.tree import Settings
from tests.settings_texts import SMALL, Load


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(text: str = SMALL, **environ: str) -> Settings:
        file = tmp_path / "settings.yaml"
        file.write_text(dedent(text), encoding="utf-8")
        return load_settings(file, environ)

    return loaded
