"""Settings of the bridge: each wrong one has one fault, by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.settings.load import load_settings

SMALL = "inputs: [{topic: events}]\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{prot: 1}", "bridge.prot: no such setting; did you mean bridge.port?"),
        ("{connections: 0}", "bridge.connections: 0 is below 1"),
        ("{answer_timeout: 0s}", "bridge.answer_timeout: '0s' is not above 0; write 30d, 12h, 15m"),
        (
            "{topic: a b}",
            "bridge.topic: 'a b' is not the name of a topic; write up to 249 of A-Z a-z 0-9 . _ -",
        ),
        (
            "{tls_keyfile: key.pem}",
            "bridge.tls_certfile: missing, and tls_keyfile needs it; write the path of a PEM file",
        ),
        (
            "{queue_bytes: 10, body_bytes: 100}",
            "bridge.queue_bytes: is below body_bytes (100): no body of that size would be taken",
        ),
        (
            "{labels_topic: driftd.alerts}",
            "bridge.labels_topic: 'driftd.alerts' is an output of the daemon; write another topic",
        ),
    ],
)
def test_a_wrong_setting_has_one_fault(text: str, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "driftd.yaml"
    file.write_text(f"{SMALL}bridge: {text}\n")
    with pytest.raises(UsageError) as wrong:
        load_settings(file, {})
    assert wrong.value.faults == (fault,)


def test_files_start_in_the_folder_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "driftd.yaml"
    file.write_text(f"{SMALL}bridge: {{token_file: token}}\n")
    assert load_settings(file, {"DRIFTD_BRIDGE__PORT": "1"}).bridge.token_file == tmp_path / "token"
