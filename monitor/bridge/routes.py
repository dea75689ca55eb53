"""Which path goes to which topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from monitor.bridge.posts import Carrier, any_form, azure, native
from monitor.errors import UsageError
from monitor.settings.tree import Settings

#: the paths that are read, and what each is
PAGES: Final = ("/metrics", "/livez", "/readyz")
TOPICS: Final = "/topics/"
#: the labels of series for requests of pages, and of paths that are none
OF_PAGES: Final = "pages"
NOWHERE: Final = "none"


class Route(NamedTuple):
    """Where posts to a path go. `name` is the label of series."""

    name: str
    topic: str
    carried: Carrier


def routes(settings: Settings) -> Mapping[str, Route]:
    """The routes of all paths that take posts.

    Raises:
        UsageError: no topic to put posts on.
    """
    bridge = settings.bridge
    inputs = [entry.topic for entry in settings.inputs]
    topic = bridge.topic or (inputs[0] if len(inputs) == 1 else None)
    if topic is None:
        raise UsageError(
            f"bridge.topic: missing, as there are several inputs; write the one that posts go to: {', '.join(inputs)}"
        )
    found = {
        "/": Route("root", topic, any_form),
        "/events": Route("events", topic, native),
        "/labels": Route("labels", bridge.labels_topic or topic, native),
        "/modeldata/log": Route("azure", bridge.azure_topic or topic, azure(bridge.azure_source)),
    }
    named = dict.fromkeys([*inputs, *(route.topic for route in found.values())])
    return found | {TOPICS + name: Route("topics", name, any_form) for name in named}


def topics_of(settings: Settings) -> list[str]:
    """The topics that the bridge may write to.

    Raises:
        UsageError: as `routes`.
    """
    return sorted({route.topic for route in routes(settings).values()})
