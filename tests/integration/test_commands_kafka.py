"""The commands on a real topic: what is recorded is what lies there, and a topic is as good a source as a file."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard

from monitor.cli.parser import main
from monitor.clock import rfc3339
from monitor.reference.file.encoding import to_json
from monitor.run.reference_file import load_reference
from tests.engine import START_US, Credit, event
from tests.integration import kafka_reading
from tests.integration.conftest import Site
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.kafka_client import StoredRecord

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected

DONE, USAGE, REFUSED = 0, 2, 4
START_MS: Final = START_US // 1000
#: record i of a partition carries the time START + i seconds
RECORDS: Final = 20
Line = dict[str, Any]
Recorded = Callable[..., list[Line]]


@pytest.fixture
def strange_topic(kafka: KafkaBroker, topic: str) -> str:
    """Two partitions of records of all shapes: without key, value or headers, with bytes that are not text."""
    kafka.create_topic(topic, partitions=2)
    for number in (0, 1):
        kafka.produce(
            topic,
            [None if at % 5 == 1 else bytes([number, at, 0xFF]) for at in range(RECORDS)],
            number,
            keys=[b"key-%d" % at if at % 5 == 1 or at % 2 else None for at in range(RECORDS)],
            timestamps_ms=[START_MS + at * 1_000 for at in range(RECORDS)],
            headers=[[("trace", bytes([at])), ("trace", b"again")] if at % 3 == 0 else [] for at in range(RECORDS)],
        )
    return topic


@pytest.fixture
def recorded(kafka: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Records a source, with the broker named by the environment alone, and gives the lines."""
    monkeypatch.setenv("DRIFTD_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap)

    def record(source: str, name: str = "out.records.jsonl") -> list[Line]:
        assert main(["record", source, "-o", str(tmp_path / name)]) == DONE
        return [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]

    return record


def as_stored(line: Line) -> StoredRecord:
    """A line of a recording as the independent client gives the record."""

    def bytes_of(text: str | None) -> bytes | None:
        return None if text is None else base64.b64decode(text)

    headers = tuple((name, bytes_of(value) or b"") for name, value in line["headers"])
    key, value = bytes_of(line["key"]), bytes_of(line["value"])
    return StoredRecord(line["partition"], line["offset"], key, value, line["timestamp"], headers)


def places(lines: list[Line]) -> dict[int, list[int]]:
    """Offsets by partition."""
    found: dict[int, list[int]] = {}
    for line in lines:
        found.setdefault(line["partition"], []).append(line["offset"])
    return found


def test_a_recording_holds_the_records_as_they_lie_in_the_topic(
    kafka: KafkaBroker, strange_topic: str, recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = recorded(f"kafka://{strange_topic}")
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{2 * RECORDS} records written to" in err
    stored = sorted((as_stored(line) for line in lines), key=lambda record: (record.partition, record.offset))
    assert stored == kafka.records(strange_topic)
    assert {line["topic"] for line in lines} == {strange_topic}
    assert [path.name for path in tmp_path.iterdir()] == ["out.records.jsonl"]


def test_a_recording_is_compressed_by_its_name(strange_topic: str, recorded: Recorded, tmp_path: Path) -> None:
    plain = recorded(f"kafka://{strange_topic}/1")
    for name, unpack in (("out.records.jsonl.zst", zstandard_text), ("out.records.jsonl.gz", gzip_text)):
        assert main(["record", f"kafka://{strange_topic}/1", "-o", str(tmp_path / name)]) == DONE
        assert [json.loads(line) for line in unpack(tmp_path / name).splitlines()] == plain


def zstandard_text(path: Path) -> str:
    return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()).decode()


def gzip_text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("?from=offset:5&to=offset:9", {0: (5, 9), 1: (5, 9)}),
        ("/1?from=offset:18", {1: (18, 20)}),
        ("?from=offset:18&to=offset:99", {0: (18, 20), 1: (18, 20)}),
        (f"?from={rfc3339(START_US + 3_000_000)}&to={rfc3339(START_US + 7_000_000)}", {0: (3, 7), 1: (3, 7)}),
        (f"?from={rfc3339(START_US + 3_400_000)}&to={START_MS + 7_400}", {0: (4, 8), 1: (4, 8)}),
        ("/0?from=2025-11-24T17:00:18%2B01:00", {0: (18, 20)}),
        ("/0?from=2025-11-24T17:00:18+01:00", {0: (18, 20)}),
        ("?from=latest", {}),
        ("?from=offset:9&to=offset:9", {}),
        ("?from=offset:9&to=offset:5", {}),
        ("?from=2098-01-01T00:00:00Z", {}),
    ],
)
def test_a_recording_holds_what_lies_between_two_places(
    place: str, expected: dict[int, tuple[int, int]], strange_topic: str, recorded: Recorded
) -> None:
    assert START_US == 1_764_000_000_000_000, "2025-11-24T16:00:00Z, which stands in a case above"
    found = places(recorded(f"kafka://{strange_topic}{place}"))
    assert found == {number: list(range(*span)) for number, span in expected.items()}


