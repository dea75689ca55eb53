"""A monitoring schema and thresholds of Vertex AI, by the types of its client, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from google.cloud.aiplatform_v1.types import (
    ModelDeploymentMonitoringJob,
    ModelDeploymentMonitoringObjectiveConfig,
    ModelMonitoringObjectiveConfig,
    ThresholdConfig,
)
from google.cloud.aiplatform_v1beta1.types import (
    ModelMonitoringAlertCondition,
    ModelMonitoringObjectiveSpec,
    ModelMonitoringSchema,
)
from import_made_by import write_made_by


def main(folder: Path) -> None:
    field = ModelMonitoringSchema.FieldSchema
    schema = ModelMonitoringSchema(
        feature_fields=[
            field(name="age", data_type="integer"),
            field(name="income", data_type="float"),
            field(name="grade", data_type="categorical"),
        ],
        ground_truth_fields=[field(name="kids", data_type="integer")],
    )
    (folder / "import_vertex_schema.json").write_text(ModelMonitoringSchema.to_json(schema))
    config = ModelMonitoringObjectiveConfig
    skew = config.TrainingPredictionSkewDetectionConfig(
        skew_thresholds={"age": ThresholdConfig(value=0.1), "grade": ThresholdConfig(value=0.05)}
    )
    job = ModelDeploymentMonitoringJob(
        display_name="credit",
        model_deployment_monitoring_objective_configs=[
            ModelDeploymentMonitoringObjectiveConfig(
                deployed_model_id="7", objective_config=config(training_prediction_skew_detection_config=skew)
            )
        ],
    )
    (folder / "import_vertex_job.json").write_text(ModelDeploymentMonitoringJob.to_json(job))
    spec = ModelMonitoringObjectiveSpec.DataDriftSpec(
        features=["age", "grade"],
        categorical_metric_type="l_infinity",
        numeric_metric_type="jensen_shannon_divergence",
        default_categorical_alert_condition=ModelMonitoringAlertCondition(threshold=0.1),
        default_numeric_alert_condition=ModelMonitoringAlertCondition(threshold=0.2),
        feature_alert_conditions={"age": ModelMonitoringAlertCondition(threshold=0.3)},
    )
    objective = ModelMonitoringObjectiveSpec(
        tabular_objective=ModelMonitoringObjectiveSpec.TabularObjective(feature_drift_spec=spec)
    )
    (folder / "import_vertex_monitor.json").write_text(ModelMonitoringObjectiveSpec.to_json(objective))
    for file in folder.glob("import_vertex_*.json"):  # enums and names as the client writes them, in one line each
        file.write_text(json.dumps(json.loads(file.read_text())) + "\n")
    write_made_by(folder, "vertex", "google-cloud-aiplatform")


main(Path(sys.argv[1]))
