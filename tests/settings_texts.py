"""Small settings files for tests, and the faults of wrong ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monitor.errors import UsageError
from monitor.settings.tree import Settings

SMALL = "inputs: [{topic: events}]\nmodels: [{name: credit, reference: c.json}]\n"
CANARY = "hunter2canary"
SASL = {
    "DRIFTD_KAFKA__SECURITY__PROTOCOL": "SASL_SSL",
    "DRIFTD_KAFKA__SECURITY__SASL_MECHANISM": "SCRAM-SHA-512",
    "DRIFTD_KAFKA__SECURITY__SASL_USERNAME": "driftd",
}

Load = Callable[..., Settings]


def faults_of(load: Load, text: str = SMALL, **environ: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load(text, **environ)
    return list(caught.value.faults)
