"""The faults of a settings tree, one line each: where, what is wrong, what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from monitor.settings.later import unsupported
from monitor.settings.model import TAGS
from monitor.settings.outputs import Outputs
from monitor.settings.places import PLACE_TAGS
from monitor.settings.shape import names_at
from monitor.settings.types import Fault, Loc, Plain, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: our messages for pydantic's error types; `{value}` is what was written
_MESSAGES: Final = {
    "string_type": "{value} is not text; put it in quotes",
    "string_too_short": "is empty; write some text",
    "string_too_long": "is longer than {max_length} characters",
    "bool_parsing": "{value} is neither true nor false",
    "bool_type": "{value} is neither true nor false",
    "int_parsing": "{value} is not a whole number",
    "int_type": "{value} is not a whole number",
    "int_from_float": "{value} is not a whole number",
    "int_parsing_size": "is too large",
    "float_parsing": "{value} is not a number{share}",
    "float_type": "{value} is not a number",
    "finite_number": "{value} is not a number",
    "greater_than": "{value} is not above {gt}",
    "greater_than_equal": "{value} is below {ge}",
    "less_than_equal": "{value} is above {le}",
    "literal_error": "{value} is none of {expected}",
    "path_type": "{value} is not a path",
    "tuple_type": "not a list; {list}",
    "dict_type": "not a mapping; write name: value lines under it",
    "model_type": "not a mapping; write name: value lines under it{known}",
    "too_short": "is empty; one is needed",
}

#: example lines of required settings
_EXAMPLES: Final = {
    "inputs": "inputs: [{topic: NAME}]",
    "models": "models: [{name: NAME, reference: FILE}]",
    "topic": "topic: NAME",
    "name": "name: NAME",
    "reference": "reference: FILE",
    "warmup": "warmup: 10000",
}


def place(loc: Loc) -> str:
    """The path of a setting, `models[0].features.AGE.kind`; names with special characters are quoted."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w-]{1,64}", step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def near_secrets(loc: Loc) -> bool:
    """Whether a value at a place may be a secret, by mistake too: it is never shown."""
    return loc[:2] == ("kafka", "security") or loc[:1] == ("schema_registry",)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The most similar known name, or None."""
    close = get_close_matches(name.lower()[:200], known, n=1)
    return close[0] if close else None


def faults_of(
    tree: dict[str, Plain], error: ValidationError | None, written: Callable[[Loc], str | None] = lambda _: None
) -> list[Fault]:
    """All faults of a tree, given pydantic's `error`; each one once. `written` returns the source text of a scalar."""
    faults = list(unsupported(tree))
    places = [loc for loc, _ in faults]
    for detail in error.errors(include_url=False) if error else []:
        loc = tuple(step for step in detail["loc"] if step not in {"[key]", *TAGS, *PLACE_TAGS})
        if detail["type"] == "cross_checks" or not any(other[: len(loc)] == loc for other in places):
            faults += [(loc + below, text) for below, text in _texts(detail, loc, written)]
    return faults + list(_between_parts(tree))


def _texts(detail: ErrorDetails, loc: Loc, written: Callable[[Loc], str | None]) -> Iterator[Fault]:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "cross_checks":
        yield from context["faults"]
    elif kind == "wrong":
        yield (), context["text"]
    elif kind == "extra_forbidden":
        yield (), _unknown(loc)
    elif kind == "too_short" and detail["input"]:
        return  # pydantic counts valid items only, and the invalid ones have their own faults
    elif kind == "string_type" and isinstance(detail["input"], int | float):
        yield (), _number_for_text(detail["input"], written(loc))
    elif kind == "literal_error" and loc[:1] == ("inputs",) and str(detail["input"]).lower() == "json":
        yield (), "JSON is native: leave format out, see docs/events.md"
    elif kind == "missing":
        line = _EXAMPLES.get(str(loc[-1]))
        yield (), f"missing; it is needed: write {line}" if line else "missing; it is needed"
    else:
        hidden = near_secrets(loc) or isinstance(detail["input"], dict | list)
        value = "this" if hidden else shown(detail["input"])
        message = _MESSAGES.get(kind)
        hints = {"known": _known(loc), "list": _as_list(loc, detail["input"]), "share": _as_share(detail["input"])}
        yield (), message.format(value=value, **hints, **context) if message else detail["msg"].lower()


def _known(loc: Loc) -> str:
    names = names_at(loc)
    return f"; known here: {', '.join(names)}" if names else ""


def _as_list(loc: Loc, value: Plain) -> str:
    line = _EXAMPLES.get(str(loc[-1]))
    if line or near_secrets(loc) or not isinstance(value, str | int | float) or value == "":
        return f"write {line or '[..., ...]'}"
    return f"write [{shown(value)}]" if isinstance(value, str) else f'write ["{shown(value)}"]'


def _as_share(value: Plain) -> str:
    """The hint to write a percentage as a number; "" for anything else."""
    percentage = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?) ?%", value) if isinstance(value, str) else None
    return f"; write {float(percentage[1]) / 100:.8g}" if percentage else ""


def _number_for_text(value: float, text: str | None) -> str:
    """The message for a number or boolean in place of text; `text` is its source text."""
    kind = "a boolean" if isinstance(value, bool) else "a number"
    text = text or shown(value)
    reads = "" if text == shown(value) else f" and reads as {shown(value)}"
    return f'{text} is {kind} in YAML{reads}; write "{text}"'


def _unknown(loc: Loc) -> str:
    known = names_at(loc[:-1])
    near = nearest(str(loc[-1]), known)
    if near:
        return f"no such setting; did you mean {place((*loc[:-1], near))}?"
    return f"no such setting; known here: {', '.join(known)}"


def _between_parts(tree: dict[str, Plain]) -> Iterator[Fault]:
    """Yield the faults between parts; from the plain tree, so that they are reported together with all others."""
    yield from _twice(tree, "inputs", "topic")
    yield from _twice(tree, "models", "name")
    outputs = tree.get("outputs")
    topics = {topic for _, topic in _items(tree, "inputs", "topic")}
    for name, field in Outputs.model_fields.items():
        topic = outputs.get(name, field.default) if isinstance(outputs, dict) else field.default
        if isinstance(topic, str) and topic in topics:
            yield ("outputs", name), f"{shown(topic)} is an input too; write another topic"
    known = [name for _, name in _items(tree, "models", "name")]
    for index, name in _items(tree, "inputs", "model"):
        if known and name not in known:
            near = nearest(name, known)
            meant = f"did you mean {shown(near)}?" if near else f"write one of {', '.join(map(shown, known))}"
            yield ("inputs", index, "model"), f"{shown(name)} is none of models; {meant}"


def _items(tree: dict[str, Plain], part: str, name: str) -> list[tuple[int, str]]:
    items = tree.get(part)
    values = [
        (index, item.get(name))
        for index, item in enumerate(items if isinstance(items, list) else ())
        if isinstance(item, dict)
    ]
    return [(index, value) for index, value in values if isinstance(value, str)]


def _twice(tree: dict[str, Plain], part: str, name: str) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, value in _items(tree, part, name):
        if seen.setdefault(value, index) != index:
            yield (part, index, name), f"{shown(value)} is in {part}[{seen[value]}] too; keep one"
