"""Responses whose pieces are joined once are those that the library's own parser gives, however they are cut."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import CorrelationIdError, InvalidReceiveError, KafkaProtocolError
from kafka.protocol.consumer import FetchRequest, FetchResponse
from kafka.protocol.parser import KafkaProtocol

from monitor.kafka.socket_reads import _join_once

VERSIONS = (4, 11, 12, 16)


def joining(parser: KafkaProtocol) -> Any:  # noqa: ANN401  # what takes the place of a method
    """What the parser reads with, as on a connection of the daemon."""
    _join_once(SimpleNamespace(_protocol=SimpleNamespace(parser=parser)))
    assert "receive_bytes" in vars(parser)
    return parser.receive_bytes


def asked(versions: list[int]) -> KafkaProtocol:
    """A parser that waits for a response of each of these versions."""
    parser = KafkaProtocol(client_id="test")
    for version in versions:
        parser.send_request(FetchRequest(version=version))
    return parser


def responses(versions: list[int], records: list[bytes | None]) -> bytes:
    sent = b""
    for at, (version, held) in enumerate(zip(versions, records, strict=True)):
        partition = FetchResponse.FetchableTopicResponse.PartitionData(
            version=version, partition_index=at, error_code=0, high_watermark=7, aborted_transactions=None, records=held
        )
        topic = FetchResponse.FetchableTopicResponse(version=version, topic=f"t{at}", partitions=[partition])
        response = FetchResponse(version=version, error_code=0, session_id=at, responses=[topic])
        response.with_header(correlation_id=at + 1)
        sent += response.encode(header=True, framed=True)
    return sent


@pytest.mark.parametrize("seed", range(20))
def test_any_cuts_give_what_the_library_reads(seed: int) -> None:
    rng = random.Random(seed)
    versions = rng.choices(VERSIONS, k=5)
    sent = responses(versions, [rng.choice([None, b"", rng.randbytes(rng.randrange(5_000))]) for _ in versions])
    cuts = sorted(rng.choices(range(len(sent) + 1), k=rng.choice([0, 3, 40])))
    pieces = [sent[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    theirs, ours = asked(versions), joining(asked(versions))
    read = []
    for piece in pieces:
        expected = theirs.receive_bytes(piece)
        assert ours(piece) == expected
        read += expected
    assert [number for number, _ in read] == [1, 2, 3, 4, 5]


def test_what_is_wrong_is_told_as_the_library_tells_it() -> None:
    sent = responses([11], [b"records"])
    wrong: list[tuple[type[Exception], bytes]] = [
        (InvalidReceiveError, b"\xff\xff\xff\xff"),
        (InvalidReceiveError, b"\x7f\xff\xff\xff"),
        (CorrelationIdError, sent[:7] + b"\x09" + sent[8:]),
        (KafkaProtocolError, (20).to_bytes(4) + sent[4:24]),
    ]
    for error, data in wrong:
        for read in (asked([11]).receive_bytes, joining(asked([11]))):
            with pytest.raises(error):
                read(data)


def test_a_connection_without_a_parser_is_left_alone() -> None:
    _join_once(SimpleNamespace())
    other = SimpleNamespace(_protocol=SimpleNamespace(parser=SimpleNamespace()))
    _join_once(other)
    assert vars(other._protocol.parser) == {}
