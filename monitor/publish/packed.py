"""A page as bytes, plain and as gzip (RFC 1952), each made once for as long as the page stays the same."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Final

#: 10,000 series: 1.1 MB become 106 kB; level 6 takes twice as long for a quarter less
GZIP_LEVEL: Final = 1
#: pages below so many bytes are sent as they are: they are one packet either way
LEAST: Final = 1_000

#: deflate without a time, flags and a file name
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_NO_WEIGHT: Final = re.compile(r"q=0(\.0{0,3})?")


class Page:
    """The bytes of a page, to which each answer may add an end of its own. Not thread-safe."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._deflated: bytes | None = None
        self._crc = 0

    def plain(self, end: bytes = b"") -> bytes:
        """As it is."""
        return self.text + end if end else self.text

    def packed(self, end: bytes = b"") -> bytes:
        """One gzip member. Only the end is compressed again: it refers to nothing that came before it."""
        if self._deflated is None:
            self._deflated, self._crc = _deflate(self.text, zlib.Z_SYNC_FLUSH), zlib.crc32(self.text)
        length = (len(self.text) + len(end)) & 0xFFFFFFFF
        trailer = struct.pack("<II", zlib.crc32(end, self._crc), length)
        return b"".join((_HEADER, self._deflated, _deflate(end, zlib.Z_FINISH), trailer))


def _deflate(data: bytes, flush: int) -> bytes:
    deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush(flush)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding (RFC 9110, 12.5.3) takes gzip: by name, else by `*`, and not with a weight of 0."""
    weights: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        weights[name.strip()] = not _NO_WEIGHT.fullmatch(weight.strip())
    return weights.get("gzip", weights.get("*", False))
