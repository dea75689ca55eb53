"""Imports: what the platforms' own packages wrote (`tests/platforms/imports`) against the rows that it is of."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.cli.parser import IMPORTED
from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.reference.column import Column
from monitor.reference.imports.catalog import IMPORTS
from monitor.reference.imports.columns import imported_reference
from monitor.reference.imports.shape import ImportedColumn, ImportedData, ImportedFile
from monitor.reference.notes.show import reference_text
from monitor.reference.reference import Reference
from monitor.run.reference_file import load_reference, save_reference
from monitor.run.reference_import import import_reference
from monitor.stats.bins.reference_bins import MISSING, NUMERIC

HERE = Path(__file__).parents[2] / "platforms" / "imports"
ANY = ModelKey("", "")
TFDV = ("tfdv", "import_tfdv.pb", "import_tfdv_schema.pbtxt")
SAGEMAKER = ("sagemaker", "import_sagemaker_statistics.json", "import_sagemaker_constraints.json")
VERTEX = ("vertex", "import_tfdv.pb", "import_vertex_schema.json", "import_vertex_job.json")
AZURE = ("azure", "import_rows.jsonl.gz", "import_azure.yaml")
#: by how much a share up to an edge may be wrong: sketches of 256 items, quantiles of integers, and none
BOUNDS = {SAGEMAKER: 0.01, TFDV: 0.005, VERTEX: 0.005, AZURE: 1e-9}


@cache
def rows() -> list[dict[str, Any]]:
    text = gzip.decompress((HERE / "import_rows.jsonl.gz").read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


@cache
def imported(system: str, *names: str) -> Reference:
    return import_reference(system, [HERE / name for name in names], ANY)


def column_of(reference: Reference, name: str) -> tuple[int, Column]:
    return next((at, one) for at, one in enumerate(reference.columns) if one.name == name)


@pytest.mark.parametrize("files", BOUNDS, ids=lambda files: files[0])
def test_shares_are_those_of_the_rows_within_the_bound(files: tuple[str, ...]) -> None:
    reference = imported(*files)
    for at, column in enumerate(reference.columns):
        cells = [row[column.name] for row in rows()]
        values = [cell for cell in cells if cell is not None]
        counts = reference.counts[at, : column.bins.bins]
        missing = reference.counts[at, reference.width + MISSING]
        assert missing / (missing + counts.sum()) == pytest.approx(1 - len(values) / len(cells), abs=1e-3)
        if column.bins.kind == NUMERIC:
            codes = np.searchsorted(np.array(column.bins.edges), np.array(values, np.float64))
            wanted = np.cumsum(np.bincount(codes, minlength=column.bins.bins)) / len(values)
            assert np.abs(np.cumsum(counts) / counts.sum() - wanted).max() <= BOUNDS[files], column.name
            assert column.bins.low <= min(values)
            assert column.bins.high >= max(values)
        else:
            for name, count in zip(column.bins.categories, counts.tolist(), strict=False):
                assert count / counts.sum() == pytest.approx(values.count(name) / len(values), abs=0.005)


def test_columns_that_say_nothing_of_live_events_are_left_out_with_the_reason() -> None:
    ignored = dict(imported(*TFDV).ignored)
    assert "identifier" in ignored["customer"]
    assert "SERVING" in ignored["kids"]
    assert "ground truth" in dict(imported(*VERTEX).ignored)["kids"]


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (TFDV, ("grade", "drift_comparator.infinity_norm", "linf", 0.05)),
        (TFDV, ("income", "skew_comparator.jensen_shannon_divergence", "jensen_shannon_divergence", 0.1)),
        (TFDV, ("age", "int_domain", "outside", 0.0)),
        (SAGEMAKER, ("age", "distribution_constraints.comparison_threshold (Robust)", "ks", 0.1)),
        (SAGEMAKER, ("grade", "monitoring_config.domain_content_threshold", "unseen", 0.0)),
        (VERTEX, ("grade", "skewThresholds[grade]", "linf", 0.05)),
        (AZURE, ("age", "drift.jensen_shannon_distance", "jensen_shannon_distance", 0.1)),
        (AZURE, ("city", "quality.out_of_bounds_rate", "unseen", 0.03)),
    ],
)
def test_limits_are_named_as_the_platform_names_them(
    files: tuple[str, ...], wanted: tuple[str, str, str, float]
) -> None:
    known = imported(*files).imported
    assert known is not None
    assert wanted in [limit[:4] for limit in known.limits]


@pytest.mark.parametrize(
    "name", ["attribution_score_drift_thresholds", "featureAttributionSpec", "prediction_output_drift_spec"]
)
def test_thresholds_of_attributions_and_outputs_are_said_not_to_be_imported(name: str, tmp_path: Path) -> None:
    job = {"drift_thresholds": {"age": {"value": 0.1}}, name: {"age": {"value": 0.2}}}
    (tmp_path / "job.json").write_text(json.dumps({"objective": job}))
    reference = import_reference("vertex", [HERE / "import_tfdv.pb", tmp_path / "job.json"], ANY)
    assert reference.imported is not None
    assert [limit.most for limit in reference.imported.limits] == [0.1]
    camel = re.sub(r"_(\w)", lambda found: found[1].upper(), name)
    assert f"{camel}: is not imported: it is not of the features' values" in reference.imported.notes


def test_the_range_that_a_schema_allows_is_the_range() -> None:
    bins = column_of(imported(*TFDV), "age")[1].bins
    assert (bins.low, bins.high) == (0.0, 120.0)


def test_all_forms_of_statistics_are_one() -> None:
    record, binary = imported("tfdv", "import_tfdv.tfrecord"), imported("tfdv", "import_tfdv.pb")
    assert record.hash == binary.hash
    text = imported("tfdv", "import_tfdv.pbtxt")  # of three columns
    for at, column in enumerate(text.columns):
        place, same = column_of(binary, column.name)
        assert column == same
        assert text.counts[at, : column.bins.bins].tolist() == binary.counts[place, : column.bins.bins].tolist()


def test_buckets_serve_where_there_is_no_sketch(tmp_path: Path) -> None:
    tree = json.loads((HERE / SAGEMAKER[1]).read_text())
    for one in tree["features"]:
        one.get("numerical_statistics", {}).get("distribution", {}).get("kll", {}).pop("sketch", None)
    (tmp_path / "statistics.json").write_text(json.dumps(tree))
    reference = import_reference("sagemaker", [tmp_path / "statistics.json"], ANY)
    at, age = column_of(reference, "age")
    codes = np.searchsorted(np.array(age.bins.edges), [row["age"] for row in rows()])
    counts = reference.counts[at, : age.bins.bins]
    wanted = np.bincount(codes, minlength=age.bins.bins) / len(codes)
    assert np.abs(counts / counts.sum() - wanted).max() < 0.005


def test_a_signature_gives_names_and_types_and_a_dataset_the_rest(tmp_path: Path) -> None:
    shutil.copy(HERE / "import_MLmodel", tmp_path / "MLmodel")
    alone = import_reference("mlflow", [tmp_path], ANY)
    assert alone.feature_order == ("age", "income", "delay", "kids", "grade", "city")
    assert not alone.carried.any()
    shutil.copy(HERE / "import_mlflow.csv", tmp_path)
    whole = import_reference("mlflow", [tmp_path], ANY)
    at, income = column_of(whole, "income")
    values = np.array([row["income"] for row in rows()[:500] if row["income"] is not None])
    wanted = np.bincount(np.searchsorted(np.array(income.bins.edges), values), minlength=income.bins.bins)
    assert whole.counts[at, : income.bins.bins].tolist() == wanted.tolist()


def test_metadata_of_the_open_inference_protocol_gives_names_and_types(tmp_path: Path) -> None:
    tensors = [
        {"name": "age", "datatype": "INT64", "shape": [-1, 1]},
        {"name": "x", "datatype": "FP32", "shape": [-1, 8]},
    ]
    (tmp_path / "m.json").write_text(json.dumps({"name": "m", "inputs": tensors}))
    reference = import_reference("kserve", [tmp_path / "m.json"], ANY)
    assert [(one.name, one.kind) for one in reference.columns] == [("age", NUMERIC)]
    assert "feature_names" in dict(reference.ignored)["x"]


@pytest.mark.parametrize("files", BOUNDS, ids=lambda files: files[0])
def test_the_file_holds_all_of_it_and_shows_what_it_lacks(files: tuple[str, ...], tmp_path: Path) -> None:
    reference = imported(*files)
    save_reference(reference, tmp_path / "r.json")
    again = load_reference(tmp_path / "r.json")
    assert again.imported == reference.imported
    assert again.hash == reference.hash
    assert again.is_import_alone
    text = reference_text(again)
    assert "warm-up" in text
    assert all(limit.name in text for limit in again.imported.limits) if again.imported else False


def test_a_version_that_knows_no_imports_refuses_the_file(tmp_path: Path) -> None:
    save_reference(imported(*TFDV), tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["format"] != "driftd-reference/2"


def damaged_crc(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


@pytest.mark.parametrize(
    ("system", "content", "said"),
    [
        ("tfdv", b"", "is empty"),
        ("tfdv", (HERE / "import_tfdv.pb").read_bytes()[:-7], "cut off"),
        ("tfdv", (HERE / "import_tfdv.tfrecord").read_bytes()[:-7], "7 bytes of the record at byte 0 are missing"),
        ("tfdv", damaged_crc((HERE / "import_tfdv.tfrecord").read_bytes()), "crc does not fit"),
        ("tfdv", b'{"features": []}', "is JSON, not statistics of TFDV"),
        ("tfdv", b"\n\x0e\n\x0cAll Examples", "the statistics are empty"),
        ("tfdv", b"datasets { nam", "no text form"),
        ("tfdv", (HERE / "import_tfdv_schema.pbtxt").read_bytes(), "is a schema; give the statistics too"),
        ("sagemaker", b'{"version": 0, "features": [', "cut off (line 1"),
        ("sagemaker", b"[1]", "is a JSON list"),
        ("sagemaker", b'{"dataset": {}, "features": []}', "the statistics are empty"),
        ("sagemaker", b'{"violations": []}', "are constraint violations"),
        ("sagemaker", (HERE / "import_sagemaker_constraints.json").read_bytes(), "0 files of data-quality statistics"),
        ("vertex", b'{"displayName": "a"}', "give TFDV's statistics"),
        ("kserve", b'{"inputs": [{"name": "a", "datatype": "FP32", "shape": [1], "data": [1]}]}', "is a request"),
        ("kserve", b'{"name": "a"}', "names no inputs"),
        ("mlflow", b"flavors: {}", "no file named MLmodel"),
        ("azure", b"a: 1", "no table"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_would_be_right(
    system: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UsageError) as refused:
        import_reference(system, [tmp_path / "file"], ANY)
    assert said in str(refused.value)


@pytest.mark.parametrize("system", ["tfdv", "sagemaker", "vertex", "kserve"])
def test_a_table_is_refused_as_a_table_where_none_is_read(system: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"a": 1}\n')
    with pytest.raises(UsageError, match="is a table of rows; give"):
        import_reference(system, [tmp_path / "rows.jsonl"], ANY)


def test_a_slice_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UsageError, match="leave --slice out"):
        import_reference("tfdv", [HERE / "import_tfdv.pb"], ANY, "age < 30")


def statistics(**numerical: object) -> bytes:
    common = {"common": {"num_present": 1_000, "num_missing": 0}}
    feature = {"name": "a", "inferred_type": "Fractional", "numerical_statistics": common | numerical}
    return json.dumps({"dataset": {}, "features": [feature]}).encode()


@pytest.mark.parametrize(
    "numerical",
    [
        {"mean": float("nan"), "std_dev": "NaN", "min": float("-inf"), "max": float("inf")},
        {"mean": "NaN", "min": None, "max": None},
    ],
)
def test_numbers_that_are_none_are_left_aside(numerical: dict[str, object], tmp_path: Path) -> None:
    sketch = {"kll": {"sketch": {"data": [[1.0, float("nan"), 2.0], [3.0, "NaN", float("inf"), 4.0]]}}}
    (tmp_path / "s.json").write_bytes(statistics(**numerical, distribution=sketch))
    reference = import_reference("sagemaker", [tmp_path / "s.json"], ANY)
    (column,) = reference.columns
    assert np.isfinite([column.center, column.scale, column.bins.low, column.bins.high]).all()
    assert column.bins.low <= 1.0
    assert column.bins.high >= 4.0


@pytest.mark.parametrize(("low", "high"), [(0, 10), (1, 5), (-3, 2), (0, 1), (0, 40)])
@pytest.mark.parametrize("inferred", ["Integral", "Fractional"])
def test_a_value_on_a_bucket_bound_is_counted_where_a_live_one_is(low: int, high: int, inferred: str) -> None:
    """Buckets hold their lower bound and not their upper one; bins the other way round."""
    values = np.random.default_rng(3).integers(low, high + 1, 5_000)
    ends = low + (high - low) / 10 * np.arange(11)
    counts, _ = np.histogram(values, ends)
    buckets = [
        {"lower_bound": begin, "upper_bound": end, "count": float(count)}
        for begin, end, count in zip(ends, ends[1:], counts, strict=False)
    ]
    tree = json.loads(statistics(min=low, max=high, distribution={"kll": {"buckets": buckets}}))
    tree["features"][0]["inferred_type"] = inferred
    data = IMPORTS["sagemaker"]([ImportedFile("s", json.dumps(tree).encode())], "")
    reference = imported_reference(data, ANY)
    (column,) = reference.columns
    codes = np.searchsorted(np.array(column.bins.edges), values)
    wanted = np.bincount(codes, minlength=column.bins.bins) / len(values)
    found = reference.counts[0, : column.bins.bins] / reference.counts[0, : column.bins.bins].sum()
    assert np.abs(found - wanted).max() <= 1e-3
    assert len(column.bins.edges) >= 1


def test_two_columns_of_one_name_are_refused() -> None:
    tree = json.loads(statistics(distribution={"kll": {"sketch": {"data": [[1.0, 2.0]]}}}))
    tree["features"] *= 2
    with pytest.raises(UsageError, match='several columns of one name: "a"'):
        imported_reference(IMPORTS["sagemaker"]([ImportedFile("s", json.dumps(tree).encode())], ""), ANY)


NESTED = "[" * 50_000 + "]" * 50_000


@pytest.mark.parametrize(
    ("system", "name", "text"),
    [
        ("mlflow", "MLmodel", f"signature:\n  inputs: '{NESTED}'\n"),
        ("azure", "rows.jsonl", '{"a": ' + NESTED + "}\n"),
        ("tfdv", "s.pbtxt", "datasets { other " + "{ a " * 5_000 + "{}" + "}" * 5_000 + " }"),
        ("sagemaker", "s.json", '{"features": ' + NESTED + "}"),
        ("kserve", "m.json", '{"inputs": ' + NESTED + "}"),
        ("vertex", "m.json", '{"featureFields": ' + NESTED + "}"),
    ],
)
def test_a_nesting_without_end_is_refused(system: str, name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=name):
        import_reference(system, [tmp_path / name], ANY)


def test_a_number_beyond_all_is_no_value(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"a": {value}}}\n' for value in ("1" + "0" * 400, 2, 3)))
    reference = import_reference("azure", [tmp_path / "rows.jsonl"], ANY)
    assert reference.counts[0, : reference.columns[0].bins.bins].sum() == 2
    assert reference.columns[0].bins.high < 4


def test_a_column_without_a_histogram_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(statistics(mean=1.0))
    with pytest.raises(UsageError, match="a: there is no histogram"):
        import_reference("sagemaker", [tmp_path / "s.json"], ANY)


def test_a_long_list_of_categories_is_counted_in_buckets() -> None:
    names = [(f"value {at}", float(100_000 - at)) for at in range(100_000)]
    total = sum(count for _, count in names)
    data = ImportedData("tfdv", [ImportedColumn("a", present=total, categories=names)])
    reference = imported_reference(data, ANY)
    assert reference.counts[0, : reference.columns[0].bins.bins].sum() == int(total)
    assert reference.columns[0].bins.bins <= 64


@pytest.mark.parametrize("end", range(0, 36_000, 3_001))
def test_a_file_that_is_cut_off_is_refused(end: int) -> None:
    data = (HERE / "import_tfdv.pb").read_bytes()
    with pytest.raises(UsageError, match=r"cut off|is empty"):
        IMPORTS["tfdv"]([ImportedFile("cut", data[:end])], "")


def test_the_command_names_the_systems_there_are() -> None:
    assert tuple(IMPORTS) == IMPORTED


def test_a_record_of_examples_is_no_record_of_statistics() -> None:
    head = struct.pack("<Q", 4)
    with pytest.raises(UsageError, match="neither a DatasetFeatureStatisticsList"):
        IMPORTS["tfdv"]([ImportedFile("file", head + b"abcd")], "")
