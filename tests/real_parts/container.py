"""The image of driftd and its containers: built by `make image` on a base that debootstrap made once, run by podman.

with ContainerStore() as store:
    store.build()
    with store.start(["-v", f"{folder}:/etc/driftd:ro"], log_file) as container:
        container.wait_ready()
        assert container.stop() == 0

The base is made by the first test that needs it, with packages from the system's own mirror.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.daemons import STOP_SECONDS, DaemonProcess
from tests.real_parts.install import ROOT
from tests.real_parts.part import RealPart

SUITE: Final = "bookworm"
BASE_PYTHON: Final = "3.11"
DEBOOTSTRAP: Final = ("debootstrap", "--variant=minbase", "--include=python3,python3-venv", SUITE)
NOT_NEEDED: Final = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
BASE_SECONDS: Final = 900.0
BUILD_SECONDS: Final = 600.0
COMMAND_SECONDS: Final = 60.0
IMAGE: Final = "localhost/driftd"
BASE: Final = "localhost/base"
BASE_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: as a careful operator would; the limits are what a runtime inside of another container may set
HARDENED: Final = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges"),
    *("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"),
)

_numbers = itertools.count(1)


def base_file() -> Path:
    """Where the base of exactly this recipe belongs, as a tar of its root."""
    recipe = hashlib.sha256(repr((DEBOOTSTRAP, NOT_NEEDED)).encode()).hexdigest()[:12]
    return ROOT / ".real-parts" / f"container-base-{recipe}.tar"


def make_base() -> None:
    """Makes the base unless it is there: complete, or not at all.

    Raises:
        RuntimeError: debootstrap failed, or was not done in time; with its last words.
    """
    target = base_file()
    if target.is_file():
        return
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        root = Path(scratch) / "root"
        _debootstrap(root)
        for folder in NOT_NEEDED:
            shutil.rmtree(root / folder, ignore_errors=True)
        archive = Path(scratch) / "base.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True, timeout=COMMAND_SECONDS)
        archive.rename(target)


def _debootstrap(root: Path) -> None:
    """In its own mount and process namespaces: whatever it mounts and starts ends with it."""
    alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    with tempfile.TemporaryFile("w+", errors="replace") as messages:
        process = subprocess.Popen(
            [*alone, *DEBOOTSTRAP, str(root)], stdin=subprocess.DEVNULL, stdout=messages, stderr=subprocess.STDOUT
        )
        try:
            code: int | None = process.wait(BASE_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
            process.wait()
        if code != 0:
            messages.seek(0)
            how = f"was not done in {BASE_SECONDS:.0f} s" if code is None else f"ended with {code}"
            message = f"debootstrap {how}: {messages.read()[-500:].strip()}"
            raise RuntimeError(message)


class ContainerStore(RealPart):
    """Images and containers in their own temporary store, removed by `close`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="driftd-containers-"))
        self._driver = "overlay"
        self._containers: list[Container] = []

    @property
    def command(self) -> list[str]:
        """podman on this store alone."""
        folders = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        how = ["--storage-driver", self._driver, "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        return ["podman", *folders, *how]

    def podman(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command of podman to its end.

        Raises:
            RuntimeError: with `check`, when it failed; with what it said.
        """
        done = subprocess.run(
            [*self.command, *arguments], capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        )
        if check and done.returncode != 0:
            message = f"podman {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            raise RuntimeError(message)
        return done

    def build(self) -> None:
        """The base from its file, then `make image` on it."""
        self._import_base()
        # -o: the environment that runs the tests is complete, and not to be changed under them
        command = ["make", "-o", ".venv/.installed", "image", f"BIN={Path(sys.executable).parent}"]
        command += [f"ENGINE={' '.join(self.command)}", f"BASE={BASE}", f"IMAGE={IMAGE}", f"IMAGE_PYTHON={BASE_PYTHON}"]
        environ = {**os.environ, "BUILDAH_ISOLATION": "chroot", "BUILDAH_LAYERS": "false"}
        made = subprocess.run(
            command, cwd=ROOT, env=environ, timeout=BUILD_SECONDS, capture_output=True, text=True, check=False
        )
        if made.returncode != 0:
            message = f"make image ended with {made.returncode}:\n{made.stdout[-2000:]}{made.stderr[-2000:]}"
            raise RuntimeError(message)

    def _import_base(self) -> None:
        arguments = ("import", "--quiet", "--change", f"ENV {BASE_PATH}", str(base_file()), BASE)
        if self.podman(*arguments, check=False).returncode != 0:  # overlay, on a file system that cannot
            self._driver = "vfs"
            self.podman(*arguments)

    def inspect(self) -> dict[str, Any]:
        """The image's description."""
        described: list[dict[str, Any]] = json.loads(self.podman("image", "inspect", IMAGE).stdout)
        return described[0]

    def start(
        self,
        options: Sequence[str],
        log_file: Path,
        environ: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> Container:
        """A hardened container of the image; leaving its `with` ends it. `arguments` take the place of the image's."""
        name = f"driftd-{os.getpid()}-{next(_numbers)}"
        variables = [f"--env={variable}={value}" for variable, value in (environ or {}).items()]
        how = ["run", "--rm", "--name", name, *HARDENED, *variables, *options]
        self._containers.append(Container(self, name, [*self.command, *how, IMAGE, *arguments], log_file))
        return self._containers[-1]

    def close(self) -> None:
        """Ends what runs and removes everything."""
        for container in self._containers:
            container.kill()
        self.podman("rmi", "--all", "--force", check=False)
        subprocess.run(["umount", "--quiet", str(self.folder / "root" / self._driver)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Container(DaemonProcess):
    """A container as the process of podman that is attached to it: its output is the container's, so is its code."""

    def __init__(self, store: ContainerStore, name: str, command: Sequence[str], log_file: Path) -> None:
        self.log_file = log_file
        self.name = name
        self._store = store
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(  # where it is killed for its memory, its keeper leaves a file
                command, cwd=store.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        """Of the container's first process, as this machine sees it."""
        return int(self._store.podman("inspect", "--format", "{{.State.Pid}}", self.name).stdout)

    def status(self) -> dict[str, str]:
        """What the kernel says of that process: Uid, CapEff, VmRSS, ..."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}

    def mounted(self, place: str) -> set[str]:
        """The options of what is mounted at a place in it."""
        mounts = [line.split() for line in Path(f"/proc/{self.pid}/mounts").read_text().splitlines()]
        return {option for mount in mounts if mount[1] == place for option in mount[3].split(",")}

    def signal(self, number: signal.Signals) -> None:
        """To its first process, as `docker kill --signal` does; nothing when it has ended."""
        self._store.podman("kill", "--signal", number.name, self.name, check=False)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self) -> None:
        self._store.podman("rm", "--force", "--time", "0", self.name, check=False)
        self._process.kill()
        self._process.wait()
