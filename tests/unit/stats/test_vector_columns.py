"""Norm, distance and projections of vectors: as NumPy has them in floats, and the same in any batch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from monitor.stats.derived.vectors import BITS, MOST_NUMBERS, PROJECTIONS, VectorColumns, learn_vector_columns

Floats = NDArray[np.float64]
#: a number is kept to 12 bits
KEPT = 2.0**-12


def cloud(rows: int, width: int, seed: int = 1) -> Floats:
    """Vectors that vary most in their first coordinates."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, width)) * np.geomspace(10, 0.1, width) + rng.normal(size=width)


@pytest.mark.parametrize("width", [1, 2, 3, 64, 384, 1_536])
def test_the_figures_are_those_of_numpy(width: int) -> None:
    vectors = cloud(200, width)
    columns = learn_vector_columns(vectors)
    norm, distance, *projected = columns.of(vectors)
    centred = vectors - columns.center
    assert columns.numeric == ("norm", "distance", *(f"p{at + 1}" for at in range(len(projected))))
    assert len(projected) == min(PROJECTIONS, width)
    np.testing.assert_allclose(norm, np.linalg.norm(vectors, axis=1), rtol=KEPT)
    np.testing.assert_allclose(distance, np.linalg.norm(centred, axis=1), rtol=KEPT)
    for own, component in zip(projected, columns.components / 2.0**BITS, strict=True):
        largest = np.abs(centred).max(1) * np.abs(component).sum()
        exact = centred @ component
        assert (np.abs(own - exact) <= KEPT * np.abs(exact) + 2.0 ** (1 - BITS) * largest).all()


@pytest.mark.parametrize(("rows", "width"), [(500, 8), (5_000, 64), (200, 300)])
def test_the_components_are_the_principal_ones_with_the_largest_number_positive(rows: int, width: int) -> None:
    vectors = cloud(rows, min(width, 64) if width < rows else 8)
    if width > rows:  # most coordinates hardly vary
        vectors = np.hstack([vectors, 0.01 * cloud(rows, width - 8, 2)])
    columns = learn_vector_columns(vectors)
    components = columns.components / 2.0**BITS
    expected = PCA(PROJECTIONS, svd_solver="full").fit(vectors)
    np.testing.assert_allclose(columns.center, vectors.mean(0), rtol=1e-9)
    np.testing.assert_allclose(np.abs((components * expected.components_).sum(1)), 1, atol=1e-4)
    for own in components:
        assert own[np.abs(own).argmax()] > 0
    again = learn_vector_columns(-vectors)
    np.testing.assert_allclose(again.components, columns.components, atol=4)


@pytest.mark.parametrize(("rows", "width"), [(300, 16), (1_000, 384), (2_000, 64)])
def test_vectors_of_the_same_kind_vary_as_much_along_each_direction(rows: int, width: int) -> None:
    """No direction of such vectors is the main one: the principal components are those of the rows alone."""
    rng = np.random.default_rng(rows)
    vectors, others = rng.normal(size=(2, rows, width))
    columns = learn_vector_columns(vectors)
    spread = columns.of(others)[2:].std(1) / columns.of(vectors)[2:].std(1)
    assert len(spread) == PROJECTIONS
    np.testing.assert_allclose(spread, 1, atol=4 / np.sqrt(rows))
    fitted = PCA(1).fit(vectors)
    assert fitted.transform(others).std() < (1 - 2 / np.sqrt(rows)) * fitted.transform(vectors).std(), "as these would"
    components = columns.components / 2.0**BITS
    assert np.abs(np.triu(components @ components.T, 1)).max() < 0.6, "none is told twice"


def test_images_of_digits_are_as_numpy_has_them() -> None:
    images = load_digits().data
    columns = learn_vector_columns(images[:900])
    norm, distance, *projected = columns.of(images)
    np.testing.assert_allclose(norm, np.linalg.norm(images, axis=1), rtol=KEPT)
    np.testing.assert_allclose(distance, np.linalg.norm(images - images[:900].mean(0), axis=1), rtol=KEPT)
    expected = PCA(PROJECTIONS, svd_solver="full").fit(images[:900]).transform(images)
    for at, own in enumerate(projected):
        assert abs(np.corrcoef(own, expected[:, at])[0, 1]) > 0.9999


@pytest.mark.parametrize("width", [1, 2, 5, 64, 384, 1_000])
def test_a_vector_has_the_same_figures_in_any_batch(width: int) -> None:
    """To the last bit: a sum of floats would depend on the number of rows."""
    rng = np.random.default_rng(2)
    vectors = cloud(97, width) * np.exp(rng.normal(0, 20, (97, 1)))
    columns = learn_vector_columns(cloud(200, width))
    whole = columns.of(vectors)
    for size in (1, 2, 3, 16, 96):
        parts = [columns.of(vectors[at : at + size]) for at in range(0, 97, size)]
        assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()
    order = rng.permutation(97)
    assert columns.of(vectors[order]).tobytes() == np.ascontiguousarray(whole[:, order]).tobytes()
    assert columns.of(np.asfortranarray(vectors)).tobytes() == whole.tobytes()


def test_sums_of_the_longest_vectors_are_exact() -> None:
    """All coordinates as large as can be: the sums of their products just fit a float's integers."""
    columns = VectorColumns(np.zeros(MOST_NUMBERS), np.full((1, MOST_NUMBERS), 1 << BITS, np.int32))
    vectors = np.full((2, MOST_NUMBERS), 1 - 2.0**-30)
    norm, _, projected = columns.of(vectors)
    np.testing.assert_allclose(norm, np.sqrt(MOST_NUMBERS), rtol=KEPT)
    np.testing.assert_allclose(projected, MOST_NUMBERS, rtol=KEPT)
    assert MOST_NUMBERS * (1 << BITS) ** 2 <= 2**53


@pytest.mark.parametrize("size", [0.0, 5e-324, 1e-300, 1e-30, 1e30, 1e300, 1.7e308])
def test_any_finite_vector_has_finite_figures(size: float) -> None:
    columns = learn_vector_columns(cloud(100, 16))
    vectors = np.stack([np.full(16, size), np.full(16, -size), np.r_[size, np.zeros(15)]])
    figures = columns.of(vectors)
    assert np.isfinite(figures).all()
    assert not np.signbit(figures[figures == 0]).any()
    if 1e-200 < size < 1e300:
        np.testing.assert_allclose(figures[0], [4 * size, 4 * size, size], rtol=KEPT)


def test_vectors_of_one_length_have_one_norm_however_they_were_rounded() -> None:
    vectors = cloud(300, 384)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    columns = learn_vector_columns(unit)
    for rounded in (unit, unit.astype(np.float32), unit.astype(np.float16)):
        assert set(columns.of(rounded.astype(np.float64))[0].tolist()) == {1.0}


def test_one_vector_over_and_over_has_no_components() -> None:
    columns = learn_vector_columns(np.ones((100, 5)))
    assert columns.numeric == ("norm", "distance")
    assert columns.of(np.ones((2, 5)))[1].tolist() == [0, 0]


def test_no_vectors_have_no_figures() -> None:
    assert learn_vector_columns(cloud(100, 7)).of(np.zeros((0, 7))).shape == (6, 0)
