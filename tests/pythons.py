"""The quick part of the tests on other Pythons: `python -m tests.pythons 3.11 3.12 3.13`, from `make test-pythons`.

Each Python that this machine has gets its own environment in .venv/pythons, made once for the locked libraries.
One that is not there is named and left out; nothing is downloaded for it but libraries. The end is 1 where tests fail,
an environment cannot be made, or no Python was found at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / ".venv" / "pythons"
#: what an environment is made of: another text here, another environment
LOCKS: Final = ("requirements-dev.txt", "pyproject.toml")
PIP: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
PYTEST: Final = ("-m", "pytest", "-m", "not kafka")
#: says its version where it can make environments
ASKED: Final = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"


def find(version: str, environ: Mapping[str, str]) -> Path | None:
    """The Python of that version (`3.12`): on the path, else one that uv or pyenv has installed; None without."""
    return next((python for python in candidates(version, environ) if _is(python, version)), None)


def candidates(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where it could be, the first choice first; one on the path may be a stand-in that starts nothing."""
    name = f"python{version}"
    if on_path := shutil.which(name, path=environ.get("PATH", "")):
        yield Path(on_path)
    home = Path(environ.get("HOME", "/nowhere"))
    uv = Path(environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local" / "share" / "uv" / "python")
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    for folder in (*sorted(uv.glob(f"cpython-{version}.*")), *sorted(pyenv.glob(f"{version}.*"))):
        yield folder / "bin" / name


def _is(python: Path, version: str) -> bool:
    try:
        said = subprocess.run([python, "-c", ASKED], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return said.returncode == 0 and said.stdout.strip() == version


def environment(python: Path, version: str) -> Path:
    """The command of its environment, which is recreated only when the locks change.

    Raises:
        subprocess.CalledProcessError: it cannot be made; what failed has said why.
    """
    folder = FOLDER / version
    inside, stamp = folder / "bin" / "python", folder / "made-of"
    made_of = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in LOCKS)).hexdigest()
    if stamp.is_file() and stamp.read_text() == made_of:
        return inside
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    subprocess.run([inside, *PIP, "--require-hashes", "-r", ROOT / "requirements-dev.txt"], check=True)
    subprocess.run([inside, *PIP, "--no-deps", "--no-build-isolation", "-e", ROOT], check=True)
    stamp.write_text(made_of)
    return inside


def passes(python: Path, version: str, options: Sequence[str]) -> bool:
    """Whether the quick part passes on it."""
    print(f"Python {version}: {python}", flush=True)
    try:
        inside = environment(python, version)
    except subprocess.CalledProcessError:
        return False
    return subprocess.run([inside, *PYTEST, *options], cwd=ROOT, check=False).returncode == 0


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """`arguments`: versions, then what goes on to pytest (from the first that begins with a dash)."""
    split = next((at for at, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    versions, options = arguments[:split], arguments[split:]
    found = {version: find(version, environ) for version in versions}
    outcomes = {
        version: "not on this machine" if python is None else "passed" if passes(python, version, options) else "FAILED"
        for version, python in found.items()
    }
    for version, outcome in outcomes.items():
        print(f"Python {version}: {outcome}")
    if not any(found.values()):
        print("None of these Pythons was found: on the path, or installed by uv or pyenv.", file=sys.stderr)
        return 1
    return int("FAILED" in outcomes.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
