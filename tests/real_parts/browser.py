"""A real browser for the tests of the status page: headless, with nothing of anybody's profile.

with browser() as chromium:
    page = chromium.new_page(color_scheme="dark", viewport={"width": 360, "height": 800})
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.real_parts.install import missing_browser_parts


@contextmanager
def browser() -> Iterator[Browser]:
    """The system's Chromium.

    Raises:
        RuntimeError: it is not there.
    """
    command = shutil.which("chromium")
    if command is None:
        raise RuntimeError("; ".join(missing_browser_parts()))
    with sync_playwright() as playwright:
        # without its own sandbox, which a container's root may not have: it opens pages of ours alone
        running = playwright.chromium.launch(executable_path=command, args=["--no-sandbox"])
        try:
            yield running
        finally:
            running.close()
