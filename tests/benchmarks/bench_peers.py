"""Makes `.peers`: the environment of the programs that `bench` compares driftd with; once, a few minutes.

What is in it is locked with hashes in `peers/requirements.txt`. Where that cannot be installed as a whole, as on a
Python or machine that some of it has no wheels for, each peer is installed alone, and those that fail are named.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.kept import PEERS
from tests.benchmarks.material import say

REQUIREMENTS: Final = Path(__file__).with_name("peers") / "requirements.txt"
#: what the lock is made of
NAMES: Final = REQUIREMENTS.with_suffix(".in")


def run(arguments: Sequence[str]) -> None:
    argparse.ArgumentParser(prog="bench-peers", description=__doc__).parse_args(arguments)
    if not PEERS.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS.parent.parent)], check=True)
    locked = REQUIREMENTS.read_text(encoding="utf-8")
    if _installed("--require-hashes", "--requirement", str(REQUIREMENTS)):
        say(f"{PEERS.parent.parent.name} has {', '.join(pins(locked))}")
        return
    for pin in pins(locked):
        say(f"{pin}: {'installed' if _installed(pin) else 'cannot be installed here'}")


def pins(locked: str) -> list[str]:
    """`name==version` of each peer, without what they need."""
    wanted = NAMES.read_text(encoding="utf-8").split()
    found = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", locked, re.MULTILINE))
    return [f"{name}=={found[name]}" for name in wanted]


def _installed(*what: str) -> bool:
    pip = [str(PEERS), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    return subprocess.run([*pip, *what], check=False).returncode == 0
