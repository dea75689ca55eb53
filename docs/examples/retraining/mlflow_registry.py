"""Writes pages to MLflow's registry, and moves an alias back to the version before when a model gets worse.

pip install mlflow kafka-python
MLFLOW_TRACKING_URI=http://localhost:5000 KAFKA=localhost:9092 python mlflow_registry.py
"""

import os

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

ALIAS = os.environ.get("ALIAS", "champion")


def tag(client: MlflowClient, page: dict) -> None:
    """Tags the version, which triggers and people look at."""
    name, version = page["model"], page["version"]
    client.set_model_version_tag(name, version, "drift", page["severity"])
    client.set_model_version_tag(name, version, "drift.since", page["since"])
    client.set_model_version_tag(name, version, "drift.summary", page["summary"])


def roll_back(client: MlflowClient, page: dict) -> str | None:
    """Moves the alias to the newest older version without a page, where labels say that this one is worse.

    Returns that version; None where nothing was moved: worse input is no reason, the version before would get it too.
    """
    causes = {finding["cause"] for finding in page["findings"]}
    current = client.get_model_version_by_alias(page["model"], ALIAS).version
    if "performance" not in causes or str(current) != page["version"]:
        return None
    known = client.search_model_versions(f"name = '{page['model']}'")
    older = [one for one in known if int(one.version) < int(current) and one.tags.get("drift") != "page"]
    if not older:
        return None
    best = max(older, key=lambda one: int(one.version))
    client.set_registered_model_alias(page["model"], ALIAS, best.version)
    return str(best.version)


if __name__ == "__main__":
    from alert_topic import pages

    registry = MlflowClient()
    for event_id, page in pages("mlflow-registry"):
        try:
            tag(registry, page)
            print(event_id, "alias moved to", roll_back(registry, page))
        except MlflowException as error:  # no such model or version there
            print(event_id, error)
