"""Who may post to the bridge, over what, and what its page of series says of it."""

from __future__ import annotations

import http.client
import ssl
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from monitor.bridge.access import Access
from monitor.errors import UsageError
from monitor.settings.bridge import Bridge
from tests.bridges import JSON, NDJSON, posted, trusting
from tests.real_parts.tls import make_certificates
from tests.unit.bridge.received import Received, token_file

EVENT: Final = b'{"id": "a"}'


def test_a_token_is_asked_for_and_read_again_when_it_changes(tmp_path: Path) -> None:
    file = token_file(tmp_path, "secret")
    with Received(token_file=file) as received, received.client() as client:
        for token, status in (("", 401), ("Bearer", 401), ("Bearer wrong", 401), ("Basic secret", 401)):
            assert posted(client, "/events", EVENT, {**JSON, "Authorization": token})[0] == status
        assert posted(client, "/events", EVENT, {**JSON, "Authorization": "bearer secret"})[0] == 202
        client.request("GET", "/metrics")
        assert client.getresponse().read().startswith(b"# HELP driftd_bridge_")
        token_file(tmp_path, "another")
        received.access.look()
        assert posted(client, "/events", EVENT, {**JSON, "Authorization": "Bearer secret"})[0] == 401
        assert posted(client, "/events", EVENT, {**JSON, "Authorization": "Bearer another"})[0] == 202
        file.unlink()
        received.access.look()
        token_file(tmp_path, "")
        received.access.look()
        assert posted(client, "/events", EVENT, {**JSON, "Authorization": "Bearer another"})[0] == 202


def test_tls_with_a_certificate_that_is_renewed(tmp_path: Path) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
    old, new = (make_certificates(tmp_path / folder) for folder in ("old", "new"))
    certificate = tmp_path / "tls.pem"
    certificate.write_bytes(old.keystore.read_bytes())
    with Received(tls_certfile=certificate) as received:

        def post(ca_file: Path) -> int:
            context = trusting(ca_file)
            client = http.client.HTTPSConnection("127.0.0.1", received.port, timeout=10, context=context)
            try:
                return posted(client, "/events", b'{"id": 1}\n{"id": 2}', NDJSON)[0]
            finally:
                client.close()

        assert post(old.ca_file) == 202
        with pytest.raises(ssl.SSLError):
            post(new.ca_file)
        certificate.write_bytes(new.keystore.read_bytes())
        received.access.look()
        assert post(new.ca_file) == 202
        assert received.figures.records == {"events": 4}


def test_a_certificate_whose_key_is_not_there_yet_leaves_the_one_before(tmp_path: Path) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
    old, new = (make_certificates(tmp_path / folder) for folder in ("old", "new"))
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes((tmp_path / "old/server.pem").read_bytes())
    key.write_bytes((tmp_path / "old/server.key").read_bytes())
    with Received(tls_certfile=certificate, tls_keyfile=key) as received:

        def post(ca_file: Path) -> int:
            context = trusting(ca_file)
            with closing(
                http.client.HTTPSConnection("127.0.0.1", received.port, timeout=10, context=context)
            ) as client:
                return posted(client, "/events", EVENT, JSON)[0]

        assert post(old.ca_file) == 202
        certificate.write_bytes((tmp_path / "new/server.pem").read_bytes())
        with capture_logs() as logged:
            for _ in range(5):
                received.access.look()
        assert post(old.ca_file) == 202
        key.write_bytes((tmp_path / "new/server.key").read_bytes())
        received.access.look()
        assert post(new.ca_file) == 202
    assert [line["event"] for line in logged] == ["file_not_taken"]


def test_metrics_are_read_by_prometheus_and_count_every_answer() -> None:
    with Received() as received, received.client() as client:
        for path in ("/events", "/labels", "/", "/topics/events", "/nowhere"):
            posted(client, path, EVENT, JSON)
        for path in ("/livez", "/readyz"):
            client.request("GET", path)
            client.getresponse().read()
        client.request("GET", "/metrics")
        text = client.getresponse().read().decode()
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    for path in ("events", "labels", "root", "topics"):
        assert samples["driftd_bridge_requests_total", path, "202"] == 1
    assert samples["driftd_bridge_requests_total", "none", "404"] == 1
    assert samples["driftd_bridge_requests_total", "pages", "200"] == 2
    assert samples["driftd_bridge_records_total", "events"] == samples["driftd_bridge_answer_seconds_count",] == 4
    assert samples["driftd_bridge_bytes_total", "events"] == 4 * len(EVENT)
    assert samples["driftd_bridge_answer_seconds_bucket", "+Inf"] == 4


@pytest.mark.parametrize("content", ["", " \n", "two words", "x" * 70_000])
def test_a_file_that_holds_no_token_is_refused_at_the_start(tmp_path: Path, content: str) -> None:
    with pytest.raises(UsageError, match=r"bridge\.token_file: .*token"):
        Access(Bridge(token_file=token_file(tmp_path, content)))
