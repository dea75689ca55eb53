"""What OpenLineage's client makes of the events, which its own classes write again; and whether they fit its schema.

The schemas are asked for at the addresses that the events name, or are read from a checkout of the project's `spec`
(`OPENLINEAGE_SPEC`). They are not kept here.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client import event_v2
from openlineage.client.facet_v2 import data_quality_assertions_dataset, data_quality_metrics_input_dataset
from openlineage.client.serde import Serde
from referencing import Registry, Resource

Tree = dict[str, Any]
PACKAGES = ("openlineage-python", "jsonschema")


def schema_at(address: str) -> Resource[Any]:
    name = address.rpartition("/")[2]
    if "OPENLINEAGE_SPEC" in os.environ:
        (found,) = Path(os.environ["OPENLINEAGE_SPEC"]).rglob(name)
        content = json.loads(found.read_text(encoding="utf-8"))
        assert content["$id"] == address, f"{found} is {content['$id']}, and the events say {address}"
    else:
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310  # of the events under test
            content = json.load(answer)
    return Resource.from_contents(content)


REGISTRY: Any = Registry(retrieve=schema_at)  # type: ignore[call-arg]  # its own fields, by attrs


def check(thing: Tree, address: str) -> str:
    """Whether it fits; returns the schema's name and version."""
    Draft202012Validator({"$ref": address}, registry=REGISTRY, format_checker=FormatChecker()).validate(thing)
    *_, number, name = address.partition("#")[0].split("/")
    return f"{name} {number}"


def by_its_classes(facets: Tree) -> list[str]:
    """The facets made by the client's classes from the same fields; returns what they hold."""
    held = []
    for name, fields in facets.items():
        own = {key: value for key, value in fields.items() if not key.startswith("_")}
        if name == "dataQualityAssertions":
            several = [data_quality_assertions_dataset.Assertion(**one) for one in own["assertions"]]
            facet: Any = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(several)
            held.append(f"{len(several)} assertions, {sum(not one.success for one in several)} failed")
        else:
            columns = {
                column: data_quality_metrics_input_dataset.ColumnMetrics(**one)
                for column, one in own["columnMetrics"].items()
            }
            kind = data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet
            facet = kind(columns, rowCount=own["rowCount"])
            held.append(f"{facet.rowCount} rows, {len(columns)} columns")
        again = json.loads(Serde.to_json(facet))
        for one in again.get("assertions", ()):
            assert one.pop("params", {}) == {}  # its classes add an empty one
        assert {key: value for key, value in again.items() if not key.startswith("_")} == own, name
    return held


schemas, read = set(), []
for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
    event = json.loads(line)
    schemas.add(check(event, event["schemaURL"]))
    of_inputs = [one.get("inputFacets", {}) for one in event["inputs"]]
    for fields in (event["run"]["facets"], *of_inputs):
        schemas |= {check(facet, facet["_schemaURL"]) for facet in fields.values()}
    state = event_v2.RunState(event["eventType"])
    run, job = event_v2.Run(event["run"]["runId"]), event_v2.Job(event["job"]["namespace"], event["job"]["name"])
    whole = event_v2.RunEvent(eventTime=event["eventTime"], run=run, job=job, eventType=state)
    held = [text for fields in of_inputs for text in by_its_classes(fields)]
    read.append(f"{state.value} {whole.eventTime} {job.name}: {'; '.join(held)}")
versions = {name: version(name) for name in PACKAGES}
print(json.dumps({"read_by": versions, "read": {"events": read, "fit": sorted(schemas)}}))
