"""Kafka's classes are kept once for these jars and this Java, and nothing depends on it but time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.real_parts import class_archive, install
from tests.real_parts.part import WORKERS_AT_MOST, ports_of


@pytest.fixture
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of jars, and a Java on the path."""
    folder = tmp_path / "parts" / "kafka-0"
    folder.mkdir(parents=True)
    monkeypatch.setattr(install, "jars_folder", lambda: folder)
    monkeypatch.setenv("PATH", str(tmp_path))
    java = tmp_path / "java"
    java.touch(mode=0o755)
    return folder


def test_another_java_or_other_jars_have_another_archive(
    jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [install.class_archive(), install.class_archive()]
    os.utime(tmp_path / "java", ns=(1, 1))
    names.append(install.class_archive())
    monkeypatch.setattr(install, "jars_folder", lambda: jars.with_name("kafka-1"))
    names.append(install.class_archive())
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert {name.parent for name in names} == {jars.parent}


@pytest.mark.parametrize("there", [False, True], ids=["without Kafka", "with an archive"])
def test_nothing_is_made_where_it_is_there_or_cannot_be(
    jars: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], there: bool
) -> None:
    if there:
        install.class_archive().touch()
    monkeypatch.setattr(class_archive, "missing_kafka_parts", lambda: [] if there else ["no jars"])
    monkeypatch.setattr(class_archive, "make", lambda: pytest.fail("it was made"))
    assert class_archive.main() == 0
    assert capsys.readouterr().out == ""


def test_a_broker_that_does_not_start_here_is_not_a_hindrance(
    jars: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise RuntimeError("the broker ended")

    monkeypatch.setattr(class_archive, "missing_kafka_parts", list)
    monkeypatch.setattr(class_archive, "make", fails)
    assert class_archive.main() == 0
    assert "start more slowly: the broker ended" in capsys.readouterr().out
    assert not list(jars.parent.glob("*.jsa"))


def test_workers_share_no_port() -> None:
    ports = [set(ports_of(f"gw{number}")) for number in range(WORKERS_AT_MOST)]
    alone = set(ports_of(None))
    assert set.union(*ports) == alone
    assert sum(map(len, ports)) == len(alone)
    assert min(map(len, ports)) > 1_000
