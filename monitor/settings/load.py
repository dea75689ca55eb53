"""Loads settings from a YAML file and from `DRIFTD_` environment variables, which override it (`__` nests).

Lists in a variable are JSON or separated by commas; `null` is null. Secrets come from the environment, or from the file
that a `..._file` setting names; in the settings file itself they are a fault. All faults are reported at once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Final

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from monitor.errors import UsageError
from monitor.settings.faults import faults_of, near_secrets, nearest, place
from monitor.settings.kafka import Kafka
from monitor.settings.shape import PREFIX, secrets, variable, variables
from monitor.settings.tree import Settings
from monitor.settings.types import Fault, FileContext, Loc, Plain
from monitor.settings.yaml_text import DEEPEST, LARGEST_BYTES, parse_yaml, written_at

_LARGEST_SECRET: Final = 65_536
#: placeholders that other programs expand and driftd does not: ${NAME} and $(NAME)
_PLACEHOLDER: Final = re.compile(r"\$\{\w{1,100}[^{}\s]{0,20}\}|\$\(\w{1,100}\)")
_NO_SETTING: Final = (
    f"driftd settings lists them, and every variable {PREFIX}... has to be one: unset it, or give it another name"
)
#: variables that Kubernetes sets in every pod for a Service whose name begins with driftd; no setting has such a name
_SERVICE_LINK: Final = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?")


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a file (None: no file), overridden by an environment. Relative paths start in the file's folder.

    Raises:
        UsageError: every fault, one line each; no fault quotes a secret.
    """
    folder = Path.cwd() if path is None else path.absolute().parent
    text, faults = ("", []) if path is None else _read(path)
    written: dict[str, Plain] | None = None
    if text is not None:
        written, more = _parsed(path, text)
        faults += more
    return _validated(written, folder, faults, environ, text or "")


def load_kafka(environ: Mapping[str, str]) -> Kafka:
    """The Kafka settings from the environment alone, for commands that need no models.

    Raises:
        UsageError: as `load_settings`.
    """
    rest: dict[str, Plain] = {"inputs": [{"topic": "none"}]}
    return _validated(rest, Path.cwd(), [], environ).kafka


def settings_of(tree: dict[str, Plain]) -> Settings:
    """The settings that a program writes, as the file would have them; no environment overrides them.

    Raises:
        UsageError: as `load_settings`.
    """
    return _validated(tree, Path.cwd(), [], {})


def _validated(
    written: dict[str, Plain] | None, folder: Path, faults: list[str], environ: Mapping[str, str], text: str = ""
) -> Settings:
    faults += _unknown_variables(environ)
    if written is None:
        raise UsageError(faults)
    overrides = _from_environment(environ)
    tree = _merged(written, overrides)
    located = [*_secrets_in_file(written), *_read_secret_files(tree, folder)]
    settings, error = None, None
    try:
        settings = Settings.model_validate(tree, context=FileContext(folder))
    except ValidationError as failed:
        error = failed
    placeholders = list(_placeholder_faults(written))
    places = {loc for loc, _ in placeholders}
    located += placeholders
    located += [fault for fault in faults_of(tree, error, _source_text(text, overrides)) if fault[0] not in places]
    faults += [f"{place(loc)}: {text}{_source(loc, overrides, environ)}" for loc, text in located]
    if faults or settings is None:
        raise UsageError(dict.fromkeys(faults))
    return settings


def _source_text(text: str, overrides: dict[str, Plain]) -> Callable[[Loc], str | None]:
    """A function that returns the text of a scalar in the file; None for what did not come from the file."""
    replaced = set(_leaves(overrides))

    def written(loc: Loc) -> str | None:
        if not text or any(loc[: len(leaf)] == leaf for leaf in replaced):
            return None
        return written_at(text, loc)

    return written


def _placeholder_faults(tree: Plain, loc: Loc = ()) -> Iterator[Fault]:
    """Yield a fault for every value with a placeholder, without quoting secrets."""
    if isinstance(tree, dict):
        for name, below in tree.items():
            yield from _placeholder_faults(below, (*loc, name))
    elif isinstance(tree, list):
        for at, below in enumerate(tree):
            yield from _placeholder_faults(below, (*loc, at))
    elif isinstance(tree, str) and not near_secrets(loc):
        name = _PLACEHOLDER.search(tree)
        if name is not None:
            setting = tuple(itertools.takewhile(lambda part: isinstance(part, str), loc))  # up to a list index
            remedy = f"set {variable(setting)}" if setting in variables().values() else "write its value"
            yield loc, f"{name[0]} is not filled in here; {remedy}"


