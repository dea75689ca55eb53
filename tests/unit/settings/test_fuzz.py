"""Any file and any environment give settings or a usage error with lines, and nothing else."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import UsageError
from monitor.settings.kafka import Security
from monitor.settings.later import NOT_IN_THIS_VERSION
from monitor.settings.load import load_settings
from monitor.settings.model import Model
from monitor.settings.shape import variables
from monitor.settings.tree import Settings

_NAMES = st.sampled_from([*Settings.model_fields, *Model.model_fields, *Security.model_fields, "warmup", "AGE", "pain"])
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["10s", "null", "SASL_SSL", "kafka", "native", "credit", "a-{version}", "\0", "no/such/file"]),
)
_TREES = st.recursive(
    _SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(_NAMES, below, max_size=4), max_leaves=20
)


def _outcome(text: bytes, environ: dict[str, str]) -> Settings | tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.yaml"
        file.write_bytes(text)
        try:
            return load_settings(file, environ)
        except UsageError as error:
            return error.faults


def _holds(outcome: Settings | tuple[str, ...]) -> None:
    if not isinstance(outcome, Settings):
        assert outcome
        assert all(line and "\n" not in line for line in outcome)
        assert len(set(outcome)) == len(outcome)


@given(st.dictionaries(_NAMES, _TREES, max_size=6))
def test_any_tree_is_settings_or_faults(tree: dict[str, object]) -> None:
    _holds(_outcome(json.dumps(tree).encode(), {}))


@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}&*!?|>'\"#%@\n ,.0", max_size=60).map(str.encode))
def test_any_bytes_are_settings_or_faults(data: bytes) -> None:
    _holds(_outcome(data, {}))


@given(st.dictionaries(st.sampled_from([*variables(), "DRIFTD_", "DRIFTD_X"]), _TREES.map(json.dumps) | st.text()))
def test_any_environment_is_settings_or_faults(environ: dict[str, str]) -> None:
    _holds(_outcome(b"inputs: [{topic: events}]\nmodels: [{name: credit, reference: c.json}]\n", environ))


@given(st.sampled_from(NOT_IN_THIS_VERSION))
def test_everything_in_the_table_of_refusals_is_refused_by_name(row: str) -> None:
    path, _, values = row.partition(": ")
    for value in values.split(" | ") if values else ["x"]:
        tree: object = value
        for step in reversed(path.replace("[]", ".[]").replace("*", "AGE").split(".")):
            tree = [tree] if step == "[]" else {step: tree}
        outcome = _outcome(json.dumps(tree).encode(), {})
        assert not isinstance(outcome, Settings)
        messages = path.replace("[]", "[0]").replace("*", "AGE")
        assert f"{messages}: {value}: not in this version" in outcome or f"{messages}: not in this version" in outcome
