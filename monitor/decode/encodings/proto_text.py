"""Parses the text of a .proto file (proto2 and proto3) to the descriptor that the protobuf library takes.

What values do not depend on is skipped: options, reserved numbers, services, extensions, default values.
"""

from __future__ import annotations

import re
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

_TOKEN: Final = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[A-Za-z_.][\w.]*|[0-9][\w.+-]*|[^\s\w])""",
    re.DOTALL,
)
_SCALARS: Final = {
    name: getattr(FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in (
        "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes", "uint32",
        "sfixed32", "sfixed64", "sint32", "sint64",
    )
}  # fmt: skip
_LABELS: Final = {
    "optional": FieldDescriptorProto.LABEL_OPTIONAL,
    "required": FieldDescriptorProto.LABEL_REQUIRED,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}
_OPENING: Final = frozenset("{[(")
_CLOSING: Final = frozenset("}])")
_SKIPPED: Final = frozenset(("option", "reserved", "extensions"))


class ProtoError(ValueError):
    """The text is not a .proto file that is understood."""


def parse_proto(text: str, name: str) -> FileDescriptorProto:
    """The descriptor of a file called `name`.

    Raises:
        ProtoError: it is not valid, or has groups or editions.
    """
    return _Parser(text).file(name)


class _Parser:
    """Recursive descent over the tokens of a file."""

    def __init__(self, text: str) -> None:
        self._tokens = [match[1] for match in _TOKEN.finditer(text) if match[1]]
        self._at = 0
        self._is_proto3 = False

    # tokens

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            message = "the text ends too early"
            raise ProtoError(message)
        self._at += 1
        return token

    def _expect(self, *tokens: str) -> None:
        for token in tokens:
            if (found := self._next()) != token:
                message = f"{token!r} is expected, not {found[:40]!r}"
                raise ProtoError(message)

    def _string(self) -> str:
        text = self._next()
        while self._peek()[:1] in {'"', "'"}:
            text = text[:-1] + self._next()[1:]
        return text[1:-1]

    def _skip_statement(self) -> None:
        """Up to the semicolon, or the end of the block, that ends it."""
        depth = 0
        while True:
            found = self._next()
            depth += (found in _OPENING) - (found in _CLOSING)
            if depth == 0 and found in {";", "}"}:
                return

    # statements

    def file(self, name: str) -> FileDescriptorProto:
        file = FileDescriptorProto(name=name, syntax="proto2")
        while self._peek():
            word = self._next()
            if word == "syntax":
                self._expect("=")
                file.syntax = self._string()
                self._is_proto3 = file.syntax == "proto3"
                self._expect(";")
            elif word == "package":
                file.package = self._next()
                self._expect(";")
            elif word == "import":
                if self._peek() in {"public", "weak"}:
                    self._next()
                file.dependency.append(self._string())
                self._expect(";")
            elif word == "message":
                self._message(file.message_type.add())
            elif word == "enum":
                self._enum(file.enum_type.add())
            elif word in {"option", "service", "extend"}:
                self._skip_statement()
            elif word != ";":
                message = f"{word[:40]!r} is not a statement of a file"
                raise ProtoError(message)
        return file

    def _message(self, message: DescriptorProto) -> None:
        message.name = self._next()
        self._expect("{")
        optional: list[FieldDescriptorProto] = []
        while (word := self._next()) != "}":
            if word == "message":
                self._message(message.nested_type.add())
            elif word == "enum":
                self._enum(message.enum_type.add())
            elif word in _SKIPPED or word == "extend":
                self._skip_statement()
            elif word == "oneof":
                self._oneof(message)
            elif word == "map" and self._peek() == "<":
                self._map(message)
            elif word != ";":
                field = self._field(message, word)
                if self._is_proto3 and word == "optional":
                    optional.append(field)
        for field in optional:  # each is a oneof of its own, after all others
            field.proto3_optional = True
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")

    def _oneof(self, message: DescriptorProto) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=self._next())
        self._expect("{")
        while (word := self._next()) != "}":
            if word == "option":
                self._skip_statement()
            elif word != ";":
                self._field(message, word).oneof_index = index

    def _field(self, message: DescriptorProto, word: str) -> FieldDescriptorProto:
        label = _LABELS.get(word)
        kind = word if label is None else self._next()
        if kind == "group":
            text = "groups are not understood"
            raise ProtoError(text)
        field = message.field.add(label=_LABELS["optional"] if label is None else label)
        _set_type(field, kind)
        self._named(field)
        return field

    def _named(self, field: FieldDescriptorProto) -> None:
        """The rest of a field, after its type."""
        field.name = self._next()
        self._expect("=")
        field.number = self._number()
        self._options()

    def _options(self) -> None:
        if self._peek() == "[":
            depth = 0
            while True:
                found = self._next()
                depth += (found in _OPENING) - (found in _CLOSING)
                if depth == 0:
                    break
        self._expect(";")

    def _number(self) -> int:
        sign = -1 if self._peek() == "-" else 1
        if sign < 0:
            self._next()
        try:
            return sign * int(self._next(), 0)
        except ValueError:
            message = "a number is expected"
            raise ProtoError(message) from None

    def _map(self, message: DescriptorProto) -> None:
        self._expect("<")
        key = self._next()
        self._expect(",")
        value = self._next()
        self._expect(">")
        field = message.field.add(label=_LABELS["repeated"], type=FieldDescriptorProto.TYPE_MESSAGE)
        self._named(field)
        name = "".join(part[:1].upper() + part[1:] for part in field.name.split("_")) + "Entry"
        entry = message.nested_type.add(name=name)
        entry.options.map_entry = True
        for number, (part, kind) in enumerate((("key", key), ("value", value)), 1):
            _set_type(entry.field.add(name=part, number=number, label=_LABELS["optional"]), kind)
        field.type_name = name

    def _enum(self, enum: EnumDescriptorProto) -> None:
        enum.name = self._next()
        self._expect("{")
        while (word := self._next()) != "}":
            if word == "option" and self._peek() == "allow_alias":
                enum.options.allow_alias = True
            if word in _SKIPPED:
                self._skip_statement()
            elif word != ";":
                self._expect("=")
                enum.value.add(name=word, number=self._number())
                self._options()


def _set_type(field: FieldDescriptorProto, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type_name = kind
