"""ADWIN by River's core: the detector that `river.drift` gives, without what that imports."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from river.drift import ADWIN

from monitor.stats import adwin
from monitor.stats.adwin import Adwin


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("public", [False, True])
def test_it_detects_and_estimates_as_river_does(seed: int, public: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if public:
        monkeypatch.setattr(adwin, "_core_of", lambda: adwin._Public)
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.random(400) * 0.2, rng.random(300) * 0.2 + 0.4, rng.random(300) * 0.1]).tolist()
    ours, river = Adwin(0.002), ADWIN(delta=0.002)  # type: ignore[no-untyped-call]  # River has no types here
    changes = 0
    for value in values:
        river.update(value)  # type: ignore[no-untyped-call]  # as above
        assert ours.update(value) == river.drift_detected
        assert ours.estimation == pytest.approx(river.estimation, abs=1e-12)
        changes += river.drift_detected
        if river.drift_detected:  # River begins from scratch with the next value
            ours, river = Adwin(0.002), ADWIN(delta=0.002)  # type: ignore[no-untyped-call]  # as above
    assert changes >= 2


def test_it_does_not_import_what_the_detector_needs_nothing_of() -> None:
    code = "import sys; from monitor.stats.adwin import Adwin; Adwin(0.002).update(1.0); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "river._river_rust" in loaded
    assert not {"pandas", "sklearn", "river.drift", "scipy"} & set(loaded)
