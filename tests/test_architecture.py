"""The house holds: floors, fences, sizes, no dead rooms, nothing of one machine in the files (the rules: floors.py)."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house import (
    ROOT,
    UNSAFE_FORMATS,
    Module,
    Rule,
    clocks,
    dead_rooms,
    fences,
    floors,
    no_circles,
    places_in,
    read_modules,
    seeds,
    short_functions,
    sizes,
)

MONITOR = read_modules("monitor")
TESTS = read_modules("tests")


@pytest.mark.parametrize("rule", [floors, no_circles, fences, clocks, seeds, sizes, short_functions])
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    faults = list(rule(MONITOR))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("rule", [no_circles, sizes, short_functions])
def test_the_tests_keep_the_rule_too(rule: Rule) -> None:
    faults = list(rule(TESTS))
    assert not faults, "\n".join(faults)


def test_the_tests_write_formats_that_run_code_only_to_see_them_refused() -> None:
    readers = re.compile(rf"({'|'.join(UNSAFE_FORMATS)})\.(loads?|open|Unpickler)")
    assert not [f"{module.name}: {name}" for module in TESTS for name, _ in module.used if readers.fullmatch(name)]


def test_every_room_is_used() -> None:
    if not any(module.name == "monitor.cli.parser" for module in MONITOR):
        pytest.skip("there is no command line yet that could lead anywhere")
    faults = list(dead_rooms(MONITOR))
    assert not faults, "\n".join(faults)


def test_a_shipped_module_imports_only_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [
        *project["dependencies"],
        *extras["demo"],
        *extras["registry"],
        *extras["parquet"],
        *extras["confluent"],
    ]
    allowed = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("_", "-") for line in declared}
    # Besides: types that exist for type checkers alone, and the half of pydantic in which its errors are defined.
    undeclared = {"monitor", "_typeshed", "pydantic_core"}
    distributions = importlib.metadata.packages_distributions()
    for module in MONITOR:
        for library in module.libraries - set(sys.stdlib_module_names) - undeclared:
            names = {name.lower().replace("_", "-") for name in distributions.get(library, [])}
            assert names & allowed, f"{module.name} imports {library}, which pyproject.toml does not declare"


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return [file for name in listed.split("\0") if name and (file := ROOT / name).is_file()]


def test_no_tracked_file_names_a_host_or_a_path_of_one_machine() -> None:
    files = tracked_files()
    if not files:
        pytest.skip("not a git checkout: there is no list of tracked files")
    faults = []
    for file in files:
        text = file.read_bytes().decode("utf-8", errors="replace")
        if file != Path(__file__):  # the counter-examples below stand here on purpose
            faults += [f"{file.relative_to(ROOT)}: {place}" for place in places_in(text)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_locks_have_a_hash_for_every_package_and_the_address_of_no_index(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    assert len(entries) > 10
    for entry in entries:
        assert re.match(r"[\w.-]+==\S+( ; [^\n\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry[:100]
        assert "/" not in entry


def fault(rule: Rule, *sources: tuple[str, str]) -> str:
    return "; ".join(rule([Module(name, source) for name, source in sources]))


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (floors, "monitor.stats.bins.reference_bins", "from monitor.judge import fleet"),
        (floors, "monitor.sources.files", "def f() -> None:\n    from ..kafka import consumer"),
        (floors, "monitor.kafka.consumer", "import monitor.count.task"),
        (floors, "monitor.cellar.shelf", ""),
        (floors, "monitor.events", "import monitor.count.task"),
        (floors, "monitor.run.garbage", "from monitor.run import daemon"),
        (floors, "monitor.cli.parser", "from monitor import __main__"),
        (floors, "monitor.events", "from monitor import pipeline"),
        (fences, "monitor.count.task", "from kafka.errors import KafkaError"),
        (fences, "monitor.run.daemon", "import prometheus_client as p"),
        (fences, "monitor.stats.bins.reference_bins", "from pathlib import Path"),
        (fences, "monitor.reference.reference", "from pathlib import Path"),
        (fences, "monitor.judge.fleet", "import threading"),
        (fences, "monitor.state.codec", "import pickle"),
        (clocks, "monitor.judge.fleet", "import datetime as d\nd.datetime.now(d.UTC)"),
        (clocks, "monitor.run.daemon", "from time import time\ntime()"),
        (clocks, "monitor.sources.files", "import time as t\nt.sleep(1)"),
        (seeds, "monitor.stats.bins.reference_bins", "import numpy as np\nnp.random.default_rng()"),
        (seeds, "monitor.stats.bins.reference_bins", "from random import random\nrandom()"),
        (seeds, "monitor.stats.bins.reference_bins", "open('x')"),
        (sizes, "monitor.run.daemon", "\n" * 401),
        (sizes, "monitor.run.daemon", "def f() -> None:\n" + "    pass\n" * 70),
        (short_functions, "monitor.run.daemon", "def f() -> None:\n" + "    pass\n" * 20),
    ],
)
def test_each_rule_finds_its_fault(rule: Rule, name: str, source: str) -> None:
    others = ["monitor.judge.fleet", "monitor.kafka.consumer", "monitor.count.task", "monitor.run.daemon"]
    others += ["monitor.__main__", "monitor.pipeline"]
    assert fault(rule, (name, source), *((other, "") for other in others if other != name))


def test_a_circle_is_found_and_a_straight_line_is_not() -> None:
    there, back = ("monitor.a", "import monitor.b"), ("monitor.b", "from . import a")
    assert fault(no_circles, there, back)
    assert not fault(no_circles, there, ("monitor.b", ""))


def test_what_is_allowed_is_not_reported() -> None:
    seeded = "import numpy as np\nfrom random import Random\nnp.random.default_rng(3), Random(4), np.random.Generator"
    assert not fault(seeds, ("monitor.stats.bins.reference_bins", seeded))
    assert not fault(clocks, ("monitor.kafka.consumer", "import time\ntime.monotonic()"))
    assert not fault(floors, ("monitor.count.task", "from monitor import events"), ("monitor.events", ""))


def test_a_room_nobody_enters_is_found_and_the_list_of_those_that_wait_only_shrinks() -> None:
    rooms = [
        Module("monitor.cli.parser", "import monitor.used"),
        Module("monitor.used", ""),
        Module("monitor.dead", ""),
    ]
    assert list(dead_rooms(rooms, frozenset())) == ["nothing leads to monitor.dead"]
    assert not list(dead_rooms(rooms, frozenset({"monitor.dead"})))
    assert len(list(dead_rooms(rooms, frozenset({"monitor.dead", "monitor.used", "monitor.gone"})))) == 2


def test_places_are_distinguished_from_names_of_documents() -> None:
    harmless = (
        "https://semver.org/x http://127.0.0.1:80 http://[::1]:80 http://kafka.example.com 0.0.0.0 192.0.2.7 1.2.3"
    )
    assert not list(places_in(harmless))
    for place in ("http://u:p@packages.somewhere.io/x", "10.1.2.3", "at /home/me/x", "https://192.168.0.1/"):
        assert len(set(places_in(place))) == 1, place
