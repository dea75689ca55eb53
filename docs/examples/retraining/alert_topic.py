"""Pages on the alert topic that a new model may mend; each is given out again until it has been dealt with."""

import json
import os
from collections.abc import Iterator

from kafka import KafkaConsumer

#: causes of the model's world: the others are faults of pipelines, and a model trained on broken data is worse
CAUSES = {"distribution", "score", "prediction", "relation", "performance", "calibration", "cost", "outcome"}


def is_wanted(transition: dict) -> bool:
    """A page that begins now, and of the world: no column is missing, constant, or in another unit."""
    begins = transition["kind"] == "transition" and transition["transition"] in ("opened", "escalated")
    causes = {finding["cause"] for finding in transition["findings"]}
    return begins and transition["severity"] == "page" and bool(causes) and causes <= CAUSES


def event_in(headers: list[tuple[str, bytes]], value: bytes | None) -> tuple[dict, dict]:
    """Attributes and data of the event in a record, whichever way `outputs.cloudevents` has them written."""
    content = json.loads(value) if value else {}
    attributes = {name[3:]: text.decode() for name, text in headers if name.startswith("ce_")}
    return (attributes, content) if attributes else (content, content.get("data", {}))


def pages(group: str) -> Iterator[tuple[str, dict]]:
    """The id of each page, to name what it starts (a transition may come twice under the same id), and its transition.

    Where an exception ends the program, it begins again with the same page.
    """
    consumer = KafkaConsumer(
        os.environ.get("DRIFTD_ALERTS", "driftd.alerts"),
        bootstrap_servers=os.environ.get("KAFKA", "localhost:9092"),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    for message in consumer:
        attributes, data = event_in(message.headers, message.value)
        if attributes.get("type") == "io.driftd.incident" and is_wanted(data):
            yield attributes["id"], data
        consumer.commit()
