"""The picture of the status page in the README, from a run of `driftd demo`: python -m tests.status_picture

Needs Chromium, as the tests of the page do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final

from tests.real_parts.browser import browser

PICTURE: Final = Path(__file__).resolve().parents[1] / "docs" / "status.png"
#: of the window, in pixels
WIDTH, HEIGHT = 900, 680
#: seconds of the demo, and from the page on until the picture is taken: the newest windows then hold the fault alone
DURATION: Final = 60
AFTER: Final = 20.0


def wait_for_page(lines: IO[str]) -> None:
    """Read the demo's JSON lines up to the first page."""
    for line in lines:
        thing = json.loads(line)
        if thing["kind"] == "transition" and thing["severity"] == "page":
            return
    message = "the demo ended without a page"
    raise RuntimeError(message)


def main(port: int = 9747) -> None:
    command = [sys.executable, "-m", "monitor", "demo", "--json", "--port", str(port), "--duration", str(DURATION)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None  # it is a pipe
        wait_for_page(demo.stdout)
        time.sleep(AFTER)
        with browser() as chromium:
            page = chromium.new_page(color_scheme="light", viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(f"http://127.0.0.1:{port}/")
            page.screenshot(path=PICTURE)
        demo.terminate()


if __name__ == "__main__":
    main()
