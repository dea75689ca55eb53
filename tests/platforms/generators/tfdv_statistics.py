"""Statistics and a schema by TensorFlow Data Validation, in every form that TFX writes them."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import tensorflow as tf
import tensorflow_data_validation as tfdv
from import_made_by import write_made_by
from import_rows import rows, write_rows
from tensorflow_metadata.proto.v0 import schema_pb2


def main(folder: Path) -> None:
    write_rows(folder)
    frame = pd.DataFrame(rows())
    statistics = tfdv.generate_statistics_from_dataframe(frame)
    (folder / "import_tfdv.pb").write_bytes(statistics.SerializeToString())
    with tf.io.TFRecordWriter(str(folder / "import_tfdv.tfrecord")) as writer:
        writer.write(statistics.SerializeToString())
    few = tfdv.generate_statistics_from_dataframe(frame[["age", "income", "grade"]])
    tfdv.write_stats_text(few, str(folder / "import_tfdv.pbtxt"))
    schema = tfdv.infer_schema(statistics)
    schema.default_environment.extend(["TRAINING", "SERVING"])
    tfdv.get_feature(schema, "kids").not_in_environment.append("SERVING")
    tfdv.get_feature(schema, "grade").drift_comparator.infinity_norm.threshold = 0.05
    tfdv.get_feature(schema, "income").skew_comparator.jensen_shannon_divergence.threshold = 0.1
    tfdv.set_domain(schema, "age", schema_pb2.IntDomain(name="age", min=0, max=120))
    tfdv.write_schema_text(schema, str(folder / "import_tfdv_schema.pbtxt"))
    write_made_by(folder, "tfdv", "tensorflow-data-validation", "tensorflow-metadata", "tensorflow-cpu")


main(Path(sys.argv[1]))
