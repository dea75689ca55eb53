"""The base class of every part of the settings tree, and the types of its fields.

Validators raise only `wrong(...)`, with what is wrong and what would be right; the loader adds the setting's path.
While a file is loaded, pydantic's validation context is a `FileContext`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator
from pydantic import ValidationInfo as Info
from pydantic_core import PydanticCustomError

from monitor.clock import parse_rfc3339
from monitor.settings.calendar import parse_daily, parse_weekly
from monitor.settings.duration import format_duration, parse_duration
from monitor.settings.version_path import filled

Loc: TypeAlias = tuple[str | int, ...]
Fault: TypeAlias = tuple[Loc, str]
#: the content of a YAML or JSON text, not validated: dicts, lists and scalars
Plain: TypeAlias = Any

#: the largest integer setting: exact as a 64-bit float
_LARGEST: Final = 2**53


@dataclass(frozen=True, slots=True)
class FileContext:
    """The validation context of a settings file: relative paths start in `folder`, a duration needs a unit."""

    folder: Path


@dataclass(frozen=True, slots=True)
class Description:
    """The name of a type in the printed reference; `time`: its values are microseconds."""

    text: str
    time: bool = False


class Part(BaseModel):
    """A part of the settings tree: frozen, no unknown names, no values in its error messages."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    def cross_checks(self) -> Iterator[Fault]:
        """Yield the faults between this part's own settings: (place under the part, text)."""
        yield from ()

    @model_validator(mode="after")
    def _run_cross_checks(self) -> Self:
        faults = list(self.cross_checks())
        if faults:
            texts = "; ".join(text for _, text in faults)
            raise PydanticCustomError("cross_checks", "{texts}", {"texts": texts, "faults": faults})
        return self


def wrong(text: str) -> PydanticCustomError:
    """The error that every validator here raises."""
    return PydanticCustomError("wrong", "{text}", {"text": text})


def shown(value: object) -> str:
    """A value in a message: as in YAML, on one line, cut to 60 characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    text = repr(value)
    return text if len(text) <= 60 else text[:56] + "...'"


def _duration(value: object, info: Info) -> int:
    """Microseconds. From Python an integer is microseconds; from a file a number without a unit is a fault, but 0."""
    if isinstance(value, int) and not isinstance(value, bool) and info.context is None:
        return value
    if value == "0" or (isinstance(value, int | float) and not isinstance(value, bool) and value == 0):
        return 0
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = f"{value}s" if isinstance(value, int) else f"{round(value * 1000)}ms"
        raise wrong(f"{shown(value)} is not a duration; write {seconds if value >= 0 else '30d, 12h, 15m'}")
    if not isinstance(value, str):
        raise wrong(f"{shown(value)} is not a duration; write 30d, 12h, 15m")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def _positive(value: int) -> int:
    if value <= 0:
        raise wrong(f"{format_duration(max(0, value))!r} is not above 0; write 30d, 12h, 15m")
    return value


def number_only(value: object) -> object:
    """Refuse booleans, which pydantic would take for 0 and 1."""
    if isinstance(value, bool):
        raise wrong(f"{shown(value)} is not a number")
    return value


def _clean(value: str) -> str:
    if any(ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000 for char in value):
        raise wrong(f"{shown(value)} holds a control character")
    return value


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise wrong("a name comes twice; each value of a row has a name of its own")
    return names


def _topic(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in {".", ".."}:
        raise wrong(f"{shown(value)} is not the name of a topic; write up to 249 of A-Z a-z 0-9 . _ -")
    return value


def _server(value: str) -> str:
    """Check a broker's address. The message does not quote it: a wrong address may hold a password."""
    match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(?::([0-9]{1,5}))?", value)
    if match is None or not 0 < int(match[1] or 9092) < 65536:
        raise wrong("not the address of a broker; write host:9092")
    return value


