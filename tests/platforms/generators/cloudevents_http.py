"""Captures CloudEvents as the package posts them over HTTP, in each mode, and what it makes of the same for Kafka."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from traffic import Call, calls, post, score, write_posts

SIDE = "org.kubeflow.serving.inference."


def event_of(call: Call, side: str, data: object, **more: str) -> CloudEvent:
    """A side of a call as KServe's logger names it; with attributes that HTTP has to escape."""
    attributes: dict[str, Any] = {
        "id": f"{call.id} é",
        "type": SIDE + side,
        "source": "http://127.0.0.1:9081/",
        "time": datetime.strptime(call.time, "%Y-%m-%dT%H:%M:%S%z"),
        "datacontenttype": "application/json",
        "inferenceservicename": "credit",
        "namespace": 'prod "€" 100%',
        "component": "predictor",
        "annotations": '{"modelVersion":"12"}',
    }
    return CloudEvent(attributes | more, data)


def sides(call: Call) -> list[CloudEvent]:
    asked = event_of(call, "request", {"instances": call.rows})
    said = event_of(call, "response", {"predictions": [score(**row) for row in call.rows]}, partitionkey=call.id)
    return [asked, said]


def main() -> None:
    form = JSONFormat()
    posts = []
    for number, call in enumerate(calls()):
        for event in sides(call):
            for_kafka = kafka.to_structured(event, form) if number % 2 else kafka.to_binary(event, form)
            sent = http.to_structured(event, form) if number % 2 else http.to_binary(event, form)
            posts.append(post("/", sent.headers, sent.body, [for_kafka]))
    # the package has no batch: an array of its structured events, as the JSON format of CloudEvents says
    several = [event for call in calls()[:3] for event in sides(call)]
    whole = [http.to_structured(event, form) for event in several]
    body = b"[" + b",".join(one.body for one in whole) + b"]"
    batch = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}
    posts.append(post("/", batch, body, [kafka.to_structured(event, form) for event in several]))
    write_posts("cloudevents", ["cloudevents"], posts)


if __name__ == "__main__":
    main()
