"""The codec's format, written down by hand, and what it refuses."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import monitor.sources
from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.state import codec


def test_version_1_is_read_as_its_description_says() -> None:
    # {"n": [1, -2, 2**64], "c": int64 array [[1], [2]] kept as uint8}, by the MessagePack specification
    big = b"\xc7\x09\x01" + (2**64).to_bytes(9, "big")
    array = b"\xc7\x15\x02" + bytes((3, 4, 2)) + (2).to_bytes(8, "little") + (1).to_bytes(8, "little") + b"\x01\x02"
    data = b"\x01" + b"\x82" + b"\xa1n" + b"\x93\x01\xfe" + big + b"\xa1c" + array
    tree = codec.decode(data)
    assert tree["n"] == [1, -2, 2**64]
    assert tree["c"].dtype == np.int64
    assert tree["c"].tolist() == [[1], [2]]
    assert codec.encode(tree) == data


def test_an_unknown_version_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"version 2.*reads version 1"):
        codec.decode(b"\x02\xc0")


def test_pickled_bytes_are_refused_and_not_run(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[Any, tuple[Path]]:
            return Path.touch, (tmp_path / "it-ran",)

    pickled = pickle.dumps(Malicious())
    for data in (pickled, bytes((codec.VERSION,)) + pickled):
        with pytest.raises(UsageError):
            codec.decode(data)
    assert not (tmp_path / "it-ran").exists()


def test_no_module_here_imports_what_can_run_code() -> None:
    forbidden = {"pickle", "marshal", "dill", "shelve", "joblib", "cloudpickle"}
    modules = list(Path(monitor.state.__path__[0]).glob("*.py"))
    assert len(modules) > 4
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not forbidden & {name.split(".")[0] for name in names}, module.name


@pytest.mark.parametrize(
    ("dtype", "largest", "bytes_each"),
    [
        ("int64", 255, 1),
        ("int64", 256, 2),
        ("int64", 65536, 4),
        ("uint64", 2**32, 8),
        ("int32", 7, 1),
        ("float64", 7, 8),
    ],
)
def test_counts_are_kept_in_the_smallest_unsigned_type(dtype: str, largest: int, bytes_each: int) -> None:
    many = np.full(1000, largest, dtype=dtype)
    assert 1000 * bytes_each <= len(codec.encode(many)) < 1000 * bytes_each + 40
    assert codec.decode(codec.encode(many)).dtype == dtype


def test_a_strided_or_foreign_ordered_array_comes_back_with_its_values() -> None:
    grid = np.arange(12, dtype=np.int64).reshape(3, 4)
    for array in (grid.T, grid[:, ::2], np.asfortranarray(grid), grid.astype(">i8"), -grid.astype(">i2")):
        back = codec.decode(codec.encode(array))
        assert back.dtype.isnative
        assert np.array_equal(back, array)


def test_a_numpy_scalar_is_the_python_number_it_equals() -> None:
    back = codec.decode(codec.encode([np.float64(0.1), np.int32(-3), np.uint64(2**64 - 1), np.bool_(True)]))
    assert back == [0.1, -3, 2**64 - 1, True]
    assert [type(value) for value in back] == [float, int, int, bool]


@pytest.mark.parametrize(
    "alien",
    [
        (1, 2),
        {1, 2},
        object(),
        ModelKey("credit", "1"),
        np.zeros(3, dtype=np.float32),
        np.zeros(3, dtype=object),
        np.zeros((1, 1, 1)),
        np.array(1.0),
    ],
    ids=lambda alien: type(alien).__name__,
)
def test_what_would_not_come_back_the_same_is_refused_with_its_place(alien: object) -> None:
    with pytest.raises(TypeError, match=r"models\.1\.x"):
        codec.encode({"models": [0, {"x": alien}]})


def test_a_key_that_is_not_text_is_refused() -> None:
    with pytest.raises(TypeError, match="key is int"):
        codec.encode({"a": {1: 2}})


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes((0, 9, 1)) + bytes(8),  # an unknown dtype
        bytes((0, 0, 3)) + bytes(24),  # three axes
        bytes((0, 0, 1)) + (5).to_bytes(8, "little") + b"1234",  # a number too few
        bytes((3, 3, 2)) + (2**63).to_bytes(8, "little") * 2 + bytes(8),  # longer than can be
    ],
)
def test_a_damaged_array_is_refused(payload: bytes) -> None:
    data = bytes((codec.VERSION,)) + msgspec.msgpack.encode(msgspec.msgpack.Ext(2, payload))
    with pytest.raises(UsageError):
        codec.decode(data)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(UsageError):
        codec.decode(bytes((codec.VERSION,)) + b"\x91" * 100_000 + b"\x90")
