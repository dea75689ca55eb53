"""The commands over files: references are built and shown, streams are replayed, settings and state are examined."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Collection, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard

import monitor
from monitor.cli.parser import main
from monitor.clock import rfc3339
from monitor.events import Partition
from monitor.records import RecordBatch, UnreadableRecords
from monitor.reference.column import FEATURE
from monitor.run.reference_file import load_reference
from monitor.settings.load import load_settings
from tests.engine import EVENTS, NAMES, START_US, Credit, Event, MemorySource

DONE, USAGE, FAILED_ON, REFUSED = 0, 2, 3, 4
NORMAL = 3_000
Line = dict[str, Any]


def no_age(one: Event, _: object) -> None:
    one["features"].pop("AGE")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings, a normal stream, one that loses AGE halfway, and the reference of the normal one."""
    folder = tmp_path_factory.mktemp("commands")
    write_settings(folder / "driftd.yaml")
    write_lines(folder / "normal.jsonl", list(Credit(NORMAL)))
    write_lines(folder / "drift.jsonl", list(Credit(NORMAL, seed=2, change=1_500, fault=no_age)))
    assert main(build_of(folder, "--rows", str(NORMAL), "normal.jsonl", out="credit.json")) == DONE
    return folder


def write_settings(path: Path, **over: object) -> None:
    model = {"name": "credit", "versions": ["1"], "reference": "credit.json"}
    tree = {"inputs": [{"topic": "events"}], "state": {"path": "state"}, "models": [model | over]}
    path.write_text(yaml.safe_dump(tree))


def write_lines(path: Path, things: Sequence[object]) -> None:
    path.write_text("".join(json.dumps(thing) + "\n" for thing in things))


def build_of(folder: Path, *arguments: str, out: str = "built.json") -> list[str]:
    """The arguments of a build; names of files are those of the folder."""
    placed = [str(folder / word) if (folder / word).is_file() else word for word in arguments]
    config = ["--config", str(folder / "driftd.yaml")]
    return ["reference", "build", *config, "--model", "credit", *placed, "-o", str(folder / out)]


def replay_of(folder: Path, *arguments: str, config: str = "driftd.yaml") -> list[str]:
    placed = [str(folder / word) if (folder / word).is_file() else word for word in arguments]
    return ["replay", "--config", str(folder / config), *placed]


def lines_of(text: str) -> list[Line]:
    return [json.loads(line) for line in text.splitlines()]


# settings, version, check


def test_the_printed_settings_are_a_settings_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == DONE
    path = tmp_path / "driftd.yaml"
    path.write_text(capsys.readouterr().out)
    assert load_settings(path, {}).kafka.group_id == "driftd"


def test_the_version_names_what_it_is_built_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--json"]) == DONE
    versions = json.loads(capsys.readouterr().out)
    assert versions["driftd"] == monitor.__version__
    assert versions["kafka-python"] == metadata.version("kafka-python")
    assert main(["version"]) == DONE
    assert f"driftd {monitor.__version__}\n" in capsys.readouterr().out


def test_a_check_without_kafka_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(folder / "driftd.yaml"), "--offline"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "note"}
    what = list(dict.fromkeys(line.split()[1] for line in lines))
    assert what == ["settings", "reference", "promise", "relations", "state"]
    (chance,) = (line for line in lines if "by chance at most" in line)
    assert chance.split(" at most ")[1].startswith("1 page in 30 days")


