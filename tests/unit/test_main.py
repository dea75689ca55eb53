"""The way in hears SIGTERM before anything is imported."""

from __future__ import annotations

import subprocess
import sys

FIRST_IMPORT_GETS_SIGTERM = """
import os, signal, sys
class Importing:
    def find_spec(self, name, path=None, target=None):
        if name == "monitor.cli":
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Importing())
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as for the first process of a container
from monitor.__main__ import main
sys.argv = ["driftd", "version"]
main()
"""


def test_sigterm_while_importing_ends_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_IMPORT_GETS_SIGTERM], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (143, b"")