def test_a_recording_of_nothing_says_what_the_partitions_hold(
    kafka: KafkaBroker, topic: str, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka.create_topic(topic, partitions=12)
    kafka.produce(topic, [b"{}"] * 1_500, partition=0)
    kafka.produce(topic, [b"{}"], partition=2)

    def messages(place: str, records: int) -> list[str]:
        capsys.readouterr()
        assert len(recorded(f"kafka://{topic}{place}")) == records
        return capsys.readouterr().err.splitlines()[1:]

    help_on_place = "a PLACE is RFC 3339 with offset, Unix milliseconds, offset:N, earliest or latest"
    named = [f"{topic}-0 holds the offsets 0 to 1,499", f"{topic}-1 is empty", f"{topic}-2 holds the offsets 0 to 0"]
    named += [f"{topic}-{number} is empty" for number in range(3, 10)]
    everywhere = f"no record lies in that range; {', '.join(named)}, and 2 more partitions"
    assert messages("?from=latest", 0) == [everywhere, help_on_place]
    assert messages("/0?from=offset:1500", 0) == [f"no record lies in that range; {named[0]}", help_on_place]
    assert messages("/11", 0) == [f"no record lies in that range; {topic}-11 is empty", help_on_place]
    assert messages("?from=offset:1499", 1) == []


def test_a_topic_or_partition_that_is_not_there_is_refused(
    strange_topic: str, recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del recorded  # for its environment
    out = ["-o", str(tmp_path / "out.records.jsonl")]
    assert main(["record", f"kafka://{strange_topic}/2", *out]) == USAGE
    assert f"the topic {strange_topic} has the partitions 0 to 1, not 2" in capsys.readouterr().err
    assert main(["record", f"kafka://{strange_topic}-not", *out]) == REFUSED
    assert f"topic {strange_topic}-not does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [], "nothing half written stays"


def no_age(one: Line, _: object) -> None:
    one["features"].pop("AGE")


def test_a_topic_is_as_good_a_source_as_its_recording(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """References built from both are the same to the last digit, and so is what a replay of both says."""
    site.broker.create_topic(site.topic, partitions=2)
    stream = list(Credit(2_000, seed=3, change=1_000, fault=no_age))
    for number in (0, 1):
        site.produce(stream[number::2], partition=number)
    topic, recording = f"kafka://{site.topic}?to=latest", str(tmp_path / "all.records.jsonl.zst")
    config = ["--config", str(site.config)]
    assert main(["record", topic, "-o", recording, *config]) == DONE

    event_range = ["--from", rfc3339(START_US), "--to", rfc3339(START_US + 600_000_000)]
    built, messages = [], []
    for at, source in enumerate((topic, recording)):
        out = site.folder / f"built-{at}.json"
        assert main(["reference", "build", *config, "--model", "credit", *event_range, "-o", str(out), source]) == DONE
        built.append(out.read_text())
        capsys.readouterr()
        assert main(["replay", *config, "--json", source]) == DONE
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        messages.append([{name: value for name, value in line.items() if name != "seconds"} for line in lines])
    assert built[0] == built[1]
    assert messages[0] == messages[1]
    assert messages[0][-1]["outcomes"] == {"accepted": 2_000}
    assert messages[0][-1]["models"][0]["pages"] == 1


def test_the_first_rows_of_a_topic_are_those_of_the_earliest_times_over_all_its_partitions(site: Site) -> None:
    """A drift in the last third of the time stays out of a reference of the first two thirds."""
    site.broker.create_topic(site.topic, partitions=3)
    stream = list(Credit(6_000, seed=3, change=4_000, fault=no_age))
    for number in range(3):
        part = stream[number::3]
        values, times = [json.dumps(made).encode() for made in part], [made["ts"] // 1_000 for made in part]
        site.broker.produce(site.topic, values, number, timestamps_ms=times)
    file = site.folder / "events.jsonl"
    file.write_text("".join(json.dumps(made) + "\n" for made in stream))

    built = []
    for at, source in enumerate((f"kafka://{site.topic}?from=earliest", str(file))):
        out = site.folder / f"built-{at}.json"
        what = ["--config", str(site.config), "--model", "credit", "--rows", "4000", "-o", str(out)]
        assert main(["reference", "build", *what, source]) == DONE
        built.append(load_reference(out))
    of_topic, of_file = built
    assert of_topic.predictions == 4_000
    assert to_json(of_topic) == to_json(of_file)
    described = of_topic.counts[[column.name for column in of_topic.columns].index("AGE"), of_topic.width :]
    assert described.sum() == 0, "nobody lacks an AGE before the drift"


def test_a_replay_of_what_a_daemon_read_says_what_it_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.make_topics(partitions=2)
    stream = list(Credit(2_000, seed=3, change=1_000, fault=no_age))
    for number in (0, 1):
        site.produce([*stream[number::2], event(3_000)], partition=number)
    running = site.start()
    running.wait_records(2_002)
    running.wait_for("incident_opened")
    assert running.stop() == DONE
    live = site.transitions()
    assert main(["replay", "--config", str(site.config), "--json", f"kafka://{site.topic}"]) == DONE
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert live
    assert [line for line in lines if line["kind"] == "transition"][: len(live)] == live


def test_a_state_is_shown_to_people_and_machines(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.make_topics(partitions=2)
    stream = list(Credit(300))
    site.produce([*stream, {"broken": True}, stream[-1]])
    running = site.start()
    running.wait_records(302)
    assert running.stop() == DONE

    assert main(["state", "show", "--config", str(site.config), "--json"]) == DONE
    shown = json.loads(capsys.readouterr().out)
    assert [(task["unit"], task["positions"]) for task in shown["units"]] == [
        (0, {f"{site.topic}-0": 302}),
        (1, {f"{site.topic}-1": 0}),
    ]
    assert shown["outcomes"] == {"rejected": 1, "duplicate": 1, "accepted": 300}
    (model,) = shown["models"]
    assert (model["model"], model["version"], model["predictions"], model["labels"]) == ("credit", "1", 300, 0)
    for counts in model["features"].values():
        assert (
            sum(counts["bins"]) + sum(counts[quality_count] for quality_count in counts if quality_count != "bins")
            == 300
        )

    assert main(["state", "show", "--config", str(site.config)]) == DONE
    text = capsys.readouterr().out
    assert f"{site.topic}-0 at 302" in text
    assert "1 rejected, 1 duplicate, 300 accepted" in text
    assert "credit 1: 300 predictions" in text
