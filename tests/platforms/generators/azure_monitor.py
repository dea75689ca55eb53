"""A monitor of Azure Machine Learning by the entities of its SDK, as the YAML that they dump."""

from __future__ import annotations

import sys
from pathlib import Path

from azure.ai.ml.entities import (
    AlertNotification,
    CategoricalDriftMetrics,
    CronTrigger,
    DataDriftMetricThreshold,
    DataDriftSignal,
    DataQualityMetricsCategorical,
    DataQualityMetricsNumerical,
    DataQualityMetricThreshold,
    DataQualitySignal,
    MonitorDefinition,
    MonitorSchedule,
    NumericalDriftMetrics,
    ServerlessSparkCompute,
)
from import_made_by import write_made_by


def main(folder: Path) -> None:
    drift = DataDriftSignal(
        features=["age", "grade"],
        metric_thresholds=DataDriftMetricThreshold(
            numerical=NumericalDriftMetrics(jensen_shannon_distance=0.1),
            categorical=CategoricalDriftMetrics(population_stability_index=0.2),
        ),
    )
    quality = DataQualitySignal(
        metric_thresholds=DataQualityMetricThreshold(
            numerical=DataQualityMetricsNumerical(null_value_rate=0.05, out_of_bounds_rate=0.03),
            categorical=DataQualityMetricsCategorical(out_of_bounds_rate=0.03),
        ),
    )
    monitor = MonitorSchedule(
        name="credit",
        trigger=CronTrigger(expression="15 10 * * *"),
        create_monitor=MonitorDefinition(
            compute=ServerlessSparkCompute(instance_type="standard_e4s_v3", runtime_version="3.4"),
            monitoring_signals={"drift": drift, "quality": quality},
            alert_notification=AlertNotification(emails=["a@example.org"]),
        ),
    )
    monitor.dump(str(folder / "import_azure.yaml"))
    write_made_by(folder, "azure", "azure-ai-ml")


main(Path(sys.argv[1]))
