"""Settings of the topics that are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from monitor.settings.types import Fault, Part, Topic, shown


class Outputs(Part):
    """The topics that are written; they have to exist."""

    alerts_topic: Topic | None = Field(default="driftd.alerts", description="transitions of incidents; null: none")
    cloudevents: Literal["structured", "binary"] = Field(
        default="structured", description="how they are written; binary: attributes as headers, for Knative's triggers"
    )
    rejects_topic: Topic | None = Field(
        default="driftd.rejects", description="records with a rejected event; null: none"
    )

    def cross_checks(self) -> Iterator[Fault]:
        if self.alerts_topic is not None and self.alerts_topic == self.rejects_topic:
            yield ("rejects_topic",), f"{shown(self.rejects_topic)} is alerts_topic too; write another topic or null"
