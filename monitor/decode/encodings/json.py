"""The encoding of UTF-8 JSON."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from monitor.decode.columns import Limits
from monitor.decode.encodings.encoding import RecordInfo
from monitor.decode.native.reference_decoder import parse_fast
from monitor.records import RecordBatch


class JsonEncoding:
    """JSON as the native format reads it: NaN and infinities are allowed, a byte order mark is skipped."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def read(self, value: bytes, _record: RecordInfo) -> object:
        return parse_fast(value, self._limits)

    def bodies(self, batch: RecordBatch, first: int, count: int) -> tuple[Sequence[bytes | None], Collection[int]]:
        """The values themselves."""
        return batch.values[first : first + count], ()
