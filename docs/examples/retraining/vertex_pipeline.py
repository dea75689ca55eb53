"""Starts a Vertex AI pipeline for each page that a new model may mend.

pip install google-cloud-aiplatform kafka-python
PROJECT=acme REGION=europe-west4 TEMPLATE=gs://acme/training.json python vertex_pipeline.py
"""

import hashlib
import os

PROJECT, REGION = os.environ.get("PROJECT", "acme"), os.environ.get("REGION", "europe-west4")


def request_of(event_id: str, page: dict) -> dict:
    """A CreatePipelineJobRequest. The job's id makes a second start of the same page an AlreadyExists."""
    return {
        "parent": f"projects/{PROJECT}/locations/{REGION}",
        "pipeline_job_id": f"drift-{hashlib.sha256(event_id.encode()).hexdigest()[:32]}",
        "pipeline_job": {
            "display_name": f"drift of {page['model']} {page['version']}"[:128],
            "template_uri": os.environ.get("TEMPLATE", "gs://acme/pipelines/training.json"),
            "runtime_config": {
                "gcs_output_directory": os.environ.get("OUTPUT", "gs://acme/pipelines"),
                "parameter_values": {
                    "model": page["model"],
                    "version": page["version"],
                    "drift_since": page["since"],
                    "incident": page["incident"],
                },
            },
        },
    }


if __name__ == "__main__":
    from alert_topic import pages
    from google.api_core.exceptions import AlreadyExists
    from google.cloud.aiplatform_v1 import PipelineServiceClient

    client = PipelineServiceClient(client_options={"api_endpoint": f"{REGION}-aiplatform.googleapis.com"})
    for event_id, page in pages("retrain-vertex"):
        try:
            print(client.create_pipeline_job(request=request_of(event_id, page)).name)
        except AlreadyExists:
            print(f"{event_id} was started before")
