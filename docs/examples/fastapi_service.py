"""A FastAPI service that reports each prediction, and its label when that is known.

pip install driftd fastapi uvicorn
KAFKA=localhost:9092 uvicorn fastapi_service:app
"""

import math
import os

from fastapi import FastAPI
from pydantic import BaseModel

from monitor.client import Reporter

reporter = Reporter(os.environ.get("KAFKA", "localhost:9092"), "model-events", model="credit", version="7")
app = FastAPI()


class Customer(BaseModel):
    age: float
    balance: float
    city: str


class Outcome(BaseModel):
    defaulted: bool


def probability(customer: Customer) -> float:
    """The model: yours stands here."""
    return 1 / (1 + math.exp(customer.balance / 1_000 - customer.age / 50))


@app.post("/score")
def score(customer: Customer) -> dict[str, object]:
    risk = probability(customer)
    id_of = reporter.prediction(customer.model_dump(), prediction=risk > 0.5, score=risk)
    return {"id": id_of, "risk": risk}


@app.post("/outcomes/{id_of}")
def outcome(id_of: str, known: Outcome) -> dict[str, object]:
    reporter.label(id_of, known.defaulted)
    return {}
