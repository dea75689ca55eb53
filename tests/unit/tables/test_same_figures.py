"""The same rows give the same reference and the same findings from Python and from the commands, to the last digit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

from monitor import Judgement, TableReference, build_reference, judge_data, load_reference
from monitor.cli.parser import main
from monitor.reference.file.encoding import to_json

ROWS = 4_000
FIRST = datetime(2026, 3, 2, tzinfo=UTC)
ROLES: dict[str, Any] = {"timestamps": "when", "prediction": "said", "score": "p", "label": "right"}
FIELDS = {"when": "ts", "said": "prediction", "p": "score", "right": "label"}
Line = dict[str, Any]
Table = dict[str, Any]


class Both(NamedTuple):
    """A reference and a verdict from Python, and the file and the lines of the commands."""

    reference: TableReference
    judgement: Judgement
    file: Path
    lines: list[Line]


def table(seed: int, *, drift: float = 0.0) -> Table:
    """Rows in no order of time; `drift` moves `age` in the later half, and empties `city` in its last quarter."""
    random = np.random.default_rng(seed)
    when = random.permutation(ROWS)
    age = random.normal(40, 10, ROWS) + drift * (when >= ROWS // 2)
    noise = random.normal(0, 1, ROWS)
    score = 1 / (1 + np.exp(-(age - 40) / 10))
    return {
        "age": [None if at % 50 == 0 else value for at, value in enumerate(age.tolist())],
        "city": np.where((drift > 0) & (when > ROWS - 800), "", random.choice(["Tokyo", "Oslo", "Lima"], ROWS)),
        "visits": random.poisson(3, ROWS),
        "member": random.random(ROWS) < 0.3,
        "rate": np.where(random.random(ROWS) < 0.001, np.inf, noise),
        "when": [FIRST + timedelta(seconds=int(second)) for second in when],
        "p": score,
        "said": score > 0.5,
        "right": (noise + (age - 40) / 10 > 0),
    }


def as_lines(columns: Mapping[str, Any]) -> str:
    """The rows as a service would write them, by Python's own json, in the order of time."""
    lists = {name: list(getattr(values, "tolist", lambda values=values: values)()) for name, values in columns.items()}
    rows = sorted((dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)), key=_when)
    return "".join(json.dumps(_event(row)) + "\n" for row in rows)


def _when(row: Line) -> datetime:
    return row["when"]  # type: ignore[no-any-return]


def _event(row: Line) -> Line:
    event: Line = {"model": "credit", "version": "7", "features": {}}
    for name, value in row.items():
        if name in FIELDS:
            event[FIELDS[name]] = value.isoformat() if isinstance(value, datetime) else value
        else:
            event["features"][name] = value
    return event


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("same")
    before, after = table(1), table(2, drift=6.0)
    reference = build_reference(before, **ROLES, model="credit", version="7")
    model = {"name": "credit", "reference": "credit.json"}
    (folder / "driftd.yaml").write_text(yaml.safe_dump({"inputs": [{"topic": "events"}], "models": [model]}))
    (folder / "before.jsonl").write_text(as_lines(before))
    (folder / "table.jsonl").write_text(as_lines(after))
    config, file = ["--config", str(folder / "driftd.yaml")], folder / "credit.json"
    which = ["--model", "credit", "--version", "7", "--from", "2026-03-01T00:00:00Z"]
    assert main(["reference", "build", *config, *which, str(folder / "before.jsonl"), "-o", str(file)]) == 0
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("monitor.cli.commands.to_stdout", written.append)
        assert main(["replay", *config, "--json", str(folder / "table.jsonl")]) == 0
    return Both(reference, judge_data(after, reference), file, [json.loads(line) for line in written])


def without_names(lines: Sequence[Line]) -> list[Line]:
    """The lines without what differs: how long it took, and what the file is called."""
    return json.loads(  # type: ignore[no-any-return]
        json.dumps([line | ({"seconds": 0} if line["kind"] == "summary" else {}) for line in lines]).replace(
            '"table.jsonl-0"', '"table-0"'
        )
    )


def test_the_reference_is_that_of_the_command(both: Both) -> None:
    built = load_reference(both.file).reference
    assert to_json(both.reference.reference) == to_json(built)
    assert both.reference.reference.hash == built.hash
    assert built.events == ROWS


def test_every_line_is_that_of_a_replay(both: Both) -> None:
    assert without_names(both.judgement.lines) == without_names(both.lines)
    causes = {(finding["subject"], finding["cause"]) for finding in both.judgement.findings}
    assert {("age", "distribution"), ("city", "unseen")} <= causes  # the lines are of a drift that was found


def test_a_saved_reference_judges_as_the_one_in_memory(both: Both) -> None:
    judged = judge_data(table(2, drift=6.0), load_reference(both.file), **ROLES)
    assert judged.findings == both.judgement.findings
    assert judged.columns == both.judgement.columns
