"""A scikit-learn model that is asked for many rows at once: a frame is reported whole, and so are its labels.

pip install driftd scikit-learn pandas
KAFKA=localhost:9092 python sklearn_service.py
"""

import os

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from monitor.client import Reporter


class Service:
    """Answers with probabilities, and reports what it was asked and what it said."""

    def __init__(self, model: LogisticRegression, reporter: Reporter) -> None:
        self.model = model
        self.reporter = reporter

    def answer(self, rows: pd.DataFrame) -> pd.Series:
        """The probability for each row, by the id under which its label is reported later."""
        scores = self.model.predict_proba(rows)[:, 1]
        ids = self.reporter.prediction(rows, scores > 0.5, score=scores)
        return pd.Series(scores, index=ids)

    def learn(self, labels: pd.Series) -> None:
        """Labels by id, as they become known."""
        self.reporter.label(labels.index, labels)


def main() -> None:
    data, target = load_breast_cancer(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(data[:300], target[:300])
    with Reporter(os.environ.get("KAFKA", "localhost:9092"), "model-events", model="tumours", version="1") as reporter:
        service = Service(model, reporter)
        scores = service.answer(data[300:])
        service.learn(pd.Series(target[300:].to_numpy(), index=scores.index))


if __name__ == "__main__":
    main()
