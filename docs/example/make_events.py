"""Three hours of a made-up loan model's events, as JSON lines: seeded, so every run prints the same.

At event 15,000 a client begins to send `amount` in cents: a unit that changed, the commonest fault of all.
"""

import json
import math
import random
import sys

EVENTS, CHANGE, START_MS = 20_000, 15_000, 1_790_000_000_000
rng = random.Random(7)

for number in range(EVENTS):
    age = min(max(rng.gauss(42, 11), 18), 90)
    amount = round(math.exp(rng.gauss(9, 0.6)), 2)
    channel = rng.choices(["web", "branch", "phone"], [70, 20, 10])[0]
    score = 1 / (1 + math.exp(2 + (age - 42) / 15 - amount / 20_000 - rng.gauss(0, 0.5)))
    from_the_client = channel == "phone" and number >= CHANGE
    event = {
        "type": "prediction",
        "id": f"loan-{number}",
        "model": "loans",
        "version": "1",
        "ts": START_MS + number * 600,
        "features": {
            "age": None if rng.random() < 0.01 else round(age, 1),
            "amount": amount * 100 if from_the_client else amount,
            "channel": channel,
        },
        "score": round(score, 4),
        "prediction": int(score >= 0.5),
    }
    sys.stdout.write(json.dumps(event) + "\n")
