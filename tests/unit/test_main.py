"""SIGTERM and Ctrl-C are handled before and during the imports; what is set before NumPy is one of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FIRST_IMPORT_GETS_SIGTERM = """
import os, signal, sys
class Importing:
    def find_spec(self, name, path=None, target=None):
        if name == "monitor.cli.parser":
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


@pytest.mark.parametrize("module", ["monitor.cli.parser", "numpy", "monitor.settings.tree", "scipy"])
def test_ctrl_c_while_importing_ends_it_without_a_trace(module: str) -> None:
    program = FIRST_IMPORT_GETS_SIGTERM.replace("monitor.cli.parser", module).replace(
        "signal.SIGTERM)", "signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_behind_a_command_ends_it_without_a_trace() -> None:
    program = """
import os, signal, sys
from monitor import __main__
from monitor.cli import parser
def interrupted(imported):
    imported()
    os.kill(os.getpid(), signal.SIGINT)
    return 0
parser.main = interrupted
print(__main__.main())
os.kill(os.getpid(), signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (130, b"")


THREADS = """
import os, sys
from monitor.__main__ import main
sys.argv = ["driftd", "--version"]
try:
    main()
except SystemExit:
    pass
print(os.environ.get("OPENBLAS_NUM_THREADS"))
"""


@pytest.mark.parametrize(
    ("given", "seen"),
    [({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3"), ({"OMP_NUM_THREADS": "3"}, "None")],
)
def test_blas_has_one_thread_unless_its_user_says_otherwise(given: dict[str, str], seen: str) -> None:
    others = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, check=True, timeout=60, env=others | given
    )
    assert done.stdout.decode().split()[-1] == seen
