"""Settings from one YAML file, `DRIFTD_` environment variables over it (`__` nests), every fault at once.

A variable's list is JSON, or text between commas; `null` is null. Secrets come by environment, or from the file that
a `..._file` setting names; in the settings file itself they are a fault.
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
from monitor.settings.faults import faults_of, nearest, place
from monitor.settings.later import refused
from monitor.settings.shape import PREFIX, secrets, variable, variables
from monitor.settings.tree import Kafka, Settings
from monitor.settings.types import Fault, Loc, Plain, Written
from monitor.settings.yaml_text import DEEPEST, LARGEST_BYTES, parse_yaml, written_at

_LARGEST_SECRET: Final = 65_536
#: what other programs fill in, and this one does not: ${NAME} and $(NAME)
_UNFILLED: Final = re.compile(r"\$\{\w{1,100}[^{}\s]{0,20}\}|\$\(\w{1,100}\)")
#: what Kubernetes sets in every pod for a Service whose name begins with driftd; no setting has such a name
_SERVICE_LINK: Final = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?")


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a file (None: no file) under an environment. Relative paths start in the file's folder.

    Raises:
        UsageError: with every fault found, each one line; no fault holds a secret.
    """
    folder = Path.cwd() if path is None else path.absolute().parent
    text, faults = ("", []) if path is None else _read(path)
    written: dict[str, Plain] | None = None
    if text is not None:
        written, more = _parsed(path, text)
        faults += more
    return _settled(written, folder, faults, environ, text or "")


def load_kafka(environ: Mapping[str, str]) -> Kafka:
    """Where Kafka is, by the environment alone: for commands that need no models.

    Raises:
        UsageError: as `load_settings`.
    """
    rest: dict[str, Plain] = {"inputs": [{"topic": "none"}], "models": [{"name": "none", "reference": "none"}]}
    return _settled(rest, Path.cwd(), [], environ).kafka


def _settled(
    written: dict[str, Plain] | None, folder: Path, faults: list[str], environ: Mapping[str, str], text: str = ""
) -> Settings:
    faults += _unknown_variables(environ)
    if written is None:
        raise UsageError(faults)
    overrides = _from_environment(environ)
    tree = _over(written, overrides)
    found = [*_written_secrets(written), *_fill_secrets(tree, folder)]
    settings, error = None, None
    try:
        settings = Settings.model_validate(tree, context=Written(folder))
    except ValidationError as failed:
        error = failed
    unfilled = list(_unfilled(written))
    places = {loc for loc, _ in unfilled}
    found += unfilled
    found += [fault for fault in faults_of(tree, error, _how_written(text, overrides)) if fault[0] not in places]
    faults += [f"{place(loc)}: {text}{_source(loc, overrides, environ)}" for loc, text in found]
    if faults or settings is None:
        raise UsageError(dict.fromkeys(faults))
    return settings


def _how_written(text: str, overrides: dict[str, Plain]) -> Callable[[Loc], str | None]:
    """Gives the text of a scalar of the file at a place; None of what came from elsewhere."""
    replaced = set(_leaves(overrides))

    def written(loc: Loc) -> str | None:
        if not text or any(loc[: len(leaf)] == leaf for leaf in replaced):
            return None
        return written_at(text, loc)

    return written


def _unfilled(tree: Plain, loc: Loc = ()) -> Iterator[Fault]:
    """Values in which a variable's name stands where its value belongs; secrets are not cited."""
    if isinstance(tree, dict):
        for name, below in tree.items():
            yield from _unfilled(below, (*loc, name))
    elif isinstance(tree, list):
        for at, below in enumerate(tree):
            yield from _unfilled(below, (*loc, at))
    elif isinstance(tree, str) and loc[:2] != ("kafka", "security"):
        name = _UNFILLED.search(tree)
        if name is not None:
            setting = tuple(itertools.takewhile(lambda part: isinstance(part, str), loc))  # not the place in a list
            remedy = f"set {variable(setting)}" if setting in variables().values() else "write its value"
            yield loc, f"{name[0]} is not filled in here; {remedy}"


