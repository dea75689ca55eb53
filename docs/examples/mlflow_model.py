"""Wraps any MLflow model, so that wherever it is served it reports each `predict`.

pip install driftd mlflow

mlflow.pyfunc.save_model(
    "reported",
    python_model=Reported(model="credit", version="7", bootstrap_servers="localhost:9092"),
    artifacts={"model": "runs:/RUN/model"},
)
"""

from typing import Any

import mlflow.pyfunc

from monitor.client import Reporter


class Reported(mlflow.pyfunc.PythonModel):
    """The model that is the artifact `model`, and a reporter that begins where the model is loaded."""

    def __init__(self, model: str, version: str, bootstrap_servers: str, topic: str = "model-events") -> None:
        self.settings = {"model": model, "version": version, "bootstrap_servers": bootstrap_servers, "topic": topic}

    def load_context(self, context: Any) -> None:
        self.model = mlflow.pyfunc.load_model(context.artifacts["model"])
        self.reporter = Reporter(**self.settings)

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        answer = self.model.predict(model_input)
        self.reporter.prediction(model_input, answer)
        return answer
