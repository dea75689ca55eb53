"""Gets the real parts that are missing: Java, openssl, Prometheus, Chromium, podman from the system, Kafka by Maven.

Run as `python -m tests.real_parts.install`. As root with apt-get it installs; otherwise it prints the lines that do.
A second run finds everything there and ends at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
POM = HERE / "pom.xml"
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
COPY_FILE = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
REGISTRY = "io.apicurio:apicurio-registry-app:2.6.13.Final:tar.gz:all"
# The command on the path -> the Debian package that brings it.
RUN_COMMANDS = {"java": "default-jre-headless", "openssl": "openssl"}
FETCH_COMMANDS = {"mvn": "maven"}
PROMETHEUS_COMMANDS = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
BROWSER_COMMANDS = {"chromium": "chromium"}
# podman asks for crun or runc; inside of another container only runc works.
CONTAINER_COMMANDS = {
    "podman": "podman",
    "runc": "runc",
    "debootstrap": "debootstrap",
    "unshare": "util-linux",
}
# Any font will do; where there is none, this package brings one.
FONTS, FONT_PACKAGE = Path("/usr/share/fonts"), "fonts-dejavu-core"
POLICY = Path("/usr/sbin/policy-rc.d")


def jars_folder() -> Path:
    """Where the jars of exactly this pom.xml belong; another pom means another folder."""
    return ROOT / ".real-parts" / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


def registry_folder() -> Path:
    """Where the schema registry belongs, or where APICURIO_HOME says that it is."""
    given = os.environ.get("APICURIO_HOME")
    return Path(given) if given else ROOT / ".real-parts" / f"apicurio-{REGISTRY.split(':')[2]}"


def missing_registry_parts() -> list[str]:
    """What is not there, in words; empty when a schema registry can be started."""
    missing = [f"{command} is not on the path" for command in ("java",) if shutil.which(command) is None]
    return missing if registry_folder().is_dir() else [*missing, "the schema registry is not fetched"]


def class_archive() -> Path:
    """Where the classes of these jars belong as this Java keeps them between starts; `class_archive.py` makes it."""
    java = Path(shutil.which("java") or "/").resolve()
    made_of = f"{java} {java.stat().st_mtime_ns} {jars_folder()}"
    return jars_folder().with_name(f"{jars_folder().name}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.jsa")


def missing_kafka_parts() -> list[str]:
    """What is not there, in words; empty when a broker can be started."""
    missing = [f"{command} is not on the path" for command in RUN_COMMANDS if shutil.which(command) is None]
    if not jars_folder().is_dir():
        missing.append("the jars of Apache Kafka are not fetched")
    return missing


def missing_prometheus_parts() -> list[str]:
    """What is not there, in words; empty when Prometheus and Alertmanager can be started."""
    return [f"{command} is not on the path" for command in PROMETHEUS_COMMANDS if shutil.which(command) is None]


def missing_browser_parts() -> list[str]:
    """What is not there, in words; empty when a browser can be started and has a font to write with."""
    missing = [f"{command} is not on the path" for command in BROWSER_COMMANDS if shutil.which(command) is None]
    return missing if _has_font() else [*missing, f"there is no font in {FONTS}"]


def missing_container_parts() -> list[str]:
    """What is not there, in words; empty when an image can be built and run."""
    missing = [f"{command} is not on the path" for command in CONTAINER_COMMANDS if shutil.which(command) is None]
    return missing if os.geteuid() == 0 else [*missing, "this user is not root"]


def _has_font() -> bool:
    return any(FONTS.rglob("*.[to]tf"))


def in_ci() -> bool:
    """Whether a missing part is a failure (CI=true) or a named skip (a laptop)."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def _packages_to_install() -> list[str]:
    wanted = RUN_COMMANDS | PROMETHEUS_COMMANDS | BROWSER_COMMANDS | CONTAINER_COMMANDS
    if not jars_folder().is_dir() or not registry_folder().is_dir():
        wanted |= FETCH_COMMANDS
    fonts = set() if _has_font() else {FONT_PACKAGE}
    return sorted(fonts | {package for command, package in wanted.items() if shutil.which(command) is None})


def _install_packages(packages: list[str]) -> bool:
    """Through apt-get as root; elsewhere says what to run and returns False."""
    lines = [["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print("The tests on real parts need more of this machine. Run these lines, then `make test` again:")
        for line in lines:
            print("  sudo " + " ".join(line))
        print(
            "  (elsewhere than on Debian: Java 17 or newer, Maven 3, openssl, Prometheus 2.42 or newer, Alertmanager,"
        )
        print("  Chromium with a font, podman, runc, debootstrap)")
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        return all(subprocess.run(line, env=environment, check=False).returncode == 0 for line in lines)


@contextmanager
def _no_services() -> Iterator[None]:
    """What is installed now does not start its services: the tests start their own processes."""
    if POLICY.exists():  # somebody's decision already
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _fetch_jars() -> bool:
    """Into a folder next to the final one, renamed when complete: a broken fetch leaves nothing that looks whole."""
    target = jars_folder()
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        folder = Path(scratch) / "lib"
        command = [
            "mvn",
            "-q",
            "-B",
            "-f",
            str(POM),
            COPY_JARS,
            "-DincludeScope=runtime",
            f"-DoutputDirectory={folder}",
        ]
        print("Fetching the jars of Apache Kafka through Maven ...", flush=True)
        if subprocess.run(command, check=False).returncode != 0 or not any(folder.glob("kafka_*.jar")):
            print("Maven could not fetch them; its message stands above. To try again: make real-parts")
            return False
        if not target.is_dir():  # another run may have been quicker
            folder.rename(target)
    return True


def _fetch_registry() -> bool:
    """Into a folder next to the final one, as the jars."""
    target = registry_folder()
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        folder, home = Path(scratch) / "archive", Path(scratch) / "home"
        command = ["mvn", "-q", "-B", COPY_FILE, f"-Dartifact={REGISTRY}", f"-DoutputDirectory={folder}"]
        print("Fetching a schema registry through Maven ...", flush=True)
        if subprocess.run(command, check=False).returncode != 0 or not (archives := list(folder.glob("*.tar.gz"))):
            print("Maven could not fetch it; its message stands above. To try again: make real-parts")
            return False
        with tarfile.open(archives[0]) as archive:
            archive.extractall(home, filter="data")
        if not target.is_dir():  # another run may have been quicker
            home.rename(target)
    return True


def install() -> bool:
    """Everything the tests need, if it is not there yet; False when something is still missing."""
    packages = _packages_to_install()
    installed = not packages or _install_packages(packages)
    has_maven = shutil.which("mvn") is not None
    jars = jars_folder().is_dir() or (has_maven and _fetch_jars())
    registry = registry_folder().is_dir() or (has_maven and _fetch_registry())
    return jars and registry and installed


def main() -> int:
    complete = install() and not [
        *missing_kafka_parts(),
        *missing_prometheus_parts(),
        *missing_browser_parts(),
        *missing_container_parts(),
        *missing_registry_parts(),
    ]
    if not complete and not in_ci():
        print("Going on without: the tests that need what is missing will be skipped by name.")
        return 0
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