def _read(path: Path) -> tuple[str | None, list[str]]:
    """The file's text, or None where there is none; and what is wrong with it."""
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
    """What a text holds, or None where that cannot be told; and what is wrong with it."""
    tree, problems = parse_yaml(text)
    faults = [f"{path}: {problem}" for problem in problems]
    if tree is None or isinstance(tree, dict):
        return tree, faults
    return None, [*faults, f"{path}: no mapping; write name: value lines, as driftd settings shows them"]


class _Shape(Settings, BaseSettings):
    """The tree as pydantic-settings wants to see it; never made."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__")


class _Environment(EnvSettingsSource):
    """Reads a given mapping, and leaves what is no JSON as text, for the field's own type to judge."""

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
    found: dict[str, Plain] = _nulls(_Environment({n: value for n, value in environ.items() if n.upper() in known})())
    return found


def _nulls(value: Plain) -> Plain:
    if isinstance(value, dict):
        return {name: _nulls(below) for name, below in value.items()}
    return None if value == "null" else value


def _source(loc: Loc, overrides: dict[str, Plain], environ: Mapping[str, str]) -> str:
    """The variable a place's value came from, for the end of a fault's line; nothing where it came from the file."""
    known = variables()
    tops = sorted((known[name.upper()] for name in environ if name.upper() in known), key=len, reverse=True)
    for leaf in _leaves(overrides):
        if loc[: len(leaf)] == leaf:
            return next((f" (from {variable(top)})" for top in tops if leaf[: len(top)] == top), "")
    return ""


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    known = variables()
    for name, value in sorted(environ.items()):
        rest = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or name.upper() in known or _is_service_link(rest, value):
            continue
        later = _nested(rest.lower().split("__"), value)
        if any(True for _ in refused(later)):
            yield f"{name}: not in this version"
            continue
        near = nearest(rest, [other.removeprefix(PREFIX).lower() for other in known])
        hint = f"did you mean {PREFIX}{near.upper()}?" if near else "driftd settings lists them"
        yield f"{name}: no such setting; {hint}"


def _is_service_link(rest: str, value: str) -> bool:
    if re.fullmatch(r"(\w+_)?PORT", rest) and re.match("(tcp|udp|sctp)://", value):
        return True
    return re.search(rf"(^|_)({_SERVICE_LINK.pattern})$", rest) is not None


def _nested(steps: list[str], value: str) -> dict[str, Plain]:
    tree: Plain = value
    for step in reversed(steps):
        tree = {step: tree}
    return dict(tree)


def _over(below: Plain, above: Plain) -> Plain:
    """Mappings are merged, anything else is replaced."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {name: _over(below[name], value) if name in below else value for name, value in above.items()}


def _leaves(tree: Plain, loc: Loc = ()) -> Iterator[Loc]:
    if isinstance(tree, dict) and tree:
        for name, below in tree.items():
            yield from _leaves(below, (*loc, name))
    elif loc:
        yield loc


def _at(tree: Plain, loc: Loc) -> Plain:
    for step in loc:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


def _written_secrets(written: dict[str, Plain]) -> Iterator[Fault]:
    for loc in secrets():
        if _at(written, loc) is not None:
            yield loc, f"a secret may not stand in this file; set {variable(loc)} or write {loc[-1]}_file: a path"


def _fill_secrets(tree: dict[str, Plain], folder: Path) -> Iterator[Fault]:
    """Reads the files of secrets into their settings; a line end at the end of such a file is not part of it."""
    for loc in secrets():
        holder, file = _at(tree, loc[:-1]), (*loc[:-1], f"{loc[-1]}_file")
        name = _at(tree, file)
        if not isinstance(name, str) or not name or not name.isprintable():
            continue  # the field's own type says what is wrong with it
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
