"""Architecture rules, each a function from sources to faults: layers, fenced libraries, sizes, dead files.

`test_architecture.py` holds the project to them, and shows each of them a fault to find.
"""

from __future__ import annotations

import ast
import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests.floors import HOUSE

ROOT = Path(__file__).resolve().parent.parent

# they know the vocabulary (floor 0), the settings, and these rooms
ONLY_WORDS: dict[str, set[str]] = {"kafka": set(), "registry": set(), "bridge": {"kafka"}}
FENCES = {"kafka": "kafka", "prometheus_client": "publish"}  # library -> the only folder that imports it
ENGINE = {"stats", "decode", "reference", "count", "judge"}  # runs without Kafka, files or a clock
OUTSIDE = {
    "asyncio", "http", "multiprocessing", "os", "pathlib", "shutil", "socket", "subprocess", "tempfile", "threading",
    "time", "urllib",
}  # fmt: skip
NOT_IN_STATS = OUTSIDE | {"io", "logging", "structlog", "sys"}
UNSAFE_FORMATS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
WALL_CLOCK = re.compile(
    r"time\.(time(_ns)?|gmtime|localtime|ctime)|datetime\.(datetime\.(now|utcnow|today)|date\.today)"
)
WAITING = {"time.monotonic", "time.monotonic_ns", "time.sleep"}
# publish: the snapshot makes way for the server's thread; beside: the writer of a checkpoint for the loop
MAY_WAIT = (
    "monitor.clock", "monitor.run.daemon", "monitor.loop.beside", "monitor.kafka.", "monitor.publish.",
    "monitor.bridge.",
)  # fmt: skip
SEEDED = {"random.Random", "numpy.random.default_rng", "numpy.random.RandomState"}  # random, unless given a seed
RANDOM_TYPES = {
    "numpy.random.Generator",
    "numpy.random.BitGenerator",
    "numpy.random.SeedSequence",
    "numpy.random.PCG64",
}
FROM_THE_SYSTEM = {"os.urandom", "uuid.uuid1", "uuid.uuid4"}

FILE_LINES = 400
FUNCTION_LINES = 70
SHORT_LINES = 20
SHORT_SHARE = 0.85

PLACES = {
    ".".join(["monitor", *([room] if room else []), file]): (floor, room, order)
    for floor, rooms in enumerate(HOUSE)
    for room, files in rooms.items()
    for order, file in enumerate(files.split())
}

ENTRY_POINTS = {"monitor", "monitor.client", "monitor.__main__", "monitor.cli.parser"}
# Modules that wait for the one that will use them. It only shrinks: an entry that is in use, or gone, is a fault too.
NOT_WIRED_YET: frozenset[str] = frozenset({})


