"""What the package of CloudEvents makes of what subscribers of Knative's triggers get from the alert topic."""

from __future__ import annotations

import base64
import json
import sys
from importlib.metadata import version
from pathlib import Path

from cloudevents.core.bindings.http import HTTPMessage, from_http
from cloudevents.core.formats.json import JSONFormat
from knative import Record, Request, subscriber, triggered

#: what triggers want, by their name
TRIGGERS: dict[str, dict[str, str]] = {
    "all": {},
    "incidents": {"type": "io.driftd.incident"},
    "pages": {"type": "io.driftd.incident", "severity": "page"},
    "pages that begin": {"type": "io.driftd.incident", "severity": "page", "transition": "opened"},
    "another case": {"type": "io.driftd.Incident"},
    "another severity": {"type": "io.driftd.incident", "severity": "pag"},
}


def record_of(line: str) -> Record:
    """A line of a recording."""
    tree = json.loads(line)
    return Record([(name, base64.b64decode(text)) for name, text in tree["headers"]], base64.b64decode(tree["value"]))


def understood(request: Request) -> str:
    event = from_http(HTTPMessage(request.headers, request.body), JSONFormat())
    data = event.get_data()
    assert isinstance(data, dict)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_time() is not None
    about = f"{event.get_id()} {event.get_type()} of {event.get_subject()}"
    return f"{about} {event.get_extension('severity')} {event.get_extension('transition')}: {data['kind']}"


records = [record_of(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
read = {}
for name, wanted in TRIGGERS.items():
    with subscriber() as (port, got):
        triggered(records, wanted, port)
    read[name] = [understood(request) for request in got]
print(json.dumps({"read_by": {"cloudevents": version("cloudevents")}, "read": read}))
