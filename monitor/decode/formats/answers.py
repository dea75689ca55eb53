"""What a model's answer for a row says: a prediction, a score, or a score for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from monitor.decode.formats.call import Native

#: names under which answers have a class or value
_PREDICTIONS: Final = ("prediction", "predicted_label", "predicted_class", "label", "class")
#: names under which they have a probability, of the positive class or of each one
_SCORES: Final = ("score", "scores", "probability", "probabilities", "proba", "predict_proba", "probs")
#: how far the probabilities of all classes may be from 1 together
_ROUNDING: Final = 0.01


def answer_fields(answer: object, *, binary: bool) -> Native:
    """The fields `prediction`, `score` and `scores` of a native event.

    `binary`: the model is one of two classes, so a single number with a decimal point is the score. What cannot be read
    is left in `prediction`, where the native rules reject it.
    """
    while isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if isinstance(answer, Mapping):
        return _of_object(answer, binary=binary)
    if isinstance(answer, list):
        return _of_probabilities(answer) or {"prediction": answer}
    if binary and type(answer) is float and 0 <= answer <= 1:
        return {"score": answer}
    return {"prediction": answer}


def _of_object(answer: Mapping[str, object], *, binary: bool) -> Native:
    found: Native = {}
    for name in _PREDICTIONS:
        if name in answer and not isinstance(answer[name], list | dict):
            found["prediction"] = answer[name]
            break
    else:
        predicted = [value for name, value in answer.items() if name.startswith("predicted_")]
        if len(predicted) == 1:
            found["prediction"] = predicted[0]
    classes = answer.get("classes")
    for name in _SCORES:
        if name in answer:
            found |= _of_scores(answer[name], classes if isinstance(classes, list) else None)
            break
    if found:
        return found
    if len(answer) == 1:
        return answer_fields(next(iter(answer.values())), binary=binary)
    return {"prediction": dict(answer)}


def _of_scores(value: object, classes: Sequence[object] | None) -> Native:
    while isinstance(value, list) and len(value) == 1 and (classes is None or len(classes) != 1):
        value = value[0]
    if isinstance(value, Mapping):
        return _with_class(dict(value))
    if isinstance(value, list):
        if classes is not None and len(classes) == len(value):
            return _with_class({str(name): one for name, one in zip(classes, value, strict=True)})
        return _of_probabilities(value) or {"scores": value}
    return {"score": value}


def _of_probabilities(values: Sequence[object]) -> Native | None:
    """Scores of the classes 0, 1, ... if the values can be probabilities of all classes."""
    numbers = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != len(values) or not all(0 <= one <= 1 for one in numbers):
        return None
    if abs(sum(numbers) - 1) > _ROUNDING:
        return None
    return _with_class({str(at): one for at, one in enumerate(numbers)})


def _with_class(scores: dict[str, object]) -> Native:
    """The scores; of more than two classes the first of the most probable ones is the prediction.

    Of two, the threshold is the model's own matter.
    """
    numbers = {name: one for name, one in scores.items() if isinstance(one, int | float)}
    if len(scores) < 3 or len(numbers) != len(scores):
        return {"scores": scores}
    return {"scores": scores, "prediction": max(numbers, key=lambda name: numbers[name])}
