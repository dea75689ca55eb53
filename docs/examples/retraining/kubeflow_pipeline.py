"""Starts a run of a Kubeflow pipeline for each page that a new model may mend.

pip install kfp-server-api kafka-python
KFP=http://localhost:8888 PIPELINE_ID=… PIPELINE_VERSION_ID=… python kubeflow_pipeline.py
"""

import os


def run_of(event_id: str, page: dict) -> dict:
    """The body of CreateRun, API v2beta1. Kubeflow has no token: a page that comes twice starts two runs."""
    return {
        "display_name": f"drift {event_id}",
        "description": page["summary"],
        "pipeline_version_reference": {
            "pipeline_id": os.environ.get("PIPELINE_ID", "9b187b86-7c0a-42ae-a0bc-2a746b6eb7a3"),
            "pipeline_version_id": os.environ.get("PIPELINE_VERSION_ID", "2a746b6e-b7a3-42ae-a0bc-9b187b867c0a"),
        },
        "runtime_config": {
            "parameters": {
                "model": page["model"],
                "version": page["version"],
                "drift_since": page["since"],
                "incident": page["incident"],
            }
        },
    }


if __name__ == "__main__":
    import kfp_server_api as kfp
    from alert_topic import pages

    client = kfp.ApiClient(kfp.Configuration(host=os.environ["KFP"]))
    runs = kfp.RunServiceApi(client)
    for event_id, page in pages("retrain-kubeflow"):
        print(runs.run_service_create_run(run_of(event_id, page)).run_id)