def _separated(value: object) -> object:
    """Split `a:9092,b:9092`, the form of Kafka's own tools."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _in_folder(value: Path, info: Info) -> Path:
    _clean(str(value))
    return info.context.folder / value if isinstance(info.context, FileContext) else value


def _reference(value: str) -> str:
    bare = filled(value, "")
    if not value.strip() or "{" in bare or "}" in bare:
        raise wrong(f"{shown(value)} is not the path of a reference; write reference/credit-{{version}}.json")
    return value


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://\S+", value):
        raise wrong("not a URL; write https://host/path")
    return value


def _class(value: object) -> bool | int | float | str:
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise wrong(f"{shown(value)} is not a class; write a number, a text or a boolean")


def _start(value: object) -> str | int:
    if isinstance(value, str) and value in {"earliest", "latest", "committed"}:
        return value
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 10**11 <= value < 10**14:
            raise wrong(f"{value} is not a Unix time in milliseconds; write 1763805600000 or 2025-11-22T10:00:00Z")
        return value
    try:
        return parse_rfc3339(str(value)) // 1000
    except ValueError:
        raise wrong(
            f"{shown(value)} is not a start; write latest, earliest, committed, 2025-11-22T10:00:00Z or milliseconds"
        ) from None


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "" if available_timezones() else "; this machine has no time zones: pip install tzdata"
        raise wrong(f"{shown(value)} is not a time zone; write Europe/Berlin, Asia/Tokyo or UTC{hint}") from None
    return value


def _moment(value: object, info: Info) -> int:
    """Microseconds of Unix time. From Python an integer is that; in a file a time is RFC 3339 with an offset."""
    if isinstance(value, int) and not isinstance(value, bool) and info.context is None:
        return value
    try:
        return parse_rfc3339(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        raise wrong(f"{shown(value)} is not a time with offset; write 2026-12-24T00:00:00+01:00") from None


def _weekly(value: str) -> str:
    return _recurring(value, parse_weekly)


def _daily(value: str) -> str:
    return _recurring(value, parse_daily)


def _recurring(value: str, parse: Callable[[str], object]) -> str:
    try:
        parse(value)
    except ValueError as error:
        raise wrong(str(error)) from None
    return value


def _api_version(value: object) -> tuple[int, ...]:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){1,3}", value):
        raise wrong(f'{shown(value)} is not the version of a broker; write "2.3"')
    return tuple(int(part) for part in value.split("."))


Duration = Annotated[int, BeforeValidator(_duration), Field(ge=0), Description("duration", time=True)]
PositiveDuration = Annotated[
    int, AfterValidator(_positive), BeforeValidator(_duration), Description("duration above 0", time=True)
]
Count = Annotated[int, BeforeValidator(number_only), Field(ge=1, le=_LARGEST), Description("whole number from 1")]
CountOrNone = Annotated[int, BeforeValidator(number_only), Field(ge=0, le=_LARGEST), Description("whole number from 0")]
Port = Annotated[int, BeforeValidator(number_only), Field(ge=0, le=65535), Description("port")]
Effect = Annotated[float, BeforeValidator(number_only), Field(ge=0), Description("number from 0")]
Number = Annotated[float, BeforeValidator(number_only), Field(allow_inf_nan=False), Description("number")]
Share = Annotated[float, BeforeValidator(number_only), Field(ge=0, le=1), Description("share from 0 to 1")]
Pages = Annotated[float, BeforeValidator(number_only), Field(gt=0), Description("number above 0")]
Text = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_clean), Description("text")]
Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_clean), Description("text up to 256")]
Version = Annotated[str, Field(max_length=256), AfterValidator(_clean), Description("text up to 256, may be empty")]
Texts = Annotated[tuple[Text, ...], Description("list of texts")]
Versions = Annotated[tuple[Version, ...], Description("list of texts")]
FeatureNames = Annotated[
    tuple[Name, ...], Field(min_length=1), AfterValidator(_each_once), Description("list of texts, each once")
]
Topic = Annotated[str, AfterValidator(_topic), Description("topic")]
Servers = Annotated[
    tuple[Annotated[str, AfterValidator(_server)], ...],
    BeforeValidator(_separated),
    Field(min_length=1),
    Description("list of host:port"),
]
File = Annotated[Path, AfterValidator(_in_folder), Description("path")]
ReferencePath = Annotated[str, AfterValidator(_clean), AfterValidator(_reference)]
Timezone = Annotated[str, AfterValidator(_timezone), AfterValidator(_clean), Description("IANA time zone")]
Moment = Annotated[int, BeforeValidator(_moment), Description("RFC 3339 time")]
Weekly = Annotated[str, AfterValidator(_weekly), Description("days and times, Sat 22:00-Sun 04:00")]
Daily = Annotated[str, AfterValidator(_daily), Description("times, 22:00-04:00")]
Url = Annotated[str, AfterValidator(_url), Description("URL")]
Class = Annotated[bool | int | float | str, PlainValidator(_class), Description("number, text or boolean")]
Start = Annotated[
    Literal["latest", "earliest", "committed"] | int,
    PlainValidator(_start),
    Description("latest | earliest | committed | RFC 3339 time | Unix milliseconds"),
]
ApiVersion = Annotated[tuple[int, ...], PlainValidator(_api_version), Description('text such as "2.3"')]
Switch = Annotated[bool, Description("true | false")]
Severity = Literal["page", "ticket", "info"]
