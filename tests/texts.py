"""Real texts and embeddings of them: the paragraphs of Python's manual, by latent semantic analysis (scikit-learn)."""

from __future__ import annotations

from functools import cache
from pydoc_data.topics import topics
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from tests.engine import Event, event

WIDTH: Final = 48
Floats = NDArray[np.float64]


@cache
def paragraphs() -> list[str]:
    """About 2,400 paragraphs on one subject."""
    return [text.strip() for topic in topics.values() for text in topic.split("\n\n") if len(text.strip()) > 20]


@cache
def of_another_subject() -> list[str]:
    """About 50 paragraphs on wine, flowers and medicine."""
    about = [load() for load in (load_breast_cancer, load_diabetes, load_iris, load_wine)]
    return [text.strip() for one in about for text in one.DESCR.split("\n\n") if len(text.strip()) > 20]


@cache
def _model() -> Any:  # noqa: ANN401  # a pipeline of scikit-learn
    words = TfidfVectorizer(sublinear_tf=True, min_df=2)
    return make_pipeline(words, TruncatedSVD(WIDTH, random_state=0)).fit(paragraphs())


def embedded(texts: list[str]) -> Floats:
    """(n, WIDTH), not of unit length."""
    return np.asarray(_model().transform(texts)).astype(np.float64).round(7)


@cache
def _embedded_paragraphs() -> Floats:
    return embedded(paragraphs())


def stream(events: int, seed: int, first: int = 0) -> list[Event]:
    """Predictions with an embedding `emb`, its text `note` and a number `x`, 100 ms apart, from the `first` one on."""
    rng = np.random.default_rng(seed)
    texts, vectors = paragraphs(), _embedded_paragraphs()
    chosen = rng.integers(len(texts), size=events).tolist()
    numbers = rng.normal(size=events).tolist()
    return [
        event(
            (first + at) / 10,
            id=f"{seed}-{at}",
            features={"emb": vectors[one].tolist(), "note": texts[one], "x": numbers[at]},
            prediction=at % 2,
        )
        for at, one in enumerate(chosen)
    ]
