"""The messages of TFDV's statistics and schema, as far as they are read; other fields are skipped."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.text_format import Parse, ParseError

from monitor.decode.encodings.proto_text import parse_proto

STATISTICS: Final = "DatasetFeatureStatisticsList"
SCHEMA: Final = "Schema"

_PROTO: Final = """
syntax = "proto2";
package tensorflow.metadata.v0;
message Path { repeated string step = 1; }
message DatasetFeatureStatisticsList { repeated DatasetFeatureStatistics datasets = 1; }
message DatasetFeatureStatistics {
  optional string name = 1;
  optional uint64 num_examples = 2;
  optional double weighted_num_examples = 4;
  repeated FeatureNameStatistics features = 3;
}
message FeatureNameStatistics {
  enum Type { INT = 0; FLOAT = 1; STRING = 2; BYTES = 3; STRUCT = 4; }
  optional string name = 1;
  optional Path path = 8;
  optional Type type = 2;
  optional NumericStatistics num_stats = 3;
  optional StringStatistics string_stats = 4;
  optional OtherStatistics bytes_stats = 5;
  optional OtherStatistics struct_stats = 7;
}
message OtherStatistics { optional CommonStatistics common_stats = 1; }
message CommonStatistics {
  optional uint64 num_non_missing = 1;
  optional uint64 num_missing = 2;
  optional uint64 min_num_values = 3;
  optional uint64 max_num_values = 4;
  optional uint64 tot_num_values = 8;
}
message Histogram {
  enum HistogramType { STANDARD = 0; QUANTILES = 1; }
  message Bucket { optional double low_value = 1; optional double high_value = 2; optional double sample_count = 4; }
  optional uint64 num_nan = 1;
  optional uint64 num_undefined = 2;
  repeated Bucket buckets = 3;
  optional HistogramType type = 4;
  optional string name = 5;
}
message NumericStatistics {
  optional CommonStatistics common_stats = 1;
  optional double mean = 2;
  optional double std_dev = 3;
  optional uint64 num_zeros = 4;
  optional double min = 5;
  optional double max = 7;
  repeated Histogram histograms = 8;
}
message RankHistogram {
  message Bucket {
    optional uint64 low_rank = 1;
    optional uint64 high_rank = 2;
    optional bytes label = 4;
    optional double sample_count = 5;
  }
  repeated Bucket buckets = 1;
}
message StringStatistics {
  message FreqAndValue { optional bytes value = 2; optional double frequency = 3; }
  optional CommonStatistics common_stats = 1;
  optional uint64 unique = 2;
  repeated FreqAndValue top_values = 3;
  optional RankHistogram rank_histogram = 5;
  optional uint64 invalid_utf8_count = 8;
}
enum LifecycleStage {
  UNKNOWN_STAGE = 0; PLANNED = 1; ALPHA = 2; BETA = 3; PRODUCTION = 4; DEPRECATED = 5; DEBUG_ONLY = 6; DISABLED = 7;
  VALIDATION_DERIVED = 9;
}
enum FeatureType { TYPE_UNKNOWN = 0; BYTES = 1; INT = 2; FLOAT = 3; STRUCT = 4; }
message Threshold { optional double threshold = 1; }
message FeatureComparator {
  optional Threshold infinity_norm = 1;
  optional Threshold jensen_shannon_divergence = 2;
  optional Threshold normalized_abs_difference = 3;
}
message FeaturePresence { optional double min_fraction = 1; optional int64 min_count = 2; }
message IntDomain {
  optional string name = 1; optional int64 min = 3; optional int64 max = 4; optional bool is_categorical = 5;
}
message FloatDomain { optional string name = 1; optional float min = 3; optional float max = 4; }
message StringDomain { optional string name = 1; repeated string value = 2; }
message BoolDomain { optional string name = 1; optional string true_value = 2; optional string false_value = 3; }
message DistributionConstraints { optional double min_domain_mass = 1; }
message UniqueConstraints { optional int64 min = 1; optional int64 max = 2; }
message Fractions { optional double min_fraction_threshold = 1; optional double max_fraction_threshold = 2; }
message DatasetConstraints {
  optional Fractions num_examples_drift_comparator = 1;
  optional Fractions num_examples_version_comparator = 2;
  optional int64 min_examples_count = 3;
  optional int64 max_examples_count = 4;
}
message Feature {
  optional string name = 1;
  optional bool deprecated = 2;
  optional FeaturePresence presence = 14;
  optional FeatureType type = 6;
  optional string domain = 7;
  optional IntDomain int_domain = 9;
  optional FloatDomain float_domain = 10;
  optional StringDomain string_domain = 11;
  optional BoolDomain bool_domain = 13;
  optional DistributionConstraints distribution_constraints = 15;
  optional FeatureComparator skew_comparator = 18;
  optional FeatureComparator drift_comparator = 21;
  repeated string in_environment = 20;
  repeated string not_in_environment = 19;
  optional LifecycleStage lifecycle_stage = 22;
  optional UniqueConstraints unique_constraints = 31;
}
message Schema {
  repeated Feature feature = 1;
  repeated StringDomain string_domain = 4;
  repeated FloatDomain float_domain = 9;
  repeated IntDomain int_domain = 10;
  repeated string default_environment = 5;
  optional DatasetConstraints dataset_constraints = 11;
}
"""


@cache
def _made(name: str) -> Any:  # noqa: ANN401  # the class of a message, which has no other type
    pool = DescriptorPool()
    pool.AddSerializedFile(parse_proto(_PROTO, "tfdv.proto").SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.metadata.v0.{name}"))


def from_bytes(name: str, data: bytes) -> Any:  # noqa: ANN401  # a message
    """A message in its binary form.

    Raises:
        ValueError: the bytes are none, or are cut off.
    """
    message = _made(name)()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise ValueError(str(error)) from None
    return message


def from_text(name: str, text: str) -> Any:  # noqa: ANN401  # as above
    """A message in its text form.

    Raises:
        ValueError: the text is none, with its line.
    """
    try:
        return Parse(text, _made(name)(), allow_unknown_field=True)
    except ParseError as error:
        raise ValueError(str(error)) from None
