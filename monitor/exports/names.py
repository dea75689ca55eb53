"""The names of the forms, and what they are: for the command line, which imports no more to show its help."""

from __future__ import annotations

from typing import Final

#: the form that is sent to a server, not written
MLFLOW: Final = "mlflow"
#: the forms of `export`, and what they are
FORMS: Final = {
    "sagemaker": "constraint_violations.json of SageMaker Model Monitor",
    "tfdv": "Anomalies of TensorFlow Data Validation, in text form",
    "openlineage": "run events of OpenLineage with data quality facets, a line each",
    "azure": "rows of a custom signal of Azure Machine Learning, as CSV",
    "vertex": "alerts of Vertex AI Model Monitoring, a line each",
    MLFLOW: "tags on the registered version and figures on its run, on MLflow's server",
}