def test_the_note_of_a_reference_is_in_the_file_and_not_in_its_hash(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, note in (("noted.json", ["--note", "new customers since Monday"]), ("bare.json", [])):
        assert main(build_of(folder, "--rows", "1000", *note, "normal.jsonl", out=name)) == DONE
    noted, bare = load_reference(folder / "noted.json"), load_reference(folder / "bare.json")
    assert (noted.note, bare.note) == ("new customers since Monday", "")
    assert noted.hash == bare.hash
    capsys.readouterr()
    assert main(["reference", "show", str(folder / "noted.json")]) == DONE
    assert "\nnote: new customers since Monday\n" in capsys.readouterr().out
    assert main(build_of(folder, "--rows", "1000", "--note", "a\nb", "normal.jsonl")) == USAGE
    assert "--note: write one line" in capsys.readouterr().err


def test_a_check_tells_when_a_model_is_silent_and_what_is_excluded(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calendar = {
        "timezone": "Europe/Berlin",
        "silence": [{"weekly": "Sat 22:00-Sun 04:00", "reason": "backup"}, {"daily": "01:00-02:00"}],
        "exclude": [{"from": "2026-12-24T00:00:00+01:00", "to": "2026-12-26T00:00:00+01:00", "reason": "holidays"}],
    }
    write_settings(folder / "calendar.yaml", **calendar)
    assert main(["check", "--config", str(folder / "calendar.yaml"), "--offline"]) == DONE
    silent, excluded = capsys.readouterr().out.splitlines()[1:3]
    assert silent.split("credit", 1)[1].strip() == (
        "every week Sat 22:00-Sun 04:00 (Europe/Berlin): backup; every day 01:00-02:00 (Europe/Berlin)"
    )
    assert excluded.split("credit", 1)[1].strip() == "2026-12-23T23:00:00Z to 2026-12-25T23:00:00Z: holidays"


def test_a_check_says_what_does_not_hold(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / "no-folder.yaml"
    write_settings(config)
    config.write_text(config.read_text().replace("path: state", "path: normal.jsonl/state"))
    assert main(["check", "--config", str(config), "--offline"]) == REFUSED
    assert "BAD   state folder" in capsys.readouterr().out


def test_there_is_no_state_to_show_before_a_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["state", "show", "--config", str(folder / "driftd.yaml")]) == USAGE
    assert "holds no checkpoint yet" in capsys.readouterr().err


# references


def test_a_reference_holds_the_first_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(build_of(folder, "--rows", "1000", "normal.jsonl")) == DONE
    out, err = capsys.readouterr()
    assert out == ""
    built = load_reference(folder / "built.json")
    assert built.hash in err
    assert (built.predictions, built.events) == (1_000, 1_000)
    assert built.counts.sum(axis=1).tolist() == [1_000] * len(built.columns)


def test_a_reference_holds_every_event_of_a_range_of_time(folder: Path) -> None:
    start, end = START_US + 300_000_000, START_US + 900_000_000
    event_range = ["--from", rfc3339(start), "--to", rfc3339(end)]
    assert main(build_of(folder, *event_range, "normal.jsonl")) == DONE
    inside = [one for one in Credit(NORMAL) if start <= one["ts"] < end]
    built = load_reference(folder / "built.json")
    assert built.events == len(inside)
    (at,) = [at for at, column in enumerate(built.columns) if column.name == "EDU"]
    columns = built.columns[at].bins.categories
    expected = [sum(one["features"]["EDU"] == name for one in inside) for name in columns]
    assert built.counts[at, : len(columns)].tolist() == expected


def as_csv(path: Path, events: Sequence[Event]) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["when", "key", *NAMES, "probability", "class", "who", "which"])
        for one in events:
            cells = [repr(one["features"][name]) if name != "EDU" else one["features"][name] for name in NAMES]
            rows.writerow([one["ts"], one["id"], *cells, repr(one["score"]), one["prediction"], "credit", "1"])


MAP = ["when=ts", "key=id", "probability=score", "class=prediction", "who=model", "which=version"]


def as_recording(path: Path, events: Sequence[Event]) -> None:
    lines = (
        json.dumps(
            {
                "topic": "events",
                "partition": 0,
                "offset": offset,
                "timestamp": one["ts"] // 1000,
                "key": None,
                "headers": [],
                "value": base64.b64encode(json.dumps(one).encode()).decode(),
            }
        )
        for offset, one in enumerate(events)
    )
    path.write_bytes(zstandard.compress("".join(f"{line}\n" for line in lines).encode()))


def test_the_same_events_make_the_same_reference_from_every_kind_of_file(folder: Path) -> None:
    events = list(Credit(NORMAL))
    as_csv(folder / "normal.csv", events)
    as_recording(folder / "normal.records.jsonl.zst", events)
    mapping = [word for pair in MAP for word in ("--map", pair)]
    assert main(build_of(folder, "--rows", str(NORMAL), *mapping, "normal.csv", out="csv.json")) == DONE
    assert main(build_of(folder, "--rows", str(NORMAL), "normal.records.jsonl.zst", out="recorded.json")) == DONE
    expected = (folder / "credit.json").read_text()
    assert (folder / "csv.json").read_text() == expected
    assert (folder / "recorded.json").read_text() == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["normal.jsonl"], "give --rows N, or --from TIME and --to TIME"),
        (["--rows", "5", "--from", "2026-11-22T10:00:00Z", "normal.jsonl"], "give --rows N, or --from"),
        (["--rows", "0", "normal.jsonl"], "--rows: 0 is not a number of predictions"),
        (["--rows", "ten", "normal.jsonl"], "--rows: 'ten' is not a whole number; write digits only, such as 10000"),
        (["--rows", "5", "events"], "there is no such file; a topic is written 'kafka://events?from=earliest'"),
        (["--rows", "3001", "normal.jsonl"], "--rows: the source holds 3,000 predictions of credit/1, not 3,001"),
        (["--rows", "5", "--version", "9", "normal.jsonl"], "credit/9: the source holds none of its events"),
        (
            ["--rows", "5", "--version", "9", "normal.jsonl"],
            "normal.jsonl:1); choose it with ",
        ),
        (["--rows", "5", "--version", "9", "normal.jsonl"], "; choose it with --version 1\n"),
        (["--from", "yesterday", "normal.jsonl"], "--from: 'yesterday' is not a time with offset"),
        (["--from", "2030-01-01T00:00:00Z", "normal.jsonl"], "none between --from and --to"),
        (["--rows", "5", "--map", "when", "normal.jsonl"], "--map: 'when' is not COLUMN=FIELD"),
        (["--rows", "5", "nowhere.jsonl"], "nowhere.jsonl: there is no such file"),
        (["--rows", "5", "nowhere.txt"], "unknown kind of file; understood are"),
        (["--rows", "5", "nowhere.parquet"], "nowhere.parquet: there is no such file"),
    ],
)
def test_a_reference_that_cannot_be_built_is_refused_with_a_reason(
    arguments: list[str], expected: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(build_of(folder, *arguments, out="never.json")) == USAGE
    assert expected in capsys.readouterr().err
    assert not (folder / "never.json").exists()


def test_a_version_that_could_be_several_has_to_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_settings(tmp_path / "driftd.yaml", versions=["1", "2"])
    write_lines(tmp_path / "normal.jsonl", list(Credit(10)))
    assert main(build_of(tmp_path, "--rows", "10", "normal.jsonl")) == USAGE
    assert "--version: is missing, and the settings name several: 1, 2" in capsys.readouterr().err


def test_a_reference_is_shown_to_people_and_machines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "credit.json"
    reference = load_reference(path)
    assert main(["reference", "show", str(path)]) == DONE
    text = capsys.readouterr().out
    assert reference.hash in text
    assert "What can page" in text
    for column in reference.columns:
        assert f"\n{column.name} " in text
    assert main(["reference", "show", str(path), "--json"]) == DONE
    (shown,) = lines_of(capsys.readouterr().out)
    assert shown == json.loads(path.read_text())


def test_a_reference_changed_by_hand_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = folder / "changed.json"
    changed.write_text((folder / "credit.json").read_text().replace('"positive": "1"', '"positive": "2"'))
    assert main(["reference", "show", str(changed)]) == USAGE
    assert "was changed after it was built" in capsys.readouterr().err


# replays


def test_a_replay_in_json_is_lines_of_json_and_a_summary_at_the_end(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(replay_of(folder, "--json", "drift.jsonl")) == DONE
    out, err = capsys.readouterr()
    *before, summary = lines_of(out)
    assert err == ""
    assert {line["kind"] for line in before} <= {"transition", "finding"}
    opened = next(line for line in before if line["kind"] == "transition")
    assert (opened["transition"], opened["severity"]) == ("opened", "page")
    assert ("AGE", "absent") in {(one["subject"], one["cause"]) for one in opened["findings"]}
    assert summary["kind"] == "summary"
    assert summary["records"] == NORMAL
    assert summary["outcomes"] == {"accepted": NORMAL}
    (model,) = summary["models"]
    assert (model["model"], model["version"], model["predictions"], model["pages"]) == ("credit", "1", NORMAL, 1)


def test_a_replay_for_people_says_what_happened(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(replay_of(folder, "drift.jsonl")) == DONE
    out, err = capsys.readouterr()
    assert err == "", "a progress bar is for terminals alone"
    assert "opened       page" in out
    assert "AGE: absent (page)" in out
    assert f"{NORMAL:,} records in" in out
    assert f"credit 1: {NORMAL:,} predictions, 1 page, 0 tickets, one incident still open" in out


def test_a_replay_shows_its_windows_when_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(replay_of(folder, "--json", "--windows", "normal.jsonl")) == DONE
    windows = [line for line in lines_of(capsys.readouterr().out) if line["kind"] == "window"]
    features = {column.name for column in load_reference(folder / "credit.json").columns if column.role == FEATURE}
    assert {line["subject"] for line in windows} >= features
    for line in windows:
        quality_counts = sum(
            line[quality_count] for quality_count in ("missing", "absent", "outside", "unseen", "type")
        )
        assert sum(line["bins"]) + quality_counts == line["window"]["events"]


def test_a_replay_fails_on_what_it_was_told_to_fail_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_settings(folder / "trial.yaml", max_severity="ticket")
    codes = {
        (config, threshold, stream): main(replay_of(folder, "--fail-on", threshold, stream, config=config))
        for config in ("driftd.yaml", "trial.yaml")
        for threshold in ("ticket", "page")
        for stream in ("normal.jsonl", "drift.jsonl")
    }
    capsys.readouterr()
    failed = {case for case, code in codes.items() if code == FAILED_ON}
    assert failed == {
        ("driftd.yaml", "ticket", "drift.jsonl"),
        ("driftd.yaml", "page", "drift.jsonl"),
        ("trial.yaml", "ticket", "drift.jsonl"),
    }
    assert {code for case, code in codes.items() if case not in failed} == {DONE}


def test_a_replay_of_a_recording_is_that_of_its_events(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_recording(folder / "drift.records.jsonl.zst", list(Credit(NORMAL, seed=2, change=1_500, fault=no_age)))
    reported = []
    for stream in ("drift.jsonl", "drift.records.jsonl.zst"):
        assert main(replay_of(folder, "--json", stream)) == DONE
        reported.append([line for line in lines_of(capsys.readouterr().out) if line["kind"] == "transition"])
    assert reported[0]
    assert list(map(without_records, reported[0])) == list(map(without_records, reported[1]))


def without_records(transition: Line) -> Line:
    """A file's name is its topic."""
    findings = [{name: value for name, value in one.items() if name != "records"} for one in transition["findings"]]
    return transition | {"findings": findings}


def test_bad_lines_of_a_file_are_counted_and_stop_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = [json.dumps(one) for one in Credit(20)]
    (folder / "mixed.jsonl").write_text("\n".join([*good, "{", "[]", "\ud7ff", *good]))
    assert main(replay_of(folder, "--json", "--accept-partial", "mixed.jsonl")) == DONE
    (summary,) = lines_of(capsys.readouterr().out)
    assert summary["records"] == 43
    assert summary["outcomes"] == {"rejected": 3, "duplicate": 20, "accepted": 20}


def damaged_files(folder: Path) -> Iterator[tuple[str, str]]:
    whole = zstandard.compress((folder / "normal.jsonl").read_bytes())
    (folder / "cut.jsonl.zst").write_bytes(whole[: len(whole) // 2])
    yield "cut.jsonl.zst", "cut.jsonl.zst:"
    (folder / "broken.records.jsonl").write_text('{"topic": "events"}\n')
    yield "broken.records.jsonl", "broken.records.jsonl:1:"


def test_a_damaged_file_is_refused_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, place in damaged_files(folder):
        assert main(replay_of(folder, "--json", name)) == USAGE
        assert place in capsys.readouterr().err


def test_records_that_the_last_poll_could_not_read_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Damaged(MemorySource):
        def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
            self.new_changes.append(UnreadableRecords(EVENTS, 1, 5, 4, "checksum", "it does not match", b""))
            return super().poll(paused)

        def progress(self) -> tuple[int, int]:
            return 0, 0

    monkeypatch.setattr("monitor.cli.commands.OffsetRange", lambda *_: Damaged({EVENTS: [b"{}"]}))
    path = tmp_path / "some.records.jsonl"
    assert main(["record", "kafka://events", "-o", str(path)]) == 0
    assert "events-0: 4 records from offset 1 to 4 cannot be read: it does not match" in capsys.readouterr().err
