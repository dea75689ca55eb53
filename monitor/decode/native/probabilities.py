"""The probabilities of classes that predictions come with, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from monitor.decode.columns import MISSING
from monitor.events import canonical

#: the sum of probabilities from which on those that are left out are 0
ALL_GIVEN: Final = 0.999


def confidences(scores: Sequence[object], predictions: Sequence[object]) -> NDArray[np.float64]:
    """The entry of `scores` for the predicted class; MISSING without either."""
    confidence = np.full(len(predictions), MISSING)
    names: dict[object, str] = {}
    for i, (by_class, predicted) in enumerate(zip(scores, predictions, strict=True)):
        if predicted is not None and isinstance(by_class, dict):
            name = names.get(predicted)
            if name is None:
                name = names[predicted] = canonical(predicted)  # type: ignore[arg-type]  # text, a number or a boolean
            probability = by_class.get(name)
            if probability is not None:
                confidence[i] = probability
    return confidence


def probabilities(scores: Sequence[object], classes: tuple[str, ...]) -> NDArray[np.float32]:
    """The entries of `scores` for all classes (n, K); NaN where one is not known.

    Classes that are left out have the probability 0 where the others sum up to 1.
    """
    try:
        found = np.array(list(map(itemgetter(*classes), cast("Sequence[Any]", scores))), np.float64)
    except (KeyError, TypeError):  # some are left out, or there are no scores
        nothing = (None,) * len(classes)
        rows = [tuple(map(one.get, classes)) if isinstance(one, dict) else nothing for one in scores]
        found = np.array(rows, np.float64)
    found = found.reshape(len(scores), len(classes))
    unknown = np.isnan(found)  # None becomes NaN
    if unknown.any():
        found[unknown & (np.nansum(found, axis=1) >= ALL_GIVEN)[:, None]] = 0.0
    return found.astype(np.float32)
