"""Starts a SageMaker pipeline for each page that a new model may mend.

pip install boto3 kafka-python
PIPELINE=credit-training KAFKA=localhost:9092 python sagemaker_pipeline.py
"""

import hashlib
import os


def execution_of(event_id: str, page: dict) -> dict:
    """The arguments of StartPipelineExecution. The token makes a second start of the same page the same execution."""
    token = hashlib.sha256(event_id.encode()).hexdigest()
    return {
        "PipelineName": os.environ.get("PIPELINE", "credit-training"),
        "PipelineExecutionDisplayName": f"drift-{token[:16]}",
        "PipelineExecutionDescription": page["summary"][:3072],
        "PipelineParameters": [
            {"Name": "Model", "Value": page["model"]},
            {"Name": "Version", "Value": page["version"]},
            {"Name": "DriftSince", "Value": page["since"]},
            {"Name": "Incident", "Value": page["incident"]},
        ],
        "ClientRequestToken": token,
    }


if __name__ == "__main__":
    import boto3
    from alert_topic import pages

    sagemaker = boto3.client("sagemaker")
    for event_id, page in pages("retrain-sagemaker"):
        print(sagemaker.start_pipeline_execution(**execution_of(event_id, page))["PipelineExecutionArn"])
