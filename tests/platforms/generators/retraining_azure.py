"""The pipeline job that azure-ai-ml loads from the recipe's file and overrides, as it would send it."""

from __future__ import annotations

from azure.ai.ml import load_job
from retraining import EVENT_ID, RECIPES, page, recipe, write


def main() -> None:
    overrides = recipe("azure_pipeline").overrides_of(EVENT_ID, page())
    job = load_job(RECIPES / "azure_training.yml", params_override=overrides)
    found = job._customized_validate()
    if not found.passed:
        raise SystemExit(str(found))
    sent = job._to_rest_object().as_dict()["properties"]
    kept = {"displayName", "description", "experimentName", "inputs", "tags", "jobType"}
    taken = {"name": job.name, **{name: value for name, value in sent.items() if name in kept}}
    write("azure", ["azure-ai-ml"], taken)


if __name__ == "__main__":
    main()
