"""Submits an Azure ML pipeline job for each page that a new model may mend.

pip install azure-ai-ml azure-identity kafka-python
SUBSCRIPTION=… RESOURCE_GROUP=… WORKSPACE=… KAFKA=localhost:9092 python azure_pipeline.py training.yml
"""

import hashlib
import os
import sys


def overrides_of(event_id: str, page: dict) -> list[dict]:
    """What differs from the job in the YAML file. A second submission of the same page is of the same name: refused."""
    return [
        {"name": f"drift-{hashlib.sha256(event_id.encode()).hexdigest()[:32]}"},
        {"display_name": f"drift of {page['model']} {page['version']}"},
        {"description": page["summary"]},
        {"inputs.model": page["model"]},
        {"inputs.version": page["version"]},
        {"inputs.drift_since": page["since"]},
        {"tags.incident": page["incident"]},
    ]


if __name__ == "__main__":
    from alert_topic import pages
    from azure.ai.ml import MLClient, load_job
    from azure.core.exceptions import ResourceExistsError
    from azure.identity import DefaultAzureCredential

    names = [os.environ[name] for name in ("SUBSCRIPTION", "RESOURCE_GROUP", "WORKSPACE")]
    client = MLClient(DefaultAzureCredential(), *names)
    for event_id, page in pages("retrain-azure"):
        try:
            job = load_job(sys.argv[1], params_override=overrides_of(event_id, page))
            print(client.jobs.create_or_update(job).studio_url)
        except ResourceExistsError:
            print(f"{event_id} was submitted before")