def _read(path: Path) -> tuple[str | None, list[str]]:
    """The file's text, None if it cannot be read; and its faults."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        return None, [f"{path}: cannot be read: {error.strerror}"]
    if len(data) > LARGEST_BYTES:
        return None, [f"{path}: larger than {LARGEST_BYTES} bytes"]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return None, [f"{path}:{line}: not UTF-8; save it as UTF-8"]


def _parsed(path: Path | None, text: str) -> tuple[dict[str, Plain] | None, list[str]]:
    """The mapping in a text, None if it is not valid; and its faults."""
    tree, problems = parse_yaml(text)
    faults = [f"{path}: {problem}" for problem in problems]
    if tree is None or isinstance(tree, dict):
        return tree, faults
    return None, [*faults, f"{path}: not a mapping; write name: value lines, as driftd settings shows them"]


class _Shape(Settings, BaseSettings):
    """The settings as a subclass of BaseSettings, which EnvSettingsSource requires; never instantiated."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__")


class _Environment(EnvSettingsSource):
    """Reads a given mapping instead of os.environ; text that is not JSON is left to the field's own validator."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(_Shape)
        self.env_vars = {name.lower(): value for name, value in environ.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Plain) -> Plain:
        depth = accumulate({"{": 1, "[": 1, "}": -1, "]": -1}.get(char, 0) for char in str(value))
        if max(depth, default=0) > DEEPEST:
            return value
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def _from_environment(environ: Mapping[str, str]) -> dict[str, Plain]:
    known = variables()
    tree: dict[str, Plain] = _nulls(_Environment({n: value for n, value in environ.items() if n.upper() in known})())
    return tree


def _nulls(value: Plain) -> Plain:
    """`value` with None for every text `null`."""
    if isinstance(value, dict):
        return {name: _nulls(below) for name, below in value.items()}
    return None if value == "null" else value


def _source(loc: Loc, overrides: dict[str, Plain], environ: Mapping[str, str]) -> str:
    """` (from DRIFTD_...)` if the value at a place came from a variable, for the end of a fault; else ""."""
    known = variables()
    given = sorted((known[name.upper()] for name in environ if name.upper() in known), key=len, reverse=True)
    for leaf in _leaves(overrides):
        if loc[: len(leaf)] == leaf:
            return next((f" (from {variable(prefix)})" for prefix in given if leaf[: len(prefix)] == prefix), "")
    return ""


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    known = variables()
    for name, value in sorted(environ.items()):
        rest = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or name.upper() in known or _is_service_link(rest, value):
            continue
        near = nearest(rest, [other.removeprefix(PREFIX).lower() for other in known])
        hint = f"did you mean {PREFIX}{near.upper()}?" if near else _NO_SETTING
        yield f"{name}: no such setting; {hint}"


def _is_service_link(rest: str, value: str) -> bool:
    if re.fullmatch(r"(\w+_)?PORT", rest) and re.match("(tcp|udp|sctp)://", value):
        return True
    return re.search(rf"(^|_)({_SERVICE_LINK.pattern})$", rest) is not None


def _merged(base: Plain, overrides: Plain) -> Plain:
    """`overrides` over `base`: mappings are merged, anything else is replaced."""
    if not isinstance(base, dict) or not isinstance(overrides, dict):
        return overrides
    return base | {name: _merged(base[name], value) if name in base else value for name, value in overrides.items()}


def _leaves(tree: Plain, loc: Loc = ()) -> Iterator[Loc]:
    """The places of all values of a tree that are not mappings with names in them."""
    if isinstance(tree, dict) and tree:
        for name, below in tree.items():
            yield from _leaves(below, (*loc, name))
    elif loc:
        yield loc


def _at(tree: Plain, loc: Loc) -> Plain:
    """The value at a place, None if there is none."""
    for step in loc:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


def _secrets_in_file(written: dict[str, Plain]) -> Iterator[Fault]:
    for loc in secrets():
        if _at(written, loc) is not None:
            yield loc, f"a secret must not be in this file; set {variable(loc)} or write {loc[-1]}_file: a path"


def _read_secret_files(tree: dict[str, Plain], folder: Path) -> Iterator[Fault]:
    """Read the `..._file` settings into the secrets of `tree`, without trailing line ends, and yield the faults."""
    for loc in secrets():
        holder, file = _at(tree, loc[:-1]), (*loc[:-1], f"{loc[-1]}_file")
        name = _at(tree, file)
        if not isinstance(name, str) or not name or not name.isprintable():
            continue  # a fault of the field's own type
        if holder.get(loc[-1]) is not None:
            yield file, f"{loc[-1]} is set too; keep one"
            continue
        try:
            with (folder / name).open("rb") as opened:
                data = opened.read(_LARGEST_SECRET + 1)
            secret = data.decode("utf-8").rstrip("\r\n")
        except OSError as error:
            yield file, f"cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            yield file, "is not UTF-8"
        else:
            if not secret or len(data) > _LARGEST_SECRET:
                yield file, "is empty" if not secret else f"is larger than {_LARGEST_SECRET} bytes"
            holder[loc[-1]] = SecretStr(secret)
