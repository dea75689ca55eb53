"""Captures calls of TensorFlow Serving as `PredictionLog` messages of tensorflow-serving-api, with tensors and examples
that TensorFlow makes. Its server ships no collector: the log's metadata are set here."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from traffic import NAMES, Call, calls, drifting, record, score, write_capture, write_recording

PACKAGES = ["tensorflow-serving-api", "tensorflow-cpu", "protobuf"]
TYPES = {"age": tf.int64, "income": tf.float64, "grade": tf.string}


def log_of(call: Call) -> PredictionLog:
    log = PredictionLog()
    log.log_metadata.model_spec.name = "credit"
    log.log_metadata.model_spec.version.value = 12
    log.log_metadata.model_spec.signature_name = "serving_default"
    log.log_metadata.sampling_config.sampling_rate = 1.0
    log.log_metadata.timestamp_secs = int(datetime.strptime(call.time, "%Y-%m-%dT%H:%M:%S%z").timestamp())
    return log


def predict(call: Call) -> PredictionLog:
    log = log_of(call)
    both = log.predict_log
    both.request.model_spec.name = "credit"
    for name, kind in TYPES.items():
        both.request.inputs[name].CopyFrom(tf.make_tensor_proto([row[name] for row in call.rows], dtype=kind))
    scores = np.array([[score(**row)] for row in call.rows], np.float32)
    both.response.outputs["score"].CopyFrom(tf.make_tensor_proto(scores))
    both.response.model_spec.CopyFrom(log.log_metadata.model_spec)
    return log


def add_examples(examples: Any, call: Call) -> None:  # noqa: ANN401 - a repeated field of messages
    for row in call.rows:
        feature = {
            "age": tf.train.Feature(int64_list=tf.train.Int64List(value=[row["age"]])),
            "income": tf.train.Feature(float_list=tf.train.FloatList(value=[row["income"]])),
            "grade": tf.train.Feature(bytes_list=tf.train.BytesList(value=[row["grade"].encode()])),
        }
        examples.append(tf.train.Example(features=tf.train.Features(feature={name: feature[name] for name in NAMES})))


def classify(call: Call) -> PredictionLog:
    log = log_of(call)
    add_examples(log.classify_log.request.input.example_list.examples, call)
    for row in call.rows:
        classes = log.classify_log.response.result.classifications.add().classes
        for label, share in (("0", 1 - score(**row)), ("1", score(**row))):
            classes.add(label=label, score=share)
    return log


def regress(call: Call) -> PredictionLog:
    log = log_of(call)
    add_examples(log.regress_log.request.input.example_list.examples, call)
    for row in call.rows:
        log.regress_log.response.result.regressions.add(value=score(**row))
    return log


def main() -> None:
    forms: dict[str, Callable[[Call], PredictionLog]] = {"predict": predict, "classify": classify, "regress": regress}
    for name, make in forms.items():
        records = [record(make(call).SerializeToString(deterministic=True), {}) for call in calls()]
        write_capture(f"tfserving_{name}", "tfserving", PACKAGES, records)
    drift = [(call, record(predict(call).SerializeToString(deterministic=True), {})) for call in drifting()]
    write_recording("tfserving", PACKAGES, drift, "predictions")


if __name__ == "__main__":
    main()