@dataclass(frozen=True)
class Module:
    """One source file; `name` is dotted, a package carries the name of its folder."""

    name: str
    source: str
    package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, filename=self.name)

    @property
    def room(self) -> str:
        """The folder of monitor/ it stands in, or its own name where it stands in none."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else "__init__"

    @property
    def place(self) -> tuple[int, str, int] | None:
        """Floor, room and place in the room's order; None for a file that HOUSE does not name."""
        return PLACES.get(self.name)

    @cached_property
    def imports(self) -> dict[str, str]:
        """{name in this file: dotted name of what it stands for}, at the top, in functions and for types alike."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.asname or alias.name: alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = self._origin(node)
                found |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
        return found

    @property
    def libraries(self) -> set[str]:
        return {origin.split(".")[0] for origin in self.imports.values()}

    @cached_property
    def used(self) -> list[tuple[str, ast.AST]]:
        """Every dotted name that starts at an import, spelled out: `np.random.rand` -> numpy.random.rand."""
        chains = ((self._dotted(node), node) for node in ast.walk(self.tree))
        return [(name, node) for name, node in chains if name is not None]

    def _dotted(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return self.imports.get(node.id, node.id if node.id in self.libraries else None)
        if isinstance(node, ast.Attribute) and (front := self._dotted(node.value)) is not None:
            return f"{front}.{node.attr}"
        return None

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        kept = parts[: len(parts) - node.level + self.package]
        return ".".join([*kept, node.module] if node.module else kept)


def read_modules(folder: str) -> list[Module]:
    modules = []
    for file in sorted((ROOT / folder).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        package = parts[-1] == "__init__"
        modules.append(Module(".".join(parts[:-1] if package else parts), file.read_text(encoding="utf-8"), package))
    return modules


def inner_imports(module: Module, names: set[str]) -> set[str]:
    """The modules among `names` that it imports: `from monitor.count import event_ids` is monitor.count.event_ids."""
    found = set()
    for origin in module.imports.values():
        parts = origin.split(".")
        prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        found.add(next((prefix for prefix in prefixes if prefix in names), ""))
    return found - {"", module.name}


Rule = Callable[[list[Module]], Iterator[str]]


def floors(modules: list[Module]) -> Iterator[str]:
    """A file imports from lower floors and from the files of its room that are named before it."""
    by_name = {module.name: module for module in modules if not _is_face(module)}
    for module in by_name.values():
        place = module.place
        if place is None:
            yield f"{module.name} stands on no floor: name it in HOUSE"
            continue
        floor, room, order = place
        for name in sorted(inner_imports(module, set(by_name))):
            below = by_name[name].place
            if below is None or not (below[0] < floor or (below[:2] == place[:2] and below[2] < order)):
                yield f"{module.name} {place} may not import {name} {below}"
            if room in ONLY_WORDS and below is not None and below[1] not in {room, "", "settings", *ONLY_WORDS[room]}:
                also = "".join(f", {other}" for other in sorted(ONLY_WORDS[room]))
                yield f"{module.name} may import words and settings{also} alone, not {name}"


def _is_face(module: Module) -> bool:
    """The file of a folder itself, which holds nothing but what the folder is."""
    return (module.package and not module.imports) or module.name == "monitor"


def no_circles(modules: list[Module]) -> Iterator[str]:
    """Imports run one way, also inside a folder."""
    names = {module.name for module in modules}
    try:
        TopologicalSorter({module.name: inner_imports(module, names) for module in modules}).prepare()
    except CycleError as error:
        yield "imports run in a circle: " + " -> ".join(error.args[1])


def fences(modules: list[Module]) -> Iterator[str]:
    """One library, one folder; the engine knows nothing of the outside; nothing that runs code when it is read."""
    for module in modules:
        for library in sorted(module.libraries):
            if library in FENCES and module.room != FENCES[library]:
                yield f"{module.name} imports {library}: only monitor/{FENCES[library]}/ does"
            if library in UNSAFE_FORMATS:
                yield f"{module.name} imports {library}: it runs what it reads"
            if library in NOT_IN_STATS and module.room == "stats":
                yield f"{module.name} imports {library}: stats are arithmetic alone"
            elif library in OUTSIDE and module.room in ENGINE:
                yield f"{module.name} imports {library}: the engine knows no outside"


def clocks(modules: list[Module]) -> Iterator[str]:
    """The wall clock is read in clock.py alone, and waited only where the outside is."""
    for module in modules:
        for name, _ in module.used:
            if WALL_CLOCK.fullmatch(name) and module.room != "clock":
                yield f"{module.name} uses {name}: ask a Clock"
            if name in WAITING and not module.name.startswith(MAY_WAIT):
                yield f"{module.name} uses {name}: only {', '.join(MAY_WAIT)} may"


def seeds(modules: list[Module]) -> Iterator[str]:
    """The engine gives the same result twice: randomness comes from a seed; and stats open and print nothing."""
    for module in (module for module in modules if module.room in ENGINE):
        calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
        seeded = {id(call.func) for call in calls if call.args or call.keywords}
        for name, node in module.used:
            anonymous = name in SEEDED and isinstance(node, (ast.Attribute, ast.Name)) and id(node) not in seeded
            other = name.startswith(("random.", "numpy.random.", "secrets.")) and name not in SEEDED | RANDOM_TYPES
            if anonymous and any(call.func is node for call in calls):
                yield f"{module.name} calls {name} without a seed"
            if other or name in FROM_THE_SYSTEM:
                yield f"{module.name} uses {name}: no two runs would be alike"
        named = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
        if module.room == "stats":
            yield from (f"{module.name} calls {name}()" for name in sorted(named & {"open", "print", "input"}))


def sizes(modules: list[Module]) -> Iterator[str]:
    """Files of 400 lines and functions of 70 at the most."""
    for module in modules:
        if (lines := len(module.source.splitlines())) > FILE_LINES:
            yield f"{module.name} has {lines} lines: {FILE_LINES} at the most"
        for name, length in function_lengths(module):
            if length > FUNCTION_LINES:
                yield f"{module.name}.{name} has {length} lines: {FUNCTION_LINES} at the most"


def function_lengths(module: Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def short_functions(modules: list[Module]) -> Iterator[str]:
    """85 % of the functions of a body of code are read at one glance; the longest are named where they are not."""
    lengths = [(length, f"{module.name}.{name}") for module in modules for name, length in function_lengths(module)]
    long = sorted((entry for entry in lengths if entry[0] > SHORT_LINES), reverse=True)
    if len(long) > (1 - SHORT_SHARE) * len(lengths):
        longest = ", ".join(f"{name} ({length})" for length, name in long[:10])
        yield f"{len(long)} of {len(lengths)} functions have more than {SHORT_LINES} lines; the longest: {longest}"


def dead_rooms(modules: list[Module], waiting: frozenset[str] = NOT_WIRED_YET) -> Iterator[str]:
    """Every module is reached from an entry point."""
    names = {module.name for module in modules}
    imports = {module.name: inner_imports(module, names) for module in modules}
    reached, todo = ENTRY_POINTS & names, list(ENTRY_POINTS & names)
    while todo:
        fresh = imports[todo.pop()] - reached
        reached |= fresh
        todo += fresh
    empty = {module.name for module in modules if module.package and not module.imports}
    yield from (f"nothing leads to {name}" for name in sorted(names - reached - empty - waiting))
    yield from (f"{name} waits no more: take it off NOT_WIRED_YET" for name in sorted(waiting & reached))
    yield from (f"{name} is gone: take it off NOT_WIRED_YET" for name in sorted(waiting - names))


# What a tracked file may name: names of formats and documents, never a place that something is fetched from.
DOCUMENTS = {
    "keepachangelog.com",
    "semver.org",
    "www.apache.org",
    "maven.apache.org",
    "www.w3.org",
    "doi.org",
    "arxiv.org",
    "openlineage.io",  # the names of its schemas, which its events carry
}
RESERVED_NAMES = re.compile(r"\w[\w-]*|(.+\.)?(example(\.(com|org|net))?|test|invalid|localhost|local)")
HOST = re.compile(r"https?://(?:[^\s/@\"'`<>]*@)?(\[[0-9a-fA-F:]+\]|\w[\w.-]*)")
ADDRESS = re.compile(r"(?<![\w.])(?<!==)\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
MACHINE_PATH = re.compile(r"(?<![\w.:$}-])/(?:home|root|work|Users)/\w")


def places_in(text: str) -> Iterator[str]:
    """Hosts, addresses and paths of one machine that a text names."""
    for host in HOST.findall(text):
        if host not in DOCUMENTS and not RESERVED_NAMES.fullmatch(host) and not _is_harmless(host.strip("[]")):
            yield host
    yield from (address for address in ADDRESS.findall(text) if not _is_harmless(address))
    yield from MACHINE_PATH.findall(text)


def _is_harmless(text: str) -> bool:
    """Loopback, all interfaces, or an address set aside for documents (RFC 5737)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    documents = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
    in_documents = any(address in ipaddress.ip_network(network) for network in documents)
    return address.is_loopback or address.is_unspecified or in_documents
