"""The function of `driftd bridge`; in a file of its own, as it needs a third of the memory of the other commands."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from monitor.bridge.serve import serve
from monitor.kafka.library_log import REPORTED_BY_US
from monitor.log import configure_logging
from monitor.settings.load import load_settings


def bridge(arguments: Namespace) -> int:
    """The HTTP receiver."""
    configured = load_settings(Path(arguments.config), os.environ)
    configure_logging(level=configured.log.level, form=configured.log.format, muted=REPORTED_BY_US)
    return serve(configured)
