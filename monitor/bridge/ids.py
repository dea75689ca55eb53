"""The key of a record: the id that keeps what belongs together in one partition.

Where CloudEvents do not name it, it is the field `id` at the top of a JSON body, which is looked for without reading
any other field; of other bodies the header x-request-id. A record without an id has a hash of its bytes: sent again
after an answer was lost, it comes to the same partition, where it is known to be a duplicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec


class _Named(msgspec.Struct):
    id: str | int | None = None


_named = msgspec.json.Decoder(_Named)
_several = msgspec.json.Decoder(list[msgspec.Raw])


def key_of(value: bytes, request_id: bytes = b"") -> bytes:
    """The key of a record of this value; `request_id` is that of the post, where it has one."""
    try:
        found = _named.decode(value).id
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        found = None  # no object, or not quite JSON, as bodies with NaN are: it is carried all the same
    if found is None or found == "":
        return request_id or blake2b(value, digest_size=8).hexdigest().encode()
    return str(found).encode("utf-8", "replace")


def items_of(value: bytes) -> Sequence[bytes]:
    """The items of a JSON array, each as it is written.

    Raises:
        ValueError: it is no JSON array.
    """
    try:
        return [bytes(item) for item in _several.decode(value)]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
